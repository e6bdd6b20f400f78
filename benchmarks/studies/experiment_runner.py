"""The experiments of a study, from their texts to their rows in the store."""

from __future__ import annotations

from collections.abc import Sequence

from gradmark.benchmarks.cells import Inquiry
from gradmark.benchmarks.execution.work import Failed, Measurer
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies.workplace import Workplace
from gradmark.benchmarks.training.points import Refusal


def run_inquiries(inquiries: Sequence[Inquiry], workplace: Workplace) -> None:
    """The experiments that the store lacks."""
    store, progress = workplace.store, workplace.progress
    done = {outcome.inquiry for outcome in store.outcomes() if outcome.status == "measured"}
    for inquiry in inquiries:
        if not workplace.due(inquiry.key):
            continue
        progress.start(inquiry.experiment)
        if inquiry not in done:
            with workplace.marks.running(inquiry.key):
                inquire(inquiry, store, workplace.measurer(inquiry.experiment))
        workplace.marks.done(inquiry.key)
        progress.advance(1.0)


def inquire(inquiry: Inquiry, store: Store, measurer: Measurer) -> None:
    """Run an experiment and keep it whole, or keep why there is none; the study's others go on."""
    result = measurer.experiment(inquiry)
    if isinstance(result, Refusal | Failed):
        store.finish_inquiry(inquiry, "failed" if isinstance(result, Failed) else "refused", result.reason)
    else:
        store.finish_inquiry(inquiry, "measured", **result)
