"""Place to parameters: `init`, `optimum`, `step=500` of a reference run, or a file; found once, with a digest."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import OptimizeResult, minimize
from torch import Tensor

from benchmarks import specs
from benchmarks.block import block_seed, lifted, seeded
from benchmarks.errors import BadInput
from benchmarks.solvers import Adam
from estimators.core import Params, Problem, gradient_of_sum

RATE, SAMPLES = 0.001, 10  # of the reference run: at ten times the rate scales of a wide encoder collapse
SUFFIXES = (".npz", ".json", ".pt")


@dataclass(frozen=True)
class Place:
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
    def from_bytes(cls, archive: bytes) -> Place:
        """The place of an archive that `to_bytes` made."""
        with np.load(io.BytesIO(archive), allow_pickle=False) as found:
            return cls({name: torch.from_numpy(found[name]) for name in found.files})


@dataclass(frozen=True)
class Refusal:
    """Why something does not fit: data, not an exception."""

    reason: str


def parse_place(text: str) -> str:
    """The place's canonical text; BadInput where it is none."""
    kind, _, number = text.partition("=")
    if text in ("init", "optimum"):
        return text
    if kind == "step":
        if not number.isdecimal():
            raise BadInput(f"--at {text!r}: step takes a whole number of steps, as in step=500")
        return f"step={int(number)}"
    if Path(text).suffix not in SUFFIXES:
        raise BadInput(f"--at {text!r}: a place is init, optimum, step=N or a file of parameters (.npz, .json, .pt)")
    if not Path(text).is_file():
        raise BadInput(f"--at {text!r}: there is no such file")
    return text


def find(problem: Problem, at: str) -> Place | Refusal:
    """The parameters of a place, or why there are none; BadInput for a file that does not fit the problem."""
    if at == "init":
        return Place(problem.init())
    if at == "optimum":
        return _optimum(problem)
    if at.startswith("step="):
        return _reference_run(problem, int(at.removeprefix("step=")))
    return Place(_from_file(problem, Path(at)))


def _optimum(problem: Problem) -> Place | Refusal:
    """L-BFGS on the float64 oracle, run twice: parameters that move on as the tolerance tightens have no optimum."""
    if problem.no_oracle is not None:
        return Refusal(
            f"--at optimum of {problem}: there is no oracle to minimise: {problem.no_oracle}; use --at step=N"
        )
    start = problem.init()
    first = _minimise(problem, _flat(start), 1e-5)
    second = _minimise(problem, first.x, 1e-9)
    away = second.x - _flat(start)
    further = _objective(problem, start, second.x + away)[0]
    runs_off = (
        np.abs(second.x - first.x).max() > 1.0 or further <= second.fun < _objective(problem, start, _flat(start))[0]
    )
    if not np.isfinite(second.fun) or runs_off:
        name = list(start)[
            int(np.searchsorted(np.cumsum([v.numel() for v in start.values()]), np.abs(away).argmax(), "right"))
        ]
        return Refusal(
            f"--at optimum of {problem}: there is no finite optimum: {name!r} runs off as the tolerance tightens "
            f"(moved by {np.abs(away).max():.3g} so far); use --at step=N"
        )
    return Place({name: value.detach() for name, value in _unflat(start, second.x).items()})


def _minimise(problem: Problem, start: np.ndarray, tolerance: float) -> OptimizeResult:
    like = problem.init()
    options = {"maxiter": 20000, "maxfun": 40000, "ftol": 0.0, "gtol": tolerance, "maxcor": 20}
    return minimize(lambda x: _objective(problem, like, x), start, jac=True, method="L-BFGS-B", options=options)


def _objective(problem: Problem, like: Params, x: np.ndarray) -> tuple[float, np.ndarray]:
    params = {name: value.requires_grad_() for name, value in _unflat(like, x).items()}
    exact = problem.exact(params)
    assert exact is not None, "no_oracle was None"
    gradient = gradient_of_sum(exact, params)
    return float(exact.detach().sum()), _flat(gradient)


def _flat(params: Params) -> np.ndarray:
    return torch.cat([value.detach().reshape(-1) for value in params.values()]).numpy()


def _unflat(like: Params, x: np.ndarray) -> Params:
    parts: list[Tensor] = list(torch.from_numpy(x.copy()).split([value.numel() for value in like.values()]))
    return {name: part.view(value.shape) for (name, value), part in zip(like.items(), parts, strict=True)}


def _reference_run(problem: Problem, steps: int) -> Place:
    """Adam at .01, fed by the oracle, else by reparameterization, else by leave-one-out: never by the cell's estimator.

    So every estimator is measured at the same place.
    """
    candidates = [specs.estimator(f"{name}()") for name in ("ExactGradient", "Reparameterization", "LeaveOneOut")]
    fitting = [each for each in candidates if each.refuses(problem.template, SAMPLES) is None]
    solver = Adam(fitting[0], RATE, SAMPLES)
    params = lifted(problem.init(), 1)
    state = solver.init(problem, params)
    with seeded(block_seed(problem, SAMPLES, "reference run", 0, 1, 0), torch.device("cpu")):
        for _ in range(steps):
            params, state = solver.step(problem.draw(1), params, state)
    return Place({name: value[0].detach() for name, value in params.items()})


def _from_file(problem: Problem, path: Path) -> Params:
    """The parameters in a file: an .npz archive, a JSON object of nested lists, or a torch file of tensors."""
    expected = problem.init()
    try:
        found = _read(path)
    except (OSError, ValueError, EOFError, RuntimeError, KeyError, TypeError) as fault:
        line = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise BadInput(f"--at {str(path)!r}: not a readable file of parameters ({line})") from None
    if set(found) != set(expected):
        raise BadInput(
            f"--at {str(path)!r}: holds {sorted(found)}, but {problem} has the parameters {sorted(expected)}"
        )
    for name, value in expected.items():
        if found[name].shape != value.shape:
            shapes = f"{list(found[name].shape)}, but {problem} has {list(value.shape)}"
            raise BadInput(f"--at {str(path)!r}: {name} has the shape {shapes}")
        if not found[name].isfinite().all():
            raise BadInput(f"--at {str(path)!r}: {name} has NaN or infinite entries")
    return {name: found[name] for name in expected}


def _read(path: Path) -> Params:
    if path.suffix == ".pt":
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): value.detach().double() for name, value in loaded.items()}
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {name: torch.tensor(archive[name], dtype=torch.float64) for name in archive.files}
    loaded = json.loads(path.read_text(encoding="utf-8"))
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in loaded.items()}
