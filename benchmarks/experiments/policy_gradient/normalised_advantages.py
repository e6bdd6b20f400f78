"""Batch-normalised advantages are biased, and by how much: against the size of the batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import gammaln
from torch import Tensor

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.measurement.block import block_seed, lifted, seeded
from gradmark.benchmarks.measurement.quantiles import t_isf
from gradmark.benchmarks.measurement.quantities import LEVEL, Quantity, signed
from gradmark.benchmarks.problems import ContextualBandit
from gradmark.benchmarks.problems.decisions.base import DecisionProblem
from gradmark.estimators.core import Params, Problem, State, SurrogateEstimator, gradient_of_sum

GROUPS = 32  # of replicates, whose means give the intervals
MOST_BATCHES = 100_000  # different ones, up to order, that the exact expectation sums over
AT_ONCE = 2**15  # trajectories that are drawn at once


@dataclass(frozen=True)
class BatchMeanBaseline(SurrogateEstimator):
    """Weigh each score by the cost less the batch's mean.

        g = 1/K Σ_k (f_k − f̄) ∇ log q(z_k)

    Biased: E[g] = (K − 1)/K ∇E[f], as each draw is in its own baseline.
    """

    unbiased = False

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, q).detach()
        return ((cost - cost.mean(0)) * q.log_prob(z)).mean(0), state


@dataclass(frozen=True)
class BatchNormalisedAdvantages(SurrogateEstimator):
    """Weigh each score by the cost less the batch's mean, over the batch's sd.

        g = 1/K Σ_k (f_k − f̄)/sd ∇ log q(z_k),   sd² = 1/(K − 1) Σ_k (f_k − f̄)²,   g = 0 where sd = 0

    Biased, and E[g] is parallel to nothing in particular: the sd is another one for each batch, and depends on the
    draws that it divides.
    """

    unbiased = False

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, q).detach()
        return (advantages(cost) * q.log_prob(z)).mean(0), state


def advantages(cost: Tensor) -> Tensor:
    """(f − f̄)/sd over the first axis; zero where all are equal."""
    centred = cost - cost.mean(0)
    spread = centred.square().sum(0).div(len(cost) - 1).sqrt()
    return torch.where(spread > 1e-9 * (1 + cost.abs().amax(0)), centred / spread, 0.0)


METHODS = {"mean baseline": BatchMeanBaseline(), "normalised": BatchNormalisedAdvantages()}


@dataclass(frozen=True)
class NormalisedAdvantages(Experiment):
    """The expected gradient of batch-normalised advantages, times the sd of the return, beside the exact gradient ∇J.

    For each batch size K the table `bias` has, for the mean baseline and the normalised one, the length
    ⟨sd E[g], ∇J⟩/|∇J|² (the mean baseline without the sd: its length is (K − 1)/K) and the cosine of E[g] with ∇J, over
    about `draws` trajectories, at logits `off` away from the uniform policy. Where batches are few enough to be summed
    over, `exact_length` and `exact_cosine` have no noise. Raises ValueError for batches of less than two or less than
    2^16 draws.

    Reference: andrychowicz2021
    """

    title = "Batch-normalised advantages are biased"

    problem: Problem = ContextualBandit()  # noqa: RUF009  # frozen
    batches: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256)
    off: float = 1.0
    draws: int = 2**19

    def validate(self) -> None:
        if not self.batches or min(self.batches) < 2 or self.draws < 2**16:
            raise ValueError(
                f"NormalisedAdvantages(batches={self.batches}, draws={self.draws}): one draw has no sd, and an "
                "expectation takes 65536 draws; use batches=(2, 8, 32), draws=524288"
            )

    def refuses(self) -> str | None:
        if isinstance(self.problem, DecisionProblem):
            return None
        return f"NormalisedAdvantages(problem={self.problem}): it has no return; use ContextualBandit() or TabularMDP()"

    def run(self, seed: int) -> Tables:
        assert isinstance(self.problem, DecisionProblem), "refuses() has looked"
        params = self._params()
        leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
        truth = gradient_of_sum(self.problem.exact(leaves), leaves)["logits"].flatten().numpy()
        sd = math.sqrt(float(self.problem.return_variance(params)))
        rows = [self._row(params, truth, sd, batch, name, seed) for batch in self.batches for name in METHODS]
        return {"setting": [{"problem": str(self.problem), "off": self.off, "sd": sd}], "bias": rows}

    def _params(self) -> Params:
        """Off the uniform policy by a different amount in each logit."""
        logits = self.problem.init()["logits"]
        steps = torch.arange(logits.numel(), dtype=torch.float64).view(logits.shape)
        return {"logits": logits + self.off * torch.cos(1 + 2.4 * steps)}

    def _row(self, params: Params, truth: np.ndarray, sd: float, batch: int, name: str, seed: int) -> dict[str, Any]:
        means = self._means(params, batch, name, seed) * (sd if name == "normalised" else 1.0)
        row: dict[str, Any] = {"batch": batch, "method": name, "exact_length": None, "exact_cosine": None}
        row |= {"length": signed(means @ truth / (truth @ truth)).json(), "cosine": cosine(means, truth).json()}
        assert isinstance(self.problem, DecisionProblem), "refuses() has looked"
        exact = expected_gradient(self.problem, params, batch, normalised=name == "normalised")
        if exact is not None:
            exact = exact * (sd if name == "normalised" else 1.0)
            row["exact_length"] = float(exact @ truth / (truth @ truth))
            row["exact_cosine"] = float(exact @ truth / np.linalg.norm(exact) / np.linalg.norm(truth))
        return row

    def _means(self, params: Params, batch: int, name: str, seed: int) -> np.ndarray:
        """The means of the groups of estimates, `[GROUPS, P]`."""
        estimator, size = METHODS[name], max(AT_ONCE // batch, 1)
        each = max(self.draws // (GROUPS * size * batch), 1)
        at, found = lifted(params, size), []
        for group in range(GROUPS):
            with seeded(block_seed(self.problem, batch, "advantages", seed, size, group), torch.device("cpu")):
                drawn = [
                    estimator.estimate(self.problem, at, (), batch).gradient["logits"].mean(0) for _ in range(each)
                ]
            found.append(torch.stack(drawn).mean(0).flatten().numpy())
        return np.array(found)


def cosine(means: np.ndarray, truth: np.ndarray) -> Quantity:
    """The cosine of the groups' mean with `truth`, by the jackknife, which takes away the pull of noise to zero."""

    def of(mean: np.ndarray) -> float:
        return float(mean @ truth / np.linalg.norm(mean) / np.linalg.norm(truth))

    count, whole = len(means), of(means.mean(0))
    left_out = np.array([of((means.sum(0) - each) / (count - 1)) for each in means])
    value = count * whole - (count - 1) * left_out.mean()
    stderr = math.sqrt((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum())
    reach = t_isf((1 - LEVEL) / 2, count - 1) * stderr
    return Quantity(float(value), stderr, (float(value - reach), float(value + reach)))


def expected_gradient(problem: DecisionProblem, params: Params, batch: int, *, normalised: bool) -> np.ndarray | None:
    """E[g] of one of the two estimators, as a sum over all batches up to order, `[P]`; None where they are too many.

    A batch that has path i n_i times has the probability K! Π_i p_i^{n_i}/n_i!.
    """
    q, paths = problem.distribution(params), problem.environment(params["logits"]).paths
    if paths > MOST_BATCHES:
        return None
    every = q.enumerate_support()
    every = every[q.log_prob(every) > -torch.inf]
    paths = len(every)
    if math.comb(batch + paths - 1, batch) > MOST_BATCHES:
        return None
    cost = problem.cost(params, every, q).numpy()
    score = torch.func.jacrev(lambda logits: problem.distribution({"logits": logits}).log_prob(every))(params["logits"])
    counts = _counts(batch, paths)
    log_chance = gammaln(batch + 1) - gammaln(counts + 1).sum(1) + counts @ q.log_prob(every).numpy()
    centred = cost - (counts @ cost / batch)[:, None]
    if normalised:
        spread = np.sqrt((counts * centred**2).sum(1) / (batch - 1))[:, None]
        centred = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-9 * (1 + np.abs(cost).max()))
    weight = (np.exp(log_chance)[:, None] * counts * centred / batch).sum(0)
    return weight @ score.reshape(paths, -1).numpy()


def _counts(total: int, kinds: int) -> np.ndarray:
    """All ways to write `total` as a sum of `kinds` counts, one a row."""
    rows = np.zeros((1, 0), dtype=int)
    for _ in range(kinds - 1):
        left = total - rows.sum(1)
        again = np.repeat(np.arange(len(rows)), left + 1)
        added = np.concatenate([np.arange(count + 1) for count in left])
        rows = np.column_stack([rows[again], added])
    return np.column_stack([rows, total - rows.sum(1)])
