"""Wrong reparameterizations; `Pathwise` and `Landing` are right."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from gradmark.benchmarks.problems import GaussianToy
from gradmark.estimators import (
    Reparameterization,
    ReparameterizationAnalyticKL,
    StickingTheLanding,
)
from gradmark.estimators.core import (
    Estimate,
    LatentVariableModel,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
    replicate_axes,
)
from gradmark.estimators.requirements import ELBO, GaussianFactors, Reparameterizable
from tests.controls.wrong.base import Loss, normals


@dataclass(frozen=True)
class Pathwise(SurrogateEstimator):
    """Right reparameterization of a Gaussian toy, with hooks for what may go wrong."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None if isinstance(problem, GaussianToy) else "made for GaussianToy"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = params["loc"] + self.scale(params) * self.noise((num_samples, *params["loc"].shape), params["loc"].dtype)
        return problem.cost(params, z, problem.distribution(params)).mean(0), state

    def scale(self, params: Params) -> Tensor:
        """σ."""
        return params["log_scale"].exp()

    def noise(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """ε."""
        return torch.randn(shape, dtype=dtype)


class VarianceForScale(Pathwise):
    """z = loc + σ²ε: the variance is taken for the standard deviation."""

    def scale(self, params: Params) -> Tensor:
        return (2 * params["log_scale"]).exp()


class ScaleChainForgotten(Pathwise):
    """The gradient with respect to σ is given for that with respect to log σ: the factor σ is missing."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        gradient, state = super().estimate(problem, params, state, num_samples)
        return Estimate(gradient | {"log_scale": gradient["log_scale"] / params["log_scale"].detach().exp()}, state)


@dataclass(frozen=True)
class Nudged(Pathwise):
    """Has `by` added to the gradient of log σ: a bias of a known size."""

    by: float = 0.0

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        loss, state = super().surrogate(problem, params, state, num_samples)
        return loss + self.by * params["log_scale"].squeeze(-1), state


class OneNoiseForReplicates(Pathwise):
    """All replicates share one noise: their variance is that of nothing."""

    def noise(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.randn(shape[0], *[1] * (len(shape) - 2), shape[-1], dtype=dtype)


class SeedIgnored(Pathwise):
    """Draws from a generator of its own with a fixed seed: every block has the same draws."""

    def noise(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


class Unrepeatable(Pathwise):
    """Draws from a generator of its own, seeded by the machine: nothing can be run again."""

    def noise(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(hash(os.urandom(8))))


@dataclass(frozen=True)
class Landing(SurrogateEstimator):
    """Sticking the landing for those below to get wrong."""

    requires = (ELBO(), Reparameterizable())

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).rsample((num_samples,))
        return self.cost(cast(LatentVariableModel, problem), params, z).mean(0), state

    def cost(self, problem: LatentVariableModel, params: Params, z: Tensor) -> Tensor:
        """The cost, with what is held constant in it."""
        return problem.cost(params, z, problem.distribution(detached(params)))


class EntropyForgotten(Landing):
    """log q is left out of the ELBO: nothing keeps q from collapsing."""

    def cost(self, problem: LatentVariableModel, params: Params, z: Tensor) -> Tensor:
        return -problem.log_joint(params, z)


class LandingWithoutPath(Landing):
    """z is held constant instead of the parameters in log q: the path is lost, and the zero-mean score kept."""

    def cost(self, problem: LatentVariableModel, params: Params, z: Tensor) -> Tensor:
        return problem.cost(params, z.detach(), problem.distribution(params))


class LandingForgotten(Landing):
    """The parameters in log q are not held constant: no bias, and noise at the posterior."""

    properties = ("zero_at_the_posterior",)

    def cost(self, problem: LatentVariableModel, params: Params, z: Tensor) -> Tensor:
        return problem.cost(params, z, problem.distribution(params))


@dataclass(frozen=True)
class RolledNoise(Reparameterization):
    """Takes the noise of every second draw from the neighbour in the row axis, which may be the replicates'."""

    requires = (*Reparameterization.requires, GaussianFactors())

    # without rows replicates r and r + 1 share half of their noise; with rows the covariance of neighbours is not zero
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        loc, scale = normals(problem, params)
        noise = torch.randn((num_samples + 1) // 2, *loc.shape, dtype=loc.dtype, device=loc.device)
        noise = torch.cat([noise, noise.roll(1, -2)])[:num_samples]
        return problem.cost(params, loc + scale * noise, problem.distribution(params)).mean(0), state


@dataclass(frozen=True)
class StickingTheLandingByRows(StickingTheLanding):
    """Weighs log q and log p(z) as the likelihood of the rows, also where all rows share one z."""

    # of a minibatch of `size` rows that share z the divergence counts rows/size times instead of once
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        model = cast(LatentVariableModel, problem)
        z = model.distribution(params).rsample((num_samples,))
        log_ratio = model.distribution(detached(params)).log_prob(z) - model.prior(params).log_prob(z)
        return (log_ratio - model.log_likelihood(params, z)).mean(0) * model.likelihood_weight, state


@dataclass(frozen=True)
class StickingTheLocation(StickingTheLanding):
    """Inside log q the location is detached, but the scale is forgotten."""

    requires = (*StickingTheLanding.requires, GaussianFactors())

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        loc, scale = GaussianFactors().of(q)
        # The variance, the scale's parameters only. What is left in is ∂ log q(z)/∂ log σ = ε² − 1 at fixed z: of mean
        # zero, and so unbiased, but with variance 2 for each row and draw: at q = posterior, where the gradient must be
        # zero by the declared property, log σ has all of that noise. The location is as it should be.
        fixed = Independent(Normal(loc.detach(), scale, validate_args=False), 1, validate_args=False)
        return problem.cost(params, q.rsample((num_samples,)), fixed).mean(0), state


@dataclass(frozen=True)
class AnalyticKLOfMarginals(ReparameterizationAnalyticKL):
    """The closed-form KL is the sum of those of the coordinates, from q's mean and standard deviations."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        reason = super().refuses(problem, num_samples)
        if reason is None and not isinstance(problem.distribution(problem.init()), MultivariateNormal):
            reason = GaussianFactors().unmet(problem, num_samples)
        return reason

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        model, q = cast(LatentVariableModel, problem), problem.distribution(params)
        z, p = q.rsample((num_samples,)), model.prior(params)
        # The mean is off, a q with correlations only. KL(q ‖ N(0, I)) = Σ_j KL(q_j ‖ p_j) + (−½ log det of q's
        # correlations), and the second part is missing: the gradient of `lower` (and of log_scale) lacks what keeps q
        # from being singular.
        divergence = kl_divergence(Normal(q.mean, q.stddev), Normal(p.mean, p.stddev)).sum(-1)
        likelihood = model.log_likelihood(params, z) * model.likelihood_weight
        return (divergence * model.latent_weight - likelihood).mean(0), state


def halves(noise: Tensor, problem: Problem, params: Params, sign: float) -> Tensor:
    """The noise `[K, *R, …]` of the first half of an even number of replicates, and `sign` times the same again."""
    axes = replicate_axes(problem, params)
    if len(axes) != 1 or axes[0] % 2:
        return noise
    half = noise[:, : axes[0] // 2]
    return torch.cat([half, sign * half], 1)


@dataclass(frozen=True)
class NoiseOfHalfTheReplicates(Reparameterization):
    """Saves half of the random numbers: the second half of the replicates sees the first half's."""

    sign = 1.0

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        q = problem.distribution(problem.init())
        normal = isinstance(q, Independent) and isinstance(q.base_dist, Normal)
        return super().refuses(problem, num_samples) if normal else "made for independent normals"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        noise = torch.randn(num_samples, *q.mean.shape, dtype=q.mean.dtype)
        z = q.mean + q.stddev * halves(noise, problem, params, self.sign)
        return problem.cost(params, z, q).mean(0), state


@dataclass(frozen=True)
class MirroredBetweenReplicates(NoiseOfHalfTheReplicates):
    """Mirrors the noise between replicates instead of between the draws of one: their mean is too good."""

    sign = -1.0
