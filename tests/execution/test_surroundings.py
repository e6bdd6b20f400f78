"""What one cell changes of torch, numpy, Python and the process is given back before the next."""

from __future__ import annotations

import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Distribution

from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.execution.messages import encode
from gradmark.benchmarks.execution.surroundings import surroundings
from gradmark.benchmarks.execution.work import Failed, Here
from gradmark.benchmarks.shared_data import written
from gradmark.estimators import ScoreFunction
from gradmark.estimators.core import Estimate, LatentVariableModel, Params, Problem, State

READ: dict[str, Callable[[], Any]] = {
    "default dtype": torch.get_default_dtype,
    "default device": torch.get_default_device,
    "grad mode": torch.is_grad_enabled,
    "threads": torch.get_num_threads,
    "torch's generator": lambda: torch.default_generator.get_state().numpy().tobytes(),
    "numpy's generator": lambda: [np.asarray(part).tolist() for part in np.random.get_state()],  # noqa: NPY002
    "Python's generator": random.getstate,
    "floating-point errors": np.geterr,
    "anomaly detection": torch.is_anomaly_enabled,
    "precision": torch.get_float32_matmul_precision,
    "validation": lambda: Distribution._validate_args,
    "warnings": lambda: list(warnings.filters),
    "variables": lambda: dict(os.environ),
    "folder": os.getcwd,
    "path": lambda: list(sys.path),
    "stdout": lambda: sys.stdout,
    "recursion": sys.getrecursionlimit,
    "signals": lambda: signal.getsignal(signal.SIGALRM),
    "mask": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
}
CHANGES: dict[str, Callable[[], Any]] = {
    "default dtype": lambda: torch.set_default_dtype(torch.float16),
    "default device": lambda: torch.set_default_device("meta"),
    "grad mode": lambda: torch.set_grad_enabled(False),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's generator": lambda: torch.manual_seed(3),
    "numpy's generator": lambda: np.random.seed(3),  # noqa: NPY002
    "Python's generator": lambda: random.seed(3),
    "floating-point errors": lambda: np.seterr(all="ignore"),
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True, check_nan=False),
    "precision": lambda: torch.set_float32_matmul_precision("medium"),
    "validation": lambda: Distribution.set_default_validate_args(not Distribution._validate_args),
    "warnings": lambda: warnings.simplefilter("ignore"),
    "variables": lambda: os.environ.update(GRADMARK_TEST="1", HOME="/nowhere"),
    "folder": lambda: os.chdir("/"),
    "path": lambda: sys.path.insert(0, "/nowhere"),
    "stdout": lambda: setattr(sys, "stdout", sys.stderr),
    "recursion": lambda: sys.setrecursionlimit(5000),
    "signals": lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
    "mask": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]),
}


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
@pytest.mark.parametrize("raises", [False, True])
def test_everything_is_given_back(raises: bool) -> None:
    assert set(READ) == set(CHANGES)
    before = {name: read() for name, read in READ.items()}
    changed: set[str] = set()
    try:
        with surroundings():
            inside = {name: read() for name, read in READ.items()}
            for change in CHANGES.values():
                change()
            changed = {name for name, read in READ.items() if read() != inside[name]}
            if raises:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert raises
    assert changed == set(READ)  # the control: each is seen to change
    assert {name: read() for name, read in READ.items() if read() != before[name]} == {}


def test_a_cell_starts_from_torchs_own_defaults() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad(), surroundings():
            assert torch.get_default_dtype() is torch.float32
            assert torch.is_grad_enabled()
        assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_deterministic_algorithms_are_given_back() -> None:
    with surroundings():
        torch._C._set_deterministic_algorithms(True)
    assert not torch.are_deterministic_algorithms_enabled()


@dataclass(frozen=True)
class Writes(ScoreFunction):
    """A plug-in that halves the data that it sees, past the counter that torch keeps of writes."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        if isinstance(problem, LatentVariableModel):
            problem.observations(params).numpy()[:] /= 2
        return super().estimate(problem, params, state, num_samples)


@pytest.mark.parametrize("problem", ["GammaPosterior()", "BayesianLogisticRegression()"])
def test_who_writes_to_the_data_is_failed_and_the_next_has_them_as_they_were(problem: str) -> None:
    here = Here()
    innocent, guilty = (Cell(problem, text, replicates=1) for text in ("ScoreFunction()", f"{__name__}.Writes()"))
    before = here.prepare(innocent, None), here.block(innocent, 0)
    found = here.prepare(guilty, None)
    assert isinstance(found, Failed)
    assert found.reason.startswith("wrote to gradmark.benchmarks.problems.")
    after = here.prepare(innocent, None), here.block(innocent, 0)
    assert encode(after) == encode(before)
    assert written() == []
