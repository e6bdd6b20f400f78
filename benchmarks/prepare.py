"""Everything that a cell's blocks share, found once: problem, estimator, parameters, truth, state, facts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.utils._pytree import tree_map

from benchmarks import convergence, digests, forms, places, specs
from benchmarks.block import Setting, block_seed, block_size, device_of, lifted, seeded, warm_states
from benchmarks.cells import MAX_BLOCKS, Cell
from benchmarks.errors import BadInput, reason_of
from benchmarks.finite import finite
from benchmarks.grouping import blocks_at_once, warm_ups_at_once
from benchmarks.laws.soundness import check_sound
from benchmarks.laws.total_variance import exact_total_variance
from benchmarks.memory import check_fits
from benchmarks.moments import Array
from benchmarks.places import Place, Refusal
from benchmarks.store import Store
from estimators.core import Estimator, Params, Problem, State, gradient_of_sum


@dataclass(frozen=True)
class Ready:
    """A cell that can be measured: its blocks' setting, their size and what their seeds are made of."""

    cell: Cell
    setting: Setting
    size: int
    place: str
    _warm: dict[int, State] = field(default_factory=dict, repr=False, compare=False)  # by the first block they serve

    def seed(self, index: int | str) -> int:
        """The seed of one block."""
        c = self.cell
        return block_seed(self.setting.problem, c.num_samples, self.place, c.seed, self.size, index)

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


def prepare(cell: Cell, store: Store) -> Ready | Refusal:
    """Everything that a cell's blocks share, with what is known of it kept in the store; or why it does not fit."""
    if cell.device == "cuda" and not torch.cuda.is_available():
        return Refusal("--device cuda: torch finds no CUDA device on this machine; use --device cpu")
    problem, estimator = specs.problem(cell.problem), specs.estimator(cell.estimator)
    reason = estimator.refuses(problem.seen, cell.num_samples)
    if reason is not None:
        return Refusal(reason_of(estimator, reason))
    place = _place(problem, cell, store)
    if isinstance(place, Refusal):
        return place
    params = {
        name: value.to(torch.device(cell.device), getattr(torch, cell.dtype)) for name, value in place.params.items()
    }
    size = block_size(problem, cell.num_samples, params)
    check_fits(problem, 1 if estimator.deterministic else cell.num_samples, params, size)
    check_sound(problem)
    rows = _check_forms(problem, estimator, params, cell.num_samples)
    exact = _exact(problem, estimator, params, cell.num_samples)
    truth = None if exact is None else torch.from_numpy(exact.copy()).to(torch.device(cell.device))
    setting = Setting(problem, estimator, cell.num_samples, params, None, truth)
    seeded_by = cell.at if not cell.at.endswith(places.SUFFIXES) else place.digest
    ready = Ready(cell, setting, size, seeded_by)
    if cell.state == "warm":
        one = tree_map(lambda value: value[0], ready.warm(0))  # to be timed with
        ready = replace(ready, setting=replace(setting, state=one))
    facts = _facts(cell, problem, estimator, params, place, size)
    facts["objective"] = _objective(problem, params, rows)
    variance = exact_total_variance(ready.setting, ready.warm(0))
    store.know(cell, finite(facts | {"exact_variance": variance}), exact)
    return ready


def _check_forms(problem: Problem, estimator: Estimator, params: Params, num_samples: int) -> torch.Size | None:
    """WrongForm where a cost or surrogate loss has another shape; the rows' shape, None where rows are drawn."""
    with seeded(0, device_of(params)):
        several = lifted(params, forms.REPLICATES)
        drawn = problem.draw(forms.REPLICATES)
        batch = forms.check_problem(drawn, several)
        forms.check_surrogate(estimator, drawn, several, num_samples, batch)
    return batch[1:] if drawn is problem else None


def _place(problem: Problem, cell: Cell, store: Store) -> Place | Refusal:
    """The cell's parameters: from the store where they were found before, so that a place is found once."""
    code = digests.of_place(problem)
    kept = store.place(cell.problem, cell.at, code)
    if kept is not None and kept[2] is not None:
        return Refusal(kept[2])
    if kept is not None and kept[1] is not None and not cell.at.endswith(places.SUFFIXES):
        return Place.from_bytes(kept[1])
    found = places.find(problem, cell.at)
    if isinstance(found, Refusal):
        store.add_place(cell.problem, cell.at, "", None, found.reason, code)
        return found
    if kept is not None and kept[0] != found.digest:
        raise BadInput(f"--at {cell.at!r}: the file changed since the store was measured with it; use another --store")
    store.add_place(cell.problem, cell.at, found.digest, found.to_bytes(), None, code)
    return found


def _exact(problem: Problem, estimator: Estimator, params: Params, num_samples: int) -> Array | None:
    """The exact gradient of the estimator's target, in float64, at the parameters as the cell's dtype rounds them."""
    leaves = {name: value.detach().double().requires_grad_() for name, value in params.items()}
    exact = estimator.target.exact(problem.template, leaves, num_samples)
    if exact is None:
        return None
    return torch.cat([part.reshape(-1) for part in gradient_of_sum(exact, leaves).values()]).cpu().numpy()


def _facts(
    cell: Cell, problem: Problem, estimator: Estimator, params: Params, place: Place, size: int
) -> dict[str, Any]:
    """What a report needs to know of a cell beside its moments."""
    folder = type(estimator).__module__.split(".")
    return {
        "family": folder[1] if folder[0] == "estimators" and len(folder) > 2 else "plug-in",
        "reference": estimator.reference,
        "unbiased": estimator.unbiased,
        "target": estimator.target.name,
        "deterministic": estimator.deterministic,
        "shapes": {name: list(value.shape) for name, value in params.items()},
        "block": size,
        "place": place.digest,
        "no_oracle": problem.no_oracle,
    }


def _objective(problem: Problem, params: Params, rows: torch.Size | None) -> dict[str, Any]:
    """The expected cost at the place: from the oracle in float64, else from a fixed sample."""
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
