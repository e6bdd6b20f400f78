"""What a fixed prior hides: the same model with its prior learned and held, and where the difference goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradmark.benchmarks import specs
from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.measurement.block import block_seed, lifted, seeded
from gradmark.benchmarks.problems import (
    BernoulliVAE,
    FixedPriorBernoulliVAE,
    NonlinearBernoulliVAE,
    NonlinearFixedPriorBernoulliVAE,
)
from gradmark.benchmarks.problems.autoencoders.bernoulli_vae.base import BinaryAutoEncoder
from gradmark.estimators.core import Enumerated, Params, Problem

SOLVERS = {
    "maximum likelihood": "Adam(estimator=ExactMarginalLikelihood(), rate=0.05)",
    "exact bound": "Adam(estimator=ExactGradient(), rate=0.05)",
    "leave-one-out": "Adam(estimator=LeaveOneOut(), rate=0.05, num_samples=4)",
}
JITTER = 0.1  # of the starts


@dataclass(frozen=True)
class FixedPrior(Experiment):
    """`problem` trained with its prior's parameters learned, and with them fixed where they start.

    The best of `starts` starts by log p(x) is kept. With p(z|x) the model's posterior and p̄(z) its mean over the data,

        mean KL(p(z|x) ‖ p(z)) = I(x; z) + TC(p̄) + Σ_j KL(p̄(z_j) ‖ p(z_j))

    information about x, the total correlation of p̄, and what the prior says wrongly of each latent by itself. Where log
    p(x) is stationary in the prior's parameters, the last part is zero: p(z_j) = p̄(z_j). The table `fits` has these
    in nats a row; `latents` the two probabilities of each latent.
    Raises ValueError for a start or step too few.

    Reference: hoffman2016
    """

    title = "A fixed prior hides part of θ"

    problem: Problem = BernoulliVAE(latents=5, rows=300)  # noqa: RUF009  # frozen
    steps: int = 400
    starts: int = 3

    def validate(self) -> None:
        if self.steps < 1 or self.starts < 1:
            raise ValueError(
                f"FixedPrior(steps={self.steps}, starts={self.starts}): one or more; use steps=400, starts=3"
            )

    def refuses(self) -> str | None:
        if isinstance(self.problem, BernoulliVAE | NonlinearBernoulliVAE) and self.problem.no_oracle is None:
            return None
        return f"FixedPrior(problem={self.problem}): a prior to learn and an enumerated z; use BernoulliVAE(latents=5)"

    def run(self, seed: int) -> Tables:
        assert isinstance(self.problem, BernoulliVAE | NonlinearBernoulliVAE), "refuses() has looked"
        fits, latents = [], []
        for prior, problem in (("learned", self.problem), ("fixed", _with_fixed_prior(self.problem))):
            for name, text in SOLVERS.items():
                params = self._trained(problem, text, seed)
                label = {"fit": name, "prior": prior}
                fits.append(label | _parts(problem, params))
                pairs = zip(*(each.tolist() for each in _marginals(problem, params)), strict=True)
                latents += [label | {"latent": j, "posterior": p, "prior_says": q} for j, (p, q) in enumerate(pairs)]
        return {"fits": fits, "latents": latents}

    def _trained(self, problem: BinaryAutoEncoder, text: str, seed: int) -> Params:
        """The best of the starts, without a replicate axis; the starts are the same for all."""
        solver = specs.solver(text)
        with seeded(block_seed(self.problem, 0, "prior", seed, 1, 0), torch.device("cpu")):
            start = lifted(problem.init(), self.starts)
            params = {name: value + JITTER * torch.randn_like(value) for name, value in start.items()}
            state = solver.init(problem, params)
            for _ in range(self.steps):
                params, state = solver.step(problem, params, state)
        evidence = problem.log_evidence(params)
        assert evidence is not None, "an enumerated model knows log p(x)"
        best = int(evidence.sum(-1).argmax())
        return {name: value[best] for name, value in params.items()}


def _with_fixed_prior(problem: BernoulliVAE | NonlinearBernoulliVAE) -> BinaryAutoEncoder:
    """The same model with a prior of one half."""
    if isinstance(problem, NonlinearBernoulliVAE):
        return NonlinearFixedPriorBernoulliVAE(problem.data, problem.latents, problem.rows, problem.hidden)
    return FixedPriorBernoulliVAE(problem.data, problem.latents, problem.rows)


def _posterior(problem: BinaryAutoEncoder, params: Params) -> Enumerated:
    posterior = problem.posterior(params)
    assert posterior is not None, "an enumerated model knows p(z|x)"
    return posterior


def _marginals(problem: BinaryAutoEncoder, params: Params) -> tuple[Tensor, Tensor]:
    """p̄(z_j = 1) and p(z_j = 1), `[latents]`."""
    return _posterior(problem, params).mean.mean(0), problem.prior(params).mean[0]


def _parts(problem: BinaryAutoEncoder, params: Params) -> dict[str, Any]:
    posterior = _posterior(problem, params)
    mean = posterior.probs.mean(0)
    mixed, (ones, says) = Enumerated(posterior.states, mean.log()), _marginals(problem, params)
    alone = (torch.special.entr(ones) + torch.special.entr(1 - ones)).sum()
    wrong = (ones * (ones / says).log() + (1 - ones) * ((1 - ones) / (1 - says)).log()).sum()
    evidence, exact = problem.log_evidence(params), problem.exact(params)
    assert evidence is not None, "an enumerated model knows log p(x)"
    assert exact is not None, "and its bound"
    return {
        "log_evidence": float(evidence.mean()),
        "bound": -float(exact.mean()),
        "information": float(mixed.entropy() - posterior.entropy().mean()),
        "total_correlation": float(alone - mixed.entropy()),
        "mismatch": float(wrong),
    }
