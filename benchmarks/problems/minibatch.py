"""A source of problems: each pair of replicates sees its own rows of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from gradmark.benchmarks.problems.sizes import short
from gradmark.estimators.core import LatentVariableModel, Params, Problem, Term

AT_ONCE = 2**22  # numbers that rows are drawn by: the generator gives the same ones in one piece


@dataclass(frozen=True)
class Minibatch(Problem):
    """`size` rows drawn uniformly without replacement stand for all of them, each with the weight rows/size.

    An estimator never sees this class: `draw` gives it the inner problem with its rows fixed, and everything else is
    the inner problem on all of its rows. Replicates 2i and 2i + 1 share their rows, so that the variance within pairs
    is the estimator's and what pairs differ by beyond that is the minibatch's. The mean over all minibatches of their
    expected cost is the expected cost of all rows: an estimator that is unbiased for the rows it sees is unbiased.

    Shapes: rows are drawn as `[replicates, size]`; under them cost is `[*S, *R, size]`, or `[*S, *R]` for a shared z.

    Raises ValueError where `problem` has no rows, or `size` is not between 1 and their number.

    Reference: hoffman2013
    """

    problem: Problem
    size: int = 100

    def validate(self) -> None:
        if not isinstance(self.problem, LatentVariableModel):
            raise ValueError(f"Minibatch(problem={self.problem}): it has no rows of data; use LinearGaussian()")
        most = self.problem.num_rows
        if not 1 <= self.size <= most:
            raise ValueError(f"Minibatch(size={short(self.size)}): {self.problem} has {most} rows; pass 1 to {most}")

    @property
    def template(self) -> LatentVariableModel:
        return cast(LatentVariableModel, self.problem)

    @property
    def seen(self) -> LatentVariableModel:
        return self.template.select(torch.arange(self.size))

    def draw(self, replicates: int, sharing: int = 2) -> LatentVariableModel:
        """The inner problem on rows `[replicates, size]`, from torch's default generator of the CPU."""
        draws = -(-replicates // sharing)
        rows = self.template.num_rows
        parts = [min(AT_ONCE // rows + 1, draws - start) for start in range(0, draws, AT_ONCE // rows + 1)]
        # 53 bits leave no ties, which 24 would among many rows
        orders = [torch.rand(size, rows, dtype=torch.float64, device="cpu").topk(self.size).indices for size in parts]
        order = torch.cat(orders)
        return self.template.select(order.repeat_interleave(sharing, 0)[:replicates])

    def init(self) -> Params:
        return self.problem.init()

    def distribution(self, params: Params) -> Distribution:
        return self.problem.distribution(params)

    def cost(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Float[Tensor, "*batch"]:
        return self.problem.cost(params, z, q)

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Sequence[Term]:
        return self.problem.terms(params, z, q)

    def exact(self, params: Params) -> Tensor | None:
        return self.problem.exact(params)

    @property
    def no_oracle(self) -> str | None:
        return self.problem.no_oracle

    @property
    def differentiable(self) -> bool:
        return self.problem.differentiable

    @property
    def footprint(self) -> int:
        return max(1, self.problem.footprint * self.size // self.template.num_rows)
