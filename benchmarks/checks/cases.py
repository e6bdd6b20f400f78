"""What the laws are tried on: problems at places where bugs have somewhere to show, and estimators on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from gradmark.benchmarks.measurement.block import HOST as HOST
from gradmark.benchmarks.measurement.block import Setting, block_seed, lifted, seeded, warm_state
from gradmark.benchmarks.measurement.cost import count_evaluations
from gradmark.benchmarks.problems import (
    BayesianGaussianMixture,
    BayesianLogisticRegression,
    BernoulliToy,
    BernoulliVAE,
    CategoricalMixture,
    CategoricalToy,
    ContextualBandit,
    DirichletPosterior,
    FixedBeliefNetwork,
    GammaPosterior,
    GaussianMixture,
    GaussianToy,
    GaussianVAE,
    HiddenMarkovModel,
    LinearGaussian,
    Minibatch,
    SigmoidBeliefNetwork,
    StepToy,
    TabularMDP,
)
from gradmark.estimators.core import EXPECTED_COST, Estimate, Estimator, Params, Problem, State, gradient_of_sum

MOST_AT_ONCE = 2**24  # numbers that the evaluations of the cost may take in one estimate of a law
FAR = 40.0  # logits at which a probability is 1 in float64
SHIFT = 0.3  # how far `moved` parameters are from init: far enough for a scale to differ from its square


class Solved(Protocol):
    """A problem whose family of q holds the exact posterior."""

    def true_parameters(self) -> Params:
        """Parameters at which q is the posterior."""
        ...


@dataclass(frozen=True)
class Fixture:
    """A problem at a place: `init`, `moved` (off it by a different amount in each coordinate), `far` or `posterior`.

    `far` is off it by FAR, up and down in turn: where 1 − p of a bit is no longer a number of its own.
    `posterior` is where q is the exact p(z|x): the `true_parameters` of a conjugate model, or of a `LinearGaussian`
    with one latent.
    """

    problem: Problem
    place: str = "moved"

    @property
    def params(self) -> Params:
        """The parameters there: float64, on the CPU, without a replicate axis."""
        if self.place == "posterior":
            return cast(Solved, self.problem).true_parameters()
        params, off = self.problem.init(), {"moved": uneven, "far": alternating, "init": torch.zeros_like}[self.place]
        return {name: value + off(value) for name, value in params.items()}

    @property
    def is_source(self) -> bool:
        """Whether estimators see what the problem draws instead of the problem itself."""
        return self.problem.template is not self.problem

    def __str__(self) -> str:
        return f"{self.problem} at {self.place}"


def alternating(value: Tensor) -> Tensor:
    """FAR up and FAR down in turn."""
    return FAR * (1 - 2 * (torch.arange(value.numel(), dtype=torch.float64).view(value.shape) % 2)).to(value)


def uneven(value: Tensor) -> Tensor:
    """Amounts of both signs, different in each coordinate: +.7 on all logits would leave a softmax unchanged."""
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
    Fixture(LinearGaussian(latents=2, observed=3, rows=3, correlated=True)),
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
    Fixture(GaussianVAE(latents=2, hidden=3, rows=3)),
    Fixture(BernoulliVAE(latents=2, rows=3)),
    Fixture(BernoulliVAE(latents=3, layers="nonlinear", hidden=2, learned_prior=False, rows=2)),
    Fixture(SigmoidBeliefNetwork(lower=2, upper=2, rows=2)),
    Fixture(ContextualBandit(contexts=(0.7, 0.3), rewards=((1.0, 2.0), (3.0, 0.5)))),
    Fixture(TabularMDP(**SMALL_MDP)),
    Fixture(TabularMDP(**SMALL_MDP, baseline="value")),
    Fixture(Minibatch(LinearGaussian(latents=1, observed=3, rows=5), size=3)),
    Fixture(Minibatch(BernoulliVAE(latents=2, rows=3), size=2)),
    Fixture(Minibatch(BayesianLogisticRegression(), size=7)),
    Fixture(Minibatch(GammaPosterior(counts=(9, 0, 1, 4, 2, 17)), size=4)),
)


@dataclass(frozen=True)
class Case:
    """One estimator on one fixture, with a state that is `none`, `cold` or `warm`."""

    estimator: Estimator
    fixture: Fixture
    num_samples: int = 3
    state: str = "none"
    warmed_with: int | None = None  # draws of the estimates that warmed the state; None for num_samples

    @property
    def refusal(self) -> str | None:
        """Why the estimator does not fit the problem, or None."""
        return self.estimator.refuses(self.fixture.problem.seen, self.num_samples)

    @property
    def setting(self) -> Setting:
        """What is to be measured, for all that measures."""
        state = warmed(self) if self.state == "warm" else None
        return Setting(self.fixture.problem, self.estimator, self.num_samples, self.fixture.params, state)

    @property
    def deterministic(self) -> bool:
        """Whether every replicate is the same: an estimator without noise, on rows that are not drawn."""
        return self.estimator.deterministic and not self.fixture.is_source

    def replicates(self, wanted: int) -> int:
        """How many replicates to look at: a few are enough where nothing is drawn, and oracles are dear.

        A few have to be enough, too, for an estimator that evaluates the cost hundreds of times.
        """
        return min(wanted, 5 if self.estimator.deterministic else max(5, MOST_AT_ONCE // self.numbers()))

    def numbers(self, num_samples: int | None = None) -> int:
        """How many numbers the draws and their costs take, in all evaluations that one replicate makes."""
        return _numbers(self.estimator, self.fixture, num_samples or self.num_samples)

    def params(self, replicates: Sequence[int], dtype: torch.dtype = torch.float64) -> Params:
        """The fixture's parameters as equal replicates, in tensors of their own."""
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
        """Why there is no exact gradient of the estimator's target; asked only where `exact` is None."""
        target, problem = self.estimator.target, self.fixture.problem
        draws = f" of {self.num_samples} draws" if target.moves else ""
        unknown = f"the {target.name}{draws} is not known for this problem"
        reason = problem.no_oracle if target is EXPECTED_COST else unknown
        return f"there is no exact gradient: {reason or unknown}"

    @property
    def place(self) -> str:
        """The fixture and the kind of state, as rulings name them."""
        return f"{self.fixture}{'' if self.state == 'none' else f', {self.state} state'}"

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
    """One replicate's state after a run at the fixture's parameters, jittered: no state may bias an estimate."""
    return _warmed(case.estimator, case.fixture, case.warmed_with or case.num_samples)


@cache
def _warmed(estimator: Estimator, fixture: Fixture, count: int) -> State:
    setting = Setting(fixture.problem, estimator, count, fixture.params)
    state = warm_state(setting, block_seed(fixture.problem, count, fixture.place, 0, 1, "warm-up"))
    return tree_map(_jittered, state)


def _jittered(leaf: Tensor) -> Tensor:
    """Every number up to a tenth larger or smaller, unevenly; counts stay as they are."""
    return leaf * (1 + uneven(leaf) / (10 * SHIFT)) if leaf.is_floating_point() else leaf


def cases(
    estimators: Iterable[Estimator], fixtures: Iterable[Fixture] = FIXTURES, num_samples: Sequence[int] = (3, 4)
) -> list[Case]:
    """Every estimator on every fixture with the first count of draws that it does not refuse; state cold and warm."""
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
    """The flattened gradient's coordinate as `name[i, j]`."""
    for name, value in params.items():
        if flat < value.numel():
            place = [int(i) for i in torch.unravel_index(torch.tensor(flat), value.shape)] if value.dim() else []
            return f"{name}{place or ''}"
        flat -= value.numel()
    raise IndexError(flat)
