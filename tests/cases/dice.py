"""An experiment of somebody's own: refused, failed, interrupted or measured, by the number of throws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradmark.benchmarks.experiment import Experiment, Tables


@dataclass(frozen=True)
class Throws(Experiment):
    """Dice thrown `throws` times."""

    title = "Dice"
    throws: int = 3

    def refuses(self) -> str | None:
        return None if self.throws else "Throws(throws=0): nothing is thrown; pass 1 or more"

    def run(self, seed: int) -> Tables:
        if self.throws == 13:
            raise RuntimeError("bad luck")
        if self.throws == 14:
            raise KeyboardInterrupt
        pips = np.random.default_rng(seed).integers(1, 7, self.throws).tolist()
        quantity = {"value": 3.5, "stderr": 0.1, "ci": [3.3, 3.7], "level": 0.95}
        return {"pips": [{"throw": i, "pip": pip, "mean": quantity} for i, pip in enumerate(pips)]}
