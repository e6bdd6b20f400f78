"""`python -m gradmark.reports.speed_page STORE PAGE`: the table of speeds as Markdown, between a page's marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.numbers import NONE, plain, quantity_line, time_unit
from gradmark.reports.markdown import between, markdown
from gradmark.reports.results import speeds
from gradmark.reports.results.parts import experiment_class
from gradmark.reports.results.results import read

MARK = "speed"  # the other marks are `counts` and `compiled`


def page(outcomes: list[Outcome], trained: list[Outcome]) -> str:
    """Gradmark against the loop and the best peer; then everybody, training, the machine and what is unsafe."""
    tables = [_summary(outcomes), _everybody(outcomes), _absent(outcomes), *map(_training, trained)]
    parts = [*tables, speeds.machine(outcomes), _unsafe(outcomes)]
    return "\n\n".join(part for part in parts if part)


def _summary(outcomes: list[Outcome]) -> str:
    heads = ["work", "gradmark, a replicate", "against the loop", "against the best peer", "the best peer"]
    heads += ["the fastest", "of the product rate"]
    return markdown([heads, *map(_summarised, outcomes)])


def _summarised(outcome: Outcome) -> list[str]:
    ours = speeds.timed(outcome)[0]
    loop = next((row for row in speeds.timed(outcome) if row["contender"] == "loop"), None)
    peer = speeds.best_peer(outcome)
    best, tied = speeds.fastest(outcome)
    share = ours["share_of_product_rate"]
    aims = [f" (aim: {aim:g})" for aim in speeds.aims(outcome)] or ["", ""]
    return [
        speeds.session(outcome)["work"],
        _time(ours["seconds"]),
        NONE if loop is None else _line(loop["over_gradmark"]) + aims[0],
        NONE if peer is None else _line(peer["over_gradmark"]) + aims[1],
        NONE if peer is None else peer["contender"],
        best + (f" (tie with {', '.join(tied)})" if tied else ""),
        NONE if share is None else f"{plain(100 * share, 2)} %",
    ]


def _everybody(outcomes: list[Outcome]) -> str:
    """The time of everybody over gradmark's, and the variances over gradmark's."""
    names = list(dict.fromkeys(row["contender"] for outcome in outcomes for row in speeds.rows(outcome)))[1:]
    rows = [["work", *(f"{name}: time, variance" for name in names)]]
    for outcome in outcomes:
        known = {row["contender"]: row for row in speeds.timed(outcome)}
        cells = [_both(known[name]) if name in known else NONE for name in names]
        rows.append([speeds.session(outcome)["work"], *cells])
    return markdown(rows)


def _both(row: dict[str, Any]) -> str:
    return f"{_line(row['over_gradmark'])}, {_line(row['variance_over_gradmark'])}"


def _absent(outcomes: list[Outcome]) -> str:
    """Who took no part in what, a line for each reason."""
    works: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        for row in speeds.rows(outcome):
            if row.get("absent"):
                works.setdefault((row["contender"], row["absent"]), []).append(speeds.session(outcome)["work"])
    return "\n".join(f"* {name}, {'; '.join(left)}: {reason}." for (name, reason), left in works.items())


def _unsafe(outcomes: list[Outcome]) -> str:
    """What makes rankings unsafe, a line for each reason with the works that it is about."""
    works: dict[str, list[str]] = {}
    for outcome in outcomes:
        for reason in speeds.warnings(outcome):
            works.setdefault(reason, []).append(speeds.session(outcome)["work"])
    return "\n".join(f"* Unsafe, as {reason}: {'; '.join(named)}." for reason, named in works.items())


def _training(outcome: Outcome) -> str:
    """A step of training, in a sentence."""
    row = speeds.training(outcome)
    return (
        f"Training `{row['problem']}` at {row['rates']} rates, {row['runs_at_once']} seeds at once: "
        f"{_time(row['step_seconds'])} for a step of one run, by a loop of single runs "
        f"{_time(row['loop_step_seconds'])}, that is {_line(row['loop_over_gradmark'])} times as long. The bound after "
        f"{row['steps_of_a_turn']} steps is {_line(row['bound_over_gradmark'])} times gradmark's."
    )


def _time(seconds: dict[str, Any]) -> str:
    unit, scale = time_unit([seconds["value"]])
    return f"{_line(speeds.scaled(seconds, scale))} {unit}"


def _line(quantity: dict[str, Any]) -> str:
    return " ".join(quantity_line(quantity["value"], *(quantity["ci"] or (None, None)))).strip()


LINES = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.argument("path", metavar="PAGE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--counts", type=LINES, help="Lines for the marks of that name.")
@click.option("--compiled", type=LINES, help="The same.")
def main(store: Path, path: Path, **lines: Path | None) -> None:
    """Put the table of speeds of a store into a page, between its marks, and the lines of the other files, too."""
    answered = read(store).answered
    outcomes = [each for each in answered if experiment_class(each) == "Speed"]
    if not outcomes:
        raise BadInput(f"store {str(store)!r}: it has no comparison of speeds; run `gradmark run speed` first")
    trained = [each for each in answered if experiment_class(each) == "TrainingSpeed"]
    text = between(path.read_text(encoding="utf-8"), MARK, page(outcomes, trained))
    for mark, file in lines.items():
        text = text if file is None else between(text, mark, file.read_text(encoding="utf-8").strip())
    path.write_text(text, encoding="utf-8")
    click.echo(f"{path} holds the speeds of {store}")


if __name__ == "__main__":
    main()
