"""A recommendation in the terminal: the answer, tables of what was compared, and the training loop; 80 columns.

Text that is anybody's is printed as `Text`: in a string, rich takes "[/red]" for markup and ":cat:" for a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradmark.benchmarks.checks.report import WIDTH
from gradmark.benchmarks.recommendation.answer import Biased, Recommendation, Row
from gradmark.benchmarks.recommendation.candidates import BY, LeftOut
from gradmark.benchmarks.recommendation.sentences import spelled
from gradmark.benchmarks.studies.progress import Progress


@contextmanager
def watched() -> Iterator[Progress]:
    """What is being measured on one line of stderr, where that is a terminal."""
    with Console(stderr=True).status("") as status:
        yield Progress(start=lambda label: status.update(Text(label)))


def show(found: Recommendation) -> None:
    """All of it."""
    console = Console(emoji=False)
    console.width = min(console.width, WIDTH)
    console.print(Text(str(found)))
    if found.survivors:
        _print(console, f"Not separated from the smallest {BY[found.by]}", ROWS, [*map(_row, found.survivors)])
    if found.dropped:
        best = [next(rows) for _, rows in groupby(_by_estimator(found.dropped), key=lambda row: row.estimator)]
        best.sort(key=lambda row: row.ratio.value or 0.0)
        _print(
            console,
            "Dropped after a round; of each estimator the best",
            DROPPED,
            [_dropped(row, found.dropped) for row in best],
        )
    if found.biased:
        _print(console, "Biased, and so not compared", BIASED, [*map(_biased, found.biased)])
    for title, rows in (("Undecided", found.undecided), ("Not compared", found.left_out)):
        if rows:
            _print(console, title, LEFT_OUT, [*map(_left_out, rows)])
    if found.code:
        console.print()
        click.echo(found.code, nl=False)


WIDEST = 26  # of the first column: the numbers of the others then fit into a terminal
ROWS = ("estimator", "samples", "variance\n× work", "ratio", "ms")
DROPPED = ("estimator", "samples", "ratio", "ms", "round")
LEFT_OUT = ("estimator", "samples", "why")
BIASED = ("estimator", "samples", "norm of\nthe bias", "variance\n× work", "better\nup to")


def _print(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    console.print()
    console.print(Text(title))
    table = Table(show_edge=False)
    longest = max(len(columns[0]), *(len(row[0]) for row in rows))
    for number, name in enumerate(columns):
        table.add_column(name, overflow="fold", width=None if number else min(longest, WIDEST))
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _by_estimator(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.estimator)  # stable: the best of each stays the first


def _named(row: Row) -> str:
    return row.estimator + (", warm" if row.state == "warm" else "")


def _row(row: Row) -> list[str]:
    return [_named(row), str(row.num_samples), _value(row), spelled(row.ratio), _milliseconds(row)]


def _value(row: Row) -> str:
    return "–" if row.value.value is None else f"{row.value.value:.3g}"


def _dropped(row: Row, rows: Sequence[Row]) -> list[str]:
    rounds = sorted({each.dropped for each in rows if each.estimator == row.estimator and each.dropped})
    return [
        _named(row),
        str(row.num_samples),
        spelled(row.ratio),
        _milliseconds(row),
        " and ".join(map(str, rounds)),
    ]


def _biased(found: Biased) -> list[str]:
    norm, row = found.norm, found.row
    seen = row.bias is not None and row.bias["verdict"] == "biased"
    size = spelled(norm) if seen else _bias(row)
    better = "–" if found.better_up_to is None else f"{found.better_up_to:.3g}" if found.better_up_to else "never"
    return [_named(row), str(row.num_samples), size, _value(row), better]


def _bias(row: Row) -> str:
    """What the test of bias did not find: how small a bias it would have seen."""
    if row.bias is None or row.bias["verdict"] == "untested":
        return "untested"
    least = row.bias["minimum_detectable"]
    return "none seen" if least is None else f"none above {least:.2g}"


def _milliseconds(row: Row) -> str:
    return "–" if not row.seconds.value else f"{1000 * row.seconds.value:.3g}"


def _left_out(left: LeftOut) -> list[str]:
    name = left.estimator.partition("(")[0]
    reason = left.reason.partition("): ")[2] if left.reason.startswith(f"{name}.estimate(") else left.reason
    return [left.estimator, ", ".join(map(str, left.num_samples)) or "any", f"{left.kind}: {reason}"]
