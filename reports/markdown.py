"""A part of a report for a web page: one problem's figure as an image, its table and the winners as Markdown."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gradmark.benchmarks.errors import BadInput
from gradmark.reports import sections
from gradmark.reports.layout.numbers import NONE, quantity_line, time_unit
from gradmark.reports.layout.style import looks
from gradmark.reports.pages import problem as problems
from gradmark.reports.pages import training
from gradmark.reports.plots import variance
from gradmark.reports.results import ranking
from gradmark.reports.results.ranking import RankedMethod, Ranking
from gradmark.reports.results.results import Entry, Results, read

WIDTH, RESOLUTION = "18cm", 180  # of the image; dots an inch
COARSE = 100  # dots an inch of pages with many


def write(store: Path, problem: str, readme: Path, image: Path, loop: Path) -> None:
    """Put the figure of `problem` into the file `image`, and tables between the marks of the file `readme`.

    Between the marks `results` come the winners and the table of `problem`, between the marks `loop` the lines of the
    file `loop`. Raises BadInput where the problem was not measured or the marks are missing.
    """
    results = read(store)
    if problem not in results.problems:
        raise BadInput(f"--problem {problem!r}: not measured in this store; use one of {', '.join(results.problems)}")
    text = "\n\n".join([_stated(results), winners(results), table(results, problem)])
    page = between(readme.read_text(encoding="utf-8"), "results", text)
    page = between(page, "loop", loop.read_text(encoding="utf-8").strip())
    image.write_bytes(picture(results, problem))
    readme.write_text(page, encoding="utf-8")


def between(page: str, name: str, text: str) -> str:
    """The page with `text` between the marks called `name`, which replaces what was there."""
    start, stop = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, mark, rest = page.partition(start)
    _, end, after = rest.partition(stop)
    if not (mark and end):
        raise BadInput(f"the page has no lines {start} and {stop}; put them where the {name} belong")
    return f"{before}{start}\n{text}\n{stop}{after}"


def pictures(store: Path, folder: Path) -> list[Path]:
    """Write the figures of the store's experiments and training runs into `folder` as PNG, under the report's names.

    Raises BadInput where the folder is missing or no experiment was run.
    """
    if not folder.is_dir():
        raise BadInput(f"FOLDER {str(folder)!r}: there is none; make it, or use another")
    results = read(store)
    blocks = [*sections.blocks(results.answered), *training.blocks(results, looks(results.used))]
    drawn = {block["file"]: block["svg"] for block in blocks if block["kind"] == "figure"}
    if not drawn:
        raise BadInput(
            f"store {str(store)!r}: it has no experiment with a figure; run one, such as `gradmark run note`"
        )
    found = [folder / Path(name).with_suffix(".png") for name in drawn]
    for path, svg in zip(found, drawn.values(), strict=True):
        path.write_bytes(_image(svg, COARSE))
    return found


def picture(results: Results, problem: str) -> bytes:
    """The variance figure of one problem as PNG."""
    subject = problems.subject(results, problem, 0, looks(results.used))
    return _image(variance.variance(list(problems.panels(subject)), subject.looks), RESOLUTION)


def _image(drawn: str, resolution: int) -> bytes:
    """An SVG as PNG."""
    import typst

    with tempfile.TemporaryDirectory(prefix="gradmark-") as folder:
        (Path(folder) / "figure.svg").write_text(drawn, encoding="utf-8")
        page = Path(folder) / "page.typ"
        page.write_text(
            f'#set page(width: {WIDTH}, height: auto, margin: 4mm)\n#image("figure.svg", width: 100%)\n',
            encoding="utf-8",
        )
        return typst.compile(str(page), format="png", ppi=resolution, ignore_system_fonts=True)


def winners(results: Results) -> str:
    """The best of every comparison at equal evaluations that has a contender, and the runner-up, as Markdown."""
    rows = [["problem", "at", "K", "smallest variance × evaluations", "next", "ratio, paired"]]
    for pair in ranking.rankings(results.measured):
        compared = ranking.at_equal_evaluations(pair[0])
        second = compared.next
        if second is not None:
            best = compared.methods[0]
            cell = best.entry.record.cell
            names = [best.entry.label, second.entry.label]
            rows.append([f"`{cell.problem}`", cell.at, str(cell.num_samples), *names, _ratio(second)])
    return markdown(rows)


def table(results: Results, problem: str) -> str:
    """Variance, bias and cost of every method on one problem, a row for each cell, as Markdown."""
    subject = problems.subject(results, problem, 0, looks(results.used))
    entries = [entry for group in subject.groups for entry in group]
    unit, scale = time_unit([entry.summary["cost"]["seconds"]["value"] or 0.0 for entry in entries])
    rows = [["at", "method", "total variance", "relative, paired", "bias (smallest detectable)", f"time, {unit}"]]
    for group, pair in zip(subject.groups, subject.rankings, strict=True):
        rows += [_row(entry, pair[0], scale) for entry in group]
    return f"`{problem}`, {subject.entries[0].record.cell.num_samples} samples:\n\n{markdown(rows)}"


def _row(entry: Entry, ranking: Ranking, scale: float) -> list[str]:
    found, bias = entry.summary, entry.summary["bias"]
    ranked = next((ranked for ranked in ranking.methods if ranked.entry is entry), None)
    result = (
        bias["verdict"] if bias["minimum_detectable"] is None else f"{_tested(bias)} ({bias['minimum_detectable']:.2g})"
    )
    seconds = found["cost"]["seconds"]
    scaled = (
        {"value": seconds["value"] * scale, "ci": [end * scale for end in seconds["ci"]]} if seconds["ci"] else None
    )
    return [
        entry.record.cell.at, entry.label, _line(found["total_variance"]), _ratio(ranked) if ranked else NONE, result,
        _line(scaled) if scaled else NONE,
    ]  # fmt: skip


def _tested(bias: dict) -> str:
    """The result of the bias test, and in how many coordinates where not in all."""
    left = bias["untested_coordinates"]
    return f"{bias['verdict']} in {bias['coordinates'] - left} of {bias['coordinates']}" if left else bias["verdict"]


def _ratio(ranked: RankedMethod) -> str:
    found = ranked.ratio
    if found.value == 1 and found.stderr == 0:
        return "1"
    return _line({"value": found.value, "ci": found.ci}) + (" (tie)" if ranked.tied else "")


def _line(found: dict) -> str:
    line = " ".join(quantity_line(found["value"], *(found["ci"] or (None, None)))).strip()
    return f"{line} ({found['withheld']})" if found.get("withheld") else line


def _stated(results: Results) -> str:
    """What the numbers were measured on."""
    facts = results.provenance[-1]
    seeds = ", ".join(sorted({str(entry.record.cell.seed) for entry in results.measured}))
    return (
        f"Made by `make readme` from the demo's store: gradmark {facts['versions']['gradmark']}, torch "
        f"{facts['versions']['torch']}, Python {facts['python']}, {facts['processor']}, {facts['threads']} threads, "
        f"seed {seeds}, {facts['date'][:10]}. Brackets are 95 % intervals."
    )


def markdown(rows: list[list[str]]) -> str:
    """A table, its heads first."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])
