"""How often the report names a winner between a method and a copy of it: `python -m gradmark.benchmarks.trust.copies`.

A study measures `LeaveOneOut` and a class of another name with the same code, on many problems. Their draws are the
same, so that their variances are equal, and whatever tells them apart is noise of the clock. The report must call them
a tie, at equal seconds as at equal samples.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import torch

from gradmark.reports.results.ranking import rankings
from gradmark.reports.results.results import read

COPY = """from dataclasses import dataclass

from gradmark.estimators import LeaveOneOut


@dataclass(frozen=True)
class Copy(LeaveOneOut):
    pass
"""
STUDY = """title = "A method and its copy"
plugins = "."
seed = {seed}
[[variance]]
problems = [{problems}]
estimators = ["LeaveOneOut()", "copies.py:Copy()"]
num_samples = [2]
replicates = 1024
"""
MOST = 30  # problems of one study


def compared(count: int, seed: int) -> Iterator[tuple[str, list[str]]]:
    """For each of `count` problems the measures by which one of the two is named the best."""
    with tempfile.TemporaryDirectory() as folder:
        problems = [f'"GaussianToy(k={1 + index / 10})"' for index in range(count)]
        (Path(folder) / "copies.py").write_text(COPY)
        study = Path(folder) / "study.toml"
        study.write_text(STUDY.format(seed=seed, problems=", ".join(problems)))
        store = Path(folder) / "store"
        command = [sys.executable, "-m", "gradmark", "run", str(study), "--store", str(store), "--plugins", folder]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise click.ClickException(f"`gradmark run` ended with {ended.returncode}: {ended.stderr.strip()}")
        for pair in rankings(read(store).measured):
            named = zip(("samples", "seconds"), pair, strict=True)
            yield pair[0].where[0], [measure for measure, ranking in named if ranking.next and not ranking.tied]


@click.command()
@click.option("--comparisons", default=60, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def main(comparisons: int, seed: int) -> None:
    """Count the winners that the report names between a method and its copy."""
    sizes = [min(MOST, comparisons - start) for start in range(0, comparisons, MOST)]
    found = [each for number, size in enumerate(sizes) for each in compared(size, seed + number)]
    click.echo(f"seed {seed}, torch {torch.__version__}\n")
    click.echo("| compared at equal | comparisons | a winner was named | allowed |\n| --- | --- | --- | --- |")
    for measure in ("samples", "seconds"):
        named = sum(measure in measures for _, measures in found)
        click.echo(f"| {measure} | {len(found)} | {named} | {max(len(found) // 60, 1)} |")


if __name__ == "__main__":
    main()
