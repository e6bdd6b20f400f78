"""The oracle as an estimator: the exact gradient, without noise."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Params, Problem, State, SurrogateEstimator
from gradmark.estimators.requirements import SCORE


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

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        if problem.no_oracle is not None:
            why = problem.no_oracle or "the problem does not say why"
            remedy = "" if "; use " in why else f"; {SCORE}"  # as a rule the problem names one
            return f"ExactGradient.estimate(problem={problem}): there is no oracle: {why}{remedy}"
        return None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        exact = problem.exact(params)
        if exact is None:
            raise ValueError(f"ExactGradient.estimate(problem={problem}): exact() gives None though no_oracle does")
        return exact, state
