"""The training runs of a study: each trained whole, then one step of each timed in turn."""

from __future__ import annotations

from typing import Any

from gradmark.benchmarks.cells import Training
from gradmark.benchmarks.execution.work import Failed, Measurer
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies.workplace import Workplace
from gradmark.benchmarks.training.points import Refusal


def run_figure(trainings: list[Training], workplace: Workplace) -> None:
    """The training runs of one figure, then one step of each timed in turn."""
    store, progress = workplace.store, workplace.progress
    measurer = workplace.measurer(*(text for training in trainings for text in (training.problem, training.solver)))
    kept = {curve.training.key: curve for curve in store.curves()}
    due = [training for training in trainings if workplace.due(training.key)]
    done: list[tuple[Training, dict[str, Any]]] = []
    for training in trainings if due and workplace.late else due:
        progress.start(f"{training.solver} on {training.problem}")
        found = kept[training.key]
        with workplace.marks.running(training.key):
            data = found.data if found.status == "measured" else _train(training, workplace, measurer)
        if data is not None:
            done.append((training, data))
        workplace.marks.done(training.key)
        if training in due:
            progress.advance(1.0)
    if any("seconds" not in data for _, data in done):
        with workplace.marks.running(done[0][0].key):
            _first_round(done, store, measurer)


def _train(training: Training, workplace: Workplace, measurer: Measurer) -> dict[str, Any] | None:
    """One training run, kept in the store; None where it is refused or fails."""
    result = measurer.train(training, lambda: workplace.progress.advance(0.0))
    if isinstance(result, Refusal | Failed):
        status = "failed" if isinstance(result, Failed) else "refused"
        workplace.store.finish_training(training, status, result.reason, None)
        return None
    workplace.store.finish_training(training, "measured", None, result)
    return result


def _first_round(done: list[tuple[Training, dict[str, Any]]], store: Store, measurer: Measurer) -> None:
    """The first round of seconds of one step of each run; a run whose step fails is failed alone."""
    timings = measurer.time_steps([training for training, _ in done])
    for (training, data), seconds in zip(done, timings.seconds, strict=True):
        if isinstance(seconds, Failed):
            store.finish_training(training, "failed", seconds.reason, data)
        else:
            store.finish_training(training, "measured", None, {**data, "seconds": [seconds], "busy": [timings.busy]})
