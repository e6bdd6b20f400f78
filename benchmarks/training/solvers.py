"""What moves parameters in a convergence figure: a rule with `refuses`, `init` and `step`."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch

from gradmark.benchmarks.measurement.forms import check_estimate
from gradmark.estimators.adam import adam_step
from gradmark.estimators.core import Estimator, LatentVariableModel, Params, Problem, State
from gradmark.estimators.spec import Spec


class Solver(Spec):
    """A rule that improves the parameters of a problem, step by step; state in, state out."""

    tight: ClassVar[bool] = False  # whether its q is p(z|x) itself, so that the bound is log p(x)
    monotone: ClassVar[bool] = False  # whether no step lowers the bound; a run that does it all the same fails

    @abstractmethod
    def refuses(self, problem: Problem) -> str | None:
        """None where the solver fits the problem; else why not, and the remedy."""

    @abstractmethod
    def init(self, problem: Problem, params: Params) -> State:
        """The state before the first step, for parameters `[*R, …]`."""

    @abstractmethod
    def step(self, problem: Problem, params: Params, state: State) -> tuple[Params, State]:
        """The parameters and the state after one step, for every replicate by itself."""


@dataclass(frozen=True)
class Adam(Solver):
    """Stochastic gradient descent with Adam's step, fed by an estimator.

    m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,  params ← params − rate · m̂ / (√v̂ + 1e-8), with m̂ and v̂ debiased.

    The rule is elementwise, so that many runs train at once on the replicate axis. Raises ValueError for a rate that is
    not positive or fewer than one sample.

    Reference: kingma2015
    """

    estimator: Estimator
    rate: float = 0.01
    num_samples: int = 1

    def validate(self) -> None:
        if self.rate <= 0:
            raise ValueError(f"Adam(rate={self.rate}): a rate is positive; try 0.01")
        if self.num_samples < 1:
            raise ValueError(f"Adam(num_samples={self.num_samples}): an estimate needs a draw; pass 1 or more")

    def refuses(self, problem: Problem) -> str | None:
        return self.estimator.refuses(problem.seen, self.num_samples)

    def init(self, problem: Problem, params: Params) -> State:
        zeros = {name: torch.zeros_like(value) for name, value in params.items()}
        return {"count": 0, "mean": zeros, "square": zeros, "estimator": self.estimator.init(problem.template, params)}

    def step(self, problem: Problem, params: Params, state: State) -> tuple[Params, State]:
        estimate = self.estimator.estimate(problem, params, state["estimator"], self.num_samples)
        gradient, inner = check_estimate(self.estimator, estimate, params, state["estimator"])
        count, means, squares = state["count"] + 1, state["mean"], state["square"]
        moved, mean, square = dict(params), dict(means), dict(squares)
        for name, value in params.items():
            moved[name], mean[name], square[name] = adam_step(
                value, gradient[name], means[name], squares[name], count, self.rate
            )
        return moved, {"count": count, "mean": mean, "square": square, "estimator": inner}


@runtime_checkable
class Maximises(Protocol):
    """A model whose step of EM has a closed form."""

    def maximise(self, params: Params) -> Params:
        """argmax of E[log p(x, z)] over z ~ p(z|x) at `params`; q's parameters stay as they are."""
        ...


@dataclass(frozen=True)
class EM(Solver):
    """Expectation maximisation: the bound at q = p(z|x), maximised in the model's parameters.

        params ← argmax E_{p(z|x; before)}[log p(x, z; params)]

    The E step makes the bound tight, so that log p(x) cannot fall: log p(x; after) ≥ L(q; after) ≥ L(q; before)
    = log p(x; before). No rate, no draw and no state; every step sees all rows. It is a loop over the problem's
    `maximise`, and q's own parameters are not used: the run is evaluated at q = p(z|x).

    Reference: dempster1977
    """

    tight = True
    monotone = True

    def refuses(self, problem: Problem) -> str | None:
        call = f"EM.step(problem={problem})"
        if problem.template is not problem:
            return f"{call}: EM's step sees all rows at once; use it on {problem.template}"
        if not (isinstance(problem, LatentVariableModel) and isinstance(problem, Maximises)):
            return f"{call}: the step has no closed form here; use GaussianMixture(), or Adam(estimator=LeaveOneOut())"
        return None

    def init(self, problem: Problem, params: Params) -> State:
        return ()

    def step(self, problem: Problem, params: Params, state: State) -> tuple[Params, State]:
        assert isinstance(problem, Maximises), "refuses() has looked"
        return problem.maximise(params), state


@runtime_checkable
class AscendsByCoordinate(Protocol):
    """A problem that knows the best factor of q given the others."""

    def coordinate(self, params: Params) -> Params:
        """A sweep: each factor of q set in turn to the best given the others."""
        ...


@dataclass(frozen=True)
class CAVI(Solver):
    """Coordinate ascent variational inference: the bound, maximised in one factor of q at a time.

        q_j(z_j) ∝ exp E_{k ≠ j}[log p(x, z)]    for j = 1, 2, …, with the factors before j as they are already

    With the other factors held still, this is the best q_j of any shape: the bound is minus a divergence from it, up to
    a constant. So the bound cannot fall. No rate, no draw and no state; a step is one sweep over all factors and sees
    all rows. It is a loop over the problem's `coordinate`; the model's parameters stay as they are.

    Reference: blei2017
    """

    monotone = True

    def refuses(self, problem: Problem) -> str | None:
        call = f"CAVI.step(problem={problem})"
        if problem.template is not problem:
            return f"{call}: a sweep sees all rows at once; use it on {problem.template}"
        if not isinstance(problem, AscendsByCoordinate):
            return (
                f"{call}: no factor of q is known here; use BayesianGaussianMixture(), or Adam(estimator=LeaveOneOut())"
            )
        return None

    def init(self, problem: Problem, params: Params) -> State:
        return ()

    def step(self, problem: Problem, params: Params, state: State) -> tuple[Params, State]:
        assert isinstance(problem, AscendsByCoordinate), "refuses() has looked"
        return problem.coordinate(params), state


__all__ = ["CAVI", "EM", "Adam"]
