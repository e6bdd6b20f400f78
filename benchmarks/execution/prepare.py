"""Everything that a cell's blocks share, found once: problem, estimator, parameters, truth, state, facts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.utils._pytree import tree_map

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import MAX_BLOCKS, Cell
from gradmark.benchmarks.checks.before_measuring import check_sound
from gradmark.benchmarks.errors import printable, reason_of
from gradmark.benchmarks.experiment import plain
from gradmark.benchmarks.measurement import forms
from gradmark.benchmarks.measurement.block import (
    Setting,
    block_seed,
    block_size,
    device_of,
    lifted,
    seeded,
    warm_state,
    warm_states,
)
from gradmark.benchmarks.measurement.grouping import blocks_at_once, warm_ups_at_once
from gradmark.benchmarks.measurement.memory import check_fits
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.quadrature.exact_variance import exact_total_variance
from gradmark.benchmarks.training import convergence, points
from gradmark.benchmarks.training.points import ParameterPoint, Refusal
from gradmark.estimators.core import Estimator, Params, Problem, State, gradient_of_sum

NO_CUDA = "--device cuda: torch finds no CUDA device on this machine; use --device cpu"


@dataclass(frozen=True)
class Ready:
    """A cell that can be measured: its blocks' setting, their size and what their seeds are made of."""

    cell: Cell
    setting: Setting
    size: int
    point: str
    _warm: dict[int, State] = field(default_factory=dict, repr=False, compare=False)  # by the first block they serve

    def seed(self, index: int | str) -> int:
        """The seed of one block."""
        c = self.cell
        return block_seed(self.setting.problem, c.num_samples, self.point, c.seed, self.size, index)

    def warm(self, block: int) -> State:
        """The warm states of one block `[warm-ups, …]`; None where nothing is warmed up. The last ones are kept."""
        if self.cell.state != "warm":
            return None
        number = block % blocks_at_once(self.size)
        first, count = block - number, warm_ups_at_once(self.size)
        if first not in self._warm:
            self._warm.clear()
            self._warm[first] = warm_states(self.setting, count, self.seed(f"warm-up {first}"))
        part = max(count // blocks_at_once(self.size), 1)
        return tree_map(lambda value: value.split(part)[number if count > 1 else 0], self._warm[first])

    @property
    def once(self) -> bool:
        """Whether every replicate would be the same: no draw is made, neither of z nor of rows."""
        return self.setting.estimator.deterministic and self.setting.problem.template is self.setting.problem

    @property
    def blocks(self) -> int:
        """How many blocks the cell has at the most."""
        if self.once:
            return 1
        return MAX_BLOCKS if self.cell.replicates is None else -(-self.cell.replicates // self.size)


@dataclass(frozen=True)
class PointRefusal(Refusal):
    """A refusal that every cell at this point of this problem gets."""


@dataclass(frozen=True)
class Known:
    """What is known of a cell before it is measured, as plain data for a store."""

    facts: dict[str, Any]
    exact: Array | None  # [P], the exact gradient of the estimator's target
    digest: str  # of the parameters
    params: bytes  # the parameters, an .npz archive
    blocks: int  # how many it has at the most


def prepare(cell: Cell, kept: bytes | Refusal | None) -> tuple[Ready, Known] | Refusal:
    """Everything that a cell's blocks share, and what is known of it; or why it does not fit.

    `kept` are the parameters of the cell's point, or why there are none, where it was looked for before.
    """
    if cell.device == "cuda" and not torch.cuda.is_available():
        return Refusal(NO_CUDA)
    problem, estimator = specs.problem(cell.problem), specs.estimator(cell.estimator)
    reason = estimator.refuses(problem.seen, cell.num_samples)
    if reason is not None:
        return Refusal(reason_of(estimator, reason))
    point = points.find(problem, cell.at) if kept is None else kept
    point = ParameterPoint.from_bytes(point) if isinstance(point, bytes) else point
    if isinstance(point, Refusal):
        return PointRefusal(printable(point.reason))
    params = _moved(point, cell)
    check_fits(
        problem,
        1 if estimator.deterministic else cell.num_samples,
        params,
        block_size(problem, cell.num_samples, params),
    )
    check_sound(problem)
    rows = _check_forms(problem, estimator, params, cell.num_samples)
    exact = _exact(problem, estimator, params, cell.num_samples)
    ready = _ready(cell, problem, estimator, point, exact)
    states = ready.warm(0)
    if states is not None:
        ready = _timed_with(ready, tree_map(lambda value: value[0], states))
    facts = _facts(problem, estimator, params, point, ready.size)
    facts |= {
        "objective": _objective(problem, params, rows),
        "exact_variance": exact_total_variance(ready.setting, states),
    }
    return ready, Known(plain(facts), exact, point.digest, point.to_bytes(), ready.blocks)


def prepare_again(cell: Cell, archive: bytes) -> Ready:
    """The cell at its parameters with its state, for timing: what is known of it is in the store already."""
    ready = _ready(
        cell, specs.problem(cell.problem), specs.estimator(cell.estimator), ParameterPoint.from_bytes(archive), None
    )
    return ready if cell.state != "warm" else _timed_with(ready, warm_state(ready.setting, ready.seed("warm-up 0")))


def _timed_with(ready: Ready, state: State) -> Ready:
    """The cell with a warm state of one replicate, for timing."""
    return replace(ready, setting=replace(ready.setting, state=state))


def _moved(point: ParameterPoint, cell: Cell) -> Params:
    """The parameters in the cell's dtype and on its device."""
    device, dtype = torch.device(cell.device), getattr(torch, cell.dtype)
    return {name: value.to(device, dtype) for name, value in point.params.items()}


def _ready(cell: Cell, problem: Problem, estimator: Estimator, point: ParameterPoint, exact: Array | None) -> Ready:
    """The cell with its truth and its seeds."""
    params = _moved(point, cell)
    truth = None if exact is None else torch.from_numpy(exact.copy()).to(torch.device(cell.device))
    setting = Setting(problem, estimator, cell.num_samples, params, None, truth)
    seeded_by = cell.at if not cell.at.endswith(points.SUFFIXES) else point.digest
    return Ready(cell, setting, block_size(problem, cell.num_samples, params), seeded_by)


def _check_forms(problem: Problem, estimator: Estimator, params: Params, num_samples: int) -> torch.Size | None:
    """WrongForm where a cost, a loss or an estimate has another shape; the rows' shape, None where rows are drawn."""
    with seeded(0, device_of(params)):
        several = lifted(params, forms.REPLICATES)
        drawn = problem.draw(forms.REPLICATES)
        batch = forms.check_problem(drawn, several)
        forms.check_surrogate(estimator, drawn, several, num_samples, batch)
        state = estimator.init(drawn, several)
        forms.check_estimate(estimator, estimator.estimate(drawn, several, state, num_samples), several, state)
    return batch[1:] if drawn is problem else None


def _exact(problem: Problem, estimator: Estimator, params: Params, num_samples: int) -> Array | None:
    """The exact gradient of the estimator's target, in float64, at the parameters as the cell's dtype rounds them."""
    leaves = {name: value.detach().double().requires_grad_() for name, value in params.items()}
    exact = estimator.target.exact(problem.template, leaves, num_samples)
    if exact is None:
        return None
    return torch.cat([part.reshape(-1) for part in gradient_of_sum(exact, leaves).values()]).cpu().numpy()


def _facts(problem: Problem, estimator: Estimator, params: Params, point: ParameterPoint, size: int) -> dict[str, Any]:
    """What a report needs to know of a cell beside its moments."""
    return {
        "family": specs.family(type(estimator).__module__),
        "reference": estimator.reference,
        "unbiased": estimator.unbiased,
        "target": estimator.target.name,
        "deterministic": estimator.deterministic,
        "shapes": {name: list(value.shape) for name, value in params.items()},
        "block": size,
        "point": point.digest,
        "no_oracle": problem.no_oracle,
    }


def _objective(problem: Problem, params: Params, rows: torch.Size | None) -> dict[str, Any]:
    """The expected cost at the point: from the oracle in float64, else from a fixed sample."""
    with torch.no_grad():
        exact = problem.exact({name: value.double() for name, value in params.items()})
    if exact is not None:
        if rows is not None:
            forms.check_exact(problem, exact, rows)
        value, stderr = float(exact.sum()), 0.0
    else:
        value, stderr = map(float, convergence.sampled_cost(problem, lifted(params, 1)))
    if math.isfinite(value) and math.isfinite(stderr):
        return {"value": value, "stderr": stderr, "exact": exact is not None}
    reason = f"the expected cost is {value} ± {stderr} at these parameters"
    return {"value": None, "stderr": None, "exact": exact is not None, "reason": reason}
