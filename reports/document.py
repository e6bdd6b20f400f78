"""The report itself: a store's results as blocks and figures, laid out by typst, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from gradmark.benchmarks.errors import BadInput
from gradmark.reports import sections
from gradmark.reports.layout.elements import Block, Text, heading
from gradmark.reports.layout.style import looks
from gradmark.reports.pages import problem as problems
from gradmark.reports.pages import setup, summary, training
from gradmark.reports.results import codes
from gradmark.reports.results.results import Results, read

TEMPLATE = "report.typ"


def write(
    store: str | Path, output: str | Path, study: str | None = None, *, everything: bool = False, keep_old: bool = False
) -> Path:
    """Write the report of a store as a PDF. A file already there is replaced when the report is complete.

    Args:
        store: The folder of results.
        output: The PDF to write.
        study: The study to report; by default the one run last.
        everything: Report all studies of the store.
        keep_old: Also list what other code measured before.

    Returns:
        The path of the PDF.

    Raises:
        BadInput: The store cannot be read, it has nothing to report, or the file cannot be written.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import gradmark
        >>> folder = Path(tempfile.mkdtemp())
        >>> study = '''
        ... title = "One cell"
        ... [[variance]]
        ... problems = ["BernoulliToy()"]
        ... estimators = ["LeaveOneOut()"]
        ... num_samples = [2]
        ... replicates = 1024
        ... '''
        >>> _ = (folder / "mine.toml").write_text(study)
        >>> gradmark.run(folder / "mine.toml", folder / "mine.store", processes=0)
        0
        >>> gradmark.report(folder / "mine.store", folder / "mine.pdf").name
        'mine.pdf'
    """
    output = Path(output)
    _check(output)
    pdf = render(read(store, study, everything=everything, keep_old=keep_old))
    name = ""
    try:
        descriptor, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(pdf)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(output)
    except OSError as fault:
        if name:
            Path(name).unlink(missing_ok=True)
        raise BadInput(f"-o {str(output)!r}: cannot be written ({fault.strerror or fault}); use another -o") from None
    return output


def _check(output: Path) -> None:
    """Raise before the work what would prevent writing after it."""
    if output.is_dir():
        raise BadInput(
            f"-o {str(output)!r}: this is a folder; name a file in it, such as {str(output / 'report.pdf')!r}"
        )
    if not output.parent.is_dir():
        raise BadInput(
            f"-o {str(output)!r}: the folder {str(output.parent)!r} does not exist; make it, or use another -o"
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def render(results: Results) -> bytes:
    """The PDF of these results."""
    data, images = contents(results)
    with tempfile.TemporaryDirectory(prefix="gradmark-") as folder:
        root = Path(folder)
        for name, image in images.items():
            (root / name).write_text(image, encoding="utf-8")
        (root / "data.json").write_text(json.dumps(data), encoding="utf-8")
        with resources.as_file(resources.files("gradmark.reports") / "templates" / TEMPLATE) as template:
            shutil.copyfile(template, root / TEMPLATE)
        return laid_out(root)


def laid_out(root: Path) -> bytes:
    """The PDF of the template in the folder `root`, which holds all that it may read: typst opens nothing outside."""
    import typst

    return typst.compile(str(root / TEMPLATE), root=str(root), ignore_system_fonts=True)


def contents(results: Results) -> tuple[dict[str, Any], dict[str, str]]:
    """What the template gets: all texts and tables, and the figures by file name."""
    look = looks(results.used)
    blocks = [*summary.blocks(results, look), {"kind": "outline"}, *setup.setup(results)]
    blocks += [*sections.blocks(results.answered), *_problems(results, look)]
    blocks += [*training.blocks(results, look)]
    blocks += [*setup.unmeasured(results), *codes.aside(results), *setup.bibliography(results)]
    images = {block["file"]: block.pop("svg") for block in blocks if block["kind"] == "figure"}
    runs = results.provenance
    data = {
        "title": results.description.get("title") or "Gradient estimators measured",
        "description": results.description.get("description", ""),
        "keywords": ["gradient estimators", "variance", "bias", *results.estimators],
        "byline": _byline(results),
        "footer": f"gradmark {runs[-1]['versions'].get('gradmark', '')}" if runs else "gradmark",
        "blocks": blocks,
    }
    return data, images


def _problems(results: Results, look: dict) -> list[Block]:
    page: list[Block] = []
    for number, problem in enumerate(results.problems):
        page += problems.blocks(results, problem, number, look)
    return [heading(1, "Variance, bias and cost", "problems"), *page] if page else []


def _byline(results: Results) -> Text:
    """When, at which commit and on what the last run ran."""
    if not results.provenance:
        return [f"Report of {datetime.now(UTC):%Y-%m-%d}"]
    facts = results.provenance[-1]
    parts = [
        facts["date"][:10],
        f"commit {facts['commit']}" if facts.get("commit") else None,
        facts["processor"],
        facts.get("cuda"),
    ]
    parts.append(f"torch {facts['versions'].get('torch')}")
    return [" · ".join(part for part in parts if part)]
