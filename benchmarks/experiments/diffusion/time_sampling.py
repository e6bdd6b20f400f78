"""Which times to draw: the variance of the diffusion loss and of its gradient, split into time and noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.experiments.diffusion.simulation.noise_prediction import QUANTITIES, TARGETS, NoisePrediction
from gradmark.benchmarks.experiments.diffusion.simulation.time_samplers import (
    Antithetic,
    Importance,
    RotatedLattice,
    Stratified,
    TimeSampler,
    Uniform,
    learned,
    optimal,
)
from gradmark.benchmarks.measurement.quantities import positive, signed

GROUPS = 32  # of replicates, whose means give the intervals
BINS, DEPTH = 64, 10  # of the learned importance: its history is as deep as the paper's


@dataclass(frozen=True)
class TimeSampling(Experiment):
    """The variance of a mean of `n` draws of the loss or of its gradient in θ, by the rule that draws the times.

    Gaussian data and a linear denoiser θ, off its optimum 1 at `theta`, so that all is known: each row of the table
    `variances` has the exact time part (that of the conditional means at the times), the exact noise part, and the
    total as measured over `replicates` estimates; `history` says how many draws the learned importance took to warm up.
    Raises ValueError for an odd n, an n that is not a power of two, or fewer than 1024 replicates.

    Reference: kingma2021
    """

    title = "Diffusion: which times to draw"

    theta: float = 0.8
    n: int = 8
    replicates: int = 65536

    def validate(self) -> None:
        if self.n < 2 or self.n & (self.n - 1) or self.n > 1024 or self.replicates < 1024:
            raise ValueError(
                f"TimeSampling(n={self.n}, replicates={self.replicates}): n is a power of two up to 1024, and a "
                "variance takes 1024 replicates; use n=8, replicates=65536"
            )

    def run(self, seed: int) -> Tables:
        draw, model = np.random.default_rng(seed), NoisePrediction(theta=self.theta)
        rows, warm_up = [], []
        for quantity in QUANTITIES:
            for target in TARGETS:
                importance, spent = self._learned(model, quantity, target, draw)
                warm_up.append({"quantity": quantity, "target": target, "draws": spent})
                for name, sampler in self._samplers(model, quantity, target, importance):
                    rows.append(self._row(model, quantity, target, name, sampler, draw))
        return {"setting": [{"theta": self.theta, "n": self.n}], "variances": rows, "history": warm_up}

    def _samplers(
        self, model: NoisePrediction, quantity: str, target: str, importance: Importance
    ) -> Iterator[tuple[str, TimeSampler]]:
        yield from {
            "uniform": Uniform(), "antithetic": Antithetic(), "rotated lattice": RotatedLattice(),
            "stratified": Stratified(), "importance, learned": importance,
        }.items()  # fmt: skip
        yield "importance, best", optimal(model.mean(quantity, target) ** 2 + model.variance(quantity, target))

    def _learned(
        self, model: NoisePrediction, quantity: str, target: str, draw: np.random.Generator
    ) -> tuple[Importance, int]:
        """Uniform times until every bin has its history; the oldest draws of a bin make way for the new."""
        history, counts, spent = np.zeros((BINS, DEPTH)), np.zeros(BINS, dtype=int), 0
        while counts.min() < DEPTH:
            t = draw.random(1)
            k = int(t[0] * BINS)
            history[k, counts[k] % DEPTH] = model.draw(quantity, target, t, draw)[0]
            counts[k] += 1
            spent += 1
        return learned(history), spent

    def _row(
        self, model: NoisePrediction, quantity: str, target: str, name: str, sampler: TimeSampler,
        draw: np.random.Generator,
    ) -> dict[str, Any]:  # fmt: skip
        f, v = model.mean(quantity, target), model.variance(quantity, target)
        t, weight = sampler.draw(self.replicates, self.n, draw)
        found = (weight * model.draw(quantity, target, t, draw)).mean(axis=1)
        groups = np.array_split(found, GROUPS)
        return {
            "quantity": quantity, "target": target, "sampler": name, "truth": float(f.mean()),
            "mean": signed(np.array([group.mean() for group in groups])).json(),
            "time": sampler.time_variance(f, self.n), "noise": sampler.noise_variance(v, self.n),
            "variance": positive(np.array([group.var(ddof=1) for group in groups])).json(),
        }  # fmt: skip
