"""The training runs of a study: each trained whole, then one step of each timed in turn."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks import convergence, specs, timing
from benchmarks.cells import Training
from benchmarks.errors import one_line, reason_of
from benchmarks.progress import Progress
from benchmarks.store import Store


def run_figure(trainings: list[Training], store: Store, progress: Progress) -> None:
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
        store.finish_training(training, "refused", reason_of(solver, reason), None)
        return None
    try:
        data = convergence.train(training, lambda share: progress.advance(0.0))
    except Exception as fault:  # an estimator or problem may be anybody's code
        store.finish_training(training, "failed", one_line(fault), None)
        return None
    store.finish_training(training, "measured", None, data)
    return data
