"""scverse/scvi-tools #13, YosefLab/scVI-dev #8, tensorflow/probability #189: an importance-weighted bound of losses.

loss_k = log q - log p. Right: -logsumexp(-loss) + log K. OfLosses: logsumexp(loss) - log K, an upper bound's sign,
equal to the ELBO's at K = 1 only. WithoutLogK: the constant is missing, which no gradient sees (right).
"""

# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportAssignmentType=false
# pyright: reportIncompatibleMethodOverride=false
# Written as users write it: without annotations.

import math
from dataclasses import dataclass

from gradmark.estimators.core import MINUS_IMPORTANCE_WEIGHTED_BOUND, SurrogateEstimator
from gradmark.estimators.requirements import ELBO, DifferentiableCost, Reparameterizable


class _Bound(SurrogateEstimator):
    target = MINUS_IMPORTANCE_WEIGHTED_BOUND
    requires = (ELBO(), DifferentiableCost(), Reparameterizable())

    def surrogate(self, problem, params, state, num_samples):
        q = problem.distribution(params)
        z = q.rsample((num_samples,))
        row = problem.latent_weight  # rows that stand for more have their weight outside the logarithm
        return row * self.bound(problem.cost(params, z, q) / row, num_samples), state


@dataclass(frozen=True)
class OfLosses(_Bound):
    def bound(self, loss, count):
        return loss.logsumexp(0) - math.log(count)


@dataclass(frozen=True)
class WithoutLogK(_Bound):
    def bound(self, loss, count):
        return -(-loss).logsumexp(0)


@dataclass(frozen=True)
class RowsBeforeLog(_Bound):
    """The rows are added up before the logarithm of the mean over draws: one weight for the whole batch."""

    def bound(self, loss, count):
        rows = loss.shape[-1] if loss.dim() > 2 else 1
        total = loss.sum(-1, keepdim=True) if rows > 1 else loss
        return (-(-total).logsumexp(0)).expand(loss.shape[1:]) / rows
