"""Replicates are independent, under replayed draws; seeds decide everything."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from gradmark.benchmarks.checks.api import same
from gradmark.benchmarks.checks.cases import HOST, Case, coordinate, uneven
from gradmark.benchmarks.checks.results import Finding, declined, failed, law, passed
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.quadrature.replay import Diverged, Draws, Recorded, Replayed, continuous
from gradmark.estimators.core import Estimate, Params, State

REPLICATES = 61  # of a prime number, which no other axis is likely to be a multiple of
ROUNDING = 1e-10  # what is left of a gradient that is zero for every draw


@law
def replicates_are_independent(case: Case) -> Finding:
    """With one replicate's parameters and state shifted and all draws replayed, no other replicate changes by a bit.

    A baseline that averages over the replicates passes a test of bias when it is batched, and is badly biased alone.
    """
    for replicates, shifted in ((5, 2), (300, 0), (300, 299)):
        if replicates > case.replicates(replicates):
            continue
        try:
            before, after = _both_runs(case, replicates, shifted)
        except Diverged as fault:
            return declined(f"draws cannot be replayed when one replicate's parameters change: {fault}")
        others = torch.arange(replicates) != shifted
        for name, value in before.items():
            if not value.dim() or len(value) != replicates:
                return failed(f"it has the shape {list(value.shape)}, which does not begin with {replicates}", name)
            if not same(value[others], after[name][others]):
                moved = (value - after[name])[others].abs().nan_to_num(torch.inf)
                worst = coordinate({name: value[0]}, int(moved.reshape(len(moved), -1).amax(0).argmax()))
                detail = f"of {replicates} replicates, others changed when replicate {shifted} alone was shifted"
                return failed(detail, worst, moved.max().item())
    return passed(visible=0.0)


def _both_runs(case: Case, replicates: int, shifted: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradients and state leaves by name, first as they are, then with one replicate shifted."""
    params = case.params((replicates,))
    with seeded(1, HOST):
        problem = case.fixture.problem.draw(replicates)
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
    """The state with one replicate's numbers larger by a tenth; counts stay as they are."""

    def moved(leaf: Tensor) -> Tensor:
        factor = torch.ones(leaf.shape[0], dtype=torch.float64)
        factor[replicate] = 1.1
        return leaf * factor.to(leaf).view(-1, *[1] * (leaf.dim() - 1)) if leaf.is_floating_point() else leaf.clone()

    return tree_map(moved, state)


def named(estimate: Estimate) -> dict[str, Tensor]:
    """Every gradient and every leaf of the state, by name."""
    leaves = {f"state leaf {i}": leaf for i, leaf in enumerate(tree_leaves(estimate.state))}
    return {**estimate.gradient, **leaves}


@law
def seeds_decide(case: Case) -> Finding:
    """Same seed, same numbers; other seed, other numbers; replicates not all alike, unless there is no noise.

    Where all replicates are alike, what was drawn tells whether they share it, or whether each has drawn for itself and
    none has met a rare event.
    """
    params = case.params((case.replicates(REPLICATES),))
    (first, drawn), (again, _), (other, drawn_otherwise) = (_recorded(case, params, seed) for seed in (1, 1, 2))
    if not all(same(first[name], again[name]) for name in params):
        return failed("the same seed gave other numbers: something draws from another generator than torch's default")
    alike = all(torch.allclose(value, value[:1].expand_as(value), 1e-12, 1e-12) for value in first.values())
    unchanged = all(same(first[name], other[name]) for name in params)
    if case.deterministic:
        return passed() if alike and unchanged else failed("declared deterministic, but replicates or seeds differ")
    if all(value.abs().amax() < ROUNDING for value in first.values()):
        return declined("the gradient is zero for every draw: q is the posterior, or the mean is wrong")
    if (unchanged or alike) and _all_exact(case, first):
        return passed(detail="there is no noise here: each replicate is the exact gradient")
    if unchanged and (not alike or not drawn or _same_numbers(drawn, drawn_otherwise)):
        return failed("another seed gave the same numbers: the draws do not come from torch's default generator")
    return _of_alike(drawn, case.replicates(REPLICATES)) if alike else passed()


def _recorded(case: Case, params: Params, seed: int) -> tuple[Params, Draws]:
    """The gradient, and what the estimator drew; the rows that a source of problems drew are not among it."""
    with seeded(seed, HOST):
        problem = case.fixture.problem.draw(len(next(iter(params.values()))))
        state = case.initial(problem, params)
        with Recorded() as recorded:
            gradient = case.estimator.estimate(problem, params, state, case.num_samples).gradient
    return gradient, recorded.draws


def _same_numbers(drawn: Draws, otherwise: Draws) -> bool:
    """Whether a continuous draw has the same numbers from two seeds; discrete ones may, where an event is rare."""
    pairs = [(a, b) for (op, a), (other, b) in zip(drawn, otherwise, strict=False) if op is other and continuous(op)]
    return any(same(a, b) for a, b in pairs)


def _of_alike(drawn: Draws, replicates: int) -> Finding:
    """What the draws tell where all replicates have the same gradient."""
    sizes = [size for _, out in drawn for size in out.shape]
    if not any(size and size % replicates == 0 for size in sizes):
        return failed(f"{replicates} replicates are all alike: they share their draws, and no mean over them is better")
    return declined(
        f"{replicates} replicates drew for themselves, and are all alike: "
        "none has met a rare event, or the draws make no difference"
    )


def _all_exact(case: Case, gradient: Params) -> bool:
    """Whether every replicate is the exact gradient: a method that sums a site out has no noise where there is one."""
    exact = None if case.fixture.is_source else case.exact()
    if exact is None:
        return False
    return all(torch.allclose(value, exact[name].expand_as(value), 1e-9, 1e-9) for name, value in gradient.items())
