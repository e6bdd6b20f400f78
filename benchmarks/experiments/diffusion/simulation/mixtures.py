"""Gaussian mixtures: the data of a diffusion whose every marginal, score and projection is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp, ndtr

Points = Float[np.ndarray, "n d"]


@dataclass(frozen=True, eq=False)
class Mixture:
    """p(x) = Σ_k w_k N(x; m_k, C_k). With Gaussian noise of variance v added it is one again, of C_k + vI.

    Shapes: weights `[K]`, means `[K, d]`, covariances `[K, d, d]`. Raises ValueError for an empty component, weights
    that do not sum to one, or a covariance that is not symmetric and positive semi-definite.
    """

    weights: Float[np.ndarray, " K"]
    means: Float[np.ndarray, "K d"]
    covariances: Float[np.ndarray, "K d d"]

    def __post_init__(self) -> None:
        empty = np.flatnonzero(~(self.weights > 0))
        if len(empty):
            k = int(empty[0])
            raise ValueError(f"Mixture(weights[{k}]={self.weights[k]}): a component is empty; leave it out")
        if abs(self.weights.sum() - 1) > 1e-12:
            raise ValueError(f"Mixture(weights={self.weights}): they sum to {self.weights.sum()}; divide by their sum")
        if not np.allclose(self.covariances, np.swapaxes(self.covariances, -1, -2), rtol=1e-12, atol=0):
            raise ValueError("Mixture(covariances=…): not symmetric; pass (C + C.T) / 2")
        if self.spreads.min() < -1e-12 * self.spreads.max():
            raise ValueError(
                f"Mixture(covariances=…): an eigenvalue is {self.spreads.min():.3g}; variances are not negative"
            )

    @cached_property
    def _eigen(self) -> tuple[np.ndarray, np.ndarray]:
        found = np.linalg.eigh(self.covariances)
        return np.asarray(found.eigenvalues), np.asarray(found.eigenvectors)

    @property
    def spreads(self) -> Float[np.ndarray, "K d"]:
        """Eigenvalues of the covariances: the variances along their axes."""
        spreads, _ = self._eigen
        return spreads

    @property
    def dimension(self) -> int:
        """d."""
        return self.means.shape[1]

    @property
    def mean(self) -> Float[np.ndarray, " d"]:
        """E[x]."""
        return self.weights @ self.means

    @property
    def covariance(self) -> Float[np.ndarray, "d d"]:
        """Cov(x): that within the components and that between them."""
        between = self.means - self.mean
        return np.tensordot(self.weights, self.covariances, 1) + (self.weights * between.T) @ between

    def noised(self, variance: float) -> Mixture:
        """The law of x + √v ε, ε ~ N(0, I). Raises ValueError for a negative variance."""
        if variance < 0:
            raise ValueError(f"Mixture.noised(variance={variance}): noise is added, not taken away; pass 0 or more")
        return Mixture(self.weights, self.means, self.covariances + variance * np.eye(self.dimension))

    def log_prob(self, x: Points) -> Float[np.ndarray, " n"]:
        """log p(x)."""
        joint, _ = self._log_joint(x)
        return np.asarray(logsumexp(joint, axis=0))

    def score(self, x: Points) -> Points:
        """∇ log p(x) = −Σ_k p(k | x) C_k⁻¹ (x − m_k)."""
        joint, pulls = self._log_joint(x)
        return np.einsum("kn,knd->nd", np.exp(joint - logsumexp(joint, axis=0)), pulls)

    def _log_joint(self, x: Points) -> tuple[Float[np.ndarray, "K n"], Float[np.ndarray, "K n d"]]:
        """log w_k N(x; m_k, C_k), and −C_k⁻¹(x − m_k)."""
        spreads, axes = self._eigen
        y = (x - self.means[:, None]) @ axes
        pulls = -y / spreads[:, None]
        normaliser = np.log(2 * np.pi * spreads).sum(-1) / 2
        joint = (np.log(self.weights) - normaliser)[:, None] + (y * pulls).sum(-1) / 2
        return joint, pulls @ np.swapaxes(axes, -1, -2)

    def projected(self, direction: Float[np.ndarray, " d"]) -> Mixture:
        """The law of uᵀx, a mixture in one dimension."""
        variances = np.einsum("i,kij,j->k", direction, self.covariances, direction)
        return Mixture(self.weights, (self.means @ direction)[:, None], variances[:, None, None])

    def distribution(self, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """F(x) = P(X ≤ x), in one dimension. Raises ValueError in more: project first."""
        if self.dimension > 1:
            raise ValueError(
                f"Mixture.distribution: of one dimension, and this has {self.dimension}; call projected first"
            )
        return self.weights @ ndtr((x - self.means) / np.sqrt(self.covariances[:, 0]))

    def sample(self, size: int, draw: np.random.Generator) -> Points:
        """`size` independent draws."""
        spreads, axes = self._eigen
        k = draw.choice(len(self.weights), size=size, p=self.weights)
        along = draw.standard_normal((size, self.dimension)) * np.sqrt(np.maximum(spreads[k], 0))
        return self.means[k] + np.einsum("nij,nj->ni", axes[k], along)


def gaussian(mean: Float[np.ndarray, " d"], covariance: Float[np.ndarray, "d d"]) -> Mixture:
    """N(mean, covariance), a mixture of one."""
    return Mixture(np.ones(1), mean[None], covariance[None])
