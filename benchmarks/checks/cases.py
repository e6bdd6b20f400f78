"""The cases that checks run on: problems at parameter points where mistakes show, and estimators on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol, cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from gradmark.benchmarks.checks.results import text
from gradmark.benchmarks.measurement.block import HOST as HOST
from gradmark.benchmarks.measurement.block import Setting, block_seed, lifted, seeded, warm_state
from gradmark.benchmarks.measurement.coordinates import coordinate_name
from gradmark.benchmarks.measurement.evaluations import count_evaluations
from gradmark.estimators.core import EXPECTED_COST, Estimate, Estimator, Params, Problem, State, gradient_of_sum

MOST_AT_ONCE = 2**24  # numbers in all evaluations of the cost of one estimate
FAR = 40.0  # logits at which a probability is 1 in float64
WARM_UP = 64  # estimates that a state has seen: an estimate is unbiased in any state, so that none is waited for
SHIFT = 0.3  # how far `moved` parameters are from init, so that a scale differs from its square


class Solved(Protocol):
    """A problem whose family of q holds the exact posterior."""

    def true_parameters(self) -> Params:
        """Parameters at which q is the posterior."""
        ...


@dataclass(frozen=True)
class Case:
    """A problem at a parameter point, with numbers of samples, on which checks run; `contract` and `mean` say which.

    The point is `init`, `moved`, `far` or `posterior`. `moved` is away from `init` by a different amount in each
    coordinate. `far` is away by +FAR and −FAR in turn, where 1 − p of a bit rounds to 0 or 1 in float64. At
    `posterior`, q is the exact p(z|x): the `true_parameters` of a conjugate model, or of a `LinearGaussian` with one
    latent.
    """

    problem: Problem
    at: str = "moved"
    num_samples: tuple[int, ...] = (1, 2)  # those that the checks of estimators try
    contract: bool = True  # shapes, independent replicates, seeds, precision
    mean: bool = True  # the mean, exactly where that is possible, else by Monte Carlo
    catalogue: bool = False  # for the tests of our own methods alone: another case has draws of the same kind

    @property
    def params(self) -> Params:
        """The parameters at this point: float64, on the CPU, without a replicate axis."""
        if self.at == "posterior":
            return cast(Solved, self.problem).true_parameters()
        params, off = self.problem.init(), {"moved": uneven, "far": alternating, "init": torch.zeros_like}[self.at]
        return {name: value + off(value) for name, value in params.items()}

    @property
    def is_source(self) -> bool:
        """Whether the problem is a source of problems, as `Minibatch` is: estimators see one that it draws."""
        return self.problem.template is not self.problem

    def __str__(self) -> str:
        return f"{self.problem} at {self.at}"


def alternating(value: Tensor) -> Tensor:
    """+FAR and −FAR in turn."""
    return FAR * (1 - 2 * (torch.arange(value.numel(), dtype=torch.float64).view(value.shape) % 2)).to(value)


def uneven(value: Tensor) -> Tensor:
    """Amounts of both signs, different in each coordinate: equal ones on all logits would leave a softmax unchanged."""
    steps = torch.arange(value.numel(), dtype=torch.float64).view(value.shape)
    return (SHIFT * torch.cos(1 + 2.4 * steps)).to(value)


@dataclass(frozen=True)
class EstimatorCase:
    """An estimator on a problem at a parameter point, with num_samples and a state: `none`, `cold` or `warm`."""

    estimator: Estimator
    on: Case
    num_samples: int = 3  # one of them
    state: str = "none"
    warmed_with: int | None = None  # num_samples of the estimates that warm up the state, if it is another number

    @property
    def refusal(self) -> str | None:
        """Why the estimator does not fit the problem, or None."""
        return self.estimator.refuses(self.on.problem.seen, self.num_samples)

    @property
    def setting(self) -> Setting:
        """The case as the functions of `measurement` take it."""
        state = warmed(self) if self.state == "warm" else None
        return Setting(self.on.problem, self.estimator, self.num_samples, self.on.params, state)

    @property
    def deterministic(self) -> bool:
        """Whether all replicates are equal: an estimator without noise, on a problem that draws no rows."""
        return self.estimator.deterministic and not self.on.is_source

    def replicates(self, wanted: int) -> int:
        """How many replicates to make, at most `wanted`.

        A deterministic estimator needs only a few; an estimator with hundreds of evaluations can afford only a few.
        """
        return min(wanted, 5 if self.estimator.deterministic else max(5, MOST_AT_ONCE // self.numbers()))

    def numbers(self, num_samples: int | None = None) -> int:
        """How many numbers the draws take in all evaluations of the cost that one replicate makes."""
        return _numbers(self.estimator, self.on, num_samples or self.num_samples)

    def params(self, replicates: Sequence[int], dtype: torch.dtype = torch.float64) -> Params:
        """The case's parameters, copied for each replicate."""
        params = self.on.params
        return {name: value.to(dtype).expand((*replicates, *value.shape)).clone() for name, value in params.items()}

    def initial(self, problem: Problem, params: Params) -> State:
        """The state before the estimate, for parameters `[*R, …]`; a warm one for parameters `[R, …]`."""
        if self.state != "warm":
            return self.estimator.init(problem, params)
        first = next(iter(self.on.params))
        replicates = params[first].shape[: params[first].dim() - self.on.params[first].dim()]
        state = lifted(warmed(self), replicates[0])
        return tree_map(lambda leaf: leaf.to(params[first].dtype) if leaf.is_floating_point() else leaf, state)

    def estimate(self, params: Params, seed: int = 1) -> Estimate:
        """One estimate for every replicate of `params`, from the seed."""
        with seeded(seed, HOST):
            problem = self.on.problem.draw(_replicates(self, params))
            return self.estimator.estimate(problem, params, self.initial(problem, params), self.num_samples)

    def exact(self) -> Params | None:
        """The exact gradient of the estimator's target, or None where there is no oracle."""
        leaves = {name: value.requires_grad_() for name, value in self.on.params.items()}
        exact = self.estimator.target.exact(self.on.problem.template, leaves, self.num_samples)
        return None if exact is None else gradient_of_sum(exact, leaves)

    @property
    def no_exact(self) -> str:
        """Why `exact` is None."""
        target, problem = self.estimator.target, self.on.problem
        draws = f" of {self.num_samples} draws" if target.moves else ""
        unknown = f"the {target.name}{draws} is not known for this problem"
        reason = problem.no_oracle if target is EXPECTED_COST else unknown
        return f"there is no exact gradient: {reason or unknown}"

    @property
    def at(self) -> str:
        """The parameter point with the kind of state, as results name it."""
        return f"{self.on.at}{'' if self.state == 'none' else f', {self.state} state'}"

    @property
    def where(self) -> str:
        """The problem, the parameter point and the kind of state, as `CheckResult.where`."""
        return f"{text(self.on.problem)} at {self.at}"

    def __str__(self) -> str:
        state = "" if self.state == "none" else f", {self.state}"
        return f"{self.estimator} on {self.on}, num_samples={self.num_samples}{state}"


