"""One problem's pages: what it is, its tables, and what they look like."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

from gradmark.reports.layout.elements import Block, Text, figure, heading, paragraph, see, where
from gradmark.reports.layout.numbers import grouped, plain, quantity, tidy
from gradmark.reports.layout.style import Look, breakable
from gradmark.reports.pages import problem_tables
from gradmark.reports.pages.problem_tables import Subject
from gradmark.reports.plots import variance
from gradmark.reports.plots.variance import Panel
from gradmark.reports.results.ranking import by_variance, by_work
from gradmark.reports.results.results import Entry, Results, tables

_T = TypeVar("_T")
PANELS, TALL = 3, 18  # panels side by side; one alone where more methods than TALL are drawn


def blocks(results: Results, problem: str, number: int, looks: dict[str, Look]) -> list[Block]:
    """Everything about the report's `number`-th problem."""
    about = subject(results, problem, number, looks)
    shown = list(panels(about))
    page = [heading(2, problem, about.key), _intro(about), problem_tables.variance(about)]
    page += _variance_figures(about, shown)
    page += [problem_tables.bias(about), *problem_tables.accuracy(about), *problem_tables.noises(about)]
    page += _noise_figures(about, shown)
    return [*page, *problem_tables.parameters(about), problem_tables.evaluations(about), problem_tables.cost(about)]


def subject(results: Results, problem: str, number: int, looks: dict[str, Look]) -> Subject:
    """One problem's measured cells, in groups that may be compared, with their rankings."""
    groups = tables(results.of(problem))
    pairs = [(by_variance(group), by_work(group)) for group in groups]
    return Subject(results, problem, f"problem-{number}", groups, pairs, looks)


def _intro(about: Subject) -> Block:
    facts = about.groups[0][0].record.facts
    shapes = facts["shapes"]
    named = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    total = sum(math.prod(shape) for shape in shapes.values())
    text: Text = [f"{grouped(total)} parameters ({named}). " if total > 1 else f"One parameter ({named}). "]
    if facts["no_oracle"]:
        text += [f"The exact gradient is not known: {breakable(facts['no_oracle'].partition('; ')[0])}. "]
    elif all(entry.record.exact is None for group in about.groups for entry in group):
        text += ["The exact gradient is not known. "]
    else:
        text += ["The exact gradient is known. "]
    return paragraph(*text, *_objectives(about))


def _objectives(about: Subject) -> Text:
    """The expected cost at every point, and how it was found."""
    objectives: dict[str, dict[str, Any]] = {}
    for group in about.groups:
        objectives.setdefault(group[0].record.cell.at, group[0].summary["objective"])
    parts = []
    for at, objective in objectives.items():
        value, error = objective["value"], objective["stderr"]
        if value is None:
            parts.append(f"at {at} not known ({objective['reason']})")
        elif objective["exact"]:
            parts.append(f"at {at} {tidy(value, 8)} (exact)")
        else:
            written, _ = quantity(value, value - error, value + error, most=8)
            parts.append(f"at {at} {written} ± {plain(error, 2)} (from a fixed sample)")
    return ["Objective: ", "; ".join(parts), "."]


def panels(about: Subject) -> Iterator[Panel]:
    """A panel for all cells that saw the same draws; those with another target than the first are not compared."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for group in about.groups:
        groups.setdefault(group[0].record.cell.table, []).extend(group)
    rankings = {pair[0].where: pair for pair in about.rankings}
    for entries in groups.values():
        yield Panel(where(about.results, entries[0].where, with_target=False), entries, rankings[entries[0].where])


def _variance_figures(about: Subject, shown: list[Panel]) -> Iterator[Block]:
    shown = [panel for panel in shown if any(entry.summary["total_variance"]["value"] for entry in panel.entries)]
    rows = max((len(panel.entries) for panel in shown), default=0)
    for number, part in enumerate(chunks(shown, PANELS if rows <= TALL else 1)):
        name = f"{about.key}-figure-{number}"
        yield figure(
            f"{name}.svg",
            variance.variance(part, about.looks),
            _caption(about, part),
            name,
            floating=True,
        )


def _caption(about: Subject, shown: list[Panel]) -> Text:
    at = f" ({shown[0].heading})" if len(shown) == 1 else ""
    entries = [(panel, entry) for panel in shown for entry in panel.entries]
    text = (
        f"Total variance and variance × seconds on {breakable(about.problem)}{at}, with their intervals where these "
        "are wider than the mark. The grey line is the best that may be ranked."
    )
    if any(entry.record.cell.state == "cold" for _, entry in entries):
        text += " An open circle is a cold state."
    if any(entry.unranked and entry.summary["total_variance"]["value"] for _, entry in entries):
        text += " A cross may not be ranked."
    other = dict.fromkeys(f"{e.estimator} ({e.target})" for panel, e in entries if not panel.comparable(e))
    text += f" An open diamond has another target and may not be compared: {', '.join(other)}." if other else ""
    exact = dict.fromkeys(e.estimator for _, e in entries if e.summary["total_variance"]["value"] == 0 and e.unranked)
    return [text + (f" Not drawn, as its variance is zero: {', '.join(exact)}." if exact else "")]


def _noise_figures(about: Subject, shown: list[Panel]) -> Iterator[Block]:
    shown = [panel for panel in shown if any(entry.summary["noise"]["minibatch"] for entry in panel.entries)]
    for number, part in enumerate(chunks(shown, PANELS)):
        name = f"{about.key}-noise-figure-{number}"
        caption: Text = [
            f"The three noises on {breakable(about.problem)}: the numbers of ",
            see(f"{about.key}-noises"),
        ]
        yield figure(
            f"{name}.svg",
            variance.noises(part, about.looks),
            [*caption, ". An interval that reaches zero ends at the frame."],
            name,
            floating=True,
        )


def chunks(items: list[_T], most: int) -> Iterator[list[_T]]:
    """Items in parts of at most `most`, as even as can be."""
    parts = -(-len(items) // most)
    for part in range(parts):
        yield items[part * len(items) // parts : (part + 1) * len(items) // parts]
