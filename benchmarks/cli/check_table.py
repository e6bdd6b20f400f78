"""A verdict as a person reads it: the result in one line, why, and what is broken, could not be judged, or holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gradmark.benchmarks.checks.sentences import OF_THE_MEAN, Rulings, alike, explanation, groups, of, reach, result

MOST_ROWS = 12  # of broken laws that are shown one by one
MARKS = {
    "failed": "[red]failed[/]",
    "raised": "[red]raised[/]",
    "passed": "[green]passed[/]",
    "declined": "[yellow]declined[/]",
}


def show(verdict: dict[str, Any], verbose: bool = False) -> None:
    """The result of one estimator first, on one line, then why, then its table; `verbose` shows what passed, too."""
    console = Console(emoji=False)  # ":cat:" stands as it is, as does "[red]", which is escaped
    console.print(escape(result(verdict)), soft_wrap=True, highlight=False)
    console.print(escape(explanation(verdict)), soft_wrap=True, highlight=False)
    rows = list(_rows(verdict["laws"], verbose))
    if rows:
        table = Table(show_edge=False)
        for name, least in (("", 8), ("law", 16), ("where", 18), ("found", 20)):
            table.add_column(name, overflow="fold", min_width=least)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print()


def _rows(laws: Rulings, verbose: bool) -> Iterable[tuple[str, ...]]:
    broken, held = [*of(laws, "failed"), *of(laws, "raised")], of(laws, "passed")
    yield from (_row([ruling], ruling["detail"]) for ruling in broken[:MOST_ROWS])
    if len(broken) > MOST_ROWS:
        yield (MARKS["failed"], f"{len(broken) - MOST_ROWS} more", "", "--json lists them all")
    for group in groups(of(laws, "declined"), alike):
        yield _row(group, group[0]["detail"])
    if not verbose:
        return
    of_the_mean = [each for each in held if each["law"] in OF_THE_MEAN]
    for group in groups(of_the_mean, lambda each: (each["law"], each["fixture"])):
        yield _row(group, "")
    rest = [each for each in held if each["law"] not in OF_THE_MEAN]
    yield from (_row(group, "") for group in groups(rest, lambda each: each["law"]))


def _row(group: Rulings, detail: str) -> tuple[str, ...]:
    """One line for rulings that say the same; of numbers, the worst."""
    first = group[0]
    places = sorted({ruling["fixture"] for ruling in group})
    draws = ", ".join(map(str, sorted({ruling["num_samples"] for ruling in group if ruling["num_samples"]})))
    where = places[0] if len(places) == 1 else f"{len(places)} fixtures"
    sizes = [abs(ruling["size"]) for ruling in group if ruling["size"] is not None]
    seen = _seen(group)
    found = [
        f"{first['coordinate'] or ''} off by {max(sizes):.3g}".strip() if sizes else "",
        detail,
        f"would see {seen}" if seen else "",
    ]
    texts = (
        first["law"].replace("_", " "),
        f"{where}; K = {draws}" if draws else where,
        "; ".join(filter(None, found)),
    )
    return (MARKS[first["status"]], *map(escape, texts))


def _seen(group: Rulings) -> str:
    """The smallest fault that would have been seen: of a mean relative to the gradient, of others as a number."""
    if group[0]["law"] in OF_THE_MEAN:
        return reach(group)
    seen = [ruling["visible"] for ruling in group if ruling["visible"]]
    return f"{max(seen):.2g}" if seen else ""
