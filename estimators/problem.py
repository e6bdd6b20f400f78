"""A problem: an expectation whose gradient is wanted.

Shapes, everywhere: `*S` draws, `*R` replicates, `*B` conditionally independent rows of data, `d` coordinates of z
(`d C` where each is one-hot). A replicate is a leading axis of every parameter: one call makes many estimates.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, TypeAlias

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from gradmark.estimators.spec import Spec

Params: TypeAlias = dict[str, Tensor]  # every tensor is [*R, …]; unconstrained coordinates only


class Term(NamedTuple):
    """One term of a cost, `[*S, *R, *B]`, and the coordinates of z that it is a function of: all others are idle."""

    value: Tensor
    coordinates: tuple[int, ...]


class Problem(Spec):
    """An expectation `E_{z ~ q(z; params)}[cost(params, z)]`, summed over rows, whose gradient is wanted: a loss.

    A problem is deterministic: its fields are its identity and it draws nothing, except a *source* of problems
    (`gradmark.benchmarks.problems.Minibatch`), whose `draw` gives every replicate its own rows.

    Examples:
        >>> from dataclasses import dataclass
        >>> import torch
        >>> from torch.distributions import Independent, Normal
        >>> from gradmark.estimators.core import Problem
        >>> @dataclass(frozen=True)
        ... class Square(Problem):
        ...     def init(self):
        ...         return {"mean": torch.tensor([0.5], dtype=torch.float64)}
        ...     def distribution(self, params):
        ...         return Independent(Normal(params["mean"], 1.0), 1)
        ...     def cost(self, params, z, q):
        ...         return (z**2).sum(-1)
        ...     def exact(self, params):
        ...         return (params["mean"] ** 2 + 1).sum(-1)
        >>> Square().exact(Square().init())
        tensor(1.2500, dtype=torch.float64)
    """

    properties: ClassVar[tuple[str, ...]] = ()  # `"runs_on_any_device"`, where a check must fail if it does not

    @abstractmethod
    def init(self) -> Params:
        """The parameters to start from, float64 on the CPU, without a replicate axis."""

    @abstractmethod
    def distribution(self, params: Params) -> Distribution:
        """q(z; params): batch `(*R, *B)`, event `(d,)`; `(d, C)` where z is d one-hot vectors of C categories."""

    @abstractmethod
    def cost(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Float[Tensor, "*batch"]:
        """The cost of each draw.

        Args:
            params: The parameters, `[*R, …]`.
            z: The draws, `[*S, *R, *B, *event]`.
            q: The distribution of z, which a method may make from detached parameters.

        Returns:
            One number for each draw, `[*S, *R, *B]`: the shape of `q.log_prob(z)`.
        """

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Sequence[Term]:
        """The terms that add up to the cost, each with the coordinates it reads; a hook, empty where it does not split.

        A log density given other coordinates reads those too: log q(z_2 | z_1) names z_1 and z_2.
        """
        return ()

    def exact(self, params: Params) -> Tensor | None:
        """The oracle: the expected cost `[*R, *B]`, differentiable in params; None where `no_oracle` says why."""
        return None

    @property
    def no_oracle(self) -> str | None:
        """None where `exact` answers; else the reason why it does not, as a clause that names the remedy."""
        return "no closed form, quadrature or enumeration is known for this problem"

    @property
    def differentiable(self) -> bool:
        """Whether the cost's derivative in z says how the cost changes with z: not where it has steps."""
        return True

    @property
    def footprint(self) -> int:
        """How many numbers the largest tensor of one draw's cost holds; it sets the block size."""
        return 1

    @property
    def template(self) -> Problem:
        """The kind of problem that an estimator sees: itself, or what a source of problems draws from."""
        return self

    @property
    def seen(self) -> Problem:
        """The problem that `refuses` is asked about, as an estimator sees it: of a source, one of those that it draws.

        A source whose problems are not like its template says so here.
        """
        return self.template

    @property
    def partial(self) -> bool:
        """Whether a part of the rows stands for all of them, as in a minibatch: what `refuses` may look at."""
        return False

    def draw(self, replicates: int, sharing: int = 2) -> Problem:
        """The problem that some estimates see: itself, or with the rows that a source of problems drew.

        Args:
            replicates: The number of estimates.
            sharing: How many consecutive replicates see the same rows: 2 where the estimator's noise and the
                minibatch's are measured apart, 1 where runs are independent.
        """
        return self
