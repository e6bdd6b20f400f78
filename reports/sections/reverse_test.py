"""Permutation tests of the reverse's draws: what passes, what is rejected, and the smallest distance that would be."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.elements import Block, Table, Text, paragraph, strong
from gradmark.reports.layout.numbers import tidy
from gradmark.reports.layout.style import breakable


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """What a rejection by the rule means, and a table for each distribution of data."""
    setting = (outcomes[0].tables or {})["setting"][0]
    text = paragraph(
        f"Each seed draws {setting['size']} points of the reverse's end and as many of the data anew and tests once at "
        f"level {tidy(setting['level'])} by relabelling; {setting['seeds']} seeds. The rule rejects from a number of "
        "rejections on that two samples of one distribution reach with probability "
        f"{tidy(setting['false_alarm'])} at most. The last row is the smallest shift of the data, as a Wasserstein-1 "
        "distance, that the rule rejects: smaller differences may stay undetected."
    )
    return [text, *(_table(outcome, f"{key}-{number}") for number, outcome in enumerate(outcomes))]


def _table(outcome: Outcome, label: str) -> Block:
    tables = outcome.tables or {}
    setting, tests = tables["setting"][0], tables.get("tests") or tables["verdicts"]  # as older stores name it
    statistics = list(dict.fromkeys(row["statistic"] for row in tests))
    threshold = tests[0]["threshold"]
    caption = (
        f"{breakable(setting['data'])}, {breakable(setting['schedule'])}: rejections among {setting['seeds']} seeds; "
    )
    table = Table([caption + f"{threshold} or more, in bold, reject."], label)
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
