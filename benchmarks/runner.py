"""Study minus store = work: cells to blocks to the store, whole blocks at a time, so that it can stop anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch

from benchmarks import convergence, places, specs, timing
from benchmarks.block import Setting, block_seed, block_size, lifted, measure_block, warm_state
from benchmarks.errors import BadInput, one_line
from benchmarks.inquiring import inquire
from benchmarks.moments import Array, Moments
from benchmarks.places import Place, Refusal
from benchmarks.readings import positive
from benchmarks.store import Store
from benchmarks.study import MAX_BLOCKS, Cell, Inquiry, Training
from estimators.core import Estimator, Params, Problem, gradient_of_sum

FEWEST_BLOCKS = 4  # before an interval is looked at, where a cell runs until it is narrow enough


@dataclass(frozen=True)
class Progress:
    """What a run says of itself as it goes; by default to nobody."""

    start: Callable[[str], None] = lambda label: None
    advance: Callable[[float], None] = lambda share: None  # of one cell, training run or experiment


SILENT = Progress()


@dataclass(frozen=True)
class Ready:
    """A cell that can be measured: its blocks' setting, their size and what their seeds are made of."""

    cell: Cell
    setting: Setting
    size: int
    place: str

    def seed(self, index: int | str) -> int:
        """The seed of one block."""
        c = self.cell
        return block_seed(self.setting.problem, c.num_samples, self.place, c.seed, self.size, index)

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


def run(
    cells: list[Cell],
    trainings: list[Training],
    store: Store,
    progress: Progress = SILENT,
    inquiries: Sequence[Inquiry] = (),
) -> None:
    """Measure what the store lacks; interrupted anywhere, running again does the rest."""
    store.plan(cells, trainings, inquiries)
    for _, table in groupby(cells, key=lambda cell: cell.table):
        _run_table(list(table), store, progress)
    for _, figure in groupby(trainings, key=lambda training: training.table):
        _run_figure(list(figure), store, progress)
    done = {outcome.inquiry for outcome in store.outcomes() if outcome.status == "measured"}
    for inquiry in inquiries:
        progress.start(inquiry.experiment)
        if inquiry not in done:
            inquire(inquiry, store)
        progress.advance(1.0)


def _run_table(cells: list[Cell], store: Store, progress: Progress) -> None:
    """The cells of one table: their blocks first, then all that were measured timed in turn."""
    measured: list[Ready] = []
    for cell in cells:
        if not cell.at.endswith(places.SUFFIXES) and all(store.settled(each) for each in cells):
            progress.advance(1.0)
            continue
        progress.start(f"{cell.estimator} on {cell.problem}")
        ready = _guarded(store, cell, lambda cell=cell: prepare(cell, store))
        if isinstance(ready, Ready) and _guarded(store, cell, lambda r=ready: _run_blocks(r, store, progress)):
            store.finish(cell, "measured", _wider_than_asked(cell, store.blocks(cell)))
            measured.append(ready)
        elif isinstance(ready, Refusal):
            store.finish(cell, "refused", ready.reason)
        progress.advance(1.0)
    if not all(store.settled(ready.cell) for ready in measured):
        _guarded(store, measured[0].cell, lambda: _time(measured, store))


def _guarded(store: Store, cell: Cell, work: Callable[[], Any]) -> Any:
    """`work`, or None with the cell marked as failed; the study's other cells go on."""
    try:
        return work()
    except (BadInput, KeyboardInterrupt):
        raise
    except Exception as fault:  # an estimator or problem may be anybody's code
        store.finish(cell, "failed", one_line(fault))
        return None


def prepare(cell: Cell, store: Store) -> Ready | Refusal:
    """Everything that a cell's blocks share, with what is known of it kept in the store; or why it does not fit."""
    if cell.device == "cuda" and not torch.cuda.is_available():
        return Refusal("--device cuda: torch finds no CUDA device on this machine; use --device cpu")
    problem, estimator = specs.problem(cell.problem), specs.estimator(cell.estimator)
    reason = estimator.refuses(problem.template, cell.num_samples)
    if reason is not None:
        return Refusal(reason)
    place = _place(problem, cell, store)
    if isinstance(place, Refusal):
        return place
    params = {
        name: value.to(torch.device(cell.device), getattr(torch, cell.dtype)) for name, value in place.params.items()
    }
    size = block_size(problem, cell.num_samples, params)
    exact = _exact(problem, estimator, params, cell.num_samples)
    store.know(cell, _facts(cell, problem, estimator, params, place, size), exact)
    truth = None if exact is None else torch.from_numpy(exact.copy()).to(torch.device(cell.device))
    setting = Setting(problem, estimator, cell.num_samples, params, None, truth)
    seeded_by = cell.at if not cell.at.endswith(places.SUFFIXES) else place.digest
    ready = Ready(cell, setting, size, seeded_by)
    if cell.state != "warm":
        return ready
    state = warm_state(setting, ready.seed("warm-up"))
    return Ready(cell, Setting(problem, estimator, cell.num_samples, params, state, truth), size, seeded_by)


