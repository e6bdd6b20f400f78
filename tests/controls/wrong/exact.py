"""Wrong estimators that use the exact posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor
from torch.distributions import Distribution

from gradmark.estimators import (
    ExactPosterior,
)
from gradmark.estimators.core import (
    LatentVariableModel,
    Params,
    Problem,
    State,
    detached,
)
from tests.controls.wrong.base import Loss


@dataclass(frozen=True)
class ExactPosteriorOfOneDraw(ExactPosterior):
    """Draws once from the posterior, and repeats the draw."""

    # the mean is right, and the variance that of one draw, however many are paid for
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        model = cast(LatentVariableModel, problem)
        posterior = cast(Distribution, model.posterior(detached(params)))
        z = posterior.sample((1,)).expand(num_samples, *posterior.batch_shape, *posterior.event_shape)
        return -model.log_joint(params, z).mean(0), state


@dataclass(frozen=True)
class PathOfThePosterior(ExactPosterior):
    """The exact posterior is drawn with rsample and live parameters, so that z carries a gradient."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        model = cast(LatentVariableModel, problem)
        posterior = model.posterior(params)
        assert posterior is not None
        # The mean is off, a posterior with rsample only (LinearGaussian; tables of states have none). Fisher's identity
        # holds z fixed. The path adds −∇ E_{p(z|x; θ')}[log p(x, z; θ)] in θ' at θ' = θ, which is the gradient of the
        # posterior's entropy: d log σ_post for the weights and the noise; nothing for the bias, which moves the mean
        # alone.
        size = (num_samples,)
        z = posterior.rsample(size) if posterior.has_rsample else posterior.sample(size)
        return -model.log_joint(params, z).mean(0), state
