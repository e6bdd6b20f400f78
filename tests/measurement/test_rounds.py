"""Seconds in rounds: the interval is made of the rounds, and a call that raises is the only one that is not timed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from gradmark.benchmarks.cells import Cell, Training
from gradmark.benchmarks.execution import processes
from gradmark.benchmarks.measurement import machine_load, timing
from gradmark.benchmarks.measurement.quantities import median
from gradmark.benchmarks.measurement.timing_rounds import in_rounds, nested_median, nested_ratio
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner
from gradmark.estimators import ScoreFunction
from gradmark.estimators.core import Estimate, Params, Problem, State


@dataclass(frozen=True)
class OnlyMany(ScoreFunction):
    """A plug-in that fails where it is timed, on one replicate."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        if len(params["loc"]) == 1:
            raise RuntimeError("one replicate is too few")
        return super().estimate(problem, params, state, num_samples)


PROCESSES, STUDIES, ROUNDS, REPEATS = 0.1, 400, 4, 7  # a process is slower or faster by a tenth, all of its repeats


def drawn(generator: np.random.Generator, rounds: int) -> list[list[float]]:
    """Repeats that agree to a percent within a round; each round has its own process."""
    level = np.exp(PROCESSES * generator.standard_normal((rounds, 1)))
    return (1e-3 * level * np.exp(0.01 * generator.standard_normal((rounds, REPEATS)))).tolist()


def test_the_interval_holds_the_time_that_other_processes_find() -> None:
    """95 % of 400 intervals over four rounds hold it: 93 to 97 % within two standard errors of 1.1 %."""
    generator = np.random.default_rng(0)
    covered = [ci[0] <= 1e-3 <= ci[1] for _ in range(STUDIES) if (ci := nested_median(drawn(generator, ROUNDS)).ci)]
    assert len(covered) == STUDIES
    assert 0.928 <= np.mean(covered) <= 0.972


def test_repeats_of_one_process_do_not_hold_it() -> None:
    """The control: the interval of one process's repeats, which was used before, holds it one time in four at most."""
    generator = np.random.default_rng(0)
    flat = [median(np.array(drawn(generator, 1)[0])).ci or (0, 0) for _ in range(STUDIES)]
    assert np.mean([low <= 1e-3 <= high for low, high in flat]) < 0.25


def test_one_round_has_a_value_and_no_interval() -> None:
    for seconds in ([1.0, 2.0, 3.0], [[1.0, 2.0, 3.0]]):
        found = nested_median(seconds)
        assert (found.value, found.stderr, found.ci) == (pytest.approx(2.0), None, None)
        assert in_rounds(seconds) == [[1.0, 2.0, 3.0]]
    assert nested_median([]).value is None


def test_a_ratio_is_made_round_by_round() -> None:
    base = drawn(np.random.default_rng(1), ROUNDS)
    twice = [[2 * each for each in repeats] for repeats in base]
    found = nested_ratio(twice, base)
    assert found.value == pytest.approx(2)
    assert found.ci == pytest.approx((2, 2))
    unpaired = nested_ratio(twice[:3], base)
    assert unpaired.ci is not None
    assert unpaired.ci[0] < 2 < unpaired.ci[1]


def test_a_call_that_raises_is_the_only_one_that_is_not_timed() -> None:
    calls = itertools.count()

    def second() -> object:
        if next(calls) > 3:
            raise RuntimeError("tired")
        return None

    def never() -> object:
        raise ValueError("no call")

    makers = [lambda: second, lambda: never(), lambda: lambda: None, lambda: lambda: 1 / 0]
    found = timing.in_turn(makers, torch.device("cpu"), 3)  # type: ignore[arg-type]
    assert [type(each) for each in found] == [RuntimeError, ValueError, list, ZeroDivisionError]
    assert len(found[2]) == 3  # type: ignore[arg-type]


def test_the_cell_whose_timing_fails_is_the_one_that_is_failed(tmp_path: Path) -> None:
    texts = ["ScoreFunction()", f"{__name__}.OnlyMany()", "Reparameterization()"]
    cells = [Cell("GaussianToy()", text, replicates=1) for text in texts]
    runs = [Training("GaussianToy()", f"Adam({text})", 2, 4, 2) for text in texts]
    with Store(tmp_path / "s") as store:
        runner.run(cells, runs, store)
        records, curves = store.records(), store.curves()
    for found in (records, curves):
        assert [each.status for each in found] == ["measured", "failed", "measured"]
        assert "one replicate is too few (test_rounds.py:" in (found[1].reason or "")
    for record in (records[0], records[2]):
        assert record.timing is not None
        assert [len(each) for each in record.timing["seconds"]] == [timing.REPEATS]
        assert 0 <= record.timing["busy"][0] <= 1
    assert [len(each) for each in (curves[0].data or {})["seconds"]] == [timing.REPEATS]


def test_how_busy_the_machine_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu 100 0 0 1000 0 0 0 0 50 0\n")
    monkeypatch.setattr(machine_load, "STAT", stat)
    others = machine_load.Others()
    ticks = machine_load.os.sysconf("SC_CLK_TCK")
    stat.write_text(f"cpu {100 + 300 * ticks} 0 0 {1000 + 700 * ticks} 0 0 0 0 50 0\n")
    assert others.share() == pytest.approx(
        0.3, abs=0.01
    )  # 300 of 1 000 seconds, of which hardly any are this process's
    monkeypatch.setattr(machine_load, "STAT", tmp_path / "nowhere")
    assert others.share() is None or 0 <= (others.share() or 0) <= 1


def test_a_call_on_the_cpu_does_not_wait_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting would start CUDA: a process forked later could not use it."""

    def started(*_: object, **__: object) -> None:
        raise RuntimeError("a GPU was started")

    monkeypatch.setattr(torch.cuda, "synchronize", started)
    monkeypatch.setattr(torch.accelerator, "synchronize", started)
    (seconds,) = timing.in_turn([lambda: lambda: None], torch.device("cpu"), count=2)
    assert isinstance(seconds, list)
    assert min(seconds) > 0


def test_workers_may_use_cuda_after_the_question_whether_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, str]] = []

    def popen(*_: object, env: dict[str, str], **__: object) -> None:
        given.append(env)
        raise OSError("no process")

    monkeypatch.setattr("subprocess.Popen", popen)
    with pytest.raises(OSError, match="no process"):
        processes.Server()
    assert given[0]["PYTORCH_NVML_BASED_CUDA_CHECK"] == "1"
