"""Worker processes: one server imports everything once, and forks a clean process for each piece of work.

The server runs no code from outside, so that each of its children starts as it is. It is kept from run to run.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe, reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import torch

from gradmark.benchmarks.crash import innermost
from gradmark.benchmarks.errors import ON_PATH, BadInput
from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.execution.messages import decode, encode
from gradmark.benchmarks.plugins.folder import current

START = 600.0  # seconds in which a server must be there: it imports torch, on a machine that may be busy
GRACE = 2.0  # seconds beyond a limit in which an answer is still taken, and the stack is written


class Late(Exception):
    """No sign of life within the limit."""


def heard(pipe: Connection, seconds: float, turn: Callable[[int | None], object]) -> Any:
    """The next reply; each turn that is announced until then is a sign of life. Late where there is none."""
    deadline = time.monotonic() + seconds + GRACE
    while pipe.poll(max(deadline - time.monotonic(), 0.0)):
        message = decode(pipe.recv_bytes())
        if "turn" not in message:
            return message
        turn(message["turn"])
        deadline = time.monotonic() + seconds + GRACE
    raise Late


class Server:
    """A process that starts others; BadInput where it does not come up."""

    def __init__(self) -> None:
        ours, theirs = Pipe()
        path = os.pathsep.join(filter(None, (str(ON_PATH), os.environ.get("PYTHONPATH"))))
        self._child = subprocess.Popen(
            # -P: not even a folder called `benchmarks` in the current one comes before ours
            [sys.executable, "-P", "-m", "gradmark.benchmarks.execution.worker", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            # asked otherwise whether there is a GPU, CUDA could not be used in a process that is forked after it
            env={**os.environ, "PYTHONPATH": path, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"},
            start_new_session=True,  # an interruption at the terminal is ours to handle
        )
        theirs.close()
        self.parent = os.getpid()
        self.pipe = cast(Connection, ours)
        atexit.register(self.close)
        self._ask({"parent": self.parent})

    @property
    def alive(self) -> bool:
        """Whether it can start a process for this one."""
        return self.parent == os.getpid() and self._child.poll() is None and not self.pipe.closed

    def start(self, limits: Limits) -> Process:
        """A new process, which knows what this one knows of folders and variables."""
        ours, theirs = Pipe()
        folder = tempfile.TemporaryDirectory(prefix="gradmark-", ignore_cleanup_errors=True)
        source = current()
        facts = {
            "plugins": {"typed": source.typed, "remedy": source.remedy, "folder": source.folder and str(source.folder)},
            "paths": [os.path.abspath(path) for path in sys.path],  # noqa: PTH100  # text, as sys.path has it
            "variables": dict(os.environ),
            "folder": os.getcwd(),  # noqa: PTH109
            "threads": torch.get_num_threads(),
            "memory": limits.bytes,
            "trace": str(Path(folder.name) / "trace"),
        }
        self.pipe.send_bytes(encode({"start": facts}))
        reduction.send_handle(self.pipe, theirs.fileno(), self._child.pid)
        theirs.close()
        pid = self._ask(None)["pid"]
        return Process(self, pid, cast(Connection, ours), folder)

    def has_ended(self, pid: int) -> bool:
        """Whether a process that it started ends by itself, within a second."""
        return self._ask({"ended": pid})["ended"]

    def status(self, pid: int) -> int:
        """How a process that it started ended."""
        return self._ask({"wait": pid})["status"]

    def close(self) -> None:
        """End it; a process that only has a copy of this object leaves it alone."""
        atexit.unregister(self.close)
        if self.parent == os.getpid():
            self.pipe.close()
            self._child.kill()
            self._child.wait()

    def _ask(self, request: dict[str, Any] | None) -> Any:
        try:
            if request is not None:
                self.pipe.send_bytes(encode(request))
            return heard(self.pipe, START, lambda turn: None)
        except (Late, EOFError, OSError):
            self.close()
            raise BadInput("the worker process did not start; what it wrote to stderr says why") from None
        except BaseException:  # an interruption between a question and its answer: the next would get the wrong one
            self.close()
            raise


@dataclass
class Process:
    """A worker process, our end of its pipe, and the file in which it says where it was."""

    server: Server
    pid: int
    pipe: Connection
    folder: tempfile.TemporaryDirectory[str]
    about: str = ""  # the key of what it is for
    prepared: set[str] = field(default_factory=set)

    def kill(self) -> tuple[int | None, str | None]:
        """End it with whatever it started: its exit status, and the line of code from outside that it was at.

        The status is None where it had not ended by itself.
        """
        alive = not self.server.alive or not self.server.has_ended(self.pid)
        status = self._end()
        where = None
        with suppress(OSError):
            where = innermost((Path(self.folder.name) / "trace").read_text(errors="replace"))
        self.folder.cleanup()
        return None if alive else status, where

    def close(self) -> None:
        """End it with whatever it started, at once: its work is done, so that it would wait for a request for ever."""
        self._end()
        self.folder.cleanup()

    def _end(self) -> int | None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.pipe.close()
        return self.server.status(self.pid) if self.server.alive else None


_kept: list[Server] = []


def kept_server() -> Server:
    """The server of this process, started where there is none."""
    if not (_kept and _kept[0].alive):
        _kept[:] = [Server()]
    return _kept[0]
