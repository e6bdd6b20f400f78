"""`gradmark report`: found by the command line through an entry point, so that measuring needs no report."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("report.pdf"), show_default=True, help="The PDF."
)
def report(store: Path, output: Path) -> None:
    """Write what a store holds as a PDF: who wins where, variance, bias, cost, convergence, refusals."""
    from reports import document  # matplotlib and typst: only where a report is written

    click.echo(document.write(store, output))
