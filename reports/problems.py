"""One problem's pages: what it is, its tables, and what they look like."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

from reports import figures, readouts
from reports.blocks import Block, Text, figure, heading, paragraph, see, where
from reports.figures import Panel
from reports.numbers import grouped, plain, reading, tidy
from reports.ranking import by_variance, by_work
from reports.readouts import Subject
from reports.results import Entry, Results, tables
from reports.style import Look, breakable

_T = TypeVar("_T")
PANELS, TALL = 3, 18  # panels side by side; one alone where more methods than TALL are drawn


def blocks(results: Results, problem: str, number: int, looks: dict[str, Look], images: dict[str, str]) -> list[Block]:
    """Everything about the report's `number`-th problem; its figures are put into `images`."""
    groups = tables(results.of(problem))
    pairs = [(by_variance(group), by_work(group)) for group in groups]
    subject = Subject(results, problem, f"problem-{number}", groups, pairs, looks)
    panels = list(_panels(subject))
    found = [heading(2, problem, subject.key), _intro(subject), readouts.variance(subject)]
    found += _variance_figures(subject, panels, images)
    found += [readouts.bias(subject), *readouts.accuracy(subject), *readouts.noises(subject)]
    found += _noise_figures(subject, panels, images)
    return [*found, *readouts.parameters(subject), readouts.cost(subject)]


def _intro(subject: Subject) -> Block:
    facts = subject.groups[0][0].record.facts
    shapes = facts["shapes"]
    named = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    total = sum(math.prod(shape) for shape in shapes.values())
    text: Text = [f"{grouped(total)} parameters ({named}). " if total > 1 else f"One parameter ({named}). "]
    if facts["no_oracle"]:
        text += [f"The exact gradient is not known: {breakable(facts['no_oracle'].partition('; ')[0])}. "]
    elif all(entry.record.exact is None for group in subject.groups for entry in group):
        text += ["The exact gradient is not known. "]
    else:
        text += ["The exact gradient is known. "]
    return paragraph(*text, *_objectives(subject))


def _objectives(subject: Subject) -> Text:
    """The expected cost at every place, and how it was found."""
    found: dict[str, dict[str, Any]] = {}
    for group in subject.groups:
        found.setdefault(group[0].record.cell.at, group[0].summary["objective"])
    parts = []
    for at, objective in found.items():
        value, error = objective["value"], objective["stderr"]
        if objective["exact"]:
            parts.append(f"at {at} {tidy(value, 8)} (exact)")
        else:
            written, _ = reading(value, value - error, value + error, 8)
            parts.append(f"at {at} {written} ± {plain(error, 2)} (from a fixed sample)")
    return ["Objective: ", "; ".join(parts), "."]


def _panels(subject: Subject) -> Iterator[Panel]:
    """A panel for all cells that saw the same draws; those with another target than the first are not compared."""
    found: dict[tuple[str, ...], list[Entry]] = {}
    for group in subject.groups:
        found.setdefault(group[0].record.cell.table, []).extend(group)
    rankings = {pair[0].where: pair for pair in subject.rankings}
    for entries in found.values():
        yield Panel(where(subject.results, entries[0].where, with_target=False), entries, rankings[entries[0].where])


def _variance_figures(subject: Subject, panels: list[Panel], images: dict[str, str]) -> Iterator[Block]:
    shown = [panel for panel in panels if any(entry.summary["total_variance"]["value"] for entry in panel.entries)]
    rows = max((len(panel.entries) for panel in shown), default=0)
    for number, part in enumerate(chunks(shown, PANELS if rows <= TALL else 1)):
        name = f"{subject.key}-figure-{number}"
        images[f"{name}.svg"] = figures.variance(part, subject.looks)
        yield figure(f"{name}.svg", _caption(subject, part), name)


def _caption(subject: Subject, panels: list[Panel]) -> Text:
    at = f" ({panels[0].heading})" if len(panels) == 1 else ""
    entries = [(panel, entry) for panel in panels for entry in panel.entries]
    text = (
        f"Total variance and variance × seconds on {breakable(subject.problem)}{at}, with their intervals where these "
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


def _noise_figures(subject: Subject, panels: list[Panel], images: dict[str, str]) -> Iterator[Block]:
    shown = [panel for panel in panels if any(entry.summary["noise"]["minibatch"] for entry in panel.entries)]
    for number, part in enumerate(chunks(shown, PANELS)):
        name = f"{subject.key}-noise-figure-{number}"
        images[f"{name}.svg"] = figures.noises(part, subject.looks)
        caption: Text = [
            f"The three noises on {breakable(subject.problem)}: the numbers of ",
            see(f"{subject.key}-noises"),
        ]
        yield figure(f"{name}.svg", [*caption, ". An interval that reaches zero ends at the frame."], name)


def chunks(items: list[_T], most: int) -> Iterator[list[_T]]:
    """Items in parts of at most `most`, as even as can be."""
    parts = -(-len(items) // most)
    for part in range(parts):
        yield items[part * len(items) // parts : (part + 1) * len(items) // parts]
