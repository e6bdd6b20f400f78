"""Which estimator wins where: methods that may be compared, in order, with paired ratios to the best of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from gradmark.benchmarks.measurement.quantities import (
    LEVEL,
    NOT_COUNTED,
    Quantity,
    above_a_tie,
    inverse,
    product,
    ratio,
    scaled,
    widened,
)
from gradmark.benchmarks.measurement.timing_rounds import nested_ratio
from gradmark.benchmarks.measurement.total_variance import or_exact
from gradmark.reports.results.results import Entry, tables

WINNER_LEVEL = 0.995  # of the interval that separates the best: copies of a method differ in 1 comparison of 200


@dataclass(frozen=True)
class RankedMethod:
    """One method in a comparison."""

    entry: Entry
    value: Quantity  # total variance, or variance × seconds
    ratio: Quantity  # to the best of the comparison; 1 for the best itself
    separation: Quantity  # the same ratio, with the interval of WINNER_LEVEL

    @property
    def tied(self) -> bool:
        """Whether the measurement does not separate it from the best."""
        if self.ratio.value is None:  # the best is zero
            return self.value.value == 0
        return not above_a_tie(self.separation)


@dataclass(frozen=True)
class Ranking:
    """Methods with the same target at the same parameter point, smallest first, and why others are not ranked."""

    where: tuple[str, ...]
    methods: list[RankedMethod]
    unranked: list[tuple[Entry, str]]

    @property
    def tied(self) -> list[RankedMethod]:
        """Those that are not separated from the best, itself left out."""
        return [ranked for ranked in self.methods[1:] if ranked.tied]

    @property
    def next(self) -> RankedMethod | None:
        """The runner-up."""
        return self.methods[1] if len(self.methods) > 1 else None


def by_variance(entries: list[Entry]) -> Ranking:
    """One comparison at equal numbers of samples: by total variance."""
    return _ranked(entries, variance_of, variance_ratio)


def by_work(entries: list[Entry]) -> Ranking:
    """One comparison at equal seconds: by total variance × seconds of an estimate."""
    return _ranked(entries, lambda e: _times(e, "work_normalised_variance", "seconds"), work_ratio)


def by_evaluations(entries: list[Entry]) -> Ranking:
    """One comparison at equal evaluations: by total variance × forward evaluations of the cost in an estimate."""
    return _ranked(
        entries, lambda e: _times(e, "variance_times_evaluations", "forward"), evaluations_ratio, NOT_COUNTED
    )


def rankings(entries: list[Entry]) -> list[tuple[Ranking, Ranking]]:
    """Every comparison of measured cells, at equal samples and at equal seconds; those without a contender left out."""
    pairs = [(by_variance(group), by_work(group)) for group in tables(entries)]
    return [pair for pair in pairs if pair[0].methods]


def at_equal_evaluations(ranking: Ranking) -> Ranking:
    """The same methods, compared by total variance × forward evaluations of the cost."""
    return by_evaluations([ranked.entry for ranked in ranking.methods] + [entry for entry, _ in ranking.unranked])


def variance_of(entry: Entry) -> Quantity:
    """What a method is ranked by."""
    total = entry.summary["total_variance"]
    return or_exact(_quantity(total), total["exact"], total["exact_error"], total.get("exact_stderr"))


def _times(entry: Entry, name: str, cost: str) -> Quantity:
    """The variance by which a method is ranked, times what an estimate costs."""
    found = entry.summary[name]
    if entry.summary["total_variance"]["withheld"] is None or found["value"] is None:
        return _quantity(found)
    counted = entry.summary["cost"][cost]
    if cost == "seconds":
        return product(variance_of(entry), _quantity(counted))
    return scaled(variance_of(entry), counted)


def variance_ratio(a: Entry, b: Entry, level: float = LEVEL) -> Quantity:
    """Total variance of `a` over that of `b`, paired group by group; unpaired where an exact one stands for either."""
    if a is b or all(entry.summary["total_variance"]["withheld"] is None for entry in (a, b)):
        return widened(ratio(a.traces, b.traces), level)
    return widened(product(variance_of(a), inverse(variance_of(b))), level)


def evaluations_ratio(a: Entry, b: Entry, level: float = LEVEL) -> Quantity:
    """Variance × evaluations of `a` over that of `b`: the paired ratio of variances, as evaluations have no spread."""
    counts = [(e.record.timing or {}).get("forward") for e in (a, b)]
    if not counts[0] or not counts[1]:
        return Quantity(None)
    return scaled(variance_ratio(a, b, level), counts[0] / counts[1])


def work_ratio(a: Entry, b: Entry, level: float = LEVEL) -> Quantity:
    """Variance × seconds of `a` over that of `b`; their rounds of timing were taken in turn, and are paired too."""
    if a is b:
        return Quantity(1.0, 0.0, (1.0, 1.0))
    one, other = (e.record.timing["seconds"] if e.record.timing else [] for e in (a, b))
    return product(variance_ratio(a, b, level), nested_ratio(one, other, level))


def _ranked(entries: list[Entry], value, ratio_to, lacking: str = "not timed") -> Ranking:  # noqa: ANN001
    contenders = [entry for entry in entries if entry.unranked is None and value(entry).value is not None]
    contenders.sort(key=lambda entry: value(entry).value)
    methods = [
        RankedMethod(entry, value(entry), *(ratio_to(entry, contenders[0], level) for level in (LEVEL, WINNER_LEVEL)))
        for entry in contenders
    ]
    unranked = [(entry, entry.unranked or lacking) for entry in entries if entry not in contenders]
    return Ranking(entries[0].where, methods, unranked)


def _quantity(summary: dict[str, Any]) -> Quantity:
    ci = None if summary["ci"] is None else tuple(summary["ci"])
    return Quantity(summary["value"], summary["stderr"], ci, LEVEL, summary["withheld"])


MEASURES = {
    "variance": by_variance,
    "variance × evaluations": by_evaluations,
    "variance × seconds": by_work,
}  # in the order in which methods are compared


def frame(entries: list[Entry]) -> pd.DataFrame:
    """Every ranked method as a row: measure, rank, value and ratio to the best with their intervals."""
    rows = [
        {
            **dict(
                zip(("problem", "num_samples", "at", "device", "dtype", "seed", "target"), ranking.where, strict=True)
            ),
            "measure": measure,
            "rank": rank,
            "estimator": ranked.entry.estimator,
            "state": ranked.entry.record.cell.state,
            "value": ranked.value.value,
            "ratio": ranked.ratio.value,
            "ratio_low": ranked.ratio.ci[0] if ranked.ratio.ci else None,
            "ratio_high": ranked.ratio.ci[1] if ranked.ratio.ci else None,
            "tied": ranked.tied,
            "bias": ranked.entry.summary["bias"]["verdict"],
        }
        for group in tables(entries)
        for measure, compared in MEASURES.items()
        for ranking in [compared(group)]
        for rank, ranked in enumerate(ranking.methods, 1)
    ]
    return pd.DataFrame(rows)
