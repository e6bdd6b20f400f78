"""How the gradients of a block are made: with lifted weights, or with weights that all replicates share.

Lifted weights are right for everything. Shared weights are much cheaper where weights are large, and are used where
evidence says that the gradients are the same: a few replicates, made both ways from the same draws, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from gradmark.benchmarks.measurement.factored import Part, formed, part_of
from gradmark.benchmarks.measurement.lifting import lifted
from gradmark.estimators.core import Estimate, Estimator, Params, State, SurrogateEstimator
from gradmark.estimators.shared_weights import NotShared, SharedWeights

LARGE = 2**16  # parameters below which lifting them costs nothing that matters
MOVED = 0.01  # how far the probe's parameters are moved: where some are zero, so are gradients that may be wrong
PROBE = 2  # replicates that are made both ways: the rows of a minibatch are drawn for as many
SAME = 1e-9  # difference of one tensor's gradient beside its norm, in float64, that is rounding
NOTHING = 1e-13  # difference beside the norm of the whole gradient that is rounding, where a tensor's nearly cancels

Estimating = Callable[[Params], Estimate]  # for parameters [R, …], from the same draws at every call


@dataclass(frozen=True)
class Plan:
    """Whether replicates share their weights, and which parameters are lifted all the same; if not, why not."""

    shares: bool
    lifted: frozenset[str] = frozenset()
    reason: str = ""


@dataclass(frozen=True)
class Gradients:
    """The gradients of a block, one part for each named tensor; `shared` says how they were made."""

    parts: list[Part]
    shared: bool


_plans: dict[Hashable, Plan] = {}


def plan_of(estimator: Estimator, params: Params, replicates: int, key: Hashable, probe: Estimating) -> Plan:
    """The plan for blocks of one kind, made at the first one; `probe` makes PROBE replicates, in float64."""
    if replicates < 2 or estimator.deterministic:
        return Plan(False, reason="replicates do not differ")
    if sum(value.numel() for value in params.values()) < LARGE:
        return Plan(False, reason="the weights are not large")
    if type(estimator).estimate is not SurrogateEstimator.estimate:
        return Plan(False, reason="the estimate is not the gradient of a surrogate loss")
    if key not in _plans:
        _plans[key] = by_evidence(probe, _moved(params))
    return _plans[key]


def by_evidence(probe: Estimating, params: Params) -> Plan:
    """Share the weights where gradients and states are those of lifted weights."""
    own: frozenset[str] = frozenset()
    while True:
        try:
            shared = _with_shared_weights(probe, params, PROBE, own)
        except NotShared as fault:
            if fault.names <= own:
                return Plan(False, reason=str(fault))
            own |= fault.names
        except Exception as fault:  # whatever lifted weights do not raise
            return Plan(False, reason=f"{type(fault).__name__}: {fault}")
        else:
            break
    if not shared.used:
        return Plan(False, reason="no layer uses a weight as it is")
    expected = probe(lifted(params, PROBE))
    same = _same_gradients(shared.parts, list(expected.gradient.values())) and _same_states(
        shared.state, expected.state
    )
    return Plan(same, own, "" if same else "with shared weights the estimates are others")


def _moved(params: Params) -> Params:
    """Parameters near these, in float64."""
    draw = torch.Generator().manual_seed(0)
    noise = {name: torch.randn(value.shape, generator=draw, dtype=torch.float64) for name, value in params.items()}
    return {name: value.double() + MOVED * noise[name].to(value.device) for name, value in params.items()}


def gradients(plan: Plan, params: Params, replicates: int, estimate: Estimating) -> Gradients:
    """The gradients of a block; with lifted weights also where a block turns out to need them."""
    if plan.shares:
        try:
            return Gradients(_with_shared_weights(estimate, params, replicates, plan.lifted).parts, shared=True)
        except NotShared:
            pass
    found = estimate(lifted(params, replicates)).gradient
    return Gradients([part_of(value) for value in found.values()], shared=False)


class _Shared(NamedTuple):
    """An estimate with shared weights; `used` says whether a layer met one."""

    parts: list[Part]
    state: State
    used: bool


def _with_shared_weights(estimate: Estimating, params: Params, replicates: int, own: frozenset[str]) -> _Shared:
    shared = SharedWeights(params, replicates, own)
    with shared.recording():
        found = estimate(shared.params)
    parts = [part_of(value) for value in shared.gradient(found.gradient).values()]
    return _Shared(parts, found.state, shared.used)


def _same_gradients(parts: list[Part], expected: list[Tensor]) -> bool:
    """Whether each tensor's gradient of each replicate is the same to rounding; never where one is not a number."""
    wanted = [formed(part_of(value)) for value in expected]
    norms = torch.stack([value.norm(dim=1) for value in wanted])
    off = torch.stack([(formed(part) - value).norm(dim=1) for part, value in zip(parts, wanted, strict=True)])
    return bool((off <= (SAME * norms).maximum(NOTHING * norms.norm(dim=0))).all())


def _same_states(state: State, expected: State) -> bool:
    pairs = zip(tree_leaves(state), tree_leaves(expected), strict=True)
    return all(torch.allclose(one, other, rtol=SAME, atol=NOTHING) for one, other in pairs)
