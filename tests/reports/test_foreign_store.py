"""A store from somebody else: its texts are written into the report and the status, and nothing of them is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader

from gradmark.benchmarks.cells import Cell, Inquiry, Training
from gradmark.benchmarks.store.records import Description
from gradmark.benchmarks.store.store import Store
from gradmark.reports import document
from tests.reports.conftest import BLOCK, add, curve, drawn, folded

ROOT = Path(__file__).resolve().parents[2]
READ = '#read("/etc/passwd") #eval("1") $ x #include "/etc/hosts"'
TYPST = 'mine.py:Mine(name="#read(\\"/etc/passwd\\") $ [*] `")'
CALLS = ('os.system("touch pwned")', "__import__('os').system('touch pwned')", "mine_in_a_store.Mine()")
WATCHED = """
import sys
def hook(event, arguments):
    if event in ("os.system", "os.exec", "pickle.find_class") or event == "import" and arguments[0].startswith("mine"):
        print("RAN", event, arguments, file=sys.stderr)
sys.addaudithook(hook)
from gradmark.benchmarks.cli.commands import main
for command in (["status", "s"], ["report", "s", "-o", "r.pdf"]):
    try:
        main(command)
    except SystemExit as end:
        print("ENDED", end.code)
"""


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with a store of hostile texts, and a plug-in that some of them name."""
    (tmp_path / "mine_in_a_store.py").write_text("open('pwned', 'w')")
    (tmp_path / "mine.py").write_text("open('pwned', 'w')")
    cells = [
        Cell(problem, text, replicates=BLOCK)
        for problem, text in zip(("Toy()", TYPST) * 2, (*CALLS, TYPST), strict=True)
    ]
    runs = [Training(CALLS[0], f"Adam(estimator={text})", 100, evaluations=11) for text in (CALLS[1], TYPST)]
    asked = [Inquiry(text) for text in (CALLS[0], "X.__init__()", "../../mine()", TYPST)]
    with Store(tmp_path / "s") as store:
        facts = dict.fromkeys(("command", "date", "commit", "python", "platform", "processor", "cuda"), READ)
        store.add_provenance({**facts, "cores": 2, "threads": 1, "versions": {"torch": READ}})
        store.plan(cells, runs, asked, study=Description(READ, READ, READ, READ))
        for number, cell in enumerate(cells[:-1]):
            add(store, cell, folded(drawn(1.0 + number)), family=READ, reference=READ, no_oracle=READ)
        store.finish(cells[-1], "refused", READ)
        for run in runs:
            store.finish_training(run, "measured", None, curve(1.0))
        for inquiry in asked:
            about = {"title": READ, "reference": READ}
            rows = {READ: [{READ: READ, "value": 1.0}]}
            store.finish_inquiry(inquiry, "measured", seconds=1.0, facts=about, tables=rows)
    return tmp_path


def test_a_foreign_store_runs_nothing(foreign: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-c", WATCHED]
    done = subprocess.run(command, cwd=foreign, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.count("ENDED 0") == 2, done.stderr
    assert not {"RAN", "Traceback"} & set(done.stderr.split())
    assert not (foreign / "pwned").exists()
    said = " ".join("".join(page.extract_text() for page in PdfReader(foreign / "r.pdf").pages).split())
    assert '#read("/etc/passwd")' in said.replace("\u200b", "")
    assert "root:" not in said


def test_typst_reads_nothing_outside_its_folder(tmp_path: Path) -> None:
    """Were there a way to run typst's code, it would still be in a folder that holds the report alone."""
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "inside.txt").write_text("inside")
    for path, may in (("inside.txt", True), ("/inside.txt", True), ("../secret.txt", False), ("/../secret.txt", False),
                      (str(tmp_path / "secret.txt"), False), ("/etc/passwd", False)):  # fmt: skip
        (root / document.TEMPLATE).write_text(f'#read("{path}")')
        if may:
            assert document.laid_out(root).startswith(b"%PDF")
        else:
            with pytest.raises(RuntimeError):
                document.laid_out(root)
