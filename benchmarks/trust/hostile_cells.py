"""Code that ends, blocks or spoils its process, each kind a cell of a study: what happens to the study.

`python -m gradmark.benchmarks.trust.hostile_cells` prints a table: for each kind the exit status of `gradmark run` on a
study of eight cells, two of which are of that kind, how these two ended, and how many of the other six were measured as
in a study without it, to the bit.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import click

from gradmark.benchmarks.store.records import Record
from gradmark.benchmarks.store.store import Store

MODULE = "hostile_plugin"
PROBLEMS = ("GaussianToy()", "BernoulliToy()")
OTHERS = ("ScoreFunction()", "LeaveOneOut()", "ExactGradient()")
SECONDS, GIB = 20.0, 8.0  # the limits of a cell; hundreds of times what the others take


class Kind(NamedTuple):
    """What the body of `estimate` does first, and what the reason of its failure says; None where it is measured."""

    body: str
    reason: str | None


KINDS = {
    "sys_exit": Kind("sys.exit(0)", "SystemExit: 0 (hostile_plugin.py:"),
    "os_exit": Kind("os._exit(0)", "the process ended with status 0 (hostile_plugin.py:"),
    "kill": Kind("os.kill(os.getpid(), signal.SIGKILL)", "died of SIGKILL (hostile_plugin.py:"),
    "segfault": Kind("ctypes.string_at(0)", "died of SIGSEGV (hostile_plugin.py:"),
    "abort": Kind("os.abort()", "died of SIGABRT (hostile_plugin.py:"),
    "keyboard_interrupt": Kind("raise KeyboardInterrupt", "KeyboardInterrupt: (no message) (hostile_plugin.py:"),
    "base_exception": Kind("raise BaseException('no')", "BaseException: no (hostile_plugin.py:"),
    "lone_surrogate": Kind("raise ValueError('\\ud800')", "ValueError: \\ud800 (hostile_plugin.py:"),
    "raising_message": Kind("raise Unreadable()", "its message cannot be read"),
    "loop": Kind("while True: time.sleep(0.01)", "no answer within"),
    "busy_loop": Kind("while True: pass", "no answer within"),
    "blocking_loop": Kind(
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); ctypes.PyDLL(None).pause()", "no answer within"
    ),
    "memory_tensor": Kind("torch.ones(2**50)", "give it more with --cell-memory"),
    "memory_list": Kind("x = [np.empty(2**27) for _ in range(10**6)]", "give it more with --cell-memory"),
    "fork": Kind("os.fork()", "must not fork"),
    "closes_streams": Kind("os.closerange(1, 3)", None),
    "closes_all": Kind("os.closerange(0, 256)", "closed its pipe"),
    "prints": Kind("print('{\"x\": 1}'); sys.stderr.write('x')", None),
    "recursion": Kind("sys.setrecursionlimit(10**9); f = lambda: f(); f()", "hostile_plugin.py:"),
    "thread": Kind("threading.Thread(target=time.sleep, args=(10**6,)).start()", None),
    "exit_handler": Kind("atexit.register(time.sleep, 10**6)", None),
    "default_dtype": Kind("torch.set_default_dtype(torch.float16)", None),
    "settings": Kind(
        "torch.set_num_threads(3); np.seterr(all='raise'); os.environ.clear(); "
        "os.chdir('/'); torch.autograd.set_detect_anomaly(True); warnings.simplefilter('error'); random.seed(0)",
        None,
    ),
    "patches_torch": Kind("torch.randn_like = torch.zeros_like; torch.Tensor.sum = torch.Tensor.mean", None),
    "writes_to_inputs": Kind("[value.zero_() for value in params.values()]", None),
    "not_plain": Kind("return object()", "returned a object"),
}

HEAD = '''"""A plug-in that spoils what it can."""

import atexit, ctypes, os, random, signal, sys, threading, time, warnings
from dataclasses import dataclass

import numpy as np
import torch

from gradmark.estimators import ScoreFunction


class Unreadable(Exception):
    def __str__(self):
        raise RuntimeError("no message")
'''

CLASS = '''

@dataclass(frozen=True)
class {name}(ScoreFunction):
    """{name}."""

    def estimate(self, problem, params, state, num_samples):
        {body}
        return super().estimate(problem, params, state, num_samples)
'''


def write(folder: Path) -> None:
    """The module of all kinds, into a folder."""
    classes = [CLASS.format(name=name, body=kind.body.replace("\n", "\n        ")) for name, kind in KINDS.items()]
    (folder / f"{MODULE}.py").write_text(HEAD + "".join(classes))


def spec(name: str) -> str:
    """How the plug-in of a kind is typed."""
    return f"{MODULE}.{name}()"


def as_expected(name: str, record: Record) -> bool:
    """Whether a hostile cell ended as it must: failed for its own reason, or measured."""
    reason = KINDS[name].reason
    if reason is None:
        return record.status == "measured"
    return record.status == "failed" and reason in (record.reason or "")


def _study(estimators: list[str]) -> str:
    lines = [
        'title = "hostile"',
        'plugins = "."',
        "[[variance]]",
        f"problems = {list(PROBLEMS)}",
        f"estimators = {estimators}",
    ]
    return "\n".join([*lines, "num_samples = [2]", "replicates = 4096"]).replace("'", '"')


def _run(folder: Path, name: str, estimators: list[str]) -> tuple[int, list[Record], str]:
    """The exit status of a run of a study with these estimators, what it stored, and the last line of its stderr."""
    file, store = folder / f"{name}.toml", folder / f"{name}.store"
    file.write_text(_study(estimators))
    limits = ["--cell-seconds", str(SECONDS), "--cell-memory", str(GIB), "--processes", "0", "--plugins", str(folder)]
    command = [sys.executable, "-m", "gradmark", "run", str(file), "--store", str(store), *limits]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    with Store(store, write=False) as found:
        return ended.returncode, found.records(), (ended.stderr.splitlines() or [""])[-1]


@click.command()
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), help="Only these; may be repeated.")
def main(kinds: tuple[str, ...]) -> None:
    """Print what became of a study of eight cells with each kind of hostile cell among them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        _, plain, _ = _run(folder, "plain", list(OTHERS))
        truth = {record.cell.key: record.moments.to_bytes() for record in plain}
        click.echo("| code in `estimate` | exit status | its two cells | of the six others, as without it |")
        click.echo("|---|---|---|---|")
        for each in kinds or KINDS:
            status, records, _ = _run(folder, each, [OTHERS[0], spec(each), *OTHERS[1:]])
            hostile = [record for record in records if MODULE in record.cell.estimator]
            same = [
                record.status == "measured" and record.moments.to_bytes() == truth[record.cell.key]
                for record in records
                if record not in hostile
            ]
            ended = hostile[0].status + (f": {hostile[0].reason}" if hostile[0].reason else "")
            right = "" if all(as_expected(each, record) for record in hostile) else " **not as expected**"
            click.echo(f"| {each} | {status} | {ended}{right} | {sum(same)} |")


if __name__ == "__main__":
    main()
