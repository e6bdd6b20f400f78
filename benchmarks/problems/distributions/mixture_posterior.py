"""q over everything that a Bayesian mixture does not know: who belongs where, how often, and what components are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Dirichlet, Distribution, Gamma, Normal, constraints

from gradmark.benchmarks.problems.distributions.one_hot import OneHot


class MixturePosterior(Distribution):
    """Independent assignments and weights, and for each component a Gaussian mean whose scale hangs on its precision.

        q(k, π, τ, μ) = Π_i Cat(k_i; r_i) · Dirichlet(π; α) · Π_kd Gamma(τ_kd; a_kd, b_kd) N(μ_kd; m_kd, 1/(β_kd τ_kd))

    z is one vector, `[*batch, rows K + K + 2 K D]`: k one-hot, π, τ and μ. Prior and posterior are both of this kind.
    """

    def __init__(
        self, logits: Tensor, concentration: Tensor, gamma: tuple[Tensor, Tensor], mean: tuple[Tensor, Tensor]
    ) -> None:
        """`logits` `[*batch, rows, K]`, α `[*batch, K]`, (a, b) and (m, β) `[*batch, K, D]` each."""
        self.assignment = OneHot(logits)
        self.weights = Dirichlet(concentration, validate_args=False)
        self.precision = Gamma(*gamma, validate_args=False)
        self.loc, self.tightness = mean
        self.shape = (logits.shape[-2], *self.loc.shape[-2:])  # rows, components, dimensions
        rows, components, observed = self.shape
        event = torch.Size([rows * components + components + 2 * components * observed])
        super().__init__(concentration.shape[:-1], event, validate_args=False)

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """None."""
        return {}

    @property
    def support(self) -> constraints.Constraint:
        """Vectors."""
        return constraints.real_vector

    def parts(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """z as k `[*batch, rows, K]`, π `[*batch, K]`, τ and μ `[*batch, K, D]`."""
        rows, components, observed = self.shape
        k, weights, precision, mean = z.split([rows * components, components, *[components * observed] * 2], -1)
        boxes = (each.unflatten(-1, (components, observed)) for each in (precision, mean))
        return (k.unflatten(-1, (rows, components)), weights, *boxes)  # pyright: ignore[reportReturnType]

    def given(self, precision: Tensor) -> Normal:
        """q(μ | τ), elementwise."""
        return Normal(self.loc, (self.tightness * precision).rsqrt(), validate_args=False)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """z `[*S, *R, d]`."""
        size = torch.Size(sample_shape)
        with torch.no_grad():
            k, weights, precision = (each.sample(size) for each in (self.assignment, self.weights, self.precision))
            mean = self.given(precision).sample()
        return torch.cat([k.flatten(-2), weights, precision.flatten(-2), mean.flatten(-2)], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """log q(z): `[*S, *R, d]` to `[*S, *R]`."""
        k, weights, precision, mean = self.parts(value)
        density = self.precision.log_prob(precision) + self.given(precision).log_prob(mean)
        return self.assignment.log_prob(k).sum(-1) + self.weights.log_prob(weights) + density.sum((-2, -1))
