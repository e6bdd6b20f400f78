"""A study: cells, training runs and experiments in a TOML file, validated whole, so that every fault is reported."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gradmark.benchmarks import selections, specs
from gradmark.benchmarks.cells import MOST, REPLICATES, Cell, Inquiry, Training
from gradmark.benchmarks.errors import LONGEST, BadInput, message, shortened
from gradmark.benchmarks.plugins import consent as study_plugins
from gradmark.benchmarks.plugins import modules as plugins
from gradmark.benchmarks.plugins.consent import Consent
from gradmark.benchmarks.regular_files import read_bounded
from gradmark.benchmarks.suggestions import did_you_mean

LARGEST = 1_000_000  # bytes of a study file
MOST_FAULTS = 100  # lines on the faults of one


def _canonical(resolve: Callable[[str], Any]) -> AfterValidator:
    def check(text: str) -> str:
        try:
            return str(resolve(text))
        except BadInput as fault:
            raise ValueError(str(fault)) from None

    return AfterValidator(check)


def _point(text: str) -> str:
    from gradmark.benchmarks.training.points import parse_point  # torch: only where a study is read

    try:
        return parse_point(text)
    except BadInput as fault:
        raise ValueError(str(fault)) from None


def _estimator(text: str) -> str:
    return selections.checked(text) if selections.is_selection(text) else str(specs.estimator(text))


ProblemSpec = Annotated[str, _canonical(specs.problem)]
EstimatorSpec = Annotated[str, _canonical(_estimator)]  # or several by one word, see `selections`
SolverSpec = Annotated[str, _canonical(specs.solver)]
ExperimentSpec = Annotated[str, _canonical(specs.experiment)]
PointText = Annotated[str, AfterValidator(_point)]
Device = Literal["cpu", "cuda"]
DType = Literal["float32", "float64"]
Count = Annotated[int, Field(ge=1, le=MOST)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Grid(_Section):
    """Every combination of its lists is a cell."""

    problems: list[ProblemSpec] = Field(min_length=1)
    estimators: list[EstimatorSpec] = Field(min_length=1)
    num_samples: list[Count] = [1]
    at: list[PointText] = ["init"]
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
        """The grid's cells, those of one table together; stateful estimators are measured cold and warm.

        `all` and `family:NAME` among the estimators stand for those that they select; what does not fit is refused.
        """
        replicates = None if self.rel_ci is not None else self.replicates or REPLICATES
        estimators = selections.expanded(self.estimators)
        return [
            Cell(problem, estimator, count, at, where, dtype, seed, state, replicates, self.rel_ci)
            for problem in self.problems
            for at in self.at
            for count in self.num_samples
            for where in ([device] if device else self.devices)
            for dtype in self.dtypes
            for estimator in estimators
            for state in specs.states(estimator)
        ]


class Runs(_Section):
    """Every combination of its problems and solvers is a training run."""

    problems: list[ProblemSpec] = Field(min_length=1)
    solvers: list[SolverSpec] = Field(min_length=1)
    steps: Count
    seeds: Annotated[int, Field(ge=4, le=MOST)] = 4
    evaluations: Annotated[int, Field(ge=2, le=MOST)] = 21
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
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    variance: list[Grid] = []
    convergence: list[Runs] = []
    experiments: list[ExperimentSpec] = []
    include: list[Annotated[str, AfterValidator(_included)]] = []
    plugins: str | None = None  # the folder, relative to the file, of code that it brings along (`study_plugins`)

    @cached_property
    def parts(self) -> list[Study]:
        """The study itself, then those that it includes: each keeps its own seed."""
        return [self, *map(load, self.include)]

    def cells(self, device: str | None = None) -> list[Cell]:
        """All cells, each once; `device` overrides the file's."""
        listed = (cell for part in self.parts for grid in part.variance for cell in grid.cells(part.seed, device))
        return list(dict.fromkeys(listed))

    def trainings(self, device: str | None = None) -> list[Training]:
        """All training runs, each once; `device` overrides the file's."""
        listed = (run for part in self.parts for runs in part.convergence for run in runs.trainings(part.seed, device))
        return list(dict.fromkeys(listed))

    def inquiries(self) -> list[Inquiry]:
        """All experiments, each once with the seed of its study; they run on the CPU."""
        return list(dict.fromkeys(Inquiry(text, part.seed) for part in self.parts for text in part.experiments))


