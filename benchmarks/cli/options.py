"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gradmark.benchmarks.cells import MOST

PLUGINS = click.option(
    "--plugins",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="The folder of modules that specs name, as in `module.Class()`.  [default: the current folder]",
)
COUNT = click.IntRange(1, MOST)
POINT = click.option("--at", default="init", show_default=True, help="init, optimum, step=N, or a file of parameters.")
DEVICE = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="The device."
)
DTYPE = click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float64", show_default=True)
SEED = click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="The seed.")
THREADS = click.option(
    "--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Threads of torch."
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


def within_limits(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that limit what code from outside gradmark may take."""
    memory = click.option(
        "--cell-memory",
        type=click.FloatRange(0, min_open=True),
        help="GiB of memory that a plug-in may use. [default: 3/4 of the machine's]",
    )
    seconds = click.option(
        "--cell-seconds",
        type=click.FloatRange(0, min_open=True),
        default=600.0,
        show_default=True,
        help="Seconds that a plug-in may take for one block, or between two signs of progress.",
    )
    return seconds(memory(command))


def tell(line: str) -> None:
    """A line on stderr."""
    click.echo(f"gradmark: {line}", err=True)
