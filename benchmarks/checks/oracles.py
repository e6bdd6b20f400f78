"""Check that an oracle is the expected cost: compared with the average of the cost over draws, and its gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from gradmark.benchmarks.checks.cases import HOST, Case, coordinate
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.checks.scores import seen_by
from gradmark.benchmarks.checks.two_stage_test import Sums, mean_test, two_stage_test
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.moments import Array
from gradmark.estimators.core import detached, gradient_of_sum

LEVEL = 1e-6  # probability that a right problem fails
REPLICATES = 2**12  # of the first stage
FEWEST = 2**10
DRAWS = 4  # per replicate: the mean cost of three is the baseline of the fourth
MOST_NUMBERS = 2**22  # in a stage
MOST_AT_ONCE = 2**22
OTHER_SLOPE = (
    "the oracle's gradient is not that of the average cost: does the cost depend on a parameter only through q?"
)


@check
def oracle_is_the_average_cost(case: Case) -> CheckResult:
    """The oracle is the average of the cost over draws of q, and its gradient is that of the average.

    The gradient of the average is the score function's, with the mean of the other draws as baseline. Left out are
    parameters that matter only for a rare event, those whose variance only a few draws carry, and the average itself
    where all draws cost the same because they are the same.
    """
    problem, size = case.problem.template, _numbers(case)
    if problem.no_oracle is not None:
        return skipped(problem.no_oracle)
    count = min(REPLICATES, max(MOST_NUMBERS // size, FEWEST))
    truth = _exact(case)
    try:
        sums, test, detectable = two_stage_test(
            lambda stage, replicates: _averaged(case, truth, replicates, stage), count, LEVEL
        )
    except NotImplementedError:
        return skipped("q draws nothing or has no log_prob, and the cost has no average to compare with")
    if sums.nonfinite:
        return failed(f"the cost, log q or their gradients are NaN or infinite at {sums.nonfinite} of the draws")
    if test.p_value < LEVEL:
        among = torch.from_numpy(seen_by(case, test.replicates * DRAWS, LEVEL, 1))
        everything = torch.cat([torch.tensor([sums.varies[0] or _every_coordinate_varies(case)]), among]).numpy()
        test = mean_test(sums, LEVEL, everything)
    if test.p_value >= LEVEL:
        return passed(detectable, test.untested) if test.tested.any() else skipped(test.untested)
    off = f"is off with p = {test.p_value:.2g} at {test.replicates * DRAWS} draws"
    if test.worst == 0:
        return failed(f"the oracle is not the average of the cost: it {off}", None, -test.error, detectable)
    where = coordinate(case.params, test.worst - 1)
    return failed(f"{OTHER_SLOPE} It {off}", where, -test.error, detectable)


def _every_coordinate_varies(case: Case) -> bool:
    """Whether each coordinate of z has another value in some of the draws: if not, they have not met a rare outcome."""
    with seeded(1, HOST):
        z = case.problem.template.distribution(case.params).sample(torch.Size((FEWEST,)))
    return bool((z != z[:1]).any(0).all())


def _numbers(case: Case) -> int:
    """How many numbers one replicate takes."""
    return max(sum(value.numel() for value in case.params.values()), DRAWS * case.problem.footprint)


def _exact(case: Case) -> Array:
    """The oracle, summed over rows, and its gradient, `[1 + P]`."""
    params = {name: value.clone().requires_grad_() for name, value in case.params.items()}
    exact = case.problem.template.exact(params)
    assert exact is not None, "no_oracle was None"
    gradient = gradient_of_sum(exact, params)
    parts = [exact.detach().sum().reshape(1), *(value.reshape(-1) for value in gradient.values())]
    return torch.cat(parts).double().numpy()


def _averaged(case: Case, truth: Array, replicates: int, stage: int) -> Sums:
    """The moments of the cost of a few draws and of its gradient, about the oracle's."""
    sums = Sums(truth)
    most = max(MOST_AT_ONCE // _numbers(case), 8)
    while sums.count + sums.nonfinite < replicates:
        seed = 2**32 * stage + sums.count + sums.nonfinite
        sums.add(_replicates(case, min(most, replicates), seed).numpy())
    return sums


def _replicates(case: Case, count: int, seed: int) -> Tensor:
    """`[count, 1 + P]`: the cost, summed over rows, and its gradient."""
    problem = case.problem.template
    params = {name: value.expand(count, *value.shape).clone().requires_grad_() for name, value in case.params.items()}
    with seeded(seed, HOST):
        z = problem.distribution(params).sample(torch.Size((DRAWS,)))
    log_q = problem.distribution(params).log_prob(z)
    cost = problem.cost(params, z, problem.distribution(detached(params)))
    others = (cost.sum(0) - cost) / (DRAWS - 1)
    gradient = gradient_of_sum((cost - others).detach() * log_q + cost, params)
    parts = [value.reshape(count, -1) / DRAWS for value in gradient.values()]
    return torch.cat([cost.detach().mean(0).reshape(count, -1).sum(1, keepdim=True), *parts], 1).double()
