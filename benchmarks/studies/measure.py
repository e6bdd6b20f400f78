"""One cell, measured now: the same way through the house, with a store in memory."""

from __future__ import annotations

from typing import Any

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import REPLICATES, Cell
from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner
from gradmark.benchmarks.studies.study import states
from gradmark.benchmarks.studies.summary import summarise
from gradmark.benchmarks.training import points


def measure(
    problem: str,
    estimator: str,
    num_samples: int = 1,
    at: str = "init",
    device: str = "cpu",
    dtype: str = "float64",
    seed: int = 0,
    state: str = "warm",
    *,
    replicates: int | None = None,
    rel_ci: float | None = None,
    limits: Limits = Limits(),  # noqa: B008  # frozen
) -> dict[str, Any]:
    """The summary of one cell (`measures.summarise`); `state` matters to estimators that have one.

    Runs `replicates` estimates rounded up to whole blocks, or until the total variance's interval is within
    `rel_ci` of its value; 16 384 where neither is given. Raises BadInput for specs and places that cannot be read.
    """
    problem, estimator = str(specs.problem(problem)), str(specs.estimator(estimator))
    state = state if state in states(estimator) else "none"
    count = None if rel_ci is not None else replicates or REPLICATES
    cell = Cell(problem, estimator, num_samples, points.parse_place(at), device, dtype, seed, state, count, rel_ci)
    with Store(None) as store:
        runner.run([cell], [], store, limits=limits)
        return summarise(store.record(cell))
