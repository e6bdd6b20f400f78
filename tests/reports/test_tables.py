"""DataFrames hold the numbers of the summaries, and say what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from gradmark.benchmarks.cells import Inquiry, Training
from gradmark.benchmarks.measurement.quantities import signed
from gradmark.benchmarks.store.records import Curve, Outcome
from gradmark.reports.results import arrivals, frames, parts


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
        ('Adam(estimator=my/file.py:A(b=(1,), c="\\n"), rate=0.1)', 'my/file.py:A(b=(1,), c="\\n")'),
        ("Em()", "Em()"),
    ],
)
def test_the_estimator_of_a_run_in_an_older_store(solver, estimator):
    assert parts.estimator_or_solver(Curve(Training("Toy()", solver, 10), "measured", None, {})) == estimator


@pytest.mark.parametrize(
    ("problem", "whole", "rows"),
    [
        ("Toy(k=1.0)", "Toy(k=1.0)", "all rows"),
        ("Minibatch(problem=Toy(k=1.0), size=7)", "Toy(k=1.0)", "minibatches of 7"),
        ("Minibatch(problem=Toy())", "Toy()", "minibatches"),  # its default is not known here
        ("not a spec", "not a spec", "all rows"),
    ],
)
def test_the_rows_of_a_run_in_an_older_store(problem, whole, rows):
    found = parts.of_run(Curve(Training(problem, "my.package.Em()", 10), "refused", "why", None))
    assert (found.solver, found.estimator, found.problem, found.rows) == ("Em", None, whole, rows)


def test_stored_parts_of_a_run_are_taken_as_they_are():
    stored = {"solver": "Adam", "estimator": "A()", "problem": "Toy()", "minibatch": 100}
    run = Curve(Training("Minibatch(problem=Toy())", "Adam()", 10), "measured", None, {"parts": stored})
    assert parts.of_run(run) == parts.RunParts("Adam", "A()", "Toy()", "minibatches of 100")


@pytest.mark.parametrize(
    ("facts", "name", "problem"),
    [
        ({"experiment": "Dice", "problem": "Toy(k=1.0)"}, "Dice", "Toy(k=1.0)"),
        ({}, "Stored", "Toy(k=2.0)"),  # an older store
    ],
)
def test_class_and_problem_of_an_experiment(facts, name, problem):
    outcome = Outcome(Inquiry("my.package.Stored(problem=Toy(k=2.0))"), "measured", None, 1.0, facts, {})
    assert (parts.experiment_class(outcome), parts.experiment_problem(outcome)) == (name, problem)
