"""Which estimator wins where: a table at equal evaluations, one at equal numbers of samples, one at equal seconds."""

from __future__ import annotations

from gradmark.benchmarks.measurement.quantities import MARGIN, Quantity
from gradmark.benchmarks.measurement.tails import HEAVY, NO_VARIANCE
from gradmark.reports.layout.elements import NEWLINE, Block, Segment, Table, Text, emph, method, muted, strong, where
from gradmark.reports.layout.numbers import MOST_DIGITS, quantity_line
from gradmark.reports.layout.style import Look, breakable
from gradmark.reports.results.ranking import WINNER_LEVEL, Ranking, at_equal_evaluations
from gradmark.reports.results.results import Entry, Results

UNTESTED, HEAVY_TAIL = "†", "‡"  # marks: bias untested; a heavy tail
HEAVY_TAILS = (HEAVY, NO_VARIANCE)
RATIO_DIGITS = 4


def tables(results: Results, pairs: list[tuple[Ranking, Ranking]], looks: dict[str, Look]) -> list[Block]:
    """Who wins at equal evaluations, which are the same on every machine; at equal samples; at equal seconds."""
    level = pairs[0][0].methods[0].value.level
    evaluations: Text = [
        strong("Which estimator wins where, at equal evaluations"),
        ": the smallest variance × evaluations, the variance that is left when estimates are averaged for one forward "
        "evaluation of the cost.",
    ]
    samples: Text = [
        strong("Which estimator wins where, at equal numbers of samples"),
        ": the smallest total variance for the same K, the draws of one estimate, and the runner-up with its ratio to ",
        f"it. Brackets are {level:.0%} intervals; ratios are paired over groups of replicates that saw the same draws. "
        f"A ratio below {MARGIN} is a tie, and so is one whose {WINNER_LEVEL:.1%} interval includes 1.",
    ]
    seconds: Text = [
        strong("Which estimator wins where, at equal seconds"),
        ": the smallest variance × seconds, the variance that is left when estimates are averaged for one second.",
    ]
    counted = [at_equal_evaluations(pair[0]) for pair in pairs]
    return [
        _table(results, counted, looks, Table(evaluations, "by-evaluations"), "variance × evaluations"),
        _table(results, [pair[0] for pair in pairs], looks, Table(samples, "by-variance"), "total variance"),
        _table(results, [pair[1] for pair in pairs], looks, Table(seconds, "by-work"), "variance × seconds"),
    ]


def _table(results: Results, rankings: list[Ranking], looks: dict[str, Look], table: Table, measure: str) -> Block:
    """A row for each comparison: the best with its interval, the runner-up with its paired ratio."""
    table.column("where")
    table.column("smallest")
    table.quantity_column(measure)
    table.column("next")
    table.quantity_column("ratio, paired")
    contested = [ranking for ranking in rankings if ranking.next is not None] or rankings
    last = None
    for ranking in contested:
        if ranking.where[0] != last:
            last = ranking.where[0]
            table.group(breakable(last))
        table.row(where(results, ranking.where), *_cells(ranking, looks))
    for line in _notes(rankings, [ranking for ranking in rankings if ranking not in contested]):
        table.note(*line)
    return table.block()


def _cells(ranking: Ranking, looks: dict[str, Look]) -> list[Text]:
    if not ranking.methods:
        return [["not timed, or not counted"], *[[""]] * 5]
    best, second = ranking.methods[0], ranking.next
    first = [[*method(best.entry, looks), *_marks(best.entry)], *_line(best.value)]
    if second is None:
        return [*first, [muted("no other contender")], [""], [""]]
    also = [breakable(ranked.entry.label) for ranked in ranking.tied if ranked is not second]
    others: Text = [NEWLINE, emph(f"tied: {', '.join(also)}")] if also else []
    ratio, interval = _line(second.ratio, RATIO_DIGITS) if second.ratio.value is not None else (["∞"], [""])
    tie: Text = [emph(" tie")] if second.tied else []
    return [*first, [*method(second.entry, looks), *_marks(second.entry), *others], ratio, [*interval, *tie]]


def _line(measured: Quantity, most: int = MOST_DIGITS) -> list[Text]:
    """A quantity as two cells of one line, its power of ten once at the end."""
    value, interval = quantity_line(measured.value, *(measured.ci or (None, None)), most=most)
    return [[value], [muted(interval)]]


def _marks(entry: Entry) -> list[Segment]:
    marks = UNTESTED if entry.summary["bias"]["verdict"] == "untested" else ""
    marks += HEAVY_TAIL if entry.summary["tail"]["kind"] in HEAVY_TAILS else ""
    return [f"\u202f{marks}"] if marks else []


def _notes(rankings: list[Ranking], alone: list[Ranking]) -> list[Text]:
    """Who is not ranked and why; who has no other to be compared with; what the marks mean."""
    reasons: dict[str, list[str]] = {}
    for ranking in rankings:
        for entry, reason in ranking.unranked:
            reasons.setdefault(reason, []).append(entry.estimator)
    why = "; ".join(f"{', '.join(dict.fromkeys(names))} ({reason})" for reason, names in reasons.items())
    lines: list[Text] = [[f"Not ranked: {why}."]] if why else []
    ranked = [ranked.entry for ranking in rankings for ranked in ranking.methods]
    single = dict.fromkeys(f"{p.entry.label} (target: {p.entry.target})" for each in alone for p in each.methods)
    if single:
        lines.append(
            [f"Nothing to compare with at the same parameter point and with the same target: {', '.join(single)}."]
        )
    if any(entry.summary["bias"]["verdict"] == "untested" for entry in ranked):
        lines.append([f"{UNTESTED} bias untested."])
    if any(entry.summary["tail"]["kind"] in HEAVY_TAILS for entry in ranked):
        lines.append([f"{HEAVY_TAIL} heavy tail: no interval can be trusted; ranked by its exact variance."])
    return lines
