"""`gradmark report`: found by the command line through an entry point, so that measuring needs no report."""

from __future__ import annotations

from pathlib import Path

import click

from gradmark.benchmarks.errors import BadInput


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("report.pdf"), show_default=True, help="The PDF."
)
@click.option("--study", metavar="NAME", help="A study of the store.  [default: the one run last]")
@click.option("--all", "everything", is_flag=True, help="All studies of the store.")
@click.option("--keep-old", is_flag=True, help="List what other code measured before, too.")
def report(store: Path, output: Path, study: str | None, everything: bool, keep_old: bool) -> None:
    """Write what a store holds of a study as a PDF: who wins where, variance, bias, cost, convergence, refusals."""
    from gradmark.reports import document  # matplotlib and typst: only where a report is written

    if study is not None and everything:
        raise BadInput("--study and --all exclude each other; pass one of them")
    click.echo(document.write(store, output, study, everything=everything, keep_old=keep_old))


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--problem", required=True, help="Whose figure and table.")
@click.option("--readme", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="The page.")
@click.option("--image", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The figure, a PNG.")
@click.option("--loop", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="Its lines.")
def excerpt(store: Path, problem: str, readme: Path, image: Path, loop: Path) -> None:
    """Put a figure and tables of a store into a page, between its marks."""
    from gradmark.reports import markdown as pages

    pages.write(store, problem, readme, image, loop)
    click.echo(f"{readme} and {image} hold the results of {store}")


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def figures(store: Path, folder: Path) -> None:
    """Write the figures of a store's experiments and training runs into a folder, as PNG."""
    from gradmark.reports import markdown as pages

    for path in pages.pictures(store, folder):
        click.echo(path)
