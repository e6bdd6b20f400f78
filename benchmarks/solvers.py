"""What moves parameters in a convergence figure: a rule with `refuses`, `init` and `step`."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch

from estimators.core import Estimator, Params, Problem, State
from estimators.spec import Spec

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Solver(Spec):
    """A rule that improves the parameters of a problem, step by step; state in, state out."""

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

    Reference: Adam: A Method for Stochastic Optimization, Diederik P. Kingma, Jimmy Ba, 2015.
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
        return self.estimator.refuses(problem.template, self.num_samples)

    def init(self, problem: Problem, params: Params) -> State:
        zeros = {name: torch.zeros_like(value) for name, value in params.items()}
        return {"count": 0, "mean": zeros, "square": zeros, "estimator": self.estimator.init(problem.template, params)}

    def step(self, problem: Problem, params: Params, state: State) -> tuple[Params, State]:
        gradient, inner = self.estimator.estimate(problem, params, state["estimator"], self.num_samples)
        count = state["count"] + 1
        mean = {n: BETAS[0] * m + (1 - BETAS[0]) * gradient[n] for n, m in state["mean"].items()}
        square = {n: BETAS[1] * v + (1 - BETAS[1]) * gradient[n] ** 2 for n, v in state["square"].items()}
        scale = [1 - beta**count for beta in BETAS]
        moved = {
            name: value - self.rate * (mean[name] / scale[0]) / ((square[name] / scale[1]).sqrt() + EPSILON)
            for name, value in params.items()
        }
        return moved, {"count": count, "mean": mean, "square": square, "estimator": inner}


__all__ = ["Adam"]
