"""Control variates for Monte Carlo checks of the mean: an estimator of known mean, on the same draws."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.cases import HOST, EstimatorCase
from gradmark.benchmarks.measurement.block import block_seed, block_size, seeded
from gradmark.benchmarks.measurement.moments import Array

METHODS = ("ScoreFunction", "Reparameterization", "VIMCO", "IWAE")  # unbiased wherever there is an oracle
PILOT = 2**10  # replicates that choose the control and its slopes, with seeds of their own
WORTH = 0.5  # the part of the variance that a control may leave, where the check can do without one


def gradients(case: EstimatorCase, size: int, seed: int) -> Array:
    """`size` independent estimates, `[size, P]`."""
    params = case.params((size,))
    with seeded(seed, HOST):
        problem = case.on.problem.draw(size, 1)
        state = case.setting.initial(problem, params)
        gradient = case.estimator.estimate(problem, params, state, case.num_samples).gradient
    return torch.cat([value.detach().reshape(size, -1) for value in gradient.values()], 1).double().numpy()


@cache
def gradient_norm(case: EstimatorCase) -> float | None:
    """The norm of the exact gradient, or of a mean of estimates where there is no oracle; None where it is 0."""
    exact = case.exact()
    if exact is not None:
        return float(torch.cat([value.reshape(-1) for value in exact.values()]).norm()) or None
    size = case.replicates(PILOT)
    found = gradients(case, size, 0)
    square = float((found.mean(0) ** 2).sum() - found.var(0).sum() / size)  # without the part that noise adds
    return math.sqrt(square) if square > 0 else None


@dataclass(frozen=True)
class Control:
    """An estimator of known mean on the same case, with the slope of its deviation in each coordinate."""

    case: EstimatorCase
    slope: Array
    mean: Array

    def deviations(self, size: int, seed: int) -> Array:
        """slope · (control − its mean), `[size, P]`: its mean is zero for any slope."""
        return self.slope * (gradients(self.case, size, seed) - self.mean)

    @property
    def text(self) -> str:
        """For the detail of a result."""
        return f", less {self.case.estimator} on the same draws,"


def best_control(case: EstimatorCase, truth: Array | None) -> Control | None:
    """The control that leaves the least variance, or None where none is worth its time.

    With `truth`, the mean of both, the slopes are those of a regression. Without it they are 1: the difference then
    has mean zero if and only if the two means are equal.
    """
    size = min(PILOT, block_size(case.on.problem, case.num_samples, case.on.params))
    seed = block_seed(case.on.problem, case.num_samples, "pilot", 0, size, 0)
    gradient = gradients(case, size, seed)
    found = [_fitted(other, gradient, gradients(other, size, seed), truth) for other in known_methods(case)]
    left, control = min(found, key=lambda pair: pair[0], default=(np.inf, None))
    worth = truth is None or left <= WORTH * float(gradient.var(0).sum())
    return control if worth else None


def known_methods(case: EstimatorCase) -> list[EstimatorCase]:
    """The case with each of METHODS that estimates the same target and is not the estimator itself."""
    methods = [specs.catalogue("estimator")[name]() for name in METHODS]
    cases = [
        replace(case, estimator=method, state="none") for method in methods if type(case.estimator) is not type(method)
    ]
    return [each for each in cases if each.estimator.target is case.estimator.target and each.refusal is None]


def _fitted(other: EstimatorCase, gradient: Array, control: Array, truth: Array | None) -> tuple[float, Control]:
    """The variance that the control leaves, and the control."""
    off = control - control.mean(0)
    spread = (off**2).sum(0)
    slope = np.ones_like(spread) if truth is None else (off * gradient).sum(0) / np.where(spread > 0, spread, 1.0)
    mean = np.zeros_like(slope) if truth is None else truth
    return float((gradient - slope * control).var(0).sum()), Control(other, slope, mean)
