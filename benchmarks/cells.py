"""What a study asks for, as plain records: cells, training runs and experiments; imports nothing of ours."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

REPLICATES = 16384  # where neither replicates nor rel_ci is asked for
MOST = 10**8  # replicates of a cell, steps of a training run, draws of an estimate: more would take years
BIAS_REPLICATES = 16384  # of the test of bias, fixed beforehand: "run until it agrees" accepts biased estimators
MAX_BLOCKS = 256  # of a cell that runs until its interval is narrow enough


@dataclass(frozen=True)
class Cell:
    """One point of a study: what is measured, where, and how long."""

    problem: str
    estimator: str
    num_samples: int = 1
    at: str = "init"
    device: str = "cpu"
    dtype: str = "float64"
    seed: int = 0
    state: str = "none"  # "none" | "cold" | "warm"
    replicates: int | None = REPLICATES  # rounded up to whole blocks; None: until rel_ci
    rel_ci: float | None = None  # half width of the total variance's interval over its value

    @property
    def table(self) -> tuple[str, ...]:
        """What cells of one table share: they are compared, see the same draws and are timed in turn."""
        return (self.problem, str(self.num_samples), self.at, self.device, self.dtype, str(self.seed))

    @property
    def key(self) -> str:
        """The cell's identity in a store; how many replicates it has is not part of it."""
        return " | ".join((*self.table, self.estimator, self.state))

    def json(self) -> dict[str, Any]:
        """The cell as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Training:
    """One training run, many seeds at once: what is trained by what, and how often it is evaluated."""

    problem: str
    solver: str
    steps: int
    seeds: int = 4
    evaluations: int = 21
    device: str = "cpu"
    dtype: str = "float64"
    seed: int = 0

    @property
    def table(self) -> tuple[str, ...]:
        """What runs of one figure share."""
        return (
            self.problem,
            str(self.steps),
            str(self.seeds),
            str(self.evaluations),
            self.device,
            self.dtype,
            str(self.seed),
        )

    @property
    def key(self) -> str:
        """The run's identity in a store."""
        return " | ".join((*self.table, self.solver))

    def json(self) -> dict[str, Any]:
        """The run as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Inquiry:
    """One experiment of a study, with its seed."""

    experiment: str
    seed: int = 0

    @property
    def key(self) -> str:
        """The inquiry's identity in a store."""
        return f"{self.experiment} | {self.seed}"

    def json(self) -> dict[str, Any]:
        """The inquiry as plain data."""
        return asdict(self)
