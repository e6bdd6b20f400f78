"""Measures one cell now, as a study does, with a store in memory."""

from __future__ import annotations

from typing import Any

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import REPLICATES, Cell
from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner
from gradmark.benchmarks.studies.summary import summarise
from gradmark.benchmarks.training import points
from gradmark.estimators.core import Estimator, Problem


def measure(
    problem: Problem | str,
    estimator: Estimator | str,
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
    """Measure one cell, and return its summary: what `gradmark measure --json` prints.

    Runs `replicates` estimates rounded up to whole blocks, or until the total variance's interval is within `rel_ci`
    of its value; 16 384 where neither is given. Problem and estimator are objects, or the text that spells one.

    Args:
        problem: The expectation whose gradient is wanted.
        estimator: The method.
        num_samples: Draws of z for one estimate.
        at: The parameter point: `init`, `optimum`, `step=500`, or a file of parameters.
        device: `cpu` or `cuda`.
        dtype: `float64` or `float32`.
        seed: The seed that all blocks' seeds are made from.
        state: `warm` or `cold`; it matters to estimators that have a state.
        replicates: Independent estimates.
        rel_ci: The relative half width of the total variance's interval to stop at.
        limits: Of time and memory, for code from outside gradmark.

    Returns:
        The summary, with `status`, `total_variance`, `bias`, `cost` and more. `status` is `refused` where the problem
        and the estimator do not fit; `reason` then says why.

    Raises:
        BadInput: A spec or a parameter point cannot be read.

    Examples:
        >>> import gradmark
        >>> from gradmark.benchmarks.problems import BernoulliToy
        >>> from gradmark.estimators import LeaveOneOut
        >>> summary = gradmark.measure(BernoulliToy(), LeaveOneOut(), num_samples=2, replicates=1024)
        >>> summary["bias"]["verdict"]
        'unbiased'
    """
    with specs.given(problem, estimator) as (problem_text, estimator_text), Store(None) as store:
        problem_text, estimator_text = str(specs.problem(problem_text)), str(specs.estimator(estimator_text))
        state = state if state in specs.states(estimator_text) else "none"
        count = None if rel_ci is not None else replicates or REPLICATES
        point = points.parse_point(at)
        cell = Cell(problem_text, estimator_text, num_samples, point, device, dtype, seed, state, count, rel_ci)
        runner.run([cell], [], store, limits=limits)
        return summarise(store.record(cell))
