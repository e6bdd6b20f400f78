"""Rare events: no right method is called biased, no interval is given in vain, and gross biases are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.cli.summary_table import show_summary
from gradmark.benchmarks.measurement.bias_test import Bias, Known, assess_bias
from gradmark.benchmarks.measurement.fold import fold
from gradmark.benchmarks.measurement.moments import Array, merged
from gradmark.benchmarks.measurement.total_variance import total_variance, why_withheld
from gradmark.benchmarks.studies import measure
from gradmark.benchmarks.studies.stopping import narrow
from gradmark.benchmarks.trust.bias import judged
from gradmark.benchmarks.trust.cells import RARE_BUMP, HeavyTail, OneOfMany, TrustCell


def bias_of(g: Array, exact: Array, known: Known | None = None) -> Bias:
    return assess_bias(fold([torch.from_numpy(g)], None, paired=False), exact, 0.0, False, known)


def test_an_event_that_no_replicate_saw(capsys: pytest.CaptureFixture[str]) -> None:
    summary = measure.measure("BernoulliToy(probs=(1e-5,))", "ScoreFunction()")
    assert summary["bias"]["verdict"] == "untested"
    assert summary["bias"]["reason"] == "no two of 16384 replicates differ"
    total = summary["total_variance"]
    assert (total["ci"], total["withheld"]) == (None, "too few replicates")
    assert total["exact"] == pytest.approx(9.15e-7, rel=1e-3)
    assert summary["snr"]["reason"] == "too few replicates"
    show_summary(summary)
    said = capsys.readouterr().out
    assert "0  (too few replicates)" in said
    assert "[" not in said.split("total variance")[1].split("exactly")[0]


@pytest.mark.parametrize(("method", "samples"), [("ScoreFunction()", 1), ("ScoreFunction()", 4), ("LeaveOneOut()", 2)])
def test_one_of_many_categories(method: str, samples: int) -> None:
    """Categories that hardly any of 2048 replicates draws are left out, and the rest is unbiased."""
    cell = TrustCell(OneOfMany(200), method, samples)
    for blocks in cell.samples(2048, range(1)):
        bias = judged(cell, merged(blocks))
        assert bias.verdict == "unbiased"
        assert bias.coordinates == 200
        assert (bias.untested_coordinates or 0) > 0
        assert "hardly any of 2048" in (bias.why_untested or "")


def test_a_bump_that_few_draws_reach_is_not_a_bias() -> None:
    """Called biased in 133 of 400 runs once; 30 of 30 that are not would then have a probability of 5e-6."""
    cell = TrustCell(RARE_BUMP, "ScoreFunction()")
    for blocks in cell.samples(1024, range(30)):
        assert judged(cell, merged(blocks)).verdict != "biased"
        assert total_variance(merged(blocks)).ci is None


def test_blocks_without_fourth_moments_leave_rare_events_out_too() -> None:
    g = np.zeros((4096, 1))
    g[:5] = 1.0
    moments = replace(fold([torch.from_numpy(g)], None, paired=False), fourth=np.zeros(0))
    assert assess_bias(moments, np.array([0.01]), 0.0, False).verdict == "untested"


def test_a_gradient_that_is_dropped_is_a_bias() -> None:
    """A coordinate that never varies is untested alone, and biased where all others say how large events are."""
    g = np.random.default_rng(0).normal(size=(16384, 2))
    g[:, 1] = 0.0
    known = Known(1.0, [1, 1])
    assert bias_of(g, np.array([0.0, 0.3]), known).verdict == "biased"
    left = bias_of(g, np.array([0.0, 1e-5]), known)
    assert (left.verdict, left.untested_coordinates) == ("unbiased", 1)
    assert bias_of(g[:, 1:], np.array([0.3]), Known(1.0, [1])).verdict == "untested"


def test_the_exact_variance_is_used_where_it_is_known() -> None:
    """No variance at all is a bias; one of which half is missing leaves the coordinate untested."""
    g = np.zeros((4096, 1))
    assert bias_of(g, np.array([0.3]), Known(1.0, [1], 0.0)).verdict == "biased"
    g = np.random.default_rng(1).normal(size=(4096, 1))
    assert bias_of(g, np.array([0.3]), Known(1.0, [1], 1.0)).verdict == "biased"
    assert bias_of(g, np.array([0.3]), Known(1.0, [1], 9.0)).verdict == "untested"


def test_a_variance_far_from_the_exact_one_has_no_interval() -> None:
    moments = fold([torch.randn(4096, 1, generator=torch.Generator().manual_seed(0)).double()], None, paired=False)
    known = {"error": 0.0, "reason": None}
    assert why_withheld(moments, {**known, "value": 1.0}) is None
    assert why_withheld(moments, {**known, "value": 1.5}) == "the exact variance is another: 1.5"


def test_an_interval_that_is_narrow_by_luck_does_not_end_the_measuring() -> None:
    """Two looks in turn have to agree: of 8 runs of an infinite fourth moment none ends by its first look."""
    cell = TrustCell(HeavyTail(0.2), "ScoreFunction()", variance=0.2**-1.5)
    asked = Cell(str(cell.problem), cell.estimator, replicates=None, rel_ci=0.1)
    for seed in range(8):
        blocks = list(cell.stream(seed, 8))
        assert not any(narrow(asked, blocks[:count]) for count in range(1, 9))


def test_looks_are_at_doubled_sizes() -> None:
    cell = TrustCell(RARE_BUMP, "Reparameterization()")
    g = torch.randn(4096, 1, generator=torch.Generator().manual_seed(1)).double()
    block = fold([g], None, paired=False)
    asked = Cell("P()", cell.estimator, replicates=None, rel_ci=0.2)
    assert [count for count in range(1, 20) if narrow(asked, [block] * count)] == [4, 8, 16]
