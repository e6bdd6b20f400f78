"""The oracle as an estimator: the exact gradient, without noise."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.requirements import Oracle


@dataclass(frozen=True)
class ExactGradient(SurrogateEstimator):
    """Differentiate the problem's oracle: enumeration, quadrature or a closed form.

        g = ∇ E_{z ~ q}[cost(params, z)]

    Unbiased with variance zero, and no draw is made; num_samples is not used. Under a minibatch the gradient is exact
    for the rows drawn, and all of its noise is the minibatch's. It is the truth that bias is measured against, and the
    price of knowing it.

    Shapes: oracle `[*R, *B]`, gradient as the parameters.

    Reference: mohamed2020
    """

    deterministic = True
    requires = (Oracle(),)
    evaluations = Evaluations(forward=0, backward=0)

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        return Oracle().of(problem, params), state
