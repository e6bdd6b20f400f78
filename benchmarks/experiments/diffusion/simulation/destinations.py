"""Where the reverse process ends for each kind of data whose law is known without a draw."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from gradmark.benchmarks.experiments.diffusion.simulation import flow, gaussian_recursion, scores
from gradmark.benchmarks.experiments.diffusion.simulation.gaussian_recursion import Moments
from gradmark.benchmarks.experiments.diffusion.simulation.line import Law, flow_law, reverse_law
from gradmark.benchmarks.experiments.diffusion.simulation.reverse import REVERSE_VARIANCES
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Levels
from gradmark.benchmarks.experiments.diffusion.simulation.sliced import (
    ProductLaw,
    directions,
    gaussian_projections,
    sliced,
)
from gradmark.benchmarks.experiments.diffusion.simulation.targets import GaussianTarget, LineMixture, Target

FINE = 2**12  # points that a flow carries: it draws them apart between components, where they must still be near
RULES = (*REVERSE_VARIANCES, "heun")


class Destination(ABC):
    """The law of x_0 for one law of data, as a distance from p_0."""

    known: str  # by what means
    wrong_scores: tuple[str, ...] = ()  # those that it can follow beside the exact one

    @abstractmethod
    def distances(self, rule: str, score: str, levels: Levels) -> dict[str, float]:
        """Each of `DISTANCES` between p_0 and the end of the rule from an exact p_T with that score."""


def destination(data: Target) -> Destination | None:
    """By the means that fit the data; None where only draws would tell."""
    if isinstance(data, GaussianTarget):
        return Recursion(data)
    if data.dimension == 1:
        return OnALine(data)
    return Product(data) if isinstance(data, LineMixture) else None


@dataclass(frozen=True)
class Recursion(Destination):
    """Gaussian data: a mean and a variance for each axis."""

    data: GaussianTarget

    known = "Gaussian recursion"

    def distances(self, rule: str, score: str, levels: Levels) -> dict[str, float]:
        law, views = self.data.law(), directions(self.data.dimension)
        end = _gaussian_end(rule, Moments(law.mean, law.covariances[0].diagonal()), levels)
        return sliced(gaussian_projections(end, views), law, views)


@dataclass(frozen=True)
class OnALine(Destination):
    """Any mixture in one dimension: its density on a grid, carried by the kernel or by the flow."""

    data: Target

    known = "density on a grid"
    wrong_scores = ("halved", "moment matched", "component dropped")

    def distances(self, rule: str, score: str, levels: Levels) -> dict[str, float]:
        return line_end(rule, score, self.data, levels).distances(self.data.law())


@dataclass(frozen=True)
class Product(Destination):
    """A mixture along a line in many dimensions: the grid along it, the recursion across, projected."""

    data: LineMixture

    known = "grid × recursion, projected"

    def distances(self, rule: str, score: str, levels: Levels) -> dict[str, float]:
        views, variance = directions(self.data.dimension), self.data.variance
        along = line_end(rule, score, LineMixture(stretch=self.data.stretch), levels)
        across = _gaussian_end(rule, Moments(np.zeros(1), np.full(1, variance)), levels).variance[0]
        laws = ProductLaw(along, self.data.direction, float(across)).projections(views)
        return sliced(laws, self.data.law(), views)


def line_end(rule: str, score: str, data: Target, levels: Levels) -> Law:
    """The law of the end of one rule on a line."""
    law, toward = data.law(), scores.SCORES[score](data.law())
    begin = law.noised(levels[-1])
    if rule == "heun":
        return flow_law(begin, lambda x: flow.heun(x, toward, levels), FINE)
    return reverse_law(begin, toward, levels, REVERSE_VARIANCES[rule](levels))


def _gaussian_end(rule: str, data: Moments, levels: Levels) -> Moments:
    begin = gaussian_recursion.start(data, levels)
    if rule == "heun":
        return gaussian_recursion.heun(data, begin, levels)
    return gaussian_recursion.chain(data, begin, levels, REVERSE_VARIANCES[rule](levels))