def _replicates(case: EstimatorCase, params: Params) -> int:
    name, value = next(iter(case.on.params.items()))
    given = params[name].shape
    return given[: len(given) - value.dim()].numel()


@cache
def _numbers(estimator: Estimator, on: Case, num_samples: int) -> int:
    q = on.problem.distribution(on.params)
    draw = max(on.problem.footprint, q.batch_shape.numel() * q.event_shape.numel())
    return (count_evaluations(Setting(on.problem, estimator, num_samples, on.params)).forward or 1) * draw


def warmed(case: EstimatorCase) -> State:
    """The state of one replicate after a run at the case's parameters, perturbed: no state may bias an estimate."""
    return _warmed(case.estimator, case.on, case.warmed_with or case.num_samples)


@cache
def _warmed(estimator: Estimator, on: Case, count: int) -> State:
    setting = Setting(on.problem, estimator, count, on.params)
    state = warm_state(setting, block_seed(on.problem, count, on.at, 0, 1, "warm-up"), WARM_UP)
    return tree_map(_perturbed, state)


def _perturbed(leaf: Tensor) -> Tensor:
    """Every number larger or smaller by up to a tenth; counts stay as they are."""
    return leaf * (1 + uneven(leaf) / (10 * SHIFT)) if leaf.is_floating_point() else leaf


def cases_of(estimator: Estimator, case: Case) -> list[EstimatorCase]:
    """The estimator on a case, with every number of samples that it does not refuse.

    A state is warmed up once for all of them; one more has a cold state, since most states start empty.
    """
    counts = [count for count in case.num_samples if EstimatorCase(estimator, case, count).refusal is None]
    if not counts:
        return []
    if not tree_leaves(estimator.init(case.problem.template, case.params)):
        return [EstimatorCase(estimator, case, count) for count in counts]
    warm = [EstimatorCase(estimator, case, count, "warm", counts[0]) for count in counts]
    return [*warm, EstimatorCase(estimator, case, counts[-1], "cold")]


def estimator_cases(estimators: Iterable[Estimator], cases: Sequence[Case]) -> list[EstimatorCase]:
    """Every estimator on every case that it does not refuse."""
    return [each for estimator in estimators for case in cases for each in cases_of(estimator, case)]


def largest_differences(found: Params, expected: Params) -> Tensor:
    """How far two gradients `[R, …]` are apart in each coordinate, `[P]`: the largest over replicates."""
    return (
        torch.cat([(found[name] - value).reshape(len(value), -1) for name, value in expected.items()], 1).abs().amax(0)
    )


def coordinate(params: Params, flat: int) -> str:
    """The name of a coordinate of the flattened gradient, as `name[i, j]`."""
    return coordinate_name(flat, {name: value.shape for name, value in params.items()})
