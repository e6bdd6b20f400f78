"""asv's configuration and suites: asv itself ignores what it does not know and runs for minutes before it fails."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import torch

import gradmark.estimators as estimators
from gradmark.benchmarks import speed
from gradmark.benchmarks.speed import against_loop, cells, estimates

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("time_", "track_", "mem_", "peakmem_", "timeraw_")
SUITES = [
    importlib.import_module(f"gradmark.benchmarks.speed.{found.name}") for found in pkgutil.iter_modules(speed.__path__)
]
PROBLEMS = estimates._Problem.__subclasses__()


def configuration() -> dict:
    util = pytest.importorskip("asv.util")
    return util.load_json(str(ROOT / "asv.conf.json"), 1, js_comments=True)


def test_asv_knows_every_key() -> None:
    config = configuration()
    known = vars(importlib.import_module("asv.config").Config())
    assert set(config) <= set(known) | {"build_cache_size"}
    assert set(config["matrix"]) <= {"req", "env", "env_nobuild"}
    assert (ROOT / config["benchmark_dir"]).is_dir()


def test_environment_has_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {dependency.partition(">=")[0] for dependency in project["dependencies"]}
    config = configuration()
    assert names <= set(config["matrix"]["req"])
    assert config["project"] == project["name"]
    assert "--no-deps" in config["build_command"][0]
    assert "--no-deps" in config["install_command"][0]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.__name__)
def test_suite_holds_benchmarks_of_its_own_with_a_version(suite: ModuleType) -> None:
    for name, value in vars(suite).items():
        assert not name.startswith(KINDS)
        if inspect.isclass(value) and not name.startswith("_") and any(each.startswith(KINDS) for each in dir(value)):
            assert value.__module__ == suite.__name__
            assert getattr(value, "version", None) == "1"


def test_every_estimator_of_the_catalogue_is_a_parameter() -> None:
    assert cells.catalogue() == estimators.__all__
    names = set()
    for problem in PROBLEMS:
        for name in estimators.__all__:
            try:
                problem().setup(name, "cpu")
            except NotImplementedError:
                continue
            names.add(name)
    assert names == set(estimators.__all__)  # one problem at least takes it


@pytest.mark.parametrize("name", ["ScoreFunction", "ExactGradient"])
def test_suite_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "BLOCKS", 2)
    toy = estimates.Toy()
    toy.setup(name, "cpu")
    toy.time_estimate(name, "cpu")
    toy.peakmem_block(name, "cpu")
    for found in (toy.track_variance(name, "cpu"), toy.track_work_normalised_variance(name, "cpu")):
        assert found["number"] == 1
        assert len(found["samples"]) == 2
        assert all(isinstance(each, float) and each >= 0 for each in found["samples"])


def test_what_cannot_run_is_na(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotImplementedError, match="no KL term"):
        estimates.Toy().setup("ReparameterizationAnalyticKL", "cpu")
    with pytest.raises(NotImplementedError, match="no estimator"):
        estimates.Toy().setup("NotThereYet", "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(NotImplementedError, match="CUDA"):
            estimates.Toy().setup("ScoreFunction", "cuda")
    monkeypatch.setattr(cells, "timing", None)
    with pytest.raises(NotImplementedError, match="this commit"):
        estimates.Toy().setup("ScoreFunction", "cpu")


def test_every_work_of_the_comparison_is_a_parameter() -> None:
    assert cells.listed_works() == list(cells.works.NAMES) == against_loop.Replicate.params
    assert [work for work in cells.works.NAMES if against_loop.target(work) is None] == [
        work for work in cells.works.NAMES if "VAE" in work
    ]
    with pytest.raises(NotImplementedError, match="no work 'frog'"):
        against_loop.Replicate().setup("frog")


def test_a_work_has_seconds_in_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, loop = against_loop.timed("toy, ScoreFunction", loop=True, rounds=2, turn_seconds=0.001)
    assert (ours.name, loop.name) == ("gradmark", "loop")
    assert len(ours.seconds) == len(loop.seconds) == 2
    assert min(*ours.seconds, *loop.seconds) > 0
    monkeypatch.setattr(against_loop, "timed", lambda work, loop, rounds: [ours])
    assert len(against_loop.Replicate().track_seconds("toy, ScoreFunction")["samples"]) == 2
