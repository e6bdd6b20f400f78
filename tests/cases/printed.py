"""An estimator whose texts are full of markup, and a problem whose numbers are not finite."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradmark.estimators import ScoreFunction
from gradmark.estimators.core import Params, Problem
from tests.cases.scalar_parameters import ScalarGaussian

MARKUP = "[/red] [bold]x[/bold] [link=http://x] :cat: \\[y] \\"


@dataclass(frozen=True)
class Shouts(ScoreFunction):
    """Its name and its reasons are full of markup."""

    text: str = MARKUP
    raises: bool = False

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        if self.raises:
            raise ValueError(self.text)
        return f"it says {self.text}; use ScoreFunction()"


@dataclass(frozen=True)
class Infinite(ScalarGaussian):
    """The oracle and every cost are not finite."""

    value: str = "nan"

    def exact(self, params: Params) -> torch.Tensor:
        return super().exact(params) * float(self.value)
