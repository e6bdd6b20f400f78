"""The comparison as an experiment: its rows, what is absent or wrong, its section and its page."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Inquiry
from gradmark.benchmarks.experiments import Speed, TrainingSpeed
from gradmark.benchmarks.experiments.speed import counts, peers, works
from gradmark.benchmarks.experiments.speed.contenders import Absent, Contender, gradmark
from gradmark.benchmarks.experiments.speed.cores import cores
from gradmark.benchmarks.experiments.speed.peers import with_jax
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import provenance, runner, study
from gradmark.reports import document, speed_page
from gradmark.reports.results import speeds

QUICK = {"rounds": 2, "turn_seconds": 0.002, "small": True}


@pytest.mark.each_once
@pytest.mark.parametrize("peer", ["loop", "vmap"])
@pytest.mark.parametrize("name", works.NAMES)
def test_every_row_runs(name: str, peer: str) -> None:
    tables = Speed(work=name, peers=(peer,), **QUICK).run(0)
    rows, [session] = tables["contenders"], tables["session"]
    assert [row["contender"] for row in rows] == ["gradmark", peer]
    for row in rows:
        assert row["seconds"]["value"] > 0
        assert (row["share_of_product_rate"] is None) == ("toy" in name)
    assert (session["work"], session["rounds"]) == (name, 2)
    assert session["product_rate"] > 0


def test_what_is_not_installed_is_a_row_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("jax", "pyro", "storch"):
        monkeypatch.setitem(sys.modules, package, None)  # as if there were none
    monkeypatch.delitem(sys.modules, "gradmark.benchmarks.experiments.speed.peers.jax_surrogates", raising=False)
    rows = Speed(**QUICK).run(0)["contenders"]
    absent = {row["contender"]: row["absent"] for row in rows if row.get("absent")}
    assert list(absent) == ["JAX scan", "JAX", "Pyro", "storchastic"]
    for reason in absent.values():
        assert reason.startswith("not installed")
        assert reason.endswith("pip install 'gradmark[peers]'")


def test_a_peer_that_measures_something_else_fails_the_experiment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def twice(work: works.Work, device: object) -> Contender:
        right = gradmark(work, device)  # type: ignore[arg-type]  # thousands of replicates on any machine
        return Contender("loop", lambda replicates, seed: 2 * right.turn(replicates, seed), right.least)

    monkeypatch.setitem(peers.PEERS, "loop", twice)
    inquiry = Inquiry('Speed(work="toy, Reparameterization", peers=("loop",), rounds=12, turn_seconds=0.001)')
    with Store(tmp_path / "s") as store:
        runner.run([], [], store, inquiries=[inquiry])
        [outcome] = store.outcomes()
    assert outcome.status == "failed"
    assert re.search(r"loop's variance of all is (1\.9\d?|2|2\.0\d) times gradmark's", outcome.reason or "")


def test_training_at_once_and_one_by_one_reach_the_same_bound() -> None:
    [row] = TrainingSpeed(seeds=4, rates=(0.01, 0.03), steps=3, rows=20, rounds=6).run(0)["training"]
    assert row["loop_over_gradmark"]["value"] > 0
    assert abs(row["bound_over_gradmark"]["value"] - 1) < 0.1
    with pytest.raises(ValueError, match="two seeds and two rounds or more"):
        TrainingSpeed(seeds=1)


def test_a_comparison_keeps_to_as_many_cores_as_threads() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not bind threads to cores")
    before = os.sched_getaffinity(0)
    with cores(1):
        assert len(os.sched_getaffinity(0)) == 1
    with cores(1000):
        assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before


def test_fields_are_checked() -> None:
    assert Speed().peers == tuple(peers.PEERS)
    with pytest.raises(ValueError, match=r"no such work; use one of toy, ScoreFunction; "):
        Speed(work="frog")
    with pytest.raises(ValueError, match="'TensorFlow' is not one of loop, vmap, JAX scan"):
        Speed(peers=("TensorFlow",))
    with pytest.raises(ValueError, match="two rounds or more"):
        Speed(rounds=1)


def test_the_study_has_every_work_once() -> None:
    asked = [specs.experiment(each.experiment) for each in study.load("speed").inquiries()]
    assert [each.work for each in asked if isinstance(each, Speed)] == list(works.NAMES)


@pytest.mark.parametrize("name", ["toy, ScoreFunction", "Gaussian VAE, variance of each coordinate"])
def test_counts_of_a_replicate(name: str) -> None:
    cells = counts.row(name, small=True)
    assert cells[0] == name
    kernels, made, operations = (int(part.replace(",", "")) for part in cells[2].split(" | "))
    assert kernels > 10
    assert made > 2 * 4  # two numbers of a draw at the least
    assert (operations == 0) == ("toy" in name)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speeds") / "s"
    quick = "rounds=6, turn_seconds=0.002, small=True"
    with Store(folder) as store:
        store.add_provenance(provenance.gather())
        runner.run([], [], store, inquiries=[Inquiry(f'Speed(peers=("loop", "vmap"), {quick})'), Inquiry(TRAINING)])
    return folder


TRAINING = "TrainingSpeed(seeds=2, rates=(0.01, 0.1), steps=2, rows=5, rounds=6)"


def test_a_section_and_a_page(stored: Path, tmp_path: Path) -> None:
    document.write(stored, tmp_path / "r.pdf")
    page = tmp_path / "page.md"
    page.write_text(
        "# Speed\n<!-- speed: begin -->\nold\n<!-- speed: end -->\n<!-- compiled: begin --><!-- compiled: end -->\n"
        "<!-- counts: begin --><!-- counts: end -->\n"
    )
    lines = tmp_path / "counts.md"
    lines.write_text("| counted |\n")
    (tmp_path / "compiled.md").write_text("| compiled |\n")
    arguments = [stored, page, "--counts", lines, "--compiled", tmp_path / "compiled.md"]
    done = CliRunner().invoke(speed_page.main, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0
    text = page.read_text()
    assert text.startswith("# Speed\n<!-- speed: begin -->\n| work | gradmark, a replicate | against the loop |")
    assert text.endswith("<!-- counts: begin -->\n| counted |\n<!-- counts: end -->\n")
    assert "<!-- compiled: begin -->\n| compiled |\n<!-- compiled: end -->" in text
    assert "old" not in text
    assert "| toy, ScoreFunction | " in text
    assert "Training `GaussianVAE(rows=5)` at 2 rates, 2 seeds at once: " in text
    assert " cpu, float32, seed 0, 6 rounds" in text


def test_who_is_the_fastest_and_what_is_unsafe(stored: Path) -> None:
    with Store(stored, write=False) as store:
        outcome = store.outcomes()[0]
    ours, by_loop, by_vmap = speeds.timed(outcome)
    names = {row["contender"] for row in (ours, by_loop, by_vmap)}
    best, tied = speeds.fastest(outcome)
    assert {best, *tied} <= names
    assert "loop" not in {best, *tied}  # hundreds of times slower
    by_loop["over_fastest"] = {"value": 1.01, "ci": [1.005, 1.02]}
    assert "loop" in speeds.fastest(outcome)[1]  # within the margin
    by_loop["over_gradmark"] = {"value": 2.0, "ci": [1.0, 3.0]}
    by_vmap["over_gradmark"] = {"value": 1.0, "ci": [0.9, 1.1]}
    speeds.session(outcome)["busy"] = 0.5
    busy, wide = speeds.warnings(outcome)
    assert busy == "other processes had more than 25% of the machine (median over rounds)"
    assert wide == "some ratios have intervals of more than 25%"
    assert speeds.aims(outcome) == (300, 1)
    assert speeds.best_peer(outcome) == by_vmap


def test_jax_runs_on_the_processor_only() -> None:
    pytest.importorskip("jax")
    with pytest.raises(Absent, match="on the CPU only"):
        with_jax.scan(works.work("toy, ScoreFunction"), torch.device("meta"))
