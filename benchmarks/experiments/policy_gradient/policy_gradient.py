"""Is the score function the same with policy gradient? The two side by side, and what reward-to-go and values are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradmark.benchmarks import specs
from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.experiments.policy_gradient.reinforce import reinforce
from gradmark.benchmarks.measurement.block import HOST, Setting, block_seed, seeded
from gradmark.benchmarks.measurement.quantities import positive
from gradmark.benchmarks.measurement.replicates import moments_at
from gradmark.benchmarks.problems import TabularMDP, ValueBaseline
from gradmark.benchmarks.problems.decisions.base import DecisionProblem
from gradmark.benchmarks.problems.distributions.trajectories import MOST_PATHS
from gradmark.estimators.core import Estimator, gradient_of_sum

WHOLE, OTHERS = "the whole return", "the whole return, leave-one-out"
TO_GO, VALUE = "reward-to-go", "reward-to-go less the value"


@dataclass(frozen=True)
class PolicyGradient(Experiment):
    """The variance of four policy gradients of `num_samples` trajectories against the horizon, at the uniform policy.

    The score function's cost is minus the return; split by site it is the reward-to-go, with the value function in its
    terms a baseline. The table `variances` has the total variance and |∇J|² for each horizon and weight of the score;
    `agreement` has, for each horizon, the largest differences in the gradient: dynamic programming from enumeration of
    all paths (none beyond 2^18), and three estimators from a hand-written REINFORCE of the same seed; and how many of
    that many trajectories differ. Raises ValueError for horizons that are not increasing and fewer than two draws.

    Reference: sutton2000
    """

    title = "The score function is the policy gradient"

    horizons: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    num_samples: int = 4
    replicates: int = 16384

    def validate(self) -> None:
        if not self.horizons or list(self.horizons) != sorted(set(self.horizons)) or self.horizons[0] < 1:
            raise ValueError(f"PolicyGradient(horizons={self.horizons}): horizons increase from 1 on; use (1, 4, 16)")
        if self.num_samples < 2 or self.replicates < 1024:
            raise ValueError(
                f"PolicyGradient(num_samples={self.num_samples}, replicates={self.replicates}): leave-one-out takes 2 "
                "draws, and a variance 1024 replicates; use num_samples=4, replicates=16384"
            )

    def run(self, seed: int) -> Tables:
        mdps = [TabularMDP(horizon=horizon) for horizon in self.horizons]
        return {
            "setting": [{"num_samples": self.num_samples}],
            "variances": [row for mdp in mdps for row in self._variances(mdp, seed)],
            "agreement": [self._agreement(mdp, seed) for mdp in mdps],
        }

    def _variances(self, mdp: TabularMDP, seed: int) -> list[dict[str, Any]]:
        size = float(exact_gradient(mdp).square().sum())
        rows = []
        for name, problem, estimator in _four(mdp):
            setting = Setting(problem, estimator, self.num_samples, problem.init())
            found = positive(moments_at(setting, "init", seed, self.replicates).traces[:, 0]).json()
            rows.append({"horizon": mdp.horizon, "weight": name, "variance": found, "squared_gradient": size})
        return rows

    def _agreement(self, mdp: TabularMDP, seed: int) -> dict[str, Any]:
        few = mdp.environment(torch.zeros(())).paths <= MOST_PATHS
        enumerated = exact_gradient(mdp, enumerated=True) if few else None
        found: dict[str, Any] = {
            "horizon": mdp.horizon,
            "enumeration": None if enumerated is None else _apart(exact_gradient(mdp), enumerated),
        }
        differ = 0
        for name, problem, estimator in _four(mdp):
            if name != OTHERS:
                found[name], paths = self._by_hand(problem, estimator, name, seed)
                differ += paths
        return found | {"paths_that_differ": differ}

    def _by_hand(self, mdp: DecisionProblem, estimator: Estimator, name: str, seed: int) -> tuple[float, int]:
        """How far an estimate is from a hand-written one of the same seed, and how many trajectories are others."""
        params, count = mdp.init(), self.num_samples
        one = block_seed(mdp, count, "by hand", seed, 1, 0)
        with seeded(one, HOST):
            ours = estimator.estimate(mdp, params, (), count).gradient["logits"]
        with seeded(one, HOST):
            z = mdp.distribution(params).sample((count,))
        values = mdp.values(params) if name == VALUE else None
        with seeded(one, HOST):
            here = mdp.environment(params["logits"])
            path, hand = reinforce(here, params["logits"], count, to_go=name != WHOLE, values=values)
        return _apart(ours, hand), int((z != path).any(-1).sum())


def exact_gradient(mdp: TabularMDP, *, enumerated: bool = False) -> Tensor:
    """∇E[cost] in the logits at the uniform policy, by dynamic programming or by enumeration of all paths."""
    params = {name: value.requires_grad_() for name, value in mdp.init().items()}
    return gradient_of_sum(mdp.enumerated(params) if enumerated else mdp.exact(params), params)["logits"]


def _four(mdp: TabularMDP) -> list[tuple[str, DecisionProblem, Estimator]]:
    split = specs.estimator("RaoBlackwellScoreFunction()")
    return [
        (WHOLE, mdp, specs.estimator("ScoreFunction()")),
        (OTHERS, mdp, specs.estimator("LeaveOneOut()")),
        (TO_GO, mdp, split),
        (VALUE, ValueBaseline(mdp), split),
    ]


def _apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())
