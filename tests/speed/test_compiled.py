"""What compiling an estimate pays is judged by an interval."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gradmark.benchmarks.experiments.speed import works
from gradmark.benchmarks.measurement.quantities import Quantity
from gradmark.benchmarks.speed.compiled import Compiled, compare, row


def timed(ratio: float, low: float, high: float) -> Compiled:
    return Compiled(Quantity(2e-6 * ratio), Quantity(2e-6), Quantity(ratio, ci=(low, high)), compiling=4.0)


def test_compiling_pays_only_where_an_interval_says_so() -> None:
    assert timed(2.0, 1.9, 2.1).break_even == pytest.approx(2e6)
    drifted = replace(timed(2.0, 1.9, 2.1), compiled=Quantity(5e-6))  # medians, of which the ratios are not made
    assert drifted.break_even == pytest.approx(2e6)
    assert timed(1.1, 0.9, 1.3).break_even is None
    assert timed(0.5, 0.4, 0.6).break_even is None
    assert row("toy", timed(0.5, 0.4, 0.6)) == "| toy | 1 | 2 | 0.50 [0.40, 0.60] | 4.0 | never |"


@pytest.mark.full  # to import the compiler takes five seconds, and only a script uses it
def test_both_versions_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the compiler, which takes long and may be missing: then both versions are one."""
    monkeypatch.setattr(torch._dynamo.config, "disable", True)
    found = compare(works.work("logistic regression, ScoreFunction, 1 draw", small=True), rounds=4, turn_seconds=0.01)
    assert found.ratio.ci is not None
    assert found.compiling > 0
