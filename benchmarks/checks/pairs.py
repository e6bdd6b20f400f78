"""Every check that `gradmark check` runs on an estimator, paired with its case: one test each for pytest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gradmark.benchmarks.checks.api import text_is_identity
from gradmark.benchmarks.checks.cases import Case, EstimatorCase, cases_of
from gradmark.benchmarks.checks.exact_moments import exact_variance_falls
from gradmark.benchmarks.checks.mean import bias_check, mean_check
from gradmark.benchmarks.checks.mean_by_monte_carlo import LEVEL
from gradmark.benchmarks.checks.properties import properties_are_known
from gradmark.benchmarks.checks.runner import contract_pairs
from gradmark.benchmarks.checks.timed import Check
from gradmark.benchmarks.checks.variance_by_monte_carlo import variance_falls_with_draws
from gradmark.estimators.core import Estimator


def check_pairs(
    estimators: Iterable[Estimator], suite: Sequence[Case], level: float = LEVEL
) -> Iterator[tuple[Check, EstimatorCase]]:
    """Every check with every case of the estimators on the suite; `level` is the false-alarm rate of an estimator."""
    mean = mean_check(level)
    for estimator in estimators:
        fitting = [(on, cases) for on in suite if (cases := cases_of(estimator, on))]
        if not fitting:
            continue
        first = fitting[0][1][-1]
        yield from ((check, first) for check in (text_is_identity, properties_are_known))
        for on, cases in fitting:
            yield from contract_pairs(on, cases)
        means = [cases for on, cases in fitting if on.mean]
        for cases in means:
            yield from ((mean, case) for case in cases)
            yield exact_variance_falls, cases[0]
        every = [case for cases in means for case in cases]
        yield from ((variance_falls_with_draws, case) for case in _middle(every))
        if means and not estimator.unbiased:
            yield bias_check(every), first


def _middle(cases: Sequence[EstimatorCase]) -> Sequence[EstimatorCase]:
    """The case whose problem is of medium size, as the only one; none where all are sources of problems."""
    by_size = sorted((c for c in cases if not c.on.is_source), key=lambda case: case.on.problem.footprint)
    return by_size[len(by_size) // 2 :][:1]
