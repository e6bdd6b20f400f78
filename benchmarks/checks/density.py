"""Check that q's draws have its density: the mean of the score ∇ log q(z) over them is zero."""

from __future__ import annotations

from collections.abc import Callable

from gradmark.benchmarks.checks.cases import Case, coordinate
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.checks.scores import score_sums
from gradmark.benchmarks.checks.two_stage_test import mean_test, two_stage_test

LEVEL = 1e-6  # probability that a right problem fails
DRAWS = 2**12  # of the first stage
FEWEST = 2**9
MOST_NUMBERS = 2**22  # in all scores of a stage


@check
def draws_have_the_density(case: Case) -> CheckResult:
    """E ∇ log q(z) = 0 over q's draws, which holds for draws with the density q, and hardly for any others.

    Where a first sample looks suspicious, an independent one, four times as large, decides.
    """
    size = sum(value.numel() for value in case.params.values())
    count = min(DRAWS, max(MOST_NUMBERS // max(size, case.problem.footprint), FEWEST))
    try:
        return draws_against_density(case, count, LEVEL)
    except NotImplementedError:
        return skipped("q has no log_prob")


def draws_against_density(
    case: Case, draws: int, level: float, nonfinite: Callable[[str], CheckResult] = failed
) -> CheckResult:
    """Whether the mean score of the draws is zero, at the level; `nonfinite` makes the result where one is infinite."""
    sums, _, detectable = two_stage_test(lambda number, count: score_sums(case, count, 2**32 * number), draws, level)
    if sums.nonfinite:
        total = sums.nonfinite + sums.count
        return nonfinite(f"the gradient of log q has NaN or infinity at {sums.nonfinite} of {total} draws of q itself")
    if not sums.varies.any():
        return skipped("q depends on no parameter, or so rarely that hardly any draw shows it")
    test = mean_test(sums, level, sums.varies)
    if test.p_value < level:
        return failed(
            f"the distribution's draws do not have its density: E ∇ log q is not 0 over them (p = {test.p_value:.2g}); "
            "`sample` and `log_prob` disagree, or q's support moves",
            coordinate(case.params, test.worst),
            test.error,
            detectable,
        )
    return passed(detectable, test.untested) if test.tested.any() else skipped(test.untested)
