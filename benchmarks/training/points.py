"""Parameter points: `init`, `optimum`, `step=500` of a reference run, or a file; found once, with a digest."""

from __future__ import annotations

import difflib
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.errors import BadInput, shortened
from gradmark.benchmarks.measurement.block import block_seed, lifted, seeded
from gradmark.benchmarks.regular_files import fault_of_file
from gradmark.benchmarks.training import parameter_files
from gradmark.benchmarks.training.lbfgs import ExactCost, minimised
from gradmark.benchmarks.training.parameter_files import SUFFIXES as SUFFIXES
from gradmark.benchmarks.training.solvers import Adam
from gradmark.estimators.core import Params, Problem

RATE, SAMPLES = 0.001, 10  # of the reference run: at ten times the rate scales of a wide encoder collapse
STEPS = 20000  # of L-BFGS towards an optimum, at the most
MOST_STEPS = 10**6  # of the reference run: minutes where a step is quick, and hours where it is not
KINDS = "init, optimum, step=N or a file of parameters (.npz, .json, .pt)"


@dataclass(frozen=True)
class ParameterPoint:
    """Parameters to measure at: float64, on the CPU, without a replicate axis."""

    params: Params

    @property
    def digest(self) -> str:
        """A hash of names, shapes and bits."""
        text = hashlib.sha256()
        for name, value in self.params.items():
            text.update(f"{name}{list(value.shape)}".encode() + value.numpy().astype("<f8").tobytes())
        return text.hexdigest()[:16]

    def to_bytes(self) -> bytes:
        """The parameters as one .npz archive."""
        file = io.BytesIO()
        np.savez(file, **{name: value.numpy() for name, value in self.params.items()})  # type: ignore[arg-type]
        return file.getvalue()

    @classmethod
    def from_bytes(cls, archive: bytes) -> ParameterPoint:
        """The point of an archive that `to_bytes` made."""
        with np.load(io.BytesIO(archive), allow_pickle=False) as found:
            return cls({name: torch.from_numpy(found[name]) for name in found.files})


@dataclass(frozen=True)
class Refusal:
    """Why something does not fit: data, not an exception."""

    reason: str


def parse_point(text: str) -> str:
    """The point's canonical text; BadInput where it is none."""
    kind, _, number = text.partition("=")
    call = f"--at {shortened(repr(text), 80)}"
    if text in ("init", "optimum"):
        return text
    if kind == "step":
        return f"step={_steps(call, number)}"
    if Path(text).suffix not in SUFFIXES:
        raise BadInput(f"{call}: must be {KINDS}{_meant(text)}")
    fault = fault_of_file(Path(text))
    if fault is not None:
        raise BadInput(f"{call}: {fault}; must be {KINDS}")
    return text


def _steps(call: str, number: str) -> int:
    if not (number.isascii() and number.isdecimal()):
        raise BadInput(f"{call}: step takes a whole number of steps, as in step=500")
    digits = number.lstrip("0") or "0"
    if len(digits) > len(str(MOST_STEPS)) or int(digits) > MOST_STEPS:
        raise BadInput(f"{call}: the reference run takes {MOST_STEPS} steps at the most; pass a smaller number")
    return int(digits)


def _meant(text: str) -> str:
    """A question that names the point whose spelling is near, or nothing."""
    word = text.strip().lower().rstrip("0123456789").rstrip("=: ")
    number = text.strip()[len(text.strip().rstrip("0123456789")) :]
    near = difflib.get_close_matches(word, ("init", "optimum", "step"), n=1, cutoff=0.6)
    if not near:
        return ""
    return f"; did you mean {f'step={shortened(number, 20) or 500}' if near == ['step'] else near[0]}?"


def find(problem: Problem, at: str) -> ParameterPoint | Refusal:
    """The parameters of a point, or why there are none; BadInput for a file that does not fit the problem."""
    if at == "init":
        return ParameterPoint(problem.init())
    if at == "optimum":
        return _optimum(problem)
    if at.startswith("step="):
        return _reference_run(problem, int(at.removeprefix("step=")))
    shapes = {name: list(value.shape) for name, value in problem.init().items()}
    return ParameterPoint(parameter_files.read(Path(at), str(problem), shapes))


def _optimum(problem: Problem) -> ParameterPoint | Refusal:
    """L-BFGS on the float64 oracle, run twice: parameters that move on as the tolerance tightens have no optimum."""
    if problem.no_oracle is not None:
        return Refusal(
            f"--at optimum of {problem}: there is no oracle to minimise: {problem.no_oracle}; use --at step=N"
        )
    params = problem.init()
    cost = ExactCost(problem, params, list(params))
    here, _ = cost(cost.start)
    if not np.isfinite(here):
        return Refusal(f"--at optimum of {problem}: the expected cost is {here} at init; use --at step=N or a file")
    first = minimised(cost, cost.start, 1e-5, STEPS)
    second = minimised(cost, first.x, 1e-9, STEPS)
    away = second.x - cost.start
    further, _ = cost(second.x + away)
    runs_off = np.abs(second.x - first.x).max() > 1.0 or further <= second.fun < here
    if not np.isfinite(second.fun) or runs_off:
        ends = np.cumsum([value.numel() for value in params.values()])
        name = list(params)[int(np.searchsorted(ends, np.abs(away).argmax(), "right"))]
        return Refusal(
            f"--at optimum of {problem}: there is no finite optimum: {name!r} runs off as the tolerance tightens "
            f"(moved by {np.abs(away).max():.3g} so far); use --at step=N"
        )
    return ParameterPoint({name: value.detach() for name, value in cost.params_at(second.x).items()})


def _reference_run(problem: Problem, steps: int) -> ParameterPoint:
    """Adam, fed by the oracle, else by reparameterization, else by leave-one-out: never by the cell's estimator.

    So every estimator is measured at the same point.
    """
    candidates = [specs.estimator(f"{name}()") for name in ("ExactGradient", "Reparameterization", "LeaveOneOut")]
    fitting = [each for each in candidates if each.refuses(problem.seen, SAMPLES) is None]
    solver = Adam(fitting[0], RATE, SAMPLES)
    params = lifted(problem.init(), 1)
    state = solver.init(problem, params)
    with seeded(block_seed(problem, SAMPLES, "reference run", 0, 1, 0), torch.device("cpu")):
        for _ in range(steps):
            params, state = solver.step(problem.draw(1), params, state)
    return ParameterPoint({name: value[0].detach() for name, value in params.items()})
