"""The comparison of the two engines runs, and both measure the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradmark.benchmarks.measurement import engines as planning
from gradmark.benchmarks.measurement.block import measure_block, plan_for
from gradmark.benchmarks.speed import engines


def test_a_ratio_for_each_round_and_the_same_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LARGE", 0)
    setting = engines.setting_of(engines.Case("Minibatch(GaussianVAE(), size=4)", "Reparameterization()"))
    shared = plan_for(setting, 8)
    assert shared.shares
    traces = [measure_block(setting, 8, 1, plan=plan).traces for plan in (shared, engines.LIFTED)]
    np.testing.assert_allclose(*traces, rtol=1e-5)
    found = engines.ratios(setting, engines.LIFTED, shared, rounds=2)
    assert len(found) == 2
    assert min(found) > 0


@pytest.mark.parametrize("name", engines.CASES)
def test_the_cases_are_networks_whose_weights_are_shared(name: str) -> None:
    setting = engines.setting_of(engines.CASES[name])
    assert setting.estimator.refuses(setting.problem.seen, setting.num_samples) is None
    assert sum(value.numel() for value in setting.params.values()) >= planning.LARGE
    assert all(value.dtype == torch.float32 for value in setting.params.values())
