"""Check that q's draws have its density: the mean of the score, ∇ log q(z), is zero over them."""

from __future__ import annotations

from collections.abc import Callable

from gradmark.benchmarks.checks.cases import Fixture, coordinate
from gradmark.benchmarks.checks.mean_test import judged, two_looks
from gradmark.benchmarks.checks.results import Finding, declined, failed, law, passed
from gradmark.benchmarks.checks.scores import score_sums

LEVEL = 1e-6  # chance that a right problem fails one of these checks
DRAWS = 2**12  # of the first look
FEWEST = 2**9
MOST_NUMBERS = 2**22  # in all scores of a look


@law
def draws_have_the_density(fixture: Fixture) -> Finding:
    """E ∇ log q(z) = 0 over q's own draws, which holds for every density and its own draws, and for hardly any other.

    A first look that is suspicious is followed by a fresh one with four times the draws, which alone decides.
    """
    size = sum(value.numel() for value in fixture.params.values())
    count = min(DRAWS, max(MOST_NUMBERS // max(size, fixture.problem.footprint), FEWEST))
    try:
        return draws_against_density(fixture, count, LEVEL)
    except NotImplementedError:
        return declined("q has no log_prob")


def draws_against_density(
    fixture: Fixture, draws: int, level: float, nonfinite: Callable[[str], Finding] = failed
) -> Finding:
    """Whether the mean score of the draws is zero, at a level; `nonfinite` says what a score that is not finite is."""
    sums, _, visible = two_looks(lambda number, count: score_sums(fixture, count, 2**32 * number), draws, level)
    if sums.nonfinite:
        total = sums.nonfinite + sums.count
        return nonfinite(f"the gradient of log q has NaN or infinity at {sums.nonfinite} of {total} draws of q itself")
    if not sums.varies.any():
        return declined("q depends on no parameter, or hardly any draw shows that it does")
    look = judged(sums, level, sums.varies)
    if look.p_value < level:
        return failed(
            f"the distribution's draws do not have its density: E ∇ log q is not 0 over them (p = {look.p_value:.2g}); "
            "`sample` and `log_prob` disagree, or q's support moves",
            coordinate(fixture.params, look.worst),
            look.size,
            visible,
        )
    return passed(visible, look.untested) if look.tested.any() else declined(look.untested)
