"""Cells whose truth is known, ordinary ones and hard ones, for the counts of intervals and of bias tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, OneHotCategorical

from gradmark.benchmarks import specs
from gradmark.benchmarks.measurement.block import Setting, block_seed, measure_block
from gradmark.benchmarks.measurement.moments import Array, Moments
from gradmark.benchmarks.problems import BernoulliToy, GaussianToy
from gradmark.benchmarks.quadrature.exact_variance import exact_total_variance
from gradmark.estimators.core import Params, Problem, gradient_of_sum

LARGEST = 4096  # replicates in a block


@dataclass(frozen=True)
class HeavyTail(Problem):
    """z ~ N(loc, 1) with cost exp(c z²), at loc = 0: the score-function gradient has moments below 1/(2c) only.

    Its variance is (1 − 4c)^(−3/2); its fourth moment is infinite from c = 1/8 on.
    """

    c: float = 0.15

    def init(self) -> Params:
        return {"loc": torch.zeros(1, dtype=torch.float64)}

    def distribution(self, params: Params) -> Distribution:
        normal = Normal(params["loc"], torch.ones_like(params["loc"]), validate_args=False)
        return Independent(normal, 1, validate_args=False)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return torch.exp(self.c * z.squeeze(-1) ** 2)

    def exact(self, params: Params) -> Tensor:
        narrowed = 1 - 2 * self.c
        return narrowed**-0.5 * torch.exp(self.c * params["loc"].squeeze(-1) ** 2 / narrowed)

    @property
    def no_oracle(self) -> None:
        return None


@dataclass(frozen=True)
class OneOfMany(Problem):
    """One of many categories of very unequal probabilities, with cost table[z]²."""

    categories: int = 1000

    def _numbers(self) -> Array:
        return np.random.default_rng(3).normal(size=(2, self.categories))

    def init(self) -> Params:
        return {"logits": torch.from_numpy(self._numbers()[0])}

    def distribution(self, params: Params) -> Distribution:
        return OneHotCategorical(logits=params["logits"], validate_args=False)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return (z * torch.from_numpy(self._numbers()[1]).to(z)).sum(-1) ** 2

    def exact(self, params: Params) -> Tensor:
        return (params["logits"].softmax(-1) * torch.from_numpy(self._numbers()[1]).to(params["logits"]) ** 2).sum(-1)

    @property
    def no_oracle(self) -> None:
        return None


@dataclass(frozen=True)
class TrustCell:
    """A problem and a method, the total variance where no quadrature has it, and whether intervals have to be given."""

    problem: Problem
    estimator: str
    num_samples: int = 1
    variance: float | None = None
    ordinary: bool = False

    def __str__(self) -> str:
        return f"{self.estimator} on {self.problem}" + (f", K = {self.num_samples}" if self.num_samples > 1 else "")

    @cached_property
    def setting(self) -> Setting:
        """The cell at its problem's start."""
        exact = self.problem.exact(leaves := {k: v.requires_grad_() for k, v in self.problem.init().items()})
        truth = None if exact is None else torch.cat([g.reshape(-1) for g in gradient_of_sum(exact, leaves).values()])
        params = {name: value.detach() for name, value in leaves.items()}
        return Setting(self.problem, specs.estimator(self.estimator), self.num_samples, params, None, truth)

    @property
    def truth(self) -> float:
        """The total variance."""
        return self.variance if self.variance is not None else _exact_variance(self)

    def samples(self, replicates: int, seeds: Iterable[int]) -> Iterator[list[Moments]]:
        """The blocks of one run of so many replicates for each seed, as the runner measures them."""
        size = min(replicates, LARGEST)
        for seed in seeds:
            yield list(self.stream(seed, replicates // size, size))

    def stream(self, seed: int, count: int, size: int = LARGEST) -> Iterator[Moments]:
        """One run's blocks, each measured when it is asked for."""
        for index in range(count):
            number = block_seed(self.problem, self.num_samples, "trust", seed, size, index)
            yield measure_block(self.setting, size, number)


@cache
def _exact_variance(cell: TrustCell) -> float:
    """The total variance by quadrature, once in a process: it takes longer than many runs, which each get a copy."""
    known = exact_total_variance(cell.setting)
    assert known["value"] is not None, f"{cell}: {known['reason']}"
    return known["value"]


QUADRATIC = GaussianToy(k=-3.0)
RARE_BUMP = GaussianToy("exp", 4.0, 4.0)
BUMP_VARIANCE = 0.02508307  # of RARE_BUMP, by the trapezoidal rule on 400 000 points

ORDINARY = (
    TrustCell(QUADRATIC, "Reparameterization()", ordinary=True),
    TrustCell(QUADRATIC, "LeaveOneOut()", 2, ordinary=True),
    TrustCell(QUADRATIC, "ScoreFunction()", ordinary=True),
    TrustCell(GaussianToy("cos", 2.0, 0.4, 0.7), "Reparameterization()", ordinary=True),
    TrustCell(BernoulliToy((0.3,)), "ScoreFunction()", ordinary=True),
    TrustCell(BernoulliToy((0.1,)), "LeaveOneOut()", 2, ordinary=True),
)
HARD = (
    TrustCell(GaussianToy(), "ScoreFunction()"),
    TrustCell(BernoulliToy((0.002,)), "LeaveOneOut()", 2),
    TrustCell(BernoulliToy((0.0005,)), "ScoreFunction()"),
    TrustCell(BernoulliToy((0.0001,)), "ScoreFunction()"),
    TrustCell(RARE_BUMP, "ScoreFunction()", variance=BUMP_VARIANCE),
    TrustCell(HeavyTail(0.15), "ScoreFunction()", variance=0.4**-1.5),
    TrustCell(HeavyTail(0.2), "ScoreFunction()", variance=0.2**-1.5),
)
