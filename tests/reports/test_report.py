"""The PDF: what it says, that it fits its page, and how it fails."""

from __future__ import annotations

import errno
import os
import re
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from pypdf import PdfReader

from gradmark.benchmarks.cells import Cell, Training
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.store.store import Store
from gradmark.reports import document
from gradmark.reports.cli import report
from gradmark.reports.results.results import read


@cache
def text_of(pdf: Path) -> str:
    """All of a PDF's text on one line, without the marks where words may be broken."""
    pages = " ".join(page.extract_text() for page in PdfReader(pdf).pages)
    return " ".join(re.sub("[\u200b\u2060\u00ad]", "", pages).split())


@pytest.fixture(scope="module")
def pdf(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the store with one of everything."""
    output = tmp_path_factory.mktemp("out") / "report.pdf"
    outcome = CliRunner().invoke(report, [str(made), "-o", str(output)], catch_exceptions=False)
    assert outcome.output.splitlines()[-1] == str(output)
    return output


def test_it_says_what_was_measured_and_on_what(pdf):
    said = text_of(pdf)
    assert "Seconds come from 5 rounds of timing" in said
    assert "Other work took 0% of the processor in a typical round" in said
    parts = (
        "A title of a study",
        "What it is about.",
        "gradmark run made",
        "0123456789ab",
        "2026-01-02",
        "torch 2.13.0",
    )
    for part in (*parts, "A processor", "float64", "Contents"):
        assert part in said


def test_it_names_every_method_refusal_and_reference(pdf, results):
    said = text_of(pdf)
    squeezed = said.replace(" ", "")
    for name in results.estimators:
        assert name.replace(" ", "") in squeezed
    reasons = ("Pathwise.estimate(problem=Toy(k=1.0)): z is discrete; use Score()", "RuntimeError: a stub (plug.py:27)")
    for part in (*reasons, "Late()", "Simple Gradients, R. Williams, 1992", "A Paper, Me, 2001"):
        assert part.replace(" ", "") in squeezed


def test_it_has_every_measure(pdf):
    said = text_of(pdf)
    parts = ("minimum detectable", "largest |z|", "k-hat", "not finite", "signal to noise", "cosine", "wrong signs")
    parts += (
        "At equal evaluations",
        "variance × evaluations",
        "variance × seconds",
        "fwd, bwd",
        "memory",
        "Objective: at init 17 (exact)",
        "gap to −log p(x)",
    )
    for part in (*parts, "medians over 4 seeds", "Bias is untested", "no other"):
        assert part in said, part


def test_it_says_exact_where_the_variance_is_known(pdf):
    said = text_of(pdf)
    assert "8.00000" in said
    assert "by a grid instead of the draws" in said


def test_the_first_page_answers(pdf):
    first = " ".join(PdfReader(pdf).pages[0].extract_text().split())
    assert "Baseline(), warm wins 1" in first
    assert "Which estimator wins where" in first
    assert "Biased, and so not ranked: Crooked() on Toy(k=1.0)" in first
    assert "NaN or infinite gradients: Broken(), 32 of 4096 estimates" in first


def test_it_has_an_outline_pages_and_no_page_without_text(pdf):
    reader = PdfReader(pdf)
    assert 4 <= len(reader.pages) <= 9
    assert (reader.metadata or {}).get("/Title") == "A title of a study"
    titles = [str(item.title) for item in reader.outline if not isinstance(item, list)]
    assert "Not measured" in " ".join(titles)
    lengths = [len(page.extract_text()) for page in reader.pages]
    assert all(length > 300 for length in lengths[:-1])
    assert lengths[-1] > 100  # the last page holds what is left of the notes
    assert all(page.mediabox.width == pytest.approx(595.28, abs=0.1) for page in reader.pages)


TEXT = re.compile(
    r'<text style="font-size: ([\d.]+)px[^>]*text-anchor: (\w+)[^>]* x="([\d.-]+)" y="([\d.-]+)"([^>]*)>([^<]*)<'
)


def test_every_text_of_a_figure_is_inside_its_frame(results):
    _, images = document.contents(results)
    assert {"overview.svg", "problem-0-figure-0.svg", "training-0.svg"} <= set(images)
    for image in images.values():
        [frame] = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', image)
        width, height = map(float, frame)
        assert width == pytest.approx(17 / 2.54 * 72, abs=0.1)  # of the text: nothing is scaled
        found = [match for match in TEXT.findall(image) if "rotate(-90" not in match[4]]
        assert found
        for size, anchor, x, y, _, text in found:
            reach = 0.45 * float(size) * len(text)  # a usual character is a little narrower than half its height
            left = float(x) - {"start": 0, "middle": reach / 2, "end": reach}[anchor]
            assert -1 <= left <= left + reach <= width + 1, text
            assert 0 <= float(y) <= height, text


@pytest.mark.parametrize("kind", ["one cell", "only training", "without provenance"])
def test_small_stores_make_a_report(kind, made, tmp_path):
    with Store(tmp_path / "s") as store, Store(made, write=False) as source:
        record, curves = source.records()[0], source.curves()
        cell = Cell(**record.cell.json())
        if kind != "only training":
            store.plan([cell], [])
            store.know(cell, record.facts, record.exact)
            store.add_block(cell, 0, record.blocks[0])
            store.finish(cell, "measured")  # and never timed
        else:
            run = Training(**{**curves[0].training.json(), "problem": 'Far(from="home")'})
            store.plan([], [run])
            store.finish_training(run, "measured", None, {**(curves[0].data or {}), "gap": None})
        if kind == "one cell":
            store.add_provenance(source.provenance()[0])
    document.write(tmp_path / "s", tmp_path / "r.pdf")
    assert 1 <= len(PdfReader(tmp_path / "r.pdf").pages) <= 3


def test_runs_that_diverge_are_said_to(made, tmp_path):
    with Store(tmp_path / "s") as store, Store(made, write=False) as source:
        runs = [curve.training for curve in source.curves()]
        store.plan([], runs)
        for run, curve, ends in zip(runs, source.curves(), (float("nan"), float("inf")), strict=True):
            data = dict(curve.data or {})
            data["objective"] = [data["objective"][0], *[[ends] * 4 for _ in data["objective"][1:]]]
            store.finish_training(run, "measured", None, data)
    document.write(tmp_path / "s", tmp_path / "r.pdf")
    assert "4 of 4 seeds end with an objective that is not finite" in text_of(tmp_path / "r.pdf")


def test_a_store_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="there is none"):
        document.write(tmp_path / "nowhere", tmp_path / "r.pdf")


def test_a_store_with_nothing_measured(tmp_path):
    with Store(tmp_path / "s") as store:
        store.plan([Cell("Toy()", "Score()")], [])
    with pytest.raises(BadInput, match=r"nothing is measured.*1 cells"):
        read(tmp_path / "s")


def test_an_output_that_cannot_be(made, tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        document.write(made, tmp_path / "no" / "r.pdf")
    with pytest.raises(BadInput, match="this is a folder"):
        document.write(made, tmp_path)


def test_a_full_disk_leaves_the_old_report(made, tmp_path, monkeypatch):
    output = tmp_path / "r.pdf"
    output.write_bytes(b"the old report")
    monkeypatch.setattr(document, "render", lambda results: b"new")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="No space left"):
        document.write(made, output)
    assert output.read_bytes() == b"the old report"
    assert [path.name for path in tmp_path.iterdir()] == ["r.pdf"]


PROGRAM = """
import runpy, sys
import gradmark.reports.cli
assert not {"torch", "matplotlib", "typst", "pandas"} & set(sys.modules), "importing the command costs too much"
sys.argv = ["reports", *sys.argv[1:]]
try:
    runpy.run_module("gradmark.reports", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
assert "torch" not in sys.modules
"""


def test_the_module_makes_a_report_without_torch(made, tmp_path):
    output = tmp_path / "r.pdf"
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(made), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == str(output)
    assert output.stat().st_size > 10_000


@pytest.mark.parametrize("words", [["a.store", "-o", "r.pdf"], ["report", "a.store", "-o", "r.pdf"]])
def test_the_module_takes_the_command_with_and_without_its_name(words, monkeypatch):
    heard = []
    monkeypatch.setattr("gradmark.benchmarks.cli.commands.main", heard.append)
    monkeypatch.setattr(sys, "argv", ["reports", *words])
    runpy.run_module("gradmark.reports", run_name="__main__")
    assert heard == [["report", "a.store", "-o", "r.pdf"]]
