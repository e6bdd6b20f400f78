"""A study: cells, training runs and experiments in a TOML file, validated whole, so that every fault is reported."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks import specs
from benchmarks.cells import REPLICATES, Cell, Inquiry, Training
from benchmarks.errors import BadInput


def _canonical(resolve: Callable[[str], Any]) -> AfterValidator:
    def check(text: str) -> str:
        try:
            return str(resolve(text))
        except BadInput as fault:
            raise ValueError(str(fault)) from None

    return AfterValidator(check)


def _place(text: str) -> str:
    from benchmarks.places import parse_place  # torch: only where a study is read

    try:
        return parse_place(text)
    except BadInput as fault:
        raise ValueError(str(fault)) from None


ProblemSpec = Annotated[str, _canonical(specs.problem)]
EstimatorSpec = Annotated[str, _canonical(specs.estimator)]
SolverSpec = Annotated[str, _canonical(specs.solver)]
ExperimentSpec = Annotated[str, _canonical(specs.experiment)]
Place = Annotated[str, AfterValidator(_place)]
Device = Literal["cpu", "cuda"]
DType = Literal["float32", "float64"]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Grid(_Section):
    """Every combination of its lists is a cell."""

    problems: list[ProblemSpec] = Field(min_length=1)
    estimators: list[EstimatorSpec] = Field(min_length=1)
    num_samples: list[Count] = [1]
    at: list[Place] = ["init"]
    devices: list[Device] = ["cpu"]
    dtypes: list[DType] = ["float64"]
    replicates: Count | None = None
    rel_ci: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Grid:
        if self.replicates is not None and self.rel_ci is not None:
            raise ValueError("replicates and rel_ci exclude each other; keep one")
        return self

    def cells(self, seed: int, device: str | None) -> list[Cell]:
        """The grid's cells, those of one table together; stateful estimators are measured cold and warm."""
        replicates = None if self.rel_ci is not None else self.replicates or REPLICATES
        return [
            Cell(problem, estimator, count, at, where, dtype, seed, state, replicates, self.rel_ci)
            for problem in self.problems
            for at in self.at
            for count in self.num_samples
            for where in ([device] if device else self.devices)
            for dtype in self.dtypes
            for estimator in self.estimators
            for state in states(estimator)
        ]


class Runs(_Section):
    """Every combination of its problems and solvers is a training run."""

    problems: list[ProblemSpec] = Field(min_length=1)
    solvers: list[SolverSpec] = Field(min_length=1)
    steps: Count
    seeds: Annotated[int, Field(ge=4)] = 4
    evaluations: Annotated[int, Field(ge=2)] = 21
    device: Device = "cpu"
    dtype: DType = "float64"

    def trainings(self, seed: int, device: str | None) -> list[Training]:
        """The section's runs, those of one figure together."""
        return [
            Training(problem, solver, self.steps, self.seeds, self.evaluations, device or self.device, self.dtype, seed)
            for problem in self.problems
            for solver in self.solvers
        ]


def _included(name: str) -> str:
    if name not in shipped():
        raise ValueError(f"no published study is called {name!r}; published are {', '.join(shipped())}")
    if "include" in tomllib.loads(shipped()[name].read_text(encoding="utf-8")):
        raise ValueError(f"{name!r} includes others itself; include those")
    return name


class Study(_Section):
    """What a study file holds; `include` names published studies whose cells, runs and experiments are its own too."""

    title: str
    description: str = ""
    seed: Annotated[int, Field(ge=0)] = 0
    variance: list[Grid] = []
    convergence: list[Runs] = []
    experiments: list[ExperimentSpec] = []
    include: list[Annotated[str, AfterValidator(_included)]] = []

    @cached_property
    def parts(self) -> list[Study]:
        """The study itself, then those that it includes: each keeps its own seed."""
        return [self, *map(load, self.include)]

    def cells(self, device: str | None = None) -> list[Cell]:
        """All cells, each once; `device` overrides the file's."""
        found = (cell for part in self.parts for grid in part.variance for cell in grid.cells(part.seed, device))
        return list(dict.fromkeys(found))

    def trainings(self, device: str | None = None) -> list[Training]:
        """All training runs, each once; `device` overrides the file's."""
        found = (run for part in self.parts for runs in part.convergence for run in runs.trainings(part.seed, device))
        return list(dict.fromkeys(found))

    def inquiries(self) -> list[Inquiry]:
        """All experiments, each once with the seed of its study; they run on the CPU."""
        return list(dict.fromkeys(Inquiry(text, part.seed) for part in self.parts for text in part.experiments))


def states(estimator: str) -> tuple[str, ...]:
    """In which states an estimator is measured: as it starts and warmed up, or just once where it has none."""
    from estimators.core import Estimator

    stateful = type(specs.estimator(estimator)).init is not Estimator.init
    return ("cold", "warm") if stateful else ("none",)


def shipped() -> dict[str, Traversable]:
    """The study files that come with gradmark, by name."""
    folder = resources.files("benchmarks") / "studies"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): file for file in files}


def published() -> dict[str, Study]:
    """The studies that come with gradmark, by name."""
    return {name: parse(file.read_text(encoding="utf-8"), file.name) for name, file in shipped().items()}


def load(name: str) -> Study:
    """The published study of that name, or the study in that TOML file; BadInput lists every fault with its path."""
    if name in shipped():
        return parse(shipped()[name].read_text(encoding="utf-8"), f"{name}.toml")
    path = Path(name)
    if not path.is_file():
        known = ", ".join(shipped())
        raise BadInput(f"study {name!r}: no such file, and no published study of that name; published are {known}")
    try:
        return parse(path.read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(f"study {name!r}: cannot be read ({fault})") from None


def parse(text: str, where: str) -> Study:
    """A study from TOML; BadInput with one line for each fault, led by its path in the file."""
    try:
        return Study.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as fault:
        raise BadInput(f"{where}: not TOML: {fault}") from None
    except ValidationError as faults:
        raise BadInput("\n".join(f"{where}: {_fault(fault)}" for fault in faults.errors())) from None


def _fault(fault: Any) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    message = fault["msg"].removeprefix("Value error, ")
    got = "" if fault["type"] in ("value_error", "missing") else f", got {fault['input']!r}"
    return f"{path}: {message}{got}"
