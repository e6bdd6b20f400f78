"""Fewer estimates for Monte Carlo checks of faults that are plain to see."""

from __future__ import annotations

import pytest

from gradmark.benchmarks.checks import mean_by_monte_carlo


@pytest.fixture
def few_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    """An eighth of the usual replicates in the first stage of the check of the mean.

    The level does not depend on it, and the wrong controls that take this fixture are rejected with p < 1e-20.
    """
    for name in ("REPLICATES", "CONTROLLED"):
        monkeypatch.setattr(mean_by_monte_carlo, name, getattr(mean_by_monte_carlo, name) // 8)
