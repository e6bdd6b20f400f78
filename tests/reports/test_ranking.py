"""Who is ranked, in which order, and what a tie is."""

from __future__ import annotations

import pytest

from gradmark.benchmarks.measurement.quantities import product, ratio
from gradmark.benchmarks.measurement.timing_rounds import nested_ratio
from gradmark.reports.markdown import winners
from gradmark.reports.results.ranking import by_evaluations, by_variance, by_work, frame, rankings
from gradmark.reports.results.results import Results


def names(ranking):
    return [ranked.entry.label for ranked in ranking.methods]


def test_methods_are_in_the_order_of_their_variance_with_paired_ratios(build):
    entries = [build("Score()", 2.0), build("Pathwise()", 1.0), build("Baseline()", 1.5)]
    ranking = by_variance(entries)
    assert names(ranking) == ["Pathwise()", "Baseline()", "Score()"]
    expected = ratio(entries[0].traces, entries[1].traces)
    assert ranking.methods[2].ratio == expected
    assert expected.value == pytest.approx(4.0)  # the same draws, doubled
    assert not ranking.tied


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"shift": 0.5}, "biased"),
        ({"shift": 0.5, "unbiased": False}, "biased, as it declares"),
        ({"unbiased": False}, "declares itself biased"),
        ({"nonfinite": 1}, "gradients that are not finite"),
        ({"deterministic": True}, "exact, a reference"),
    ],
)
def test_the_smallest_variance_does_not_win_where_it_may_not(build, facts, reason):
    ranking = by_variance([build("Small()", 0.01, **facts), build("Score()", 2.0), build("Pathwise()", 1.0)])
    assert names(ranking) == ["Pathwise()", "Score()"]
    assert [why for _, why in ranking.unranked] == [reason]
    assert names(by_work([build("Small()", 0.01, **facts), build("Score()", 2.0)])) == ["Score()"]


def test_different_targets_are_not_compared(build):
    found = rankings([build("Score()", 2.0), build("Posterior()", 0.1, target="minus log evidence")])
    assert [names(pair[0]) for pair in found] == [["Score()"], ["Posterior()"]]


def test_identical_draws_are_a_tie(build):
    ranking = by_variance([build("Score()", 2.0), build("Baseline()", 2.0, state="cold")])
    assert ranking.methods[1].ratio.value == 1
    assert ranking.tied == [ranking.methods[1]]
    assert names(ranking)[1] == "Baseline(), cold"


def test_a_difference_below_one_per_cent_is_a_tie_however_sure(build):
    ranking = by_variance([build("Score()", 1.0), build("Other()", 1.001)])
    low, _ = ranking.methods[1].ratio.ci or (0, 0)
    assert low > 1  # paired: the interval excludes 1
    assert ranking.methods[1].tied


def test_an_interval_that_includes_one_is_a_tie(build):
    ranking = by_variance([build("Score()", 1.0, seed=1), build("Other()", 1.01, seed=2)])
    low, high = ranking.methods[1].ratio.ci or (0, 0)
    assert low < 1 < high
    assert ranking.methods[1].tied


def test_two_zero_variances_are_a_tie_and_anything_else_is_not(build):
    known = {"value": 0.0, "error": 0.0, "nodes": 1, "reason": None}
    zeros = [build(name, 0.0, exact_variance=known) for name in ("A()", "B()")]
    ranking = by_variance([*zeros, build("C()", 1.0)])
    assert [ranked.tied for ranked in ranking.methods] == [True, True, False]


def test_a_withheld_interval_decides_no_rank(build):
    """Replicates that are all alike may have missed what makes the variance; an exact variance ranks instead."""
    known = {"value": 0.5, "error": 0.0, "nodes": 9, "reason": None}
    ranking = by_variance([build("Alike()", 0.0), build("Score()", 2.0)])
    assert names(ranking) == ["Score()"]
    assert [why for _, why in ranking.unranked] == ["too few replicates"]
    ranking = by_variance([build("Alike()", 0.0, exact_variance=known), build("Score()", 2.0)])
    assert names(ranking) == ["Alike()", "Score()"]
    assert ranking.methods[0].value.value == 0.5
    low, high = ranking.methods[1].ratio.ci or (0, 0)
    assert low < 16 < high
    assert not ranking.methods[1].tied


def test_equal_seconds_multiply_by_paired_seconds(build):
    slow, fast = build("Slow()", 1.0, seconds=9e-3), build("Fast()", 2.0, seconds=1e-3)
    assert names(by_variance([slow, fast])) == ["Slow()", "Fast()"]
    ranking = by_work([slow, fast])
    assert names(ranking) == ["Fast()", "Slow()"]
    slower = nested_ratio(*(e.record.timing["seconds"] for e in (slow, fast)))
    expected = product(ratio(slow.traces, fast.traces), slower)
    assert ranking.methods[1].ratio == expected
    assert expected.value == pytest.approx(9 / 4, rel=0.02)


def test_equal_evaluations_multiply_by_what_is_counted(build):
    many, few, unseen = build("Many()", 1.0, evaluations=9), build("Few()", 2.0), build("X()", 0.1, evaluations=None)
    ranking = by_evaluations([many, few, unseen])
    assert names(ranking) == ["Few()", "Many()"]
    assert ranking.methods[0].value.value == pytest.approx(few.summary["total_variance"]["value"])
    expected = ratio(many.traces, few.traces)
    assert ranking.methods[1].ratio.value == pytest.approx(9 * (expected.value or 0))
    assert ranking.methods[1].ratio.ci == pytest.approx([9 * end for end in expected.ci or ()])
    assert [why for _, why in ranking.unranked] == ["not counted"]
    assert unseen.summary["variance_times_evaluations"]["value"] is None


def test_the_frame_has_every_rank(results):
    rows = frame(results.measured).to_dict("records")
    toy = [row for row in rows if row["problem"] == "Toy(k=1.0)" and row["target"] == "expected cost"]
    assert [row["estimator"] for row in toy if row["measure"] == "variance"] == ["Baseline()", "Score()", "Baseline()"]
    assert {row["estimator"] for row in rows}.isdisjoint({"Crooked()", "Broken()", "Exact()"})
    assert {row["bias"] for row in rows if row["problem"] != "Toy(k=1.0)"} == {"untested"}


def test_the_winners_of_the_readme_are_those_at_equal_evaluations(build):
    many, few = build("Many()", 1.0, evaluations=9), build("Few()", 2.0)
    said = winners(Results({}, [], [many, few], []))
    assert "smallest variance × evaluations" in said
    assert said.index("Few()") < said.index("Many()")
