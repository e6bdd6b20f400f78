"""The referee: controls are rejected, the catalogue is not, and whatever a plug-in does there is a verdict.

Exact laws have no chance in them. The Monte Carlo law is tried on right estimators over several seeds, at the level
.001 over 20 for each cell: 63 cells here, so that a false alarm has probability .003 in all; seeds are fixed.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import gradmark.estimators as estimators
from gradmark.benchmarks.checks import Case, Fixture
from gradmark.benchmarks.checks.exact_moments import expectation_is_exact
from gradmark.benchmarks.checks.reports import Ruling, Verdict
from gradmark.benchmarks.checks.results import BROKEN
from gradmark.benchmarks.checks.runner import judge, outcome, rule
from gradmark.benchmarks.checks.sentences import sentence
from gradmark.benchmarks.checks.suite import COURT, Trial, tried
from gradmark.benchmarks.checks.two_stage_test import mean_by_monte_carlo
from gradmark.benchmarks.problems import BernoulliToy, GaussianToy, LinearGaussian
from gradmark.estimators import LeaveOneOut, ScoreFunction, StickingTheLanding, StraightThrough
from gradmark.estimators.core import Estimate, Estimator, Params, Problem, State
from tests.checks.simulated_clock import SimulatedClock
from tests.controls.smallest_cases import BIT, DEAR, SMALLEST
from tests.controls.wrong import (
    contract,
    pathwise,
    score_function,
    wrong,
)

CATALOGUE: list[Estimator] = [getattr(estimators, name)() for name in estimators.__all__]
GAUSSIAN = Fixture(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init")
BITS = Fixture(BernoulliToy(probs=(0.3, 0.85, 0.55, 0.02)), "init")
ROWS = Fixture(LinearGaussian(latents=1, observed=2, rows=3))
PATIENCE = 3600.0  # seconds, however busy the machine is: on a quiet one the default is enough


def controls() -> list[Estimator]:
    """Every wrong estimator of the tests."""
    special = {
        pathwise.Nudged: pathwise.Nudged(by=0.01),
        contract.TextLosesField: contract.TextLosesField(0.3),
    }
    return [special.get(cls) or cls() for cls in sorted(wrong(), key=lambda cls: cls.__qualname__)]


def tries() -> Iterator[Any]:
    """Every control with what it is tried on: one small case where that is known, and for `--full` the whole suite."""
    for control in controls():
        name, cls = type(control).__name__, type(control)
        yield pytest.param(control, SMALLEST.get(cls) or DEAR.get(cls) or COURT, id=name)
        if cls in SMALLEST:
            yield pytest.param(control, DEAR.get(cls, COURT), id=f"{name}-whole", marks=pytest.mark.full)


@pytest.mark.parametrize(("control", "trials"), list(tries()))
def test_control_is_rejected(control: Estimator, trials: Sequence[Trial]) -> None:
    first = next((ruling for ruling in rule(control, trials, budget=PATIENCE) if ruling.status in BROKEN), None)
    assert first is not None
    assert first.detail


@pytest.mark.full  # of this estimator the next test judges the mean, and test_false_alarms the form of each
@pytest.mark.parametrize("estimator", [StraightThrough()], ids=str)
def test_right_estimator_is_found_right(estimator: Estimator) -> None:
    judge(estimator, budget=PATIENCE).demand()


def test_bias_that_is_declared_is_found_and_its_size_said() -> None:
    verdict = judge(StraightThrough(), [Trial(BIT.fixture, (1,))])
    assert (verdict.declared, verdict.verdict) == ("biased", "right")
    found = verdict.laws[-1]
    assert (found.law, found.status, found.coordinate) == ("bias_is_found", "passed", "logits[0]")
    assert found.size == pytest.approx(0.3 * 0.7 * (2 * 0.3 - 1))
    assert "off by -0.084" in sentence(verdict.json())


@pytest.mark.parametrize("seeds", [1, pytest.param(3, marks=pytest.mark.full)])
@pytest.mark.parametrize("estimator", [each for each in CATALOGUE if each.unbiased], ids=str)
def test_no_false_alarm_over_seeds(estimator: Estimator, seeds: int) -> None:
    for fixture in (GAUSSIAN, BITS, ROWS):
        cases = tried(estimator, Trial(fixture, (2,)))
        for seed in range(seeds):
            for case in cases[:1]:
                assert not mean_by_monte_carlo(seed=seed)(case).failed


def test_chance_sees_what_the_exact_law_cannot() -> None:
    case = Case(score_function.MeanOverRows(), Fixture(LinearGaussian(latents=2, observed=3, rows=3)), 2)
    assert expectation_is_exact(case).status == "declined"
    finding = mean_by_monte_carlo()(case)
    assert finding.failed
    assert finding.coordinate
    assert abs(finding.size or 0) > (finding.visible or 0) > 0


def test_every_trial_is_somebodys() -> None:
    for trial in COURT:
        assert any(tried(estimator, trial) for estimator in (ScoreFunction(), StickingTheLanding()))


def test_nothing_judged_is_undecided() -> None:
    refused = judge(StickingTheLanding(), [BIT])
    assert refused.verdict == "undecided"
    assert "no log q" in refused.laws[0].detail


def test_outcome() -> None:
    assert outcome([]) == "undecided"
    assert outcome([Ruling("expectation_is_exact", "", 1, "passed")]) == "right"
    assert outcome([Ruling("seeds_decide", "", 1, "passed")]) == "undecided"
    assert outcome([Ruling("expectation_is_exact", "", 1, "passed"), Ruling("x", "", 1, "failed")]) == "wrong"


def test_json_knows_no_infinity() -> None:
    ruling = Ruling("x", "", 1, "failed", size=float("inf"), visible=float("nan"))
    verdict = Verdict("X()", "unbiased", "wrong", 1.0, (ruling,))
    assert json.loads(json.dumps(verdict.json(), allow_nan=False))["laws"][0]["size"] is None


def test_budget_that_is_spent_is_said() -> None:
    verdict = judge(LeaveOneOut(), [BIT], budget=1e-3)
    assert verdict.verdict == "undecided"
    assert any("budget" in ruling.detail for ruling in verdict.laws)


# Whatever a plug-in does, there is a verdict that names file and line


class Shape(LeaveOneOut):
    """Gives one number where the parameter has several."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        found = super().estimate(problem, params, state, num_samples)
        return Estimate({name: value.sum() for name, value in found.gradient.items()}, found.state)


class NotANumber(LeaveOneOut):
    """Divides zero by zero, here and there."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        found = super().estimate(problem, params, state, num_samples)
        return Estimate({name: value / (value != 0) for name, value in found.gradient.items()}, found.state)


CLOCK = SimulatedClock()


class Sleeps(LeaveOneOut):
    """Never returns."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        CLOCK.sleep(1000)
        raise AssertionError


class Exits(LeaveOneOut):
    """Ends the process."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        sys.exit(3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Shape(), "where the parameter is"),
        (NotANumber(), "NaN"),
        (Sleeps(), "did not return within 1 seconds"),
        (Exits(), "SystemExit"),
        (contract.ParametersInPlace(), "in place"),
        (contract.Raises(), "ZeroDivisionError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_fault_is_named_with_file_and_line(wrong: Estimator, said: str) -> None:
    verdict = judge(wrong, [BIT], budget=3, clock=CLOCK)
    assert verdict.verdict == "wrong"
    faults = [ruling.detail for ruling in verdict.laws if ruling.status in BROKEN]
    assert any(said in fault for fault in faults), faults
    assert all(re.search(rf"{Path(inspect.getfile(type(wrong))).name}:\d+", fault) for fault in faults), faults
