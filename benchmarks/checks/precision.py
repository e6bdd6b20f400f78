"""Checks in single precision: draws have enough digits, and the gradient equals that in double precision."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from gradmark.benchmarks.checks.cases import HOST, EstimatorCase, coordinate, largest_differences
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.quadrature.replay import Diverged, Recorded, Replayed, continuous

REPLICATES = 16
LOST = 0.01  # of the largest number of the gradient: rounding is a thousandth of that, a lost term far more
SINGLE, DOUBLE = torch.float32, torch.float64


@check
def draws_have_digits_enough(case: EstimatorCase) -> CheckResult:
    """Continuous draws have at least single precision: with fewer digits, rare outcomes get a probability of 0."""
    for dtype in (DOUBLE, SINGLE):
        params = case.params((3,), dtype)
        with Recorded() as recorded:
            case.estimate(params)
        for operation, drawn in recorded.draws:
            coarse = isinstance(drawn, Tensor) and drawn.is_floating_point() and drawn.dtype.itemsize < SINGLE.itemsize
            if coarse and continuous(operation):
                return failed(
                    f"{operation._schema.name} draws {drawn.dtype}; it must draw {dtype}, as the parameters are"
                )
    return passed()


@check
def single_precision_is_enough(case: EstimatorCase) -> CheckResult:
    """Draws in double precision, replayed in single precision, give the same gradient up to rounding.

    An exponential that underflows, or a probability that rounds to 1, drops a term of the gradient without a NaN, and
    only in single precision, which is used in training.
    """
    replicates = case.replicates(REPLICATES)
    with seeded(1, HOST):
        problem, params = case.on.problem.draw(replicates), case.params((replicates,))
        state = case.initial(problem, params)
        with Recorded() as recorded:
            double = case.estimator.estimate(problem, params, state, case.num_samples).gradient
        params, state = (tree_map(_single, each) for each in (params, state))
        try:
            with Replayed(recorded.draws):
                single = case.estimator.estimate(problem, params, state, case.num_samples).gradient
        except Diverged as fault:
            return skipped(f"draws cannot be replayed in single precision: {fault}")
    off = largest_differences(single, double)
    allowed = LOST * (1.0 + max(value.abs().max().item() for value in double.values()))
    worst = int(off.argmax())
    if not off[worst] > allowed:  # NaN passes here: `gradient_is_finite` fails then
        return passed(allowed)
    detail = "with the same draws the gradients in torch.float32 and torch.float64 differ"
    return failed(
        detail, coordinate({name: value[0] for name, value in double.items()}, worst), off[worst].item(), allowed
    )


def _single(value: Tensor) -> Tensor:
    return value.to(SINGLE) if value.is_floating_point() else value
