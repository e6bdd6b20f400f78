"""Why log p(x) is not maximised directly: the cost of its gradient against the number of latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.measurement import timing
from gradmark.benchmarks.measurement.block import Setting
from gradmark.benchmarks.measurement.peak_memory import peak_memory
from gradmark.benchmarks.measurement.quantities import median
from gradmark.benchmarks.problems import BernoulliVAE

ENUMERATION = "ExactMarginalLikelihood()"
IN_ONE_PIECE = "ExactMarginalLikelihood(at_once=1073741824)"
SLOW = 14  # latents, above which a gradient is timed a few times only
FEW = 3
MOST_ROWS = 64


@dataclass(frozen=True)
class Scaling(Experiment):
    """Seconds and memory of one gradient on auto-encoders of `rows` digits with 2 to 20 binary latents.

    `ExactMarginalLikelihood` goes through all 2^latents states, in parts and, up to `in_one_piece` latents, at once;
    `estimators` make one estimate of the bound's gradient from `num_samples` draws. The table `gradients` has a row for
    each estimator and number of latents: seconds (median of interleaved rounds) and peak memory.

    Raises ValueError for more than 64 rows, or latents that are not increasing.

    Reference: tucker2017 (the model)
    """

    title = "Direct maximum likelihood, and why it does not scale"

    latents: tuple[int, ...] = (2, 4, 6, 8, 10, 12, 14, 16, 18, 20)
    rows: int = 8
    estimators: tuple[str, ...] = ("LeaveOneOut()", "DisARM()", "REBAR()")
    num_samples: int = 2
    in_one_piece: int = 14

    def validate(self) -> None:
        if not 1 <= self.rows <= MOST_ROWS:
            raise ValueError(f"Scaling(rows={self.rows}): pass 1 to {MOST_ROWS}; with more, 2^20 states take minutes")
        if not self.latents or list(self.latents) != sorted(set(self.latents)) or self.latents[0] < 1:
            raise ValueError(f"Scaling(latents={self.latents}): numbers of latents increase from 1 on; use (4, 8, 12)")

    def refuses(self) -> str | None:
        problem = BernoulliVAE(latents=self.latents[-1], rows=self.rows)
        reasons = (specs.estimator(text).refuses(problem, self.num_samples) for text in (ENUMERATION, *self.estimators))
        return next((reason for reason in reasons if reason is not None), None)

    def run(self, seed: int) -> Tables:
        return {"gradients": [row for latents in self.latents for row in self._rows(latents)]}

    def _rows(self, latents: int) -> list[dict[str, Any]]:
        problem = BernoulliVAE(latents=latents, rows=self.rows)
        names = [ENUMERATION, *([IN_ONE_PIECE] if latents <= self.in_one_piece else []), *self.estimators]
        settings = [Setting(problem, specs.estimator(name), self.num_samples, problem.init()) for name in names]
        calls = [timing.one_estimate(setting) for setting in settings]
        slow = latents > SLOW
        rounds = [timing.interleaved(calls[:1], torch.device("cpu"), FEW)[0]] if slow else []
        rounds += timing.interleaved(calls[slow:], torch.device("cpu"))
        return [
            {
                "latents": latents,
                "estimator": name,
                "seconds": median(np.array(seconds)).json(),
                "peak_memory_bytes": peak_memory(setting),
            }
            for name, setting, seconds in zip(names, settings, rounds, strict=True)
        ]
