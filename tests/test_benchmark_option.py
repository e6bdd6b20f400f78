"""What `--benchmark`, `--full` and the options of pytest-benchmark run, in a folder with the project's conftest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.mark.full
def test_slow():
    pass

def test_plain():
    pass

def test_fast(benchmark):
    benchmark(sum, [1, 2])
"""


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ([], "1 passed, 1 skipped, 1 deselected"),
        pytest.param(["--benchmark"], "1 passed, 1 skipped, 1 deselected", marks=pytest.mark.full),
        (["--benchmark-enable", "--full"], "3 passed"),
    ],
)
def test_what_runs(tmp_path: Path, options: list[str], outcome: str) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_two.py").write_text(TESTS)
    timed = bool(options)
    call = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-c",
        "/dev/null",
        "--rootdir",
        str(tmp_path),
        "--benchmark-max-time=0.1",
        *options,
        str(tmp_path),
    ]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    found = subprocess.run(call, capture_output=True, text=True, timeout=600, cwd=tmp_path, env=alone)
    assert outcome in found.stdout
    assert ("test_fast PASSED" in found.stdout) == timed
    assert ("test_slow PASSED" in found.stdout) == ("--full" in options)
