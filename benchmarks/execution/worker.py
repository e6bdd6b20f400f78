"""`python -m gradmark.benchmarks.execution.worker FD`: a server that forks a process for each cell with outside code.

Requests come and answers go over private pipes (`gradmark.benchmarks.execution.messages`); what the code prints goes to
stderr. The server gets `parent` first, then `start` with the facts for a process, whose pipe follows, or `ended` and
`wait` for one that it started. A process gets `call`, `arguments` and `seconds`: a call of `Here`, and how long it
may take without a sign of life. It replies `turn` as a sign of life, and then `answer`, or `bad` where the input was
bad.
"""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, NoReturn

import torch

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.execution.messages import decode, encode
from gradmark.benchmarks.execution.work import Failed, Here
from gradmark.benchmarks.plugins import modules

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl
FORKS = ("os.fork", "os.forkpty")
ENDS = ("os.kill", "os.exec", "signal.pthread_kill")  # calls that may end the process at once
leave: Callable[[int], NoReturn] = os._exit


def main() -> NoReturn:
    """Fork a process whenever one is asked for, until the pipe is closed."""
    pipe = Connection(int(sys.argv[1]))
    os.set_inheritable(pipe.fileno(), False)
    os.dup2(2, 1)  # code that prints must not spoil anybody's stdout
    _die_with(decode(pipe.recv_bytes())["parent"])
    pipe.send_bytes(encode({"ready": True}))
    while True:
        try:
            request = decode(pipe.recv_bytes())
        except (EOFError, OSError):
            leave(0)
        if "ended" in request:
            pipe.send_bytes(encode({"ended": _ends(request["ended"])}))
            continue
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            pipe.send_bytes(encode({"status": os.waitstatus_to_exitcode(status)}))
            continue
        theirs, server = reduction.recv_handle(pipe), os.getpid()
        pid = _forked()
        if pid == 0:
            pipe.close()
            serve(Connection(theirs), request["start"], server)
        os.close(theirs)
        pipe.send_bytes(encode({"pid": pid}))


def serve(pipe: Connection, facts: dict[str, Any], server: int) -> NoReturn:
    """Answer requests until the pipe is closed."""
    os.setsid()  # so that it is killed with whatever it started
    _die_with(server)
    trace = _guard(facts)
    me, here = os.getpid(), Here(caught=BaseException)
    while True:
        try:
            request = decode(pipe.recv_bytes())
        except (EOFError, OSError):
            leave(0)
        reply = _reply(here, pipe, request, trace)
        if os.getpid() != me:  # the code forked in a way that Python does not see: this is the copy
            leave(0)
        _send(pipe, reply)


def _send(pipe: Connection, reply: dict[str, Any]) -> None:
    """Send a reply; where the code has closed the pipe, wait to be killed, so that the process has not ended itself.

    Nobody may be left to kill it: then it ends after a minute.
    """
    try:
        pipe.send_bytes(_encoded(reply))
    except OSError as fault:
        if fault.errno != errno.EBADF:
            raise
        time.sleep(60.0)
        leave(1)


def _ends(pid: int) -> bool:
    """Whether a child ends within a second; it is not reaped yet, so that no other process gets its number."""
    for _ in range(100):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            return True
        time.sleep(0.01)
    return False


def _die_with(parent: int) -> None:
    """End this process with the one that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        leave(0)


def _forked() -> int:
    """What `os.fork` gives; Python's warning of threads is left out, as torch's own have done nothing yet."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
        return os.fork()


def _guard(facts: dict[str, Any]) -> IO[str]:
    """Take on what the run knows, and set limits to this process; the file in which it says where it was."""
    os.environ.clear()
    os.environ.update(facts["variables"])
    os.chdir(facts["folder"])
    torch.set_num_threads(facts["threads"])
    # after everything of ours is imported, so that a folder called `benchmarks` there hides nothing
    sys.path += [path for path in facts["paths"] if path not in sys.path]
    known = facts["plugins"]
    folder = None if known["folder"] is None else Path(known["folder"])
    modules.use(modules.Source(folder, known["typed"], remedy=known["remedy"]))
    with suppress(OSError):  # the first to go where the machine has no memory left
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (facts["memory"], facts["memory"]))
    trace = open(facts["trace"], "a")  # noqa: PTH123, SIM115  # faulthandler writes to it until the process ends
    faulthandler.enable(trace)
    os._exit = lambda status: (faulthandler.dump_traceback(trace), leave(status))[1]
    sys.addaudithook(lambda event, arguments: _heard(event, trace))
    return trace


def _heard(event: str, trace: IO[str]) -> None:
    """A fork is refused, as both sides would go on measuring; what may end the process says where it was called."""
    if event in FORKS:
        raise RuntimeError(f"{event}: a cell must not fork, as both sides would go on; use threads or subprocess")
    if event in ENDS:
        faulthandler.dump_traceback(trace)


def _reply(here: Here, pipe: Connection, request: dict[str, Any], trace: IO[str]) -> dict[str, Any]:
    """The answer to one request."""

    def alive(turn: int | None = None) -> None:
        _watch(request["seconds"], trace)
        pipe.send_bytes(encode({"turn": turn}))

    _watch(request["seconds"], trace)
    here.turn = alive
    arguments = [*request["arguments"], *([alive] if request["call"] == "train" else [])]
    try:
        return {"answer": getattr(here, request["call"])(*arguments)}
    except BadInput as fault:
        return {"bad": str(fault)}
    finally:
        faulthandler.cancel_dump_traceback_later()


def _watch(seconds: float, trace: IO[str]) -> None:
    """Write where the code is, should it take longer than this from now on; who waits for it ends the process."""
    trace.truncate(0)
    faulthandler.dump_traceback_later(seconds, file=trace)


def _encoded(reply: dict[str, Any]) -> bytes:
    try:
        return encode(reply)
    except (TypeError, ValueError) as fault:
        return encode({"answer": Failed(f"{type(fault).__name__}: the answer is not plain data: {fault}")})


if __name__ == "__main__":
    main()
