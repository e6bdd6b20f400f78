"""Methods that declare a bias: how large it is, and up to how many evaluations their mean squared error is smaller."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradmark.benchmarks.cells import BIAS_REPLICATES, Cell
from gradmark.benchmarks.measurement.quantities import NOTHING, Quantity, signed
from gradmark.benchmarks.recommendation.budget import Spent
from gradmark.benchmarks.recommendation.candidates import Candidate, LeftOut, not_measured
from gradmark.benchmarks.recommendation.measuring import Measuring


@dataclass(frozen=True)
class BiasedMethod:
    """A method that declares a bias. It is shown beside those that are compared, and never recommended."""

    candidate: Candidate
    bias: dict[str, Any]  # the test of bias: `result`, smallest detectable bias, worst coordinate
    norm: Quantity  # of the bias, over all coordinates; nothing where the exact gradient is not known
    better_up_to: float | None  # evaluations of one gradient; None where no bias is seen, or one cannot tell


def biased_methods(
    estimators: Sequence[Sequence[Cell]], choice: Candidate | None, measuring: Measuring
) -> tuple[list[BiasedMethod], list[LeftOut], bool]:
    """Each at the number of samples of the choice if it fits, else at its first; and whether the budget was spent."""
    methods, left_out = list[BiasedMethod](), list[LeftOut]()
    for number, cells in enumerate(estimators):
        try:
            found = _fitting(cells, choice, measuring)
            failed = measuring.grown(found, BIAS_REPLICATES) if isinstance(found, Candidate) else found
        except Spent:
            return methods, [*left_out, *(not_measured(rest[0].estimator) for rest in estimators[number:])], True
        if failed is not None:
            left_out.append(failed)
        elif isinstance(found, Candidate):
            methods.append(_method(found, choice))
    return methods, left_out, False


def _fitting(cells: Sequence[Cell], choice: Candidate | None, measuring: Measuring) -> Candidate | LeftOut:
    wanted = choice.cell.num_samples if choice else None
    found: Candidate | LeftOut | None = None
    for cell in sorted(cells, key=lambda each: each.num_samples != wanted):
        found = measuring.prepared(cell)
        if isinstance(found, Candidate):
            return found
    assert found is not None, "an estimator has a cell"
    return found


def _method(candidate: Candidate, choice: Candidate | None) -> BiasedMethod:
    norm, bias = norm_of_bias(candidate), candidate.summary()["bias"]
    seen = bias["verdict"] == "biased"
    return BiasedMethod(candidate, bias, norm, _better_up_to(candidate, choice, norm) if seen else None)


def norm_of_bias(candidate: Candidate) -> Quantity:
    """The Euclidean norm of the bias: the root of mean squared error less variance, group by group.

    A group's squared error less its trace is an unbiased estimate of the squared norm. It may be negative, which counts
    as zero.
    """
    moments = candidate.moments
    if not len(moments.squared_errors) or moments.nonfinite:
        return NOTHING
    squared = signed(moments.squared_errors - moments.traces[:, 0])
    if squared.value is None:
        return NOTHING
    root = math.sqrt(max(squared.value, 0.0))
    stderr = None if squared.stderr is None or root == 0 else squared.stderr / (2 * root)
    low, high = (math.sqrt(max(end, 0.0)) for end in squared.ci or (0.0, 0.0))
    return Quantity(root, stderr, (low, high) if squared.ci else None, squared.level, squared.withheld)


def _better_up_to(candidate: Candidate, choice: Candidate | None, norm: Quantity) -> float | None:
    """Evaluations of one gradient, below which the mean squared error is smaller than that of the choice.

    Averages of estimates that take n evaluations in all have the mean squared error W/n, and bias² + W'/n, where W is
    variance × evaluations: the biased one is the smaller for n < (W − W')/bias².
    """
    if choice is None or not norm.value or not (choice.forward and candidate.forward):
        return None
    ours, theirs = choice.value("evaluations").value, candidate.value("evaluations").value
    return None if ours is None or theirs is None else max(ours - theirs, 0.0) / norm.value**2
