"""The settings of torch, numpy and Python that a cell must not change for the next, restored after each call."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch.distributions import Distribution

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1)
CUDNN = ("deterministic", "benchmark", "allow_tf32")
SYSTEM = ("stdin", "stdout", "stderr", "excepthook", "displayhook")
Restore = Callable[[], object]


@contextmanager
def surroundings() -> Iterator[None]:
    """Run with torch's default dtype, device and grad mode, and give everything back that code might change.

    Kept are: torch's default dtype and device, grad and inference mode, threads, generators, anomaly detection,
    deterministic algorithms, precision and validation of arguments; numpy's and Python's generators; how numpy treats
    floating-point errors; warning filters; environment variables and current folder; sys.path and streams; signal
    handlers.
    """
    restores = [keep() for keep in (_defaults, _switches, _generators, _numpy, _python, _process, _streams, _signals)]
    torch.set_default_dtype(torch.float32)
    _set_device(torch.device("cpu"))
    try:
        with warnings.catch_warnings(), torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for restore in restores:
            restore()


def _defaults() -> Restore:
    dtype, device, grad, count = (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
    )

    def restore() -> None:
        torch.set_default_dtype(dtype)
        _set_device(device)
        torch.set_grad_enabled(grad)
        if torch.get_num_threads() != count:
            torch.set_num_threads(count)

    return restore


def _set_device(device: torch.device) -> None:
    """The default device; none at all for the CPU, as a device that is set costs time at every call."""
    if torch.get_default_device() != device:
        torch.set_default_device(None if device.type == "cpu" else device)


def _switches() -> Restore:
    anomaly, strict, precision, validates = _anomaly(), _strict(), torch.get_float32_matmul_precision(), _validates()
    cudnn = {name: getattr(torch.backends.cudnn, name) for name in CUDNN}

    def restore() -> None:
        if _anomaly() != anomaly:
            torch.autograd.set_detect_anomaly(*anomaly)
        if _strict() != strict:  # which loads torch's compiler, three seconds: only where it must
            torch.use_deterministic_algorithms(strict[0], warn_only=strict[1])
        torch.set_float32_matmul_precision(precision)
        Distribution.set_default_validate_args(validates)
        for name, value in cudnn.items():
            if getattr(torch.backends.cudnn, name) != value:
                setattr(torch.backends.cudnn, name, value)

    return restore


def _anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _strict() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _validates() -> bool:
    return Distribution._validate_args


def _generators() -> Restore:
    ours, numpys, pythons = torch.default_generator.get_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []

    def restore() -> None:
        torch.default_generator.set_state(ours)
        np.random.set_state(numpys)  # noqa: NPY002
        random.setstate(pythons)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)

    return restore


def _numpy() -> Restore:
    faults, call = np.geterr(), np.geterrcall()

    def restore() -> None:
        np.seterr(**faults)  # type: ignore[arg-type]  # a plain dict in numpy's stubs
        np.seterrcall(call)

    return restore


def _python() -> Restore:
    path, limit, collects = list(sys.path), sys.getrecursionlimit(), gc.isenabled()
    kept = {name: getattr(sys, name) for name in SYSTEM}

    def restore() -> None:
        sys.path[:] = path
        sys.setrecursionlimit(limit)
        (gc.enable if collects else gc.disable)()
        for name, value in kept.items():
            setattr(sys, name, value)

    return restore


def _process() -> Restore:
    variables = dict(os.environ)
    folder: str | None = None
    with suppress(OSError):  # a folder that was deleted meanwhile has no name
        folder = os.getcwd()  # noqa: PTH109  # text, for chdir

    def restore() -> None:
        if dict(os.environ) != variables:
            os.environ.clear()
            os.environ.update(variables)
        if folder is not None:
            with suppress(OSError):
                os.chdir(folder)

    return restore


def _streams() -> Restore:
    """Standard input, output and error of the process, should they be closed."""
    copies: dict[int, int] = {}
    for stream in range(3):
        with suppress(OSError):
            copies[stream] = os.dup(stream)

    def restore() -> None:
        for stream, copy in copies.items():
            with suppress(OSError):
                os.dup2(copy, stream)
                os.close(copy)

    return restore


def _signals() -> Restore:
    """Handlers belong to the main thread, the only one that may set them; None is one that Python did not set."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    handlers: dict[signal.Signals, Any] = {each: signal.getsignal(each) for each in SIGNALS}
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def restore() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        for each, handler in handlers.items():
            if handler is not None and signal.getsignal(each) is not handler:
                signal.signal(each, handler)

    return restore
