"""Checks that replicates are independent, and that the seed determines the estimates."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from gradmark.benchmarks.checks.api import same
from gradmark.benchmarks.checks.cases import HOST, EstimatorCase, coordinate, uneven
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.quadrature.replay import Diverged, Draws, Recorded, Replayed, continuous
from gradmark.estimators.core import Estimate, Params, State

REPLICATES = 61  # a prime number: the length of no other axis is likely to be a multiple of it
ROUNDING = 1e-10  # below which a gradient counts as zero


@check
def replicates_are_independent(case: EstimatorCase) -> CheckResult:
    """With the parameters and the state of one replicate shifted and all draws replayed, no other replicate changes.

    A baseline that averages over the replicates passes a test of bias in a large block, and is badly biased alone.
    """
    for replicates, shifted in ((5, 2), (300, 0), (300, 299)):
        if replicates > case.replicates(replicates):
            continue
        try:
            before, after = _both_runs(case, replicates, shifted)
        except Diverged as fault:
            return skipped(f"draws cannot be replayed when one replicate's parameters change: {fault}")
        others = torch.arange(replicates) != shifted
        for name, value in before.items():
            if not value.dim() or len(value) != replicates:
                return failed(f"its shape {list(value.shape)} must begin with {replicates}", name)
            if not same(value[others], after[name][others]):
                moved = (value - after[name])[others].abs().nan_to_num(torch.inf)
                worst = coordinate({name: value[0]}, int(moved.reshape(len(moved), -1).amax(0).argmax()))
                detail = f"of {replicates} replicates, others changed when replicate {shifted} alone was shifted"
                return failed(detail, worst, moved.max().item())
    return passed(smallest_detectable=0.0)


def _both_runs(case: EstimatorCase, replicates: int, shifted: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradients and leaves of the state by name, from the same draws: unchanged, and with one replicate shifted."""
    params = case.params((replicates,))
    with seeded(1, HOST):
        problem = case.on.problem.draw(replicates)
        state = case.initial(problem, params)
        with Recorded() as recorded:
            before = case.estimator.estimate(problem, params, state, case.num_samples)
        other_params, other_state = _shifted(params, shifted), _shifted_state(state, shifted)
        with Replayed(recorded.draws):
            after = case.estimator.estimate(problem, other_params, other_state, case.num_samples)
    return named(before), named(after)


def _shifted(params: Params, replicate: int) -> Params:
    moved = {name: value.clone() for name, value in params.items()}
    for value in moved.values():
        value[replicate] += uneven(value[replicate])
    return moved


def _shifted_state(state: State, replicate: int) -> State:
    """The state, with the numbers of one replicate larger by a tenth; counts stay as they are."""

    def moved(leaf: Tensor) -> Tensor:
        factor = torch.ones(leaf.shape[0], dtype=torch.float64)
        factor[replicate] = 1.1
        return leaf * factor.to(leaf).view(-1, *[1] * (leaf.dim() - 1)) if leaf.is_floating_point() else leaf.clone()

    return tree_map(moved, state)


def named(estimate: Estimate) -> dict[str, Tensor]:
    """Every gradient and every leaf of the state, by name."""
    leaves = {f"state leaf {i}": leaf for i, leaf in enumerate(tree_leaves(estimate.state))}
    return {**estimate.gradient, **leaves}


@check
def seeds_decide(case: EstimatorCase) -> CheckResult:
    """The same seed gives the same estimates, another seed others, and replicates differ, unless there is no noise.

    Where all replicates are equal, the draws show whether they are shared, or whether each replicate has drawn for
    itself and none has met a rare event.
    """
    params = case.params((case.replicates(REPLICATES),))
    (first, drawn), (again, _), (other, drawn_otherwise) = (_recorded(case, params, seed) for seed in (1, 1, 2))
    if not all(same(first[name], again[name]) for name in params):
        return failed("the same seed gave other numbers: something does not draw from torch's default generator")
    equal = all(torch.allclose(value, value[:1].expand_as(value), 1e-12, 1e-12) for value in first.values())
    unchanged = all(same(first[name], other[name]) for name in params)
    if case.deterministic:
        return passed() if equal and unchanged else failed("declared deterministic, but replicates or seeds differ")
    if all(value.abs().amax() < ROUNDING for value in first.values()):
        return skipped("the gradient is zero for every draw: q is the posterior, or the estimator is wrong")
    if (unchanged or equal) and _all_exact(case, first):
        return passed(detail="there is no noise here: each estimate is the exact gradient")
    if unchanged and (not equal or not drawn or _same_numbers(drawn, drawn_otherwise)):
        return failed("another seed gave the same numbers: the draws do not come from torch's default generator")
    return _equal_replicates(drawn, case.replicates(REPLICATES)) if equal else passed()


def _recorded(case: EstimatorCase, params: Params, seed: int) -> tuple[Params, Draws]:
    """The gradient, and the draws of the estimator without the rows of a minibatch."""
    with seeded(seed, HOST):
        problem = case.on.problem.draw(len(next(iter(params.values()))))
        state = case.initial(problem, params)
        with Recorded() as recorded:
            gradient = case.estimator.estimate(problem, params, state, case.num_samples).gradient
    return gradient, recorded.draws


def _same_numbers(drawn: Draws, otherwise: Draws) -> bool:
    """Whether a continuous draw is equal for two seeds; a discrete one may be, where an event is rare."""
    pairs = [(a, b) for (op, a), (other, b) in zip(drawn, otherwise, strict=False) if op is other and continuous(op)]
    return any(same(a, b) for a, b in pairs)


def _equal_replicates(drawn: Draws, replicates: int) -> CheckResult:
    """The result where all replicates are equal: whether they share their draws."""
    sizes = [size for _, out in drawn for size in out.shape]
    if not any(size and size % replicates == 0 for size in sizes):
        return failed(
            f"{replicates} replicates are all equal: they share their draws, and averaging them gains nothing"
        )
    return skipped(
        f"{replicates} replicates have draws of their own, and are all equal: "
        "none has met a rare event, or the draws make no difference"
    )


def _all_exact(case: EstimatorCase, gradient: Params) -> bool:
    """Whether every estimate is the exact gradient, as that of a method that sums over the only site."""
    exact = None if case.on.is_source else case.exact()
    if exact is None:
        return False
    return all(torch.allclose(value, exact[name].expand_as(value), 1e-9, 1e-9) for name, value in gradient.items())