def _place(problem: Problem, cell: Cell, store: Store) -> Place | Refusal:
    """The cell's parameters: from the store where they were found before, so that a place is found once."""
    kept = store.place(cell.problem, cell.at)
    if kept is not None and kept[2] is not None:
        return Refusal(kept[2])
    if kept is not None and kept[1] is not None and not cell.at.endswith(places.SUFFIXES):
        return Place.from_bytes(kept[1])
    found = places.find(problem, cell.at)
    if isinstance(found, Refusal):
        store.add_place(cell.problem, cell.at, "", None, found.reason)
        return found
    if kept is not None and kept[0] != found.digest:
        raise BadInput(f"--at {cell.at!r}: the file changed since the store was measured with it; use another --store")
    store.add_place(cell.problem, cell.at, found.digest, found.to_bytes(), None)
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
        "objective": _objective(problem, params),
    }


def _objective(problem: Problem, params: Params) -> dict[str, Any]:
    """The expected cost at the place: from the oracle in float64, else from a fixed sample."""
    with torch.no_grad():
        exact = problem.exact({name: value.double() for name, value in params.items()})
    if exact is not None:
        return {"value": float(exact.sum()), "stderr": 0.0, "exact": True}
    value, stderr = convergence.sampled_cost(problem, lifted(params, 1))
    return {"value": float(value), "stderr": float(stderr), "exact": False}


def _run_blocks(ready: Ready, store: Store, progress: Progress) -> bool:
    """The blocks that the store lacks, each kept as soon as it is measured."""
    blocks = store.blocks(ready.cell)
    while len(blocks) < ready.blocks and not _narrow(ready.cell, blocks):
        index = len(blocks)
        blocks.append(measure_block(ready.setting, 1 if ready.once else ready.size, ready.seed(index)))
        store.add_block(ready.cell, index, blocks[-1])
        progress.advance(0.0)
    return True


def _narrow(cell: Cell, blocks: list[Moments]) -> bool:
    """Whether the interval of the total variance is as narrow as was asked; never for a fixed number of replicates."""
    return cell.rel_ci is not None and len(blocks) >= FEWEST_BLOCKS and _half_width(blocks) <= cell.rel_ci


def _half_width(blocks: list[Moments]) -> float:
    """Half the width of the total variance's interval over its value; 0 where there is no variance."""
    reading = positive(np.concatenate([block.traces[:, 0] for block in blocks]))
    if not reading.value or reading.ci is None:
        return 0.0 if reading.value == 0 else math.inf
    return (reading.ci[1] - reading.ci[0]) / 2 / reading.value


def _wider_than_asked(cell: Cell, blocks: list[Moments]) -> str | None:
    """What to say of a cell whose blocks ended before its interval was narrow enough."""
    if cell.rel_ci is None or _narrow(cell, blocks) or len(blocks) < MAX_BLOCKS:
        return None
    width = _half_width(blocks)
    return (
        f"stopped after {MAX_BLOCKS} blocks with the interval at ±{width:.2g} of the value; {cell.rel_ci:g} was asked"
    )


def _time(measured: list[Ready], store: Store) -> None:
    """Seconds in interleaved rounds, evaluations and peak memory of every cell of a table."""
    device = torch.device(measured[0].cell.device)
    rounds = timing.interleaved([timing.one_estimate(ready.setting) for ready in measured], device)
    for ready, seconds in zip(measured, rounds, strict=True):
        counts = timing.count_evaluations(ready.setting)
        memory = timing.peak_memory(ready.setting)
        found = {"forward": counts.forward, "backward": counts.backward, "peak_memory_bytes": memory}
        store.time(ready.cell, {**found, "seconds": seconds, "threads": torch.get_num_threads()})


def _run_figure(trainings: list[Training], store: Store, progress: Progress) -> None:
    """The training runs of one figure, then one step of each timed in turn."""
    kept = {curve.training.key: curve for curve in store.curves()}
    done: list[tuple[Training, dict[str, Any]]] = []
    for training in trainings:
        progress.start(f"{training.solver} on {training.problem}")
        found = kept[training.key]
        data = found.data if found.status == "measured" else _train(training, store, progress)
        if data is not None:
            done.append((training, data))
        progress.advance(1.0)
    if any("seconds" not in data for _, data in done):
        calls = [convergence.one_step(training) for training, _ in done]
        rounds = timing.interleaved(calls, torch.device(trainings[0].device))
        for (training, data), seconds in zip(done, rounds, strict=True):
            store.finish_training(training, "measured", None, {**data, "seconds": seconds})


def _train(training: Training, store: Store, progress: Progress) -> dict[str, Any] | None:
    """One training run, kept in the store; None where it is refused or fails."""
    if training.device == "cuda" and not torch.cuda.is_available():
        reason = "--device cuda: torch finds no CUDA device on this machine; use --device cpu"
        store.finish_training(training, "refused", reason, None)
        return None
    problem, solver = specs.problem(training.problem), specs.solver(training.solver)
    reason = solver.refuses(problem)
    if reason is not None:
        store.finish_training(training, "refused", reason, None)
        return None
    try:
        data = convergence.train(training, lambda share: progress.advance(0.0))
    except Exception as fault:  # an estimator or problem may be anybody's code
        store.finish_training(training, "failed", one_line(fault), None)
        return None
    store.finish_training(training, "measured", None, data)
    return data
