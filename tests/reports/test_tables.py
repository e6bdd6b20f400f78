"""DataFrames hold the numbers of the summaries, and say what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from gradmark.benchmarks.measurement.quantities import signed
from gradmark.reports.results import arrivals, frames
from gradmark.reports.results.results import inner


def test_measurements_are_the_summaries(results):
    rows = frames.measurements(results.entries).to_dict("records")
    for entry, row in zip(results.entries, rows, strict=True):
        assert row["status"] == entry.summary["status"]
        if not entry.measured:
            assert np.isnan(row["total_variance"])
            continue
        for name in frames.QUANTITIES:
            low, high = entry.summary[name]["ci"] or (None, None)
            expected = [np.nan if part is None else part for part in (entry.summary[name]["value"], low, high)]
            assert [row[name], row[f"{name}_low"], row[f"{name}_high"]] == pytest.approx(expected, nan_ok=True)
        assert (row["nonfinite"], row["replicates"]) == (entry.summary["nonfinite"], entry.summary["replicates"])
        assert row["bias_verdict"] == entry.summary["bias"]["verdict"]
        assert row["seconds"] == entry.summary["cost"]["seconds"]["value"]


def test_an_exact_variance_is_known_or_empty(results):
    frame = frames.measurements(results.entries)
    known = frame["total_variance_exact"].dropna()
    assert known.tolist() == [8.0]
    assert frame.loc[known.index, "state"].tolist() == ["cold"]


def test_variance_by_parameter_adds_up(results):
    rows = frames.by_parameter(results.measured).to_dict("records")
    for entry in results.measured:
        key = (entry.estimator, entry.record.cell.state, entry.where)
        parts = [row["variance"] for row in rows if (row["estimator"], row["state"], row["where"]) == key]
        assert len(parts) == 2
        assert sum(parts) == pytest.approx(entry.summary["total_variance"]["value"])


def test_training_ends_and_targets(results):
    [curves] = results.figures
    frame = frames.training(curves).set_index("estimator")
    assert arrivals.target(curves) == pytest.approx(100.015 + 0.99 * (10.015 + 90 * np.exp(-10) - 100.015))
    score = frame.loc["Score()"]
    assert score["final"] == pytest.approx(signed(np.array(curves[0].data["objective"][-1])).value)
    assert score["steps_to_target"] == 50
    assert score["seconds_to_target"] == pytest.approx(50 * 2e-3)
    assert score["reached"] == 4
    assert frame.loc["Unseen()", "reached"] == 0
    assert np.isnan(frame.loc["Unseen()", "steps_to_target"])


def test_what_is_not_measured_is_listed_with_its_reason(results):
    frame = frames.unmeasured(results).set_index("method")
    assert dict(frame["status"]) == {"Pathwise()": "refused", "Failing()": "failed", "Late()": "missing"}
    assert frame.loc["Pathwise()", "reason"].endswith("use Score()")
    assert frame.loc["Pathwise()", "where"] == "init, K = 1"


def test_the_bibliography_has_what_was_used_and_nothing_else(results):
    frame = frames.bibliography(results)
    cited = dict(zip(frame["reference"], frame["estimators"], strict=True))
    assert cited["Simple Gradients, R. Williams, 1992"] == "Score()"
    assert cited["A Paper, Me, 2001"] == "Unseen()"  # only trained: its training run keeps the reference
    assert "Crooked()" in cited[""]
    assert not any("Failing()" in names or "Late()" in names for names in frame["estimators"])


@pytest.mark.parametrize(
    ("solver", "estimator"),
    [
        ("Adam(estimator=ScoreFunction())", "ScoreFunction()"),
        ('Adam(estimator=A(b=(1, 2), c="x"), rate=0.1)', 'A(b=(1, 2), c="x")'),
        ("Em()", "Em()"),
    ],
)
def test_the_estimator_inside_a_solver(solver, estimator):
    assert inner(solver) == estimator
