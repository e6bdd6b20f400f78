"""The cases that checks run on: problems at parameter points where mistakes show, and estimators on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from gradmark.benchmarks.checks.results import text
from gradmark.benchmarks.measurement.block import HOST as HOST
from gradmark.benchmarks.measurement.block import Setting, block_seed, lifted, seeded, warm_state
from gradmark.benchmarks.measurement.coordinates import coordinate_name
from gradmark.benchmarks.measurement.evaluations import count_evaluations
from gradmark.benchmarks.problems import (
    AmortisedFixedBeliefNetwork,
    BayesianGaussianMixture,
    BayesianLogisticRegression,
    BernoulliToy,
    BernoulliVAE,
    CategoricalMixture,
    CategoricalToy,
    ContextualBandit,
    CorrelatedLinearGaussian,
    DirichletPosterior,
    FixedBeliefNetwork,
    FixedPriorBernoulliVAE,
    GammaPosterior,
    GaussianMixture,
    GaussianToy,
    GaussianVAE,
    HiddenMarkovModel,
    LinearGaussian,
    Minibatch,
    NonlinearBernoulliVAE,
    NonlinearFixedPriorBernoulliVAE,
    SigmoidBeliefNetwork,
    StepToy,
    TabularMDP,
    ValueBaseline,
)
from gradmark.estimators.core import EXPECTED_COST, Estimate, Estimator, Params, Problem, State, gradient_of_sum

MOST_AT_ONCE = 2**24  # numbers in all evaluations of the cost of one estimate
FAR = 40.0  # logits at which a probability is 1 in float64
SHIFT = 0.3  # how far `moved` parameters are from init, so that a scale differs from its square


class Solved(Protocol):
    """A problem whose family of q holds the exact posterior."""

    def true_parameters(self) -> Params:
        """Parameters at which q is the posterior."""
        ...


@dataclass(frozen=True)
class Fixture:
    """A problem at a parameter point: `init`, `moved`, `far` or `posterior`.

    `moved` is away from `init` by a different amount in each coordinate. `far` is away by +FAR and −FAR in turn, where
    1 − p of a bit rounds to 0 or 1 in float64. At `posterior`, q is the exact p(z|x): the `true_parameters` of a
    conjugate model, or of a `LinearGaussian` with one latent.
    """

    problem: Problem
    at: str = "moved"

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


SMALL_MDP: dict[str, Any] = {
    "transitions": (((0.9, 0.1), (0.3, 0.7)), ((1.0, 0.0), (0.2, 0.8))),
    "rewards": ((0.5, 0.0), (-0.3, 1.0)),
    "initial": (0.6, 0.4),
    "horizon": 2,
}

FIXTURES = (
    Fixture(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init"),
    Fixture(GaussianToy(function="cos", k=2.0, loc=0.4, scale=0.7), "init"),
    Fixture(GaussianToy(function="exp", k=0.5, loc=-0.5, scale=1.3), "init"),
    Fixture(StepToy(edges=(-0.4, 0.5, 0.9), loc=0.3, scale=0.7), "init"),
    Fixture(BernoulliToy(probs=(0.3,)), "init"),
    Fixture(BernoulliToy(probs=(0.3, 0.85, 0.55, 0.02)), "init"),
    Fixture(CategoricalToy()),
    Fixture(CategoricalToy(latents=2)),
    Fixture(LinearGaussian(latents=2, observed=3, rows=3)),
    Fixture(CorrelatedLinearGaussian(latents=2, observed=3, rows=3)),
    Fixture(LinearGaussian(latents=1, observed=2, rows=3)),
    Fixture(LinearGaussian(latents=1, observed=2, rows=3), "posterior"),
    Fixture(BayesianLogisticRegression()),
    Fixture(GammaPosterior()),
    Fixture(GammaPosterior(counts=(2, 5), concentration=0.7), "posterior"),
    Fixture(DirichletPosterior()),
    Fixture(DirichletPosterior(counts=(3, 1)), "posterior"),
    Fixture(GaussianMixture(components=2, observed=1, rows=3)),
    Fixture(CategoricalMixture(components=3, views=3, categories=2, rows=2)),
    Fixture(HiddenMarkovModel(steps=2, symbols=2, rows=2)),
    Fixture(BayesianGaussianMixture(components=2, observed=1, rows=3, shape=3.0)),
    Fixture(FixedBeliefNetwork(latents=2, observed=3, rows=2)),
    Fixture(AmortisedFixedBeliefNetwork(latents=2, observed=3, rows=2)),
    Fixture(GaussianVAE(latents=2, hidden=3, rows=3)),
    Fixture(BernoulliVAE(latents=2, rows=3)),
    Fixture(NonlinearBernoulliVAE(latents=3, hidden=2, rows=2)),
    Fixture(FixedPriorBernoulliVAE(latents=2, rows=3)),
    Fixture(NonlinearFixedPriorBernoulliVAE(latents=3, hidden=2, rows=2)),
    Fixture(SigmoidBeliefNetwork(lower=2, upper=2, rows=2)),
    Fixture(ContextualBandit(contexts=(0.7, 0.3), rewards=((1.0, 2.0), (3.0, 0.5)))),
    Fixture(TabularMDP(**SMALL_MDP)),
    Fixture(ValueBaseline(TabularMDP(**SMALL_MDP))),
    Fixture(Minibatch(LinearGaussian(latents=1, observed=3, rows=5), size=3)),
    Fixture(Minibatch(BernoulliVAE(latents=2, rows=3), size=2)),
    Fixture(Minibatch(BayesianLogisticRegression(), size=7)),
    Fixture(Minibatch(GammaPosterior(counts=(9, 0, 1, 4, 2, 17)), size=4)),
)


@dataclass(frozen=True)
class Case:
    """An estimator on a problem at a parameter point, with num_samples and a state: `none`, `cold` or `warm`."""

    estimator: Estimator
    fixture: Fixture
    num_samples: int = 3
    state: str = "none"
    warmed_with: int | None = None  # num_samples of the estimates that warm up the state, if it is another number

    @property
    def refusal(self) -> str | None:
        """Why the estimator does not fit the problem, or None."""
        return self.estimator.refuses(self.fixture.problem.seen, self.num_samples)

    @property
    def setting(self) -> Setting:
        """The case as the functions of `measurement` take it."""
        state = warmed(self) if self.state == "warm" else None
        return Setting(self.fixture.problem, self.estimator, self.num_samples, self.fixture.params, state)

    @property
    def deterministic(self) -> bool:
        """Whether all replicates are equal: an estimator without noise, on a problem that draws no rows."""
        return self.estimator.deterministic and not self.fixture.is_source

    def replicates(self, wanted: int) -> int:
        """How many replicates to make, at most `wanted`.

        A deterministic estimator needs only a few; an estimator with hundreds of evaluations can afford only a few.
        """
        return min(wanted, 5 if self.estimator.deterministic else max(5, MOST_AT_ONCE // self.numbers()))

    def numbers(self, num_samples: int | None = None) -> int:
        """How many numbers the draws take in all evaluations of the cost that one replicate makes."""
        return _numbers(self.estimator, self.fixture, num_samples or self.num_samples)

    def params(self, replicates: Sequence[int], dtype: torch.dtype = torch.float64) -> Params:
        """The fixture's parameters, copied for each replicate."""
        params = self.fixture.params
        return {name: value.to(dtype).expand((*replicates, *value.shape)).clone() for name, value in params.items()}

    def initial(self, problem: Problem, params: Params) -> State:
        """The state before the estimate, for parameters `[*R, …]`; a warm one for parameters `[R, …]`."""
        if self.state != "warm":
            return self.estimator.init(problem, params)
        first = next(iter(self.fixture.params))
        replicates = params[first].shape[: params[first].dim() - self.fixture.params[first].dim()]
        state = lifted(warmed(self), replicates[0])
        return tree_map(lambda leaf: leaf.to(params[first].dtype) if leaf.is_floating_point() else leaf, state)

    def estimate(self, params: Params, seed: int = 1) -> Estimate:
        """One estimate for every replicate of `params`, from the seed."""
        with seeded(seed, HOST):
            problem = self.fixture.problem.draw(_replicates(self, params))
            return self.estimator.estimate(problem, params, self.initial(problem, params), self.num_samples)

    def exact(self) -> Params | None:
        """The exact gradient of the estimator's target, or None where there is no oracle."""
        leaves = {name: value.requires_grad_() for name, value in self.fixture.params.items()}
        exact = self.estimator.target.exact(self.fixture.problem.template, leaves, self.num_samples)
        return None if exact is None else gradient_of_sum(exact, leaves)

    @property
    def no_exact(self) -> str:
        """Why `exact` is None."""
        target, problem = self.estimator.target, self.fixture.problem
        draws = f" of {self.num_samples} draws" if target.moves else ""
        unknown = f"the {target.name}{draws} is not known for this problem"
        reason = problem.no_oracle if target is EXPECTED_COST else unknown
        return f"there is no exact gradient: {reason or unknown}"

    @property
    def at(self) -> str:
        """The parameter point with the kind of state, as results name it."""
        return f"{self.fixture.at}{'' if self.state == 'none' else f', {self.state} state'}"

    @property
    def where(self) -> str:
        """The problem, the parameter point and the kind of state, as `CheckResult.where`."""
        return f"{text(self.fixture.problem)} at {self.at}"

    def __str__(self) -> str:
        state = "" if self.state == "none" else f", {self.state}"
        return f"{self.estimator} on {self.fixture}, num_samples={self.num_samples}{state}"


