"""`gradmark list | measure | recommend | run | check | status | verify`, and what packages add: click, no logic."""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn

import click

from gradmark.benchmarks.cli import options, streams, termination
from gradmark.benchmarks.cli.recommend_command import recommend
from gradmark.benchmarks.errors import LONGEST, BadInput, printable, shortened
from gradmark.benchmarks.json_numbers import finite


class _Commands(click.Group):
    """The group, with the commands that installed packages add through the entry-point group `gradmark.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *(point.name for point in entry_points(group="gradmark.commands"))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        added = entry_points(group="gradmark.commands", name=cmd_name)
        return own or (next(iter(added)).load() if added else None)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gradmark")
def cli() -> None:
    """Measure stochastic gradient estimators: bias, variance, cost and convergence, against known truth."""


cli.add_command(recommend)
KINDS = ("estimators", "problems", "experiments", "studies", "data")


@cli.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@options.JSON
def list_(kind: str | None, as_json: bool) -> None:
    """List estimators, problems, experiments, studies and data."""
    from gradmark.benchmarks.cli import tables

    listed = {each: tables.rows(each) for each in ([kind] if kind else KINDS)}
    if as_json:
        click.echo(json.dumps(listed))
    else:
        tables.show(listed)


@cli.command()
@click.option("--problem", required=True, help="The problem, e.g. 'GaussianToy(function=\"cos\")'.")
@click.option("--estimator", required=True, help="The estimator, e.g. 'LeaveOneOut()'.")
@click.option("--num-samples", type=options.COUNT, default=1, show_default=True, help="Draws of one estimate.")
@options.POINT
@click.option("--replicates", type=options.COUNT, help="Estimates, rounded up to whole blocks. [default: 16384]")
@click.option(
    "--rel-ci",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Stop when the interval of the variance is within this share of its value.",
)
@options.DEVICE
@options.DTYPE
@options.SEED
@options.THREADS
@click.option("--state", type=click.Choice(["cold", "warm"]), default="warm", show_default=True, help="Baseline state.")
@options.PLUGINS
@options.within_limits
@options.JSON
def measure(
    problem: str,
    estimator: str,
    num_samples: int,
    at: str,
    replicates: int | None,
    rel_ci: float | None,
    device: str,
    dtype: str,
    seed: int,
    threads: int,
    state: str,
    plugins: Path | None,
    cell_seconds: float,
    cell_memory: float | None,
    as_json: bool,
) -> None:
    """Measure one cell now."""
    from gradmark.benchmarks.cli import summary_table
    from gradmark.benchmarks.execution.limits import Limits
    from gradmark.benchmarks.execution.worker_client import reader
    from gradmark.benchmarks.measurement.block import threads as using
    from gradmark.benchmarks.plugins import modules as outside
    from gradmark.benchmarks.studies import measure as single

    if replicates is not None and rel_ci is not None:
        raise BadInput("--replicates and --rel-ci exclude each other; pass one of them")
    limits = Limits(cell_seconds, cell_memory)
    source = outside.Source(plugins or Path.cwd(), tell=options.tell, attempt=reader(limits))
    with using(threads), outside.using(source), streams.stdout_to_stderr():
        summary = single.measure(
            *(problem, estimator, num_samples, at, device, dtype, seed, state),
            replicates=replicates,
            rel_ci=rel_ci,
            limits=limits,
        )
    if as_json:
        click.echo(json.dumps(finite(summary), allow_nan=False))
        streams.nothing_more()
    else:
        summary_table.show_summary(summary)
    if summary["status"] == "failed":
        raise BadInput(f"{summary['estimator']} on {summary['problem']}: {summary['reason']}")


@cli.command()
@click.argument("study")
@click.option(
    "--store", type=click.Path(file_okay=False, path_type=Path), help="The folder of results. [default: NAME.store]"
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="The device, instead of those of the study.")
@options.THREADS
@click.option(
    "--plugins",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Agree that the study runs code from this folder, which its key `plugins` names.",
)
@click.option(
    "--processes",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="New processes that time everything again, for intervals that hold from one process to the next.",
)
@options.within_limits
def run(
    study: str,
    store: Path | None,
    device: str | None,
    threads: int,
    plugins: Path | None,
    processes: int,
    cell_seconds: float,
    cell_memory: float | None,
) -> None:
    """Run a study: a published one by name, or a TOML file. What the store already has is not run again."""
    from gradmark.benchmarks.execution.limits import Limits
    from gradmark.benchmarks.execution.worker_client import reader
    from gradmark.benchmarks.measurement.block import threads as using
    from gradmark.benchmarks.plugins.consent import Consent
    from gradmark.benchmarks.studies import terminal

    path, limits = store or Path(f"{Path(study).stem}.store"), Limits(cell_seconds, cell_memory)
    consent = Consent(plugins, _ask, options.tell, reader(limits))
    with using(threads):
        failed = terminal.run(study, path, device, consent, limits, processes)
    click.echo(f"stored in {path}; `gradmark report {path} -o report.pdf` writes the report")
    if failed:
        click.echo(f"gradmark: {failed} failed; `gradmark status {path}` says why", err=True)
        sys.exit(1)


@cli.command()
@click.argument("store", type=click.Path(path_type=Path))
@options.JSON
@click.option("--study", metavar="NAME", help="A study of the store.  [default: the one run last]")
@click.option("--all", "everything", is_flag=True, help="All studies of the store.")
def status(store: Path, as_json: bool, study: str | None, everything: bool) -> None:
    """Show how many cells of a study are done, missing, refused and failed, and what is kept aside or damaged."""
    from gradmark.benchmarks.store import status as store_status

    counts = store_status.status(store, study, everything=everything)
    if as_json:
        click.echo(json.dumps(counts))
    else:
        store_status.show_status(counts)


@cli.command()
@click.argument("store", type=click.Path(path_type=Path))
@options.JSON
def verify(store: Path, as_json: bool) -> None:
    """Verify that a store is as it was written: every checksum and the file itself; exit 0 if so, else 1."""
    from gradmark.benchmarks.store import status as store_status

    verified = store_status.verify(store)
    if as_json:
        click.echo(json.dumps(verified))
    else:
        store_status.show_verified(verified)
    sys.exit(0 if verified["whole"] else 1)


@cli.command()
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@click.option("--against", multiple=True, metavar="PROBLEM", help="Check on this problem instead; may be repeated.")
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.001,
    show_default=True,
    help="Probability that a right estimator fails, over all checks by Monte Carlo.",
)
@click.option(
    "--budget",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds for one estimator.",
)
@options.PLUGINS
@click.option("--verbose", is_flag=True, help="Show passed checks, too.")
@options.JSON
def check(
    specs: tuple[str, ...],
    against: tuple[str, ...],
    level: float,
    budget: float,
    plugins: Path | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Check estimators, built in or your own (`module.Class()`): exit 0 if each passes every check, else 1."""
    from gradmark.benchmarks.checks import isolation
    from gradmark.benchmarks.cli import check_table

    show = (lambda report: None) if as_json else lambda report: check_table.show(report, verbose)
    reports, faults = isolation.check(specs, against, level, budget, show, plugins, options.tell)
    if as_json and reports:
        found = {"estimators": [report.json() for report in reports]}
        click.echo(json.dumps(finite(found), allow_nan=False))
    if faults:
        raise BadInput("\n".join(faults))
    sys.exit(isolation.status(reports))


def _ask(question: str) -> bool:
    """The answer at the terminal; no where there is no terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty() and click.confirm(question, err=True)


def main(arguments: list[str] | None = None) -> NoReturn:
    """The command line: bad input is one line on stderr (one for each fault of a study file) and exit status 2."""
    streams.lenient()
    with termination.as_interrupt():
        status = _guarded(arguments)
    sys.exit(status)


def _guarded(arguments: list[str] | None) -> Any:
    try:
        return cli.main(arguments, prog_name="gradmark", standalone_mode=False) or 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as fault:
        faults = [" ".join(fault.format_message().split())]
    except BadInput as fault:
        faults = str(fault).splitlines()
    except (KeyboardInterrupt, click.Abort) as end:
        click.echo("gradmark: interrupted; what is stored is whole, and the same command does the rest", err=True)
        return 143 if termination.Terminated in (type(end), type(end.__cause__)) else 130  # click wraps it
    except OSError as fault:
        faults = [f"{fault.filename or 'output'}: {fault.strerror or fault}; check the disk's space and permissions"]
    for line in faults:
        click.echo(f"gradmark: {shortened(printable(line), LONGEST - len('gradmark: '))}", err=True)
    return 2
