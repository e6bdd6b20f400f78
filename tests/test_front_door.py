"""`import gradmark`: what a user calls, with objects or with texts."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from torch import Tensor

import gradmark
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.problems import BernoulliToy
from gradmark.estimators import LeaveOneOut, ScoreFunction
from gradmark.estimators.core import Problem, State, SurrogateEstimator

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class TwiceTheScore(SurrogateEstimator):
    """A wrong estimator: the gradient of the score function is doubled."""

    def surrogate(self, problem: Problem, params: dict[str, Tensor], state: State, num_samples: int):
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, q)
        return (2 * cost.detach() * q.log_prob(z)).mean(0), state


def test_every_name_of_the_front_door_is_there() -> None:
    assert all(getattr(gradmark, name) is not None for name in gradmark.__all__)
    assert set(gradmark.__all__) <= set(dir(gradmark))
    with pytest.raises(AttributeError, match="has no attribute 'mesure'"):
        gradmark.mesure  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_objects_and_texts_measure_the_same() -> None:
    by_object = gradmark.measure(BernoulliToy(), LeaveOneOut(), num_samples=2, replicates=256)
    by_text = gradmark.measure("BernoulliToy()", "LeaveOneOut()", num_samples=2, replicates=256)
    assert by_object["total_variance"] == by_text["total_variance"]


def test_a_class_that_no_import_finds_is_measured_as_it_is() -> None:
    @dataclass(frozen=True)
    class Local(LeaveOneOut):
        """An estimator inside a function."""

    summary = gradmark.measure(BernoulliToy(), Local(), num_samples=2, replicates=256)
    same = gradmark.measure(BernoulliToy(), LeaveOneOut(), num_samples=2, replicates=256)
    assert summary["status"] == "measured"
    assert summary["total_variance"]["value"] == same["total_variance"]["value"]


def test_the_wrong_kind_of_object_is_bad_input() -> None:
    with pytest.raises(BadInput, match="LeaveOneOut is not a subclass of Problem"):
        gradmark.measure(LeaveOneOut(), LeaveOneOut())  # pyright: ignore[reportArgumentType]


def test_check_estimator_raises_for_a_wrong_one() -> None:
    with pytest.raises(AssertionError, match="TwiceTheScore"):
        gradmark.check_estimator(TwiceTheScore(), [BernoulliToy()])
    assert gradmark.check_estimator(TwiceTheScore(), [BernoulliToy()], on_fail="report").estimator.endswith("Score()")
    gradmark.check_estimator(ScoreFunction(), [BernoulliToy()])


def test_a_folder_called_benchmarks_hides_nothing(tmp_path: Path) -> None:
    """A user's project has folders of these names, and uses all of the front door under pytest inside it."""
    for name in ("benchmarks", "estimators", "reports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('imported by gradmark')\n")
    (tmp_path / "conftest.py").write_text("")
    (tmp_path / "test_mine.py").write_text(
        "import gradmark\nfrom gradmark.benchmarks.problems import BernoulliToy\n"
        "from gradmark.estimators import LeaveOneOut\n\n\n"
        "def test_mine():\n    assert all(getattr(gradmark, name) for name in gradmark.__all__)\n"
        "    summary = gradmark.measure(BernoulliToy(), LeaveOneOut(), num_samples=2, replicates=64)\n"
        "    assert summary['status'] == 'measured'\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_python_m_gradmark_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "gradmark", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    assert "measure" in done.stdout
