"""How many damaged stores give other numbers without an error: bits, bytes and pages of a real store are changed."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Cell, Inquiry, Training
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.measurement.block import Setting, measure_block
from gradmark.benchmarks.store.codes import Code
from gradmark.benchmarks.store.opening import FILE
from gradmark.benchmarks.store.planning import Asked
from gradmark.benchmarks.store.records import Description
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner
from gradmark.benchmarks.studies.summary import summarise

PAGE = 4096
RUNS = "provenance"  # all that the log adds in `count`: where SQLite drops a damaged log, the store is as it was before
Change = Callable[[bytearray, random.Random], None]


def _bit(data: bytearray, draw: random.Random) -> None:
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _byte(data: bytearray, draw: random.Random) -> None:
    data[draw.randrange(len(data))] = draw.randrange(256)


def _header(data: bytearray, draw: random.Random) -> None:
    data[draw.randrange(min(len(data), 2 * PAGE))] ^= 1 << draw.randrange(8)


def _page(data: bytearray, draw: random.Random) -> None:
    start = PAGE * draw.randrange(-(-len(data) // PAGE))
    data[start : start + PAGE] = bytes(len(data[start : start + PAGE]))


def _swapped(data: bytearray, draw: random.Random) -> None:
    first, second = (PAGE * draw.randrange(len(data) // PAGE) for _ in range(2))
    data[first : first + PAGE], data[second : second + PAGE] = data[second : second + PAGE], data[first : first + PAGE]


def _end(data: bytearray, draw: random.Random) -> None:
    del data[draw.randrange(len(data)) :]


CHANGES: dict[str, Change] = {
    "a bit flipped": _bit,
    "a byte replaced": _byte,
    "a bit of the schema flipped": _header,
    "a page of zeros": _page,
    "two pages swapped": _swapped,
    "cut off": _end,
}


class Outcome(NamedTuple):
    """What one damaged store gave."""

    kind: str  # "same" | "refused" | "fewer" | "other" | "traceback"
    said: str


def make(folder: Path) -> None:
    """A small store with everything in it: cells, a training run, an experiment, a refusal, an older number."""
    cells = [
        Cell("GaussianToy()", name, num_samples=2, replicates=8192)
        for name in ("ScoreFunction()", "Reparameterization()", "StraightThrough()")
    ]
    run = Training("GaussianToy()", "Adam(estimator=Reparameterization())", steps=8, evaluations=3)
    inquiry = Inquiry("AnExperiment()", 1)
    study = Description("small", "A small study", "What it is about.", "title = ...")
    old: dict[Asked, Code] = {cells[0]: Code("0.0", "2.0")}
    with Store(folder) as store:
        store.add_provenance({"command": "gradmark run small", "versions": {"torch": torch.__version__}})
        store.plan(cells[:1], [], codes=old)
        store.add_block(cells[0], 0, measure_block(_setting(cells[0]), 64, 0))
        runner.run(cells, [run], store, study=study)
        store.plan(cells, [run], [inquiry], study=study)
        store.finish_inquiry(inquiry, "measured", seconds=1.0, facts={"title": "t"}, tables={"rows": [{"x": 1.5}]})


def _setting(cell: Cell) -> Any:
    problem = specs.problem(cell.problem)
    return Setting(problem, specs.estimator(cell.estimator), cell.num_samples, problem.init())


def numbers(folder: Path) -> dict[str, str]:
    """Every number that a report would print, by what it is of; BadInput where the store is refused."""
    with Store(folder, write=False) as store:
        store.demand_whole()
        study = store.study()
        keys = {} if study is None else store.keys(study.name)
        found = {each.cell.key: _said(each.status, summarise(each)) for each in store.records(keys.get("cells"))}
        for each in store.curves(keys.get("trainings")):
            found[each.training.key] = _said(each.status, each.data)
        for each in store.outcomes(keys.get("experiments")):
            found[each.inquiry.key] = _said(each.status, [each.tables, each.seconds, each.facts])
        found["study"] = _said("measured", [study and study.title, study and study.description])
        found[RUNS] = _said("measured", store.provenance())
        found["old"] = _said("measured", [summarise(each) for each in store.old_records()])
    return found


def _said(status: str, value: Any) -> str:
    return json.dumps(value, sort_keys=True) if status == "measured" else status


def outcome(folder: Path, whole: dict[str, str]) -> Outcome:
    """What a damaged store gives when it is read, against the numbers of the whole one."""
    try:
        found = numbers(folder)
    except BadInput as fault:
        line = str(fault)
        return Outcome("refused" if len(line) < 300 and line.isprintable() else "traceback", line)
    except Exception as fault:  # what is counted
        return Outcome("traceback", f"{type(fault).__name__}: {fault}")
    if found == whole:
        return Outcome("same", "")
    differing = [name for name in whole if found.get(name) != whole[name]]
    fewer = all(found.get(name, "missing") in ("missing", "failed") for name in differing)
    return Outcome("fewer" if fewer else "other", ", ".join(differing))


def attack(source: Path, change: Change, draw: random.Random, whole: dict[str, str], file: str = FILE) -> Outcome:
    """One changed copy of a store, read. `whole` is what the whole one gives."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "s"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("*-shm", "*.lock"))
        data = bytearray((copy / file).read_bytes())
        change(data, draw)
        (copy / file).write_bytes(data)
        return outcome(copy, whole)


def count(changes: int, seed: int) -> dict[str, Counter[str]]:
    """The outcomes of `changes` changes of each kind to a store's file, and as many to its write-ahead log."""
    found: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, logged = Path(folder) / "source", Path(folder) / "logged"
        make(source)
        whole = numbers(source)
        with Store(source) as store:  # a copy made now is what a kill leaves: the log is not in the file yet
            store.add_provenance({"command": "gradmark run small"})
            store.finish(store.records()[0].cell, "measured")
            shutil.copytree(source, logged)
        states = {FILE: (source, numbers(source)), f"{FILE}-wal": (logged, numbers(logged))}
        assert states[FILE][1] != whole, "the log was written to the file when the store was closed"
        for file, (stored, expected) in states.items():
            for name, change in CHANGES.items():
                if file == FILE or change is not _swapped:
                    draw = random.Random(f"{seed} {file} {name}")
                    ended = [attack(stored, change, draw, expected, file) for _ in range(changes)]
                    kinds = Counter("before" if file != FILE and each.said == RUNS else each.kind for each in ended)
                    found[f"{name}{'' if file == FILE else ', in the log'}"] = kinds
    return found


KINDS = {
    "same": "same numbers",
    "before": "same, less the last run",
    "refused": "refused in one line",
    "fewer": "said to be missing",
    "other": "other numbers, no word",
    "traceback": "traceback",
}


@click.command()
@click.option("--changes", type=click.IntRange(1), default=2000, show_default=True, help="Changes of each kind.")
@click.option("--seed", type=int, default=0, show_default=True)
def main(changes: int, seed: int) -> None:
    """Damage a small store in many ways, one at a time, and count what it gives when it is read."""
    found = count(changes, seed)
    click.echo(f"Seed {seed}, {changes} changes of each kind, torch {torch.__version__}\n")
    click.echo(f"| change | {' | '.join(KINDS.values())} |\n|---|{'---:|' * len(KINDS)}")
    for name, kinds in found.items():
        click.echo(f"| {name} | {' | '.join(str(kinds[kind]) for kind in KINDS)} |")


if __name__ == "__main__":
    main()
