"""Stores made by hand: gradients are drawn here, so that what a report must say of them is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradmark.benchmarks.cells import Cell, Training
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.store.records import Description, Record
from gradmark.benchmarks.store.store import Store
from gradmark.reports.results.results import Entry, read

GROUP = 32
BLOCK = 4096
EXACT = np.array([1.0, -2.0])

FACTS: dict[str, Any] = {
    "family": "plug-in", "reference": "", "unbiased": True, "target": "expected cost", "deterministic": False,
    "shapes": {"loc": [1], "log_scale": [1]}, "block": BLOCK, "point": "0123", "no_oracle": None,
    "objective": {"value": 17.0, "stderr": 0.0, "exact": True},
}  # fmt: skip


def folded(gradients: np.ndarray, exact: np.ndarray | None = EXACT, nonfinite: int = 0) -> Moments:
    """What a block of these gradients [R, 2] leaves behind."""
    groups = gradients.reshape(-1, GROUP, gradients.shape[1])
    per_coordinate = groups.var(axis=1, ddof=1)
    mean = gradients.mean(axis=0)
    centred = gradients - mean
    known = exact is not None
    truth = exact if known else np.zeros(2)
    cosines = gradients @ truth / np.linalg.norm(gradients, axis=1) / np.linalg.norm(truth) if known else np.zeros(0)
    errors = ((gradients - truth) ** 2).sum(axis=1)
    wrong = (np.sign(gradients) != np.sign(truth)).mean(axis=1)
    return Moments(
        replicates=len(gradients) + nonfinite, units=len(gradients), nonfinite=nonfinite, mean=mean,
        second=(centred**2).sum(axis=0), third=(centred**3).sum(axis=0), within=np.zeros(0),
        traces=np.column_stack([per_coordinate.sum(axis=1), per_coordinate]), within_traces=np.zeros((0, 3)),
        square_norms=(groups**2).sum(axis=2).mean(axis=1),
        squared_errors=errors.reshape(-1, GROUP).mean(axis=1) if known else np.zeros(0),
        cosines=cosines.reshape(-1, GROUP).mean(axis=1) if known else np.zeros(0),
        wrong_signs=wrong.reshape(-1, GROUP).mean(axis=1) if known else np.zeros(0),
        deviations=(centred**2).sum(axis=1),
    )  # fmt: skip


def drawn(scale: float, seed: int = 0, shift: float = 0.0, replicates: int = BLOCK) -> np.ndarray:
    """Gradients around the exact one, off by `shift`; the same draws for the same seed, so that ratios are paired."""
    noise = np.random.default_rng(seed).standard_normal((replicates, 2))
    return EXACT + shift + scale * noise


def timed(seconds: float, seed: int = 0, evaluations: int | None = 1) -> dict[str, Any]:
    """Five rounds of three repeats of timing around `seconds`."""
    rounds = seconds * np.exp(0.01 * np.random.default_rng(seed).standard_normal((5, 3)))
    counted = {"forward": evaluations, "backward": evaluations}
    return {**counted, "peak_memory_bytes": 2048, "seconds": rounds.tolist(), "busy": [0.0] * 5, "threads": 1}


def entry(cell: Cell, moments: Moments, seconds: float = 1e-3, evaluations: int | None = 1, **facts: Any) -> Entry:
    """One measured cell without a store."""
    from gradmark.benchmarks.studies.summary import summarise

    record = Record(cell, "measured", None, FACTS | facts, EXACT, timed(seconds, evaluations=evaluations), [moments])
    return Entry(record, summarise(record))


def add(store: Store, cell: Cell, moments: Moments, exact: np.ndarray | None = EXACT, **facts: Any) -> None:
    """Put a measured cell into a store that plans it."""
    store.know(cell, FACTS | facts, exact)
    store.add_block(cell, 0, moments)
    store.time(cell, timed(1e-3))
    store.finish(cell, "measured")


def curve(ends: float, gap: bool = True, seeds: int = 4) -> dict[str, Any]:
    """A training run that falls from 100 to `ends`, each seed a little different."""
    steps = list(range(0, 101, 10))
    table = [[ends + (100 - ends) * np.exp(-step / 10) + 0.01 * seed for seed in range(seeds)] for step in steps]
    return {
        "steps": steps, "objective": table, "stderr": None, "evaluation": "oracle", "seconds": [2e-3] * 15,
        "gap": [[value - ends + 0.1 for value in row] for row in table] if gap else None,
        "reference": "A Paper, Me, 2001",
    }  # fmt: skip


TOY = "Toy(k=1.0)"
BLIND = 'Minibatch(problem=ABlindModel(data="digits", hidden=500, latents=20), size=100)'
PLUGGED = "my.very.long.package.and_module.Plugged(rate=0.1)"
REFUSAL = "Pathwise.estimate(problem=Toy(k=1.0)): z is discrete; use Score()"


def fill(store: Store) -> None:
    """A store with one of everything: biased, refused, failed, missing, not finite, exact, stateful, blind, trained."""
    names = (
        "Score()",
        "Baseline()",
        "Crooked()",
        "Exact()",
        "Broken()",
        "Other()",
        "Pathwise()",
        "Failing()",
        "Late()",
    )
    cells = {name: Cell(TOY, name, replicates=BLOCK) for name in names if name != "Baseline()"}
    warm, cold = (Cell(TOY, "Baseline()", state=state, replicates=BLOCK) for state in ("warm", "cold"))
    blind = [
        Cell(BLIND, name, replicates=BLOCK) for name in ("Score()", "my.very.long.package.and_module:Plugged(rate=0.1)")
    ]
    runs = [
        Training(TOY, f"Adam(estimator={name}, num_samples=10)", 100, evaluations=11)
        for name in ("Score()", "Unseen()")
    ]
    store.add_provenance(
        {
            "command": "gradmark run made", "date": "2026-01-02T03:04:05+00:00", "commit": "0123456789ab",
            "python": "3.11.7", "platform": "Linux x86_64", "processor": "A processor", "cores": 2,
            "threads": 1, "cuda": None,
            "versions": {"gradmark": "0.1.0", "torch": "2.13.0"},
        }
    )  # fmt: skip
    study = Description("made", "A title of a study", "What it is about.")
    store.plan([*cells.values(), cold, warm, *blind], runs, study=study)
    add(store, cells["Score()"], folded(drawn(2.0)), reference="Simple Gradients, R. Williams, 1992")
    add(store, cold, folded(drawn(2.0)), exact_variance={"value": 8.0, "error": 1e-9, "nodes": 48, "reason": None})
    add(store, warm, folded(drawn(1.0)))
    add(store, cells["Crooked()"], folded(drawn(0.01, shift=0.5)), unbiased=False)
    add(store, cells["Exact()"], folded(np.tile(EXACT, (GROUP, 1))), deterministic=True)
    add(store, cells["Broken()"], folded(drawn(0.02)[: BLOCK - GROUP], nonfinite=GROUP))
    add(store, cells["Other()"], folded(drawn(0.5)), target="minus log evidence")
    store.finish(cells["Pathwise()"], "refused", REFUSAL)
    store.finish(cells["Failing()"], "failed", "RuntimeError: a stub (plug.py:27)")
    for cell, scale in zip(blind, (3.0, 1.5), strict=True):
        add(store, cell, folded(drawn(scale), None), None, no_oracle="the decoder is not linear; use another")
    for run, ends in zip(runs, (10.0, 20.0), strict=True):
        store.finish_training(run, "measured", None, curve(ends))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store with one of everything."""
    path = tmp_path_factory.mktemp("made") / "made.store"
    with Store(path) as store:
        fill(store)
    return path


@pytest.fixture
def results(made: Path) -> Any:
    """That store, read."""
    return read(made)


@pytest.fixture
def build() -> Callable[..., Entry]:
    """Makes one measured cell of scale, estimator and facts."""

    def make(
        name: str, scale: float, *, seed: int = 0, shift: float = 0.0, seconds: float = 1e-3, **facts: Any
    ) -> Entry:
        nonfinite = facts.pop("nonfinite", 0)
        state = facts.pop("state", "none")
        cell = replace(Cell(TOY, name, replicates=BLOCK), state=state)
        return entry(cell, folded(drawn(scale, seed, shift), nonfinite=nonfinite), seconds, **facts)

    return make
