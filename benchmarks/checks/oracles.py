"""Check that an oracle is what it says: the average of the cost over draws, and its gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from gradmark.benchmarks.checks.cases import HOST, Fixture, coordinate
from gradmark.benchmarks.checks.mean_test import Sums, judged, two_looks
from gradmark.benchmarks.checks.results import Finding, declined, failed, law, passed
from gradmark.benchmarks.checks.scores import seen_by
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.moments import Array
from gradmark.estimators.core import detached, gradient_of_sum

LEVEL = 1e-6  # chance that a right problem fails
REPLICATES = 2**12  # of the first look
FEWEST = 2**10
DRAWS = 4  # of each: the cost of one is judged against the mean of the others
MOST_NUMBERS = 2**22  # in a look
MOST_AT_ONCE = 2**22


@law
def oracle_is_the_average_cost(fixture: Fixture) -> Finding:
    """The oracle is the average of the cost over draws of q, and its gradient that of the average.

    The average's gradient is the score function's, with the other draws' mean for a baseline. Parameters whose event
    hardly any draw has seen, and those where few draws carry the variance, are left out.
    """
    problem, size = fixture.problem.template, _room(fixture)
    if problem.no_oracle is not None:
        return declined(problem.no_oracle)
    count = min(REPLICATES, max(MOST_NUMBERS // size, FEWEST))
    truth = _exact(fixture)
    try:
        sums, seen, visible = two_looks(
            lambda number, replicates: _averaged(fixture, truth, replicates, number), count, LEVEL
        )
    except NotImplementedError:
        return declined("q draws nothing or has no log_prob, and the cost has no average to compare with")
    if sums.nonfinite:
        return failed(f"the cost, log q or their gradients are NaN or infinite at {sums.nonfinite} of the draws")
    if seen.p_value < LEVEL:
        among = torch.from_numpy(seen_by(fixture, seen.replicates * DRAWS, LEVEL, 1))
        everything = torch.cat([torch.ones(1, dtype=torch.bool), among]).numpy()
        seen = judged(sums, LEVEL, everything)
    if seen.p_value >= LEVEL:
        return passed(visible, seen.untested) if seen.tested.any() else declined(seen.untested)
    off = f"is off with p = {seen.p_value:.2g} at {seen.replicates * DRAWS} draws"
    if seen.worst == 0:
        return failed(f"the oracle is not the average of the cost: it {off}", None, -seen.size, visible)
    where = coordinate(fixture.params, seen.worst - 1)
    said = "the oracle's gradient is not that of the cost's average; does the cost reach a parameter through q alone?"
    return failed(f"{said} It {off}", where, -seen.size, visible)


def _room(fixture: Fixture) -> int:
    """Numbers in one replicate."""
    return max(sum(value.numel() for value in fixture.params.values()), DRAWS * fixture.problem.footprint)


def _exact(fixture: Fixture) -> Array:
    """The oracle, summed over rows, and its gradient, `[1 + P]`."""
    params = {name: value.clone().requires_grad_() for name, value in fixture.params.items()}
    exact = fixture.problem.template.exact(params)
    assert exact is not None, "no_oracle was None"
    gradient = gradient_of_sum(exact, params)
    parts = [exact.detach().sum().reshape(1), *(value.reshape(-1) for value in gradient.values())]
    return torch.cat(parts).double().numpy()


def _averaged(fixture: Fixture, truth: Array, replicates: int, number: int) -> Sums:
    """The cost of a few draws and its gradient, again and again, about the oracle's."""
    sums = Sums(truth)
    most = max(MOST_AT_ONCE // _room(fixture), 8)
    while sums.count + sums.nonfinite < replicates:
        seed = 2**32 * number + sums.count + sums.nonfinite
        sums.add(_replicates(fixture, min(most, replicates), seed).numpy())
    return sums


def _replicates(fixture: Fixture, count: int, seed: int) -> Tensor:
    """`[count, 1 + P]`: the cost, summed over rows, and its gradient."""
    problem = fixture.problem.template
    params = {
        name: value.expand(count, *value.shape).clone().requires_grad_() for name, value in fixture.params.items()
    }
    with seeded(seed, HOST):
        z = problem.distribution(params).sample(torch.Size((DRAWS,)))
    log_q = problem.distribution(params).log_prob(z)
    cost = problem.cost(params, z, problem.distribution(detached(params)))
    others = (cost.sum(0) - cost) / (DRAWS - 1)
    gradient = gradient_of_sum((cost - others).detach() * log_q + cost, params)
    parts = [value.reshape(count, -1) / DRAWS for value in gradient.values()]
    return torch.cat([cost.detach().mean(0).reshape(count, -1).sum(1, keepdim=True), *parts], 1).double()
