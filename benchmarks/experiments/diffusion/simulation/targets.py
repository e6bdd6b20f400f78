"""The data that are diffused: a Gaussian and a mixture in any number of dimensions, by name."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Mixture, gaussian
from gradmark.estimators.spec import Spec

__all__ = ["FanMixture", "GaussianTarget", "LineMixture"]  # what a study may name


@dataclass(frozen=True)
class Target(Spec):
    """A law p_0 in `dimension` dimensions. Raises ValueError for a dimension below 1."""

    dimension: int = 1

    def validate(self) -> None:
        if self.dimension < 1:
            raise ValueError(f"{type(self).__name__}(dimension={self.dimension}): pass 1 or more")

    @abstractmethod
    def law(self) -> Mixture:
        """p_0."""


@dataclass(frozen=True)
class GaussianTarget(Target):
    """N(m, C) with m_j = (−1)^j and variances from `variance` in the first axis to four times that in the last."""

    variance: float = 0.5

    def validate(self) -> None:
        super().validate()
        if self.variance <= 0:
            raise ValueError(f"GaussianTarget(variance={self.variance}): a variance is positive; use 0.5")

    def law(self) -> Mixture:
        mean = (-1.0) ** np.arange(self.dimension)
        return gaussian(mean, np.diag(self.variance * np.geomspace(1, 4, self.dimension)))


@dataclass(frozen=True)
class LineMixture(Target):
    """Two components of variance .3, weights .3 and .7, at −2 and 1.5 (times `stretch`) along (1, …, 1)/√d.

    As the covariances are one and isotropic, its score along the diagonal depends on the diagonal alone, and across it
    is that of N(0, .3): the reverse process is a product, and its law is known in any dimension.
    Raises ValueError for a stretch that is not positive.
    """

    stretch: float = 1.0

    variance = 0.3

    def validate(self) -> None:
        super().validate()
        if self.stretch <= 0:
            raise ValueError(f"LineMixture(stretch={self.stretch}): a stretch is positive; use 1.0")

    @property
    def direction(self) -> np.ndarray:
        """The diagonal's unit vector."""
        return np.full(self.dimension, self.dimension**-0.5)

    def law(self) -> Mixture:
        means = np.outer([-2.0 * self.stretch, 1.5 * self.stretch], self.direction)
        return Mixture(np.array([0.3, 0.7]), means, np.tile(self.variance * np.eye(self.dimension), (2, 1, 1)))


@dataclass(frozen=True)
class FanMixture(Target):
    """Three components of unequal weight and shape, on a circle of radius 2 in the first two axes.

    In one dimension their shadows on the first axis.
    """

    def law(self) -> Mixture:
        weights, angles = np.array([0.5, 0.3, 0.2]), np.array([0.3, 2.2, 4.4])
        radial = np.stack([np.cos(angles), np.sin(angles)], -1)
        planar = 0.08 * np.eye(2) + 0.3 * radial[:, :, None] * radial[:, None]
        means, covariances = np.zeros((3, self.dimension)), np.tile(0.2 * np.eye(self.dimension), (3, 1, 1))
        shown = min(2, self.dimension)
        means[:, :shown], covariances[:, :shown, :shown] = 2 * radial[:, :shown], planar[:, :shown, :shown]
        return Mixture(weights, means, covariances)
