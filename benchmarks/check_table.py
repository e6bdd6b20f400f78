"""A verdict as a person reads it: what is broken first, then what could not be judged, then what holds; a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

MOST_ROWS = 12  # of broken laws that are shown one by one
OF_THE_MEAN = ("expectation_is_exact", "mean_of_many_is_exact", "bias_is_found")
MARKS = {"failed": "[red]failed[/]", "passed": "[green]passed[/]", "declined": "[yellow]declined[/]"}

Rulings = list[dict[str, Any]]


def show(verdict: dict[str, Any]) -> None:
    """The table of one estimator, worst first, and one sentence of verdict."""
    console = Console(emoji=False)  # ":cat:" stands as it is, as does "[red]", which is escaped
    table = Table(title=escape(verdict["estimator"]), title_justify="left", show_edge=False)
    for name, least in (("", 8), ("law", 16), ("where", 18), ("found", 20)):
        table.add_column(name, overflow="fold", min_width=least)
    for row in _rows(verdict["laws"]):
        table.add_row(*row)
    console.print(table)
    console.print(escape(sentence(verdict)), soft_wrap=True, highlight=False)
    console.print()


def _rows(laws: Rulings) -> Iterable[tuple[str, ...]]:
    broken, held = _of(laws, "failed"), _of(laws, "passed")
    yield from (_row([ruling], ruling["detail"]) for ruling in broken[:MOST_ROWS])
    if len(broken) > MOST_ROWS:
        yield (MARKS["failed"], f"{len(broken) - MOST_ROWS} more", "", "--json lists them all")
    for group in _groups(_of(laws, "declined"), lambda each: (each["law"], re.sub(r"[\d.]+", "", each["detail"]))):
        yield _row(group, group[0]["detail"])
    of_the_mean = [each for each in held if each["law"] in OF_THE_MEAN]
    for group in _groups(of_the_mean, lambda each: (each["law"], each["fixture"])):
        yield _row(group, "")
    rest = [each for each in held if each["law"] not in OF_THE_MEAN]
    yield from (_row(group, "") for group in _groups(rest, lambda each: each["law"]))


def _of(laws: Rulings, status: str) -> Rulings:
    return [ruling for ruling in laws if ruling["status"] == status]


def _groups(laws: Rulings, key: Callable[[dict[str, Any]], Hashable]) -> list[Rulings]:
    found: dict[Hashable, Rulings] = {}
    for ruling in laws:
        found.setdefault(key(ruling), []).append(ruling)
    return list(found.values())


def _row(group: Rulings, detail: str) -> tuple[str, ...]:
    """One line for rulings that say the same; of numbers, the worst."""
    first = group[0]
    places = sorted({ruling["fixture"] for ruling in group})
    draws = ", ".join(map(str, sorted({ruling["num_samples"] for ruling in group if ruling["num_samples"]})))
    where = places[0] if len(places) == 1 else f"{len(places)} fixtures"
    sizes = [abs(ruling["size"]) for ruling in group if ruling["size"] is not None]
    seen = [ruling["visible"] for ruling in group if ruling["visible"]]
    found = [
        f"{first['coordinate'] or ''} off by {max(sizes):.3g}".strip() if sizes else "",
        detail,
        f"would see {max(seen):.2g}" if seen else "",
    ]
    texts = (
        first["law"].replace("_", " "),
        f"{where}; K = {draws}" if draws else where,
        "; ".join(filter(None, found)),
    )
    return (MARKS[first["status"]], *map(escape, texts))


def sentence(verdict: dict[str, Any]) -> str:
    """The verdict in one sentence."""
    laws, name = verdict["laws"], verdict["estimator"]
    took = f"({verdict['seconds']:.0f} s)"
    broken = _of(laws, "failed")
    if broken:
        return f"{name} is wrong: {_fault(broken)} {took}"
    judged = [ruling for ruling in _of(laws, "passed") if ruling["law"] in OF_THE_MEAN]
    if verdict["verdict"] == "undecided":
        reasons = sorted({ruling["detail"] for ruling in _of(laws, "declined") if ruling["detail"]})
        return f"{name} is undecided: its mean could be judged nowhere: {'; '.join(reasons)[:400]} {took}"
    if verdict["declared"] == "biased":
        worst = judged[-1]
        off = f"{worst['coordinate']} is off by {worst['size']:.3g} on {worst['fixture']}"
        return f"{name} is right: it breaks no law, and is biased as it declares, {off} {took}"
    return f"{name} is right: it breaks no law; {' and '.join(_means(judged))} {took}"


def _means(judged: Rulings) -> list[str]:
    """In how many trials the mean is right, and how well that is known."""
    found = []
    for law, text in (
        ("expectation_is_exact", "its expectation is exact"),
        ("mean_of_many_is_exact", "its mean agrees"),
    ):
        seen = [ruling["visible"] or 0.0 for ruling in judged if ruling["law"] == law]
        if seen:
            found.append(f"{text} in {len(seen)} trials (a bias of {max(seen):.2g} would have shown in each)")
    return found


def _fault(broken: Rulings) -> str:
    laws = ", ".join(dict.fromkeys(ruling["law"] for ruling in broken))
    first = broken[0]
    where = f" in {first['coordinate']}" if first["coordinate"] else ""
    size = f" by {first['size']:.3g}" if first["size"] is not None else ""
    place = f" on {first['fixture']}" if first["fixture"] else ""
    return f"it breaks {laws}; first{place}{where}{size}: {first['detail']}"
