"""Permutation tests of the reverse's draws: what passes, what is rejected, and the smallest distance that would be."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.elements import Block, Table, Text, strong
from gradmark.reports.layout.numbers import tidy
from gradmark.reports.layout.style import breakable

PROSE = "sections/reverse_test.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """What a rejection by the rule means, and a table for each distribution of data."""
    setting = (outcomes[0].tables or {})["setting"][0]
    numbers = {name: tidy(setting[name]) for name in ("level", "false_alarm")}
    text = prose.blocks(PROSE, seeds=setting["seeds"], size=setting["size"], **numbers)
    return [*text, *(_table(outcome, f"{key}-{number}") for number, outcome in enumerate(outcomes))]


def _table(outcome: Outcome, label: str) -> Block:
    tables = outcome.tables or {}
    setting, tests = tables["setting"][0], tables.get("tests") or tables["verdicts"]  # as older stores name it
    statistics = list(dict.fromkeys(row["statistic"] for row in tests))
    named = {name: breakable(setting[name]) for name in ("data", "schedule")}
    numbers = {"seeds": setting["seeds"], "threshold": tests[0]["threshold"]}
    table = Table(prose.caption(PROSE, "table", **named, **numbers), label)
    for head in ("score", "reverse variance", "steps"):
        table.column(head, "right" if head == "steps" else "left")
    for statistic in statistics:
        table.column(statistic, "right")
    for (score, rule, steps), rows in groupby(tests, key=lambda row: (row["score"], row["rule"], row["steps"])):
        table.row(score, rule, str(steps), *(_count(row) for row in rows))
    smallest = {row["statistic"]: row["shift"] for row in tables["smallest"]}
    table.row("smallest shift seen", "", "", *(tidy(smallest[statistic], 2) for statistic in statistics))
    return table.block()


def _count(row: dict[str, Any]) -> Text:
    return [strong(str(row["rejections"])) if row["rejected"] else str(row["rejections"])]
