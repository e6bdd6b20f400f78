"""Code that ends, blocks or spoils its process fails its own cell, with file and line; all others are as without it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gradmark.benchmarks.cells import Cell, Training
from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.execution.messages import decode, encode
from gradmark.benchmarks.execution.prepare import Known
from gradmark.benchmarks.execution.work import Failed, Here, Round
from gradmark.benchmarks.execution.worker_client import Worker
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.store.marks import Marks
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import measure, runner
from gradmark.benchmarks.trust import hostile_cells
from gradmark.benchmarks.trust.hostile_cells import KINDS, as_expected, spec

TOY = "GaussianToy()"
MODEL = "LinearGaussian(latents=2, observed=3, rows=4)"
LIMITS = Limits(seconds=4.0, memory=6.0)  # a block of the toy takes a hundredth of it
BURNING = ("busy_loop", "recursion")  # which take a core for as long as they may: the script has them
WAYS = ("os_exit", "keyboard_interrupt", "blocking_loop", "memory_tensor", "closes_all", "settings", "patches_torch")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the hostile plug-ins, where Python finds them."""
    folder = tmp_path_factory.mktemp("plugins")
    hostile_cells.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


ALL = tuple(name for name in KINDS if name not in BURNING)


@pytest.mark.parametrize("names", [WAYS, pytest.param(ALL, marks=pytest.mark.full)], ids=["one_of_each_way", "all"])
def test_no_hostile_cell_takes_another_with_it(names: tuple[str, ...], plugin: Path, tmp_path: Path) -> None:
    texts = ["ScoreFunction()", *map(spec, names), "LeaveOneOut()"]
    cells = [Cell(TOY, text, 2, replicates=1) for text in texts]
    with Store(tmp_path / "s") as store:
        runner.run(cells, [], store, limits=LIMITS)
        found = store.records()
        assert store.description()["running"] == ""
    ours = [found[0], found[-1]]
    wrong = {n: (r.status, r.reason) for n, r in zip(names, found[1:-1], strict=True) if not as_expected(n, r)}
    assert wrong == {}
    assert all(record.status == "measured" and record.timing is not None for record in ours)
    for record in ours:
        alone = Here()
        alone.prepare(record.cell, None)
        block = alone.block(record.cell, 0)
        assert isinstance(block, Moments)
        assert record.blocks[0].to_bytes() == block.to_bytes()


def test_a_worker_has_the_numbers_of_this_process_to_the_bit() -> None:
    here = Here()
    with Worker(Limits()) as worker:
        for cell in (
            Cell(MODEL, "MovingAverageBaseline()", state="warm", replicates=1),
            Cell(f"Minibatch({MODEL}, size=2)", "Reparameterization()", dtype="float32", replicates=1),
        ):
            known = [each.prepare(cell, None) for each in (here, worker)]
            assert all(isinstance(each, Known) for each in known)
            assert encode(known[0]) == encode(known[1])
            for index in (0, 1):
                assert encode(here.block(cell, index)) == encode(worker.block(cell, index))
        training = Training(MODEL, "Adam(LeaveOneOut(), num_samples=2)", 4, 4, 2)
        ticks: list[None] = []
        assert worker.train(training, lambda: ticks.append(None)) == here.train(training, lambda: None)
        assert len(ticks) == 2


def test_a_run_in_several_processes_has_a_round_of_each(tmp_path: Path) -> None:
    cells = [Cell(TOY, text, replicates=1) for text in ("ScoreFunction()", "Reparameterization()")]
    runs = [Training(TOY, "Adam(Reparameterization())", 2, 4, 2)]
    with Store(tmp_path / "s") as store:
        runner.run(cells, runs, store)
        first = [store.record(cell).timing for cell in cells]
        runner.run(cells, runs, store, processes=1)
        for cell, before in zip(cells, first, strict=True):
            timing = store.record(cell).timing
            assert timing is not None
            assert before is not None
            assert [len(timing[name]) for name in ("seconds", "busy")] == [2, 2]
            assert timing["seconds"][0] == before["seconds"][0]
        assert len((store.curves()[0].data or {})["seconds"]) == 2
        done = [store.record(cell).timing for cell in cells]
        runner.run(cells, runs, store, processes=1)  # all there: no process is started
        assert [store.record(cell).timing for cell in cells] == done


def test_what_ended_the_process_runs_last_and_elsewhere(tmp_path: Path) -> None:
    cells = [Cell(TOY, text, replicates=1) for text in ("ScoreFunction()", "LeaveOneOut()", "Reparameterization()")]
    order: list[str] = []
    with Store(tmp_path / "s") as store:
        store.plan(cells, [])
        with pytest.raises(KeyboardInterrupt), Marks(store).running(cells[1].key):
            raise KeyboardInterrupt
        assert Marks(store).ended == []
        store.rows.put("meta", name="running", value=cells[0].key)  # as a process leaves it that dies
        progress = runner.Progress(start=order.append)
        runner.run(cells, [], store, progress)
        assert order[0].startswith("LeaveOneOut()")
        assert [text for text in order if text.startswith("ScoreFunction()")] == [f"ScoreFunction() on {TOY}"]
        assert order.index(f"ScoreFunction() on {TOY}") > 1
        assert Marks(store).ended == []
        for record in store.records():
            assert record.status in ("measured", "refused")


def test_measure_has_the_same_limits(plugin: Path) -> None:
    found = measure.measure(TOY, spec("os_exit"), limits=LIMITS)
    assert found["status"] == "failed"
    assert found["reason"].startswith("the process ended with status 0 (hostile_plugin.py:")
    mine = measure.measure(TOY, spec("settings"), replicates=1)
    assert mine["parameters"] == measure.measure(TOY, "ScoreFunction()", replicates=1)["parameters"]
    assert torch.get_default_dtype() is torch.float32
    assert torch.is_grad_enabled()
    assert os.getcwd() != "/"  # noqa: PTH109


def test_a_step_that_ends_the_process_is_named_among_the_others(plugin: Path) -> None:
    solvers = ["Adam(Reparameterization())", f"Adam({spec('os_exit')})", "Adam(ScoreFunction())"]
    with Worker(LIMITS) as worker:
        found = worker.time_steps([Training(TOY, solver, 2) for solver in solvers])
    assert [type(each) for each in found.seconds] == [list, Failed, list]


def test_messages_are_plain_data_and_come_back() -> None:
    for value in (
        {"$": 1, "x": [1.5, None, True, float("inf")], "bytes": b"\n\x00"},
        Round([[1e-3], Failed("no")], None),
        [Cell(TOY, "ScoreFunction()"), b"", b"x"],
    ):
        assert encode(decode(encode(value))) == encode(value)
    with pytest.raises(TypeError):
        encode({"x": object()})
