"""The comparison of the two folds runs, and both fold the same."""

from __future__ import annotations

import numpy as np
import pytest
from torch import Tensor

from gradmark.benchmarks.measurement.fold import fold_coordinates
from gradmark.benchmarks.measurement.gram import fold_wide
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.speed import folds


def test_a_ratio_for_each_round_and_the_same_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds, "SIZES", (5000, 7))
    traces = []

    def keeping(fold: folds.Fold) -> folds.Fold:
        def kept(gradient: list[Tensor], exact: Tensor | None, paired: bool) -> Moments:
            traces.append(fold(gradient, exact, paired).traces)
            return fold(gradient, exact, paired)

        return kept

    assert len(folds.ratios(keeping(fold_coordinates), keeping(fold_wide), seed=0, rounds=3)) == 3
    assert len(traces) == 2 * 4
    np.testing.assert_allclose(np.array(traces[0::2]), np.array(traces[1::2]), rtol=1e-12)
