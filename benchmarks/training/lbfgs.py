"""L-BFGS on the exact cost, over all of a problem's parameters or over some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gradmark.benchmarks.measurement.moments import Array
from gradmark.estimators.core import Params, Problem, gradient_of_sum

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult


@dataclass(frozen=True)
class ExactCost:
    """The exact cost as a function of one vector: the parameters `names` one after the other, all others held still."""

    problem: Problem
    params: Params  # without a replicate axis
    names: Sequence[str]

    @property
    def start(self) -> Array:
        """The vector of `params` itself."""
        return _flat(self.params, self.names)

    def params_at(self, x: Array) -> Params:
        """All parameters at the vector."""
        parts = torch.from_numpy(x.copy()).split([self.params[name].numel() for name in self.names])
        moved = {name: part.view(self.params[name].shape) for name, part in zip(self.names, parts, strict=True)}
        return {**self.params, **moved}

    def __call__(self, x: Array) -> tuple[float, Array]:
        """The cost and its gradient at the vector."""
        params = self.params_at(x)
        leaves = {name: params[name].requires_grad_() for name in self.names}
        exact = self.problem.exact({**params, **leaves})
        assert exact is not None, "no_oracle was None"
        return float(exact.detach().sum()), _flat(gradient_of_sum(exact, leaves), self.names)


def _flat(values: Params, names: Sequence[str]) -> Array:
    return torch.cat([values[name].detach().reshape(-1) for name in names]).numpy()


def minimised(cost: ExactCost, start: Array, tolerance: float, steps: int) -> OptimizeResult:
    """L-BFGS from `start`, until no slope is above the tolerance or `steps` are over."""
    from scipy.optimize import minimize  # here, as most commands minimise nothing

    options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 0.0, "gtol": tolerance, "maxcor": 20}
    return minimize(cost, start, jac=True, method="L-BFGS-B", options=options)


def fitted(problem: Problem, params: Params, names: Sequence[str]) -> Params:
    """Some of the parameters at their best by the oracle, from `params` without a replicate axis.

    Raises ValueError for a problem without an oracle.
    """
    if problem.no_oracle is not None:
        raise ValueError(f"fitted({problem}): there is no oracle to minimise: {problem.no_oracle}")
    cost = ExactCost(problem, params, names)
    return cost.params_at(minimised(cost, cost.start, 1e-7, 3000).x)
