"""Permutation tests of the reverse's draws: what passes, what is rejected, and the smallest distance that would be."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.elements import Block, Table, Text, paragraph, strong
from gradmark.reports.layout.numbers import tidy
from gradmark.reports.layout.style import breakable


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """How a verdict is reached, and a table for each law of data."""
    setting = (outcomes[0].tables or {})["setting"][0]
    text = paragraph(
        f"Each seed draws {setting['size']} points of the reverse's end and as many of the data anew and tests once at "
        f"level {tidy(setting['level'])} by relabelling; {setting['seeds']} seeds. Two samples of one law reach the "
        f"number of rejections that counts as a verdict with probability {tidy(setting['false_alarm'])} at the most. "
        "A verdict of no difference is worth what the rule could have seen: the last row is the smallest shift of the "
        "data, as a Wasserstein-1 distance, that it rejects."
    )
    return [text, *(_table(outcome, f"{key}-{number}") for number, outcome in enumerate(outcomes))]


def _table(outcome: Outcome, label: str) -> Block:
    tables = outcome.tables or {}
    setting, verdicts = tables["setting"][0], tables["verdicts"]
    statistics = list(dict.fromkeys(row["statistic"] for row in verdicts))
    threshold = verdicts[0]["threshold"]
    caption = (
        f"{breakable(setting['data'])}, {breakable(setting['schedule'])}: rejections among {setting['seeds']} seeds; "
    )
    table = Table([caption + f"{threshold} or more, in bold, tell the laws apart."], label)
    for head in ("score", "reverse variance", "steps"):
        table.column(head, "right" if head == "steps" else "left")
    for statistic in statistics:
        table.column(statistic, "right")
    for (score, rule, steps), rows in groupby(verdicts, key=lambda row: (row["score"], row["rule"], row["steps"])):
        table.row(score, rule, str(steps), *(_count(row) for row in rows))
    smallest = {row["statistic"]: row["shift"] for row in tables["smallest"]}
    table.row("smallest shift seen", "", "", *(tidy(smallest[statistic], 2) for statistic in statistics))
    return table.block()


def _count(row: dict[str, Any]) -> Text:
    return [strong(str(row["rejections"])) if row["rejected"] else str(row["rejections"])]
