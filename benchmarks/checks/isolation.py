"""`gradmark check`: each estimator is judged in a process of its own; what that process says becomes the verdict."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gradmark.benchmarks import specs
from gradmark.benchmarks.crash import ended
from gradmark.benchmarks.errors import LONGEST, ON_PATH, ROOT, shortened

LATE = 600.0  # seconds that a process may take beyond its budget before it is killed: it watches itself before that


def check(
    texts: Sequence[str],
    against: Sequence[str] = (),
    level: float = 0.001,
    budget: float = 60.0,
    judged: Callable[[dict[str, Any]], object] = lambda verdict: None,
    plugins: Path | None = None,
    tell: Callable[[str], object] = lambda line: None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """The verdicts on the estimators that `texts` spell, each told to `judged` as it falls, and what was bad input.

    Modules that they name lie in the folder `plugins`, by default the current one; `tell` is told of each, once.
    Raises BadInput where a text is no spec, or names no estimator or problem of the catalogue, before any is judged.
    """
    for text in texts:
        _known("estimator", text)
    for text in against:
        _known("problem", text)
    verdicts, faults = [], []
    job = {"against": list(against), "level": level, "budget": budget, "plugins": str(plugins or Path.cwd())}
    once = cache(tell)
    for text in texts:
        found = _judged({"spec": text, **job}, once)
        if "bad" in found:
            faults += found["bad"].splitlines()
        else:
            verdicts.append(found)
            judged(found)
    return verdicts, faults


def _known(kind: str, text: str) -> None:
    """BadInput for what is not a spec, and for names that no catalogue has; plug-ins are loaded in another process."""
    if not specs.names_a_plugin(kind, text):
        (specs.estimator if kind == "estimator" else specs.problem)(text)


def _judged(job: dict[str, Any], tell: Callable[[str], object]) -> dict[str, Any]:
    """The verdict of a process of its own, or of what it said before it died."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        lines, code = _run(job | {"trace": str(trace)})
        where = _innermost(trace.read_text(errors="replace")) if trace.exists() else None
    said = [json.loads(line) for line in lines if line.startswith("{")]
    for each in said:
        if "loaded" in each:
            tell(each["loaded"])
    for each in said:
        if "verdict" in each:
            return each["verdict"]
        if "bad" in each:
            return each
    declared = next((each["declared"] for each in said if "declared" in each), None)
    if declared is None:  # its code, or a problem's, ended the process before there was an estimator to be judged
        at = [each["reading"] for each in said if "reading" in each]
        how = _end(code, where, "the time that it may take")
        return {"bad": shortened(f"{at[-1] if at else 'starting'}: {how}", LONGEST)}
    rulings = [each["ruling"] for each in said if "ruling" in each]
    rulings.append(_death(code, where, job["budget"]))
    seconds = time.monotonic() - start
    return {
        "estimator": job["spec"],
        "declared": declared,
        "verdict": "wrong",
        "seconds": seconds,
        "laws": rulings,
    }


def _run(job: dict[str, Any]) -> tuple[list[str], int]:
    """What the process wrote, line by line, and how it ended."""
    path = os.pathsep.join(filter(None, (str(ON_PATH), os.environ.get("PYTHONPATH"))))
    # -P: not even a folder called `benchmarks` in the current one comes before ours
    command = [sys.executable, "-P", "-m", "gradmark.benchmarks.checks.worker"]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, text=True, env=environment
    ) as process:
        try:
            out, _ = process.communicate(json.dumps(job), timeout=job["budget"] + LATE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
        except BaseException:
            process.kill()
            raise
        return out.splitlines(), process.returncode


def _death(code: int, where: str | None, budget: float) -> dict[str, Any]:
    """The ruling on an estimator whose process did not live to the verdict."""
    detail = _end(code, where, f"{budget / 3:.3g} seconds")
    empty = {"coordinate": None, "size": None, "visible": None, "relative": None, "exception": None}
    return {"law": "comes_back", "fixture": "", "num_samples": None, "status": "failed", **empty, "detail": detail}


def _end(code: int, where: str | None, limit: str) -> str:
    """How a process ended, and the line that it was at."""
    how = ended(code)
    if code == -signal.SIGKILL or (code == 1 and where):
        how = f"an operation did not return within {limit} and could not be interrupted"
    return f"{how} ({where})" if where else how


def _innermost(trace: str) -> str | None:
    """`file:line` of the innermost frame that is neither a library's nor ours, in what faulthandler wrote."""
    library = Path(os.__file__).parent
    for file, line in re.findall(r'File "([^"]+)", line (\d+)', trace):
        path = Path(file)
        if (
            "site-packages" not in path.parts
            and not path.is_relative_to(library)
            and ROOT / "benchmarks" not in path.parents
        ):
            return f"{path.name}:{line}"
    return None


def status(verdicts: Sequence[dict[str, Any]]) -> int:
    """The exit status: 1 where an estimator is wrong or undecided, else 0."""
    return int(any(verdict["verdict"] != "right" for verdict in verdicts))