def _replicates(case: Case, params: Params) -> int:
    name, value = next(iter(case.fixture.params.items()))
    given = params[name].shape
    return given[: len(given) - value.dim()].numel()


@cache
def _numbers(estimator: Estimator, fixture: Fixture, num_samples: int) -> int:
    q = fixture.problem.distribution(fixture.params)
    draw = max(fixture.problem.footprint, q.batch_shape.numel() * q.event_shape.numel())
    return (count_evaluations(Setting(fixture.problem, estimator, num_samples, fixture.params)).forward or 1) * draw


def warmed(case: Case) -> State:
    """The state of one replicate after a run at the fixture's parameters, perturbed: no state may bias an estimate."""
    return _warmed(case.estimator, case.fixture, case.warmed_with or case.num_samples)


@cache
def _warmed(estimator: Estimator, fixture: Fixture, count: int) -> State:
    setting = Setting(fixture.problem, estimator, count, fixture.params)
    state = warm_state(setting, block_seed(fixture.problem, count, fixture.at, 0, 1, "warm-up"))
    return tree_map(_perturbed, state)


def _perturbed(leaf: Tensor) -> Tensor:
    """Every number larger or smaller by up to a tenth; counts stay as they are."""
    return leaf * (1 + uneven(leaf) / (10 * SHIFT)) if leaf.is_floating_point() else leaf


def cases(
    estimators: Iterable[Estimator], fixtures: Iterable[Fixture] = FIXTURES, num_samples: Sequence[int] = (3, 4)
) -> list[Case]:
    """Every estimator on every fixture, with the first num_samples that it does not refuse; states cold and warm."""
    fixtures, found = list(fixtures), []
    for estimator in estimators:
        for fixture in fixtures:
            fitting = (count for count in num_samples if Case(estimator, fixture, count).refusal is None)
            if count := next(fitting, None):
                problem = fixture.problem.template
                has_state = tree_leaves(estimator.init(problem, fixture.params))
                states = ("cold", "warm") if has_state else ("none",)
                found += [Case(estimator, fixture, count, state) for state in states]
    return found


def coordinate(params: Params, flat: int) -> str:
    """The name of a coordinate of the flattened gradient, as `name[i, j]`."""
    return coordinate_name(flat, {name: value.shape for name, value in params.items()})
