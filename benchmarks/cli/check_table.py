"""A report of checks in the terminal: the result in one line, the reason, and a table; at most 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gradmark.benchmarks.checks.report import (
    WIDTH,
    CheckReport,
    check_and_detail,
    explanation,
    groups,
    headline,
    of,
    smallest_bias,
)
from gradmark.benchmarks.checks.results import MEAN_CHECKS, CheckResult

MOST_ROWS = 12  # of failures that are shown one by one
MARKS = {
    "failed": "[red]failed[/]",
    "raised": "[red]raised[/]",
    "passed": "[green]passed[/]",
    "skipped": "[yellow]skipped[/]",
}


def show(report: CheckReport, verbose: bool = False) -> None:
    """The result of one estimator, the reason, and the table of what failed or was skipped; `verbose` shows all."""
    console = Console(emoji=False)  # ":cat:" stands as it is, as does "[red]", which is escaped
    console.width = min(console.width, WIDTH)
    console.print(escape(headline(report)), soft_wrap=True, highlight=False)
    console.print(escape(explanation(report)), highlight=False)
    rows = list(_rows(report.checks, verbose))
    if rows:
        table = Table(show_edge=False)
        for name, least in (("", 7), ("check", 16), ("where", 18), ("result", 20)):
            table.add_column(name, overflow="fold", min_width=least)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print()


def _rows(results: Sequence[CheckResult], verbose: bool) -> Iterable[tuple[str, ...]]:
    broken, held = [*of(results, "failed"), *of(results, "raised")], of(results, "passed")
    yield from (_row([result], result.detail) for result in broken[:MOST_ROWS])
    if len(broken) > MOST_ROWS:
        yield (MARKS["failed"], f"{len(broken) - MOST_ROWS} more", "", "--json lists them all")
    for group in groups(of(results, "skipped"), check_and_detail):
        yield _row(group, group[0].detail)
    if not verbose:
        return
    means = [result for result in held if result.check in MEAN_CHECKS]
    for group in groups(means, lambda result: (result.check, result.where)):
        yield _row(group, "")
    rest = [result for result in held if result.check not in MEAN_CHECKS]
    yield from (_row(group, "") for group in groups(rest, lambda result: result.check))


def _row(group: Sequence[CheckResult], detail: str) -> tuple[str, ...]:
    """One line for results that differ in numbers only; of the numbers, the worst."""
    first = group[0]
    points = sorted({result.where for result in group})
    draws = ", ".join(map(str, sorted({result.num_samples for result in group if result.num_samples})))
    where = points[0] if len(points) == 1 else f"{len(points)} cases"
    errors = [abs(result.error) for result in group if result.error is not None]
    detectable = _smallest_detectable(group)
    result = [
        f"{first.coordinate or ''} off by {max(errors):.3g}".strip() if errors else "",
        detail,
        f"smallest detectable: {detectable}" if detectable else "",
    ]
    texts = (
        first.check.replace("_", " "),
        f"{where}; num_samples={draws}" if draws else where,
        "; ".join(filter(None, result)),
    )
    return (MARKS[first.status], *map(escape, texts))


def _smallest_detectable(group: Sequence[CheckResult]) -> str:
    """The smallest error that would have failed: of a mean relative to the gradient, of others as a number."""
    if group[0].check in MEAN_CHECKS:
        return smallest_bias(group)
    detectable = [result.smallest_detectable for result in group if result.smallest_detectable]
    return f"{max(detectable):.2g}" if detectable else ""