def shipped() -> dict[str, Traversable]:
    """The study files that come with gradmark, by name."""
    folder = resources.files("gradmark.benchmarks.studies")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): file for file in files}


def published() -> dict[str, Study]:
    """The studies that come with gradmark, by name."""
    return {name: parse(file.read_text(encoding="utf-8"), file.name) for name, file in shipped().items()}


def name_of(name: str) -> str:
    """What a store calls a study: a published one by its name, a file by its path as it was typed."""
    return name if name in shipped() else os.path.normpath(name)


def text_of(name: str) -> str:
    """The text of a study that was loaded before."""
    return shipped()[name].read_text(encoding="utf-8") if name in shipped() else _text(name)


def load(name: str) -> Study:
    """The published study of that name, or the study in that TOML file; BadInput lists every fault with its path."""
    with opened(name) as plan:
        return plan


@contextmanager
def opened(name: str, consent: Consent | None = None) -> Iterator[Study]:
    """The study that `load` gives, and in the block the code that it brings along, if the user consents."""
    if name in shipped():
        if consent is not None and consent.folder is not None:
            raise BadInput(f"--plugins {consent.folder}: a published study has no plug-ins; leave the option out")
        yield parse(shipped()[name].read_text(encoding="utf-8"), f"{name}.toml")
        return
    text = _text(name)
    with plugins.using(study_plugins.source(_toml(text, name).get("plugins"), Path(name), consent or Consent())):
        yield parse(text, name)


def _text(name: str) -> str:
    """The text of a study file; BadInput where it is not a regular file of a study's size, in UTF-8."""
    shown = shortened(repr(name), 80)
    try:
        return read_bounded(Path(name), LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise BadInput(f"study {shown}: not UTF-8 ({fault.reason} at byte {fault.start}); save it as UTF-8") from None
    except ValueError as fault:
        known = ", ".join(shipped())
        raise BadInput(f"study {shown}: {fault}, and no published study of that name; published are {known}") from None


def parse(text: str, where: str) -> Study:
    """A study from TOML; BadInput with one line for each fault, led by its path in the file.

    Its specs are not typed, so that code is loaded from where a study may only.
    """
    content = _toml(text, where)
    with nullcontext() if not plugins.current().typed else plugins.using(study_plugins.CLOSED):
        try:
            return Study.model_validate(content)
        except ValidationError as faults:
            raise BadInput("\n".join(_lines(where, faults))) from None


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError, OverflowError) as fault:  # also for a number of more than 4300 digits
        raise BadInput(shortened(f"{shortened(where, 80)}: not TOML: {message(fault)}", LONGEST)) from None


def _lines(where: str, faults: ValidationError) -> list[str]:
    """One line for each fault, of a hundred at most."""
    lines = [shortened(f"{shortened(where, 80)}: {_fault(fault)}", LONGEST) for fault in faults.errors()[:MOST_FAULTS]]
    rest = faults.error_count() - MOST_FAULTS
    return lines if rest <= 0 else [*lines, f"{shortened(where, 80)}: and {rest} more; mend these first"]


def _fault(fault: Any) -> str:
    path = "".join(map(_step, fault["loc"])).lstrip(".")
    if fault["type"] == "extra_forbidden":
        section = {"variance": Grid, "convergence": Runs}.get(fault["loc"][0], Study) if fault["loc"][1:] else Study
        keys = list(section.model_fields)
        remedy = did_you_mean(fault["loc"][-1], keys) or f"the keys are {', '.join(keys)}"
        return f"{path}: there is no such key; {remedy}"
    text = " ".join(fault["msg"].removeprefix("Value error, ").split())
    got = "" if fault["type"] in ("value_error", "missing") else f", got {shortened(_shown(fault['input']), 80)}"
    return f"{path}: {text}{got}"


def _step(part: int | str) -> str:
    """One step of the path in the file; a key that is more than letters is quoted, as TOML has it."""
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if re.fullmatch(r"[\w-]+", part) else f".{shortened(ascii(part), 60)}"


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # a number of more digits than Python writes out
        return "a number of thousands of digits"
