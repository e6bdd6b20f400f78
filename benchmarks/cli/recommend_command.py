"""`gradmark recommend`: click, no logic."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gradmark.benchmarks.cli import options, streams
from gradmark.benchmarks.json_numbers import finite


@click.command()
@click.option("--problem", required=True, help="The problem, e.g. 'BayesianLogisticRegression()'.")
@click.option(
    "--estimator",
    "estimators",
    multiple=True,
    default=("all",),
    show_default=True,
    help="What is compared: all, family:NAME, or an estimator; may be repeated.",
)
@options.POINT
@click.option("--budget", default="60s", show_default=True, metavar="SECONDS", help="When to stop, as 60 or 60s.")
@click.option(
    "--by",
    type=click.Choice(["evaluations", "seconds"]),
    default="evaluations",
    show_default=True,
    help="The work of one estimate, which its variance is multiplied by.",
)
@click.option(
    "--num-samples",
    type=options.COUNT,
    multiple=True,
    default=(1, 2, 4, 8),
    show_default=True,
    help="Draws of one estimate; may be repeated.",
)
@click.option("--include-biased", is_flag=True, help="Measure the methods that declare a bias, and its size.")
@options.DEVICE
@options.DTYPE
@options.SEED
@options.THREADS
@options.PLUGINS
@options.within_limits
@options.JSON
def recommend(
    problem: str,
    estimators: tuple[str, ...],
    at: str,
    budget: str,
    by: str,
    num_samples: tuple[int, ...],
    include_biased: bool,
    device: str,
    dtype: str,
    seed: int,
    threads: int,
    plugins: Path | None,
    cell_seconds: float,
    cell_memory: float | None,
    as_json: bool,
) -> None:
    """Say which estimator to use on a problem, and with how many samples."""
    from gradmark.benchmarks.cli import recommendation_table
    from gradmark.benchmarks.execution.limits import Limits
    from gradmark.benchmarks.execution.worker_client import reader
    from gradmark.benchmarks.measurement.block import threads as using
    from gradmark.benchmarks.plugins import modules as outside
    from gradmark.benchmarks.recommendation import recommend as recommending

    limits = Limits(cell_seconds, cell_memory)
    source = outside.Source(plugins or Path.cwd(), tell=options.tell, attempt=reader(limits))
    with using(threads), outside.using(source), streams.stdout_to_stderr(), recommendation_table.watched() as progress:
        found = recommending.recommend(
            *(problem, estimators, at, device, dtype, seed),
            budget=budget,
            by=by,
            num_samples=num_samples,
            include_biased=include_biased,
            limits=limits,
            progress=progress,
        )
    if as_json:
        click.echo(json.dumps(finite(found.json()), allow_nan=False))
        streams.nothing_more()
    else:
        recommendation_table.show(found)
