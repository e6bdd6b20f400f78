"""One experiment, from its text to its rows in the store."""

from __future__ import annotations

import time

import torch

from benchmarks import specs
from benchmarks.cells import Inquiry
from benchmarks.errors import one_line
from benchmarks.experiment import plain
from benchmarks.store import Store


def inquire(inquiry: Inquiry, store: Store) -> None:
    """Run an experiment and keep it whole, or keep why there is none; the study's others go on."""
    experiment = specs.experiment(inquiry.experiment)
    reason = experiment.refuses()
    if reason is not None:
        store.finish_inquiry(inquiry, "refused", reason)
        return
    start = time.perf_counter()
    try:
        tables = plain(experiment.run(inquiry.seed))
    except Exception as fault:  # an experiment may be anybody's code
        store.finish_inquiry(inquiry, "failed", one_line(fault))
        return
    facts = {"title": experiment.title, "reference": experiment.reference, "threads": torch.get_num_threads()}
    store.finish_inquiry(inquiry, "measured", seconds=time.perf_counter() - start, facts=facts, tables=tables)
