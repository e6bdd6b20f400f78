"""Estimators that differ from those of the catalogue in one respect."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators import LeaveOneOut, ScoreFunction
from gradmark.estimators.core import Params, Problem, State
from tests.checks.simulated_clock import SimulatedClock

CLOCK = SimulatedClock()


@dataclass(frozen=True)
class Copy(LeaveOneOut):
    """The same method under another name."""


@dataclass(frozen=True)
class OtherDraws(LeaveOneOut):
    """The same method on draws of its own."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        torch.rand(7)
        return super().surrogate(problem, params, state, num_samples)


@dataclass(frozen=True)
class Shrunk(ScoreFunction):
    """A hundredth of the gradient, and so a ten thousandth of the variance; it declares no bias."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        loss, state = super().surrogate(problem, params, state, num_samples)
        return loss / 100, state


@dataclass(frozen=True)
class Shifted(LeaveOneOut):
    """The same gradient with a number added to it, and so of the same variance; it declares no bias."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        loss, state = super().surrogate(problem, params, state, num_samples)
        return loss + 0.01 * params["logits"].sum(-1), state


@dataclass(frozen=True)
class Slow(LeaveOneOut):
    """A second of the simulated clock for each call."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        CLOCK.sleep(1.0)
        return super().surrogate(problem, params, state, num_samples)


@dataclass(frozen=True)
class Torn(LeaveOneOut):
    """Raises whenever it is asked for an estimate."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        raise RuntimeError("torn")
