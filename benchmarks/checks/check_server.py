"""A process that imports everything once, and forks a clean one for the checks of each estimator.

It runs no code from outside, so that each process starts as the first did. It is kept from one estimator to the next,
so that only the first waits for torch.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from gradmark.benchmarks.errors import ON_PATH

NUMBER = struct.Struct("q")  # what the server says: the process's id, and later how it ended


class CheckServer:
    """The client's end: `run` gives a job to a new process."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._made_by, self._path = os.getpid(), python_path()
        # -P: the current folder is not on the path, where a folder `benchmarks` would hide this package
        command = [sys.executable, "-P", "-m", "gradmark.benchmarks.checks.worker", str(theirs.fileno())]
        environment = {**os.environ, "PYTHONPATH": self._path, "OMP_NUM_THREADS": "1"}
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment,
                start_new_session=True,  # an interruption at the terminal is ours to handle
            )
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can start a process for this one, as it would be started now."""
        ours = self._made_by == os.getpid() and self._path == python_path()
        return ours and self._process.poll() is None

    def run(self, job: dict[str, Any], seconds: float) -> tuple[list[str], int]:
        """The lines that a new process writes for a job, and its exit status; it is killed after so many seconds."""
        environment = {**os.environ, "PYTHONPATH": self._path, "OMP_NUM_THREADS": "1"}
        with tempfile.TemporaryFile() as task, tempfile.TemporaryFile() as out:
            task.write(json.dumps(job | {"environment": environment}).encode())
            task.seek(0)
            with self._ended_if_interrupted(), _folder() as folder:
                with suppress(ConnectionError):  # it has ended, as its status will say
                    socket.send_fds(self._socket, [b"."], [task.fileno(), out.fileno(), 2, folder])
                status = self._waited_for(seconds)
            out.seek(0)
            return out.read().decode(errors="replace").splitlines(), status

    def _waited_for(self, seconds: float) -> int:
        """How the process ended, or the server where that ended first."""
        self._socket.settimeout(None)
        pid = self._number()
        if pid is None:
            return self._process.wait()
        self._socket.settimeout(seconds)
        try:
            status = self._number()
        except TimeoutError:
            self._socket.settimeout(None)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            status = self._number()
        return self._process.wait() if status is None else status

    def _number(self) -> int | None:
        """What the server says next; None where it has ended."""
        with suppress(ConnectionError):
            if len(said := self._socket.recv(NUMBER.size, socket.MSG_WAITALL)) == NUMBER.size:
                return NUMBER.unpack(said)[0]
        return None

    @contextmanager
    def _ended_if_interrupted(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it, with the process that it started last; one that only has a copy of this object leaves it alone."""
        atexit.unregister(self.close)
        self._socket.close()
        if self._made_by == os.getpid():
            self._process.terminate()
            self._process.wait()


def forked(descriptor: int, prepare: Callable[[], object] = lambda: None) -> bool:
    """The server's end: True in each process that is forked for a job, False once no further job can come.

    In that process stdin, stdout, stderr and the current folder are those that came with the job. After each job the
    server calls `prepare`, for what later jobs need and a single one need not wait for.
    """
    server, running = socket.socket(fileno=descriptor), list[int]()
    before = signal.signal(signal.SIGTERM, lambda *_: _end(running))
    while given := socket.recv_fds(server, 1, 4)[1]:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # torch has threads, which are idle
            pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, before)
            server.close()
            _take(given)
            return True
        running[:] = [pid]
        for each in given:
            os.close(each)
        with suppress(ConnectionError):  # the client has ended: so does this one at its next turn
            server.sendall(NUMBER.pack(pid))
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            running.clear()
            server.sendall(NUMBER.pack(status))
            prepare()
    return False


def _end(running: list[int]) -> NoReturn:
    """End the process that runs and the server."""
    for pid in running:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    os._exit(1)


def _take(given: list[int]) -> None:
    os.setsid()  # so that it is killed with whatever it started
    *streams, folder = given
    for target, each in enumerate(streams):
        os.dup2(each, target)
    os.fchdir(folder)
    for each in given:
        os.close(each)


@contextmanager
def _folder() -> Iterator[int]:
    descriptor = os.open(".", os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def python_path() -> str:
    """PYTHONPATH for a process that imports gradmark from where this one did."""
    return os.pathsep.join(filter(None, (str(ON_PATH), os.environ.get("PYTHONPATH"))))


_kept: list[CheckServer] = []


def kept_server() -> CheckServer:
    """The server of this process, started where there is none."""
    if not (_kept and _kept[0].alive):
        for each in _kept:
            each.close()
        _kept[:] = [CheckServer()]
    return _kept[0]
