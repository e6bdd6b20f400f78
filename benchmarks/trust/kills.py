"""How many killed studies, run again until they are done, differ from an undisturbed one: kill -9 and SIGTERM."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click
import torch

from gradmark.benchmarks.cli import commands
from gradmark.benchmarks.store.opening import FILE
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import terminal  # noqa: F401  # loaded once: no child has to

STUDY = """title = "Kills"
[[variance]]
problems = ["GaussianToy()"]
estimators = ["ScoreFunction()", "MovingAverageBaseline()", "Reparameterization()"]
replicates = 16384
"""
MORE = """
[[variance]]
problems = ["GaussianToy()"]
estimators = ["ScoreFunction()"]
at = ["step=20"]
rel_ci = 0.05
[[convergence]]
problems = ["GaussianToy()"]
solvers = ["Adam(estimator=Reparameterization())"]
steps = 20
evaluations = 3
"""


class Ended(NamedTuple):
    """How a study that was attacked went."""

    kills: int  # that hit it before it was done
    same: bool  # as an undisturbed one, to the bit
    statuses: tuple[int, ...]  # of the processes that were hit


def study(folder: Path, text: str) -> Path:
    """The study's file."""
    path = folder / "kills.toml"
    path.write_text(text, encoding="utf-8")
    return path


def start(file: Path, store: Path) -> int:
    """A process that runs the study; a fork, as a fresh interpreter would load torch for each kill."""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            commands.main(["run", str(file), "--store", str(store)])
        except SystemExit as end:
            os._exit(int(end.code or 0))
        os._exit(70)  # main always exits
    return child


def blocks(store: Path) -> int:
    """How many blocks are stored now; 0 where there are no tables yet."""
    try:
        base = sqlite3.connect(f"{(store / FILE).resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        return 0
    try:
        return base.execute("SELECT count(*) FROM blocks").fetchone()[0]
    except sqlite3.Error:
        return 0
    finally:
        base.close()


def attacked(file: Path, store: Path, number: signal.Signals, draw: random.Random, most: int, kills: int) -> Ended:
    """The study killed at up to `kills` random numbers of stored blocks, then run to its end."""
    statuses = []
    for target in sorted(draw.randrange(most) for _ in range(kills)):
        child = start(file, store)
        status = None
        while status is None and blocks(store) < target:
            status = _ended(child)
            time.sleep(0.003)
        if status is not None:
            break
        os.kill(child, number)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os.waitpid(start(file, store), 0)
    return Ended(len(statuses), False, tuple(statuses))


def _ended(child: int) -> int | None:
    found, status = os.waitpid(child, os.WNOHANG)
    return status if found else None


def contents(store: Path) -> dict[str, str]:
    """Everything in a store but its times and where it was made, to the bit."""
    found: dict[str, str] = {}
    with Store(store, write=False) as opened:
        opened.demand_whole()
        for row in opened.rows.select("blocks"):
            found[f"{row['key']} block {row['number']}"] = row["moments"].hex()
        for each in opened.records():
            exact = None if each.exact is None else each.exact.tolist()
            found[each.cell.key] = json.dumps([each.status, each.reason, each.facts, exact], sort_keys=True)
        for each in opened.curves():
            data = {name: value for name, value in (each.data or {}).items() if name != "seconds"}
            found[each.training.key] = json.dumps([each.status, data], sort_keys=True)
    return found


def count(number: signal.Signals, studies: int, kills: int, seed: int, text: str = STUDY + MORE) -> list[Ended]:
    """Some studies, each killed several times and then compared with an undisturbed one."""
    draw, ended = random.Random(f"{seed} {number.name}"), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = study(folder, text)
        os.waitpid(start(file, folder / "undisturbed"), 0)
        expected, most = contents(folder / "undisturbed"), blocks(folder / "undisturbed")
        for each in range(studies):
            store = folder / str(each)
            found = attacked(file, store, number, draw, most, kills)
            ended.append(found._replace(same=contents(store) == expected))
    return ended


@click.command()
@click.option("--studies", type=click.IntRange(1), default=10, show_default=True, help="Killed by each signal.")
@click.option("--kills", type=click.IntRange(1), default=7, show_default=True, help="Of one study, at the most.")
@click.option("--seed", type=int, default=0, show_default=True)
def main(studies: int, kills: int, seed: int) -> None:
    """Kill studies at random numbers of stored blocks, run them to their end, and compare every bit."""
    click.echo(f"Seed {seed}, torch {torch.__version__}\n")
    click.echo("| signal | studies | kills that hit | equal to the bit | exit statuses |\n|---|---:|---:|---:|---|")
    for number in (signal.SIGKILL, signal.SIGTERM):
        ended = count(number, studies, kills, seed)
        statuses = sorted({status for each in ended for status in each.statuses})
        hits, same = sum(each.kills for each in ended), sum(each.same for each in ended)
        click.echo(f"| {number.name} | {studies} | {hits} | {same} | {', '.join(map(str, statuses))} |")


if __name__ == "__main__":
    main()
