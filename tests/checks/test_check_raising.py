"""An estimator that raises, a check that raises, and an estimator that refuses instead; how the result is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.api import (
    gradient_has_the_form_of_the_parameters,
    gradient_is_finite,
    state_keeps_its_form,
)
from gradmark.benchmarks.checks.report import CheckReport, headline, sentence
from gradmark.benchmarks.checks.results import CheckResult, check, passed
from gradmark.benchmarks.checks.runner import run_checks
from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy, GaussianToy, LinearGaussian, Minibatch, StepToy
from gradmark.benchmarks.training.solvers import Adam
from gradmark.estimators import LeaveOneOut, Reparameterization, ScoreFunction
from gradmark.estimators.core import Estimate, Estimator, Params, Problem, State

PATIENCE = 3600.0  # seconds, however busy the machine is
SUITE_CASES = [Case(problem, "init", num_samples=(1, 2)) for problem in (StepToy(), BernoulliToy(), CategoricalToy())]


@dataclass(frozen=True)
class NeedsMore(ScoreFunction):
    """Right, where it does not raise."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        if isinstance(problem, StepToy):
            torch.autograd.grad(problem.cost(params, torch.ones(1, 1), problem.distribution(params)), params["loc"])
        if isinstance(problem, CategoricalToy):
            problem.distribution(params).rsample()
        return super().surrogate(problem, params, state, num_samples)


def test_every_case_is_tried_and_each_exception_is_one_line() -> None:
    report = run_checks(NeedsMore(), SUITE_CASES, budget=PATIENCE)
    assert report.status == "failed"
    raised = [result for result in report.checks if result.status == "raised"]
    assert [result.where for result in raised] == ["StepToy() at init", "CategoricalToy() at init"]
    assert [(result.exception or "").partition(" ")[0] for result in raised] == ["RuntimeError", "NotImplementedError"]
    for result in raised:
        assert "test_check_raising.py:" in (result.exception or "")
        assert (
            "handle it, or declare requires = (DifferentiableCost(), Reparameterizable()); it was raised on 2 cases"
            in result.detail
        )
    assert not [result for result in report.checks if result.status == "failed"]
    assert {each.where for each in report.checks if each.check == "expectation_is_exact"} == {"BernoulliToy() at init"}
    said = sentence(report)
    assert "failed: it raises RuntimeError, and 1 more" in said
    assert "biased" not in said
    assert said.count("handle it") == 2


@dataclass(frozen=True)
class Asks(ScoreFunction):
    """Asks for something that a problem or its q may not have."""

    what: str = "mean"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        {
            "mean": lambda: torch.distributions.Distribution.mean.fget(q),  # type: ignore[attr-defined]
            "model": lambda: problem.log_joint(params, q.sample()),  # type: ignore[attr-defined]
            "Gaussians": lambda: q.base_dist.loc,  # type: ignore[attr-defined]
            "sites": lambda: q.log_prob_by_site(q.sample()),  # type: ignore[attr-defined]
            "something": lambda: {}["else"],
        }[self.what]()
        return super().surrogate(problem, params, state, num_samples)


@pytest.mark.parametrize(
    ("what", "remedy"),
    [
        ("mean", "declare requires = (KnownMean(),)"),
        ("model", "declare requires = (ELBO(),)"),
        ("Gaussians", "declare requires = (GaussianFactors(),)"),
        ("sites", "declare requires = (Stages(), CostInTerms())"),
        ("something", "handle it, or declare requires = (a Requirement of your own)"),
    ],
)
def test_the_requirement_that_refuses_is_named(what: str, remedy: str) -> None:
    result = gradient_is_finite(EstimatorCase(Asks(what), Case(BernoulliToy(), "init"), 1))
    assert (result.status, result.failed) == ("raised", True)
    assert remedy in result.detail


# What a check raises by itself


@dataclass(frozen=True)
class OracleRaises(GaussianToy):
    """A problem whose oracle does not come."""

    def exact(self, params: Params) -> Tensor:
        raise NotImplementedError("not today")


@check
def check_with_a_fault(case: EstimatorCase) -> CheckResult:
    """A check that estimates, and then divides by zero."""
    case.estimate(case.params((2,)))
    return passed(1 / 0)


@dataclass(frozen=True)
class RaisesDeep(LeaveOneOut):
    """Raises in torch, below a function of this module."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        return _deep(params), state


def _deep(params: Params) -> Tensor:
    return torch.ones(2, 3) @ torch.ones(2, 3) + params["loc"]


class OtherSignature(LeaveOneOut):
    """Its `estimate` cannot be called as checks call it."""

    def estimate(self, problem: Problem) -> Estimate:  # type: ignore[override]
        raise AssertionError


def test_what_a_check_raises_is_not_the_estimators_fault() -> None:
    gaussian = Case(GaussianToy(), "init")
    result = check_with_a_fault(EstimatorCase(ScoreFunction(), gaussian, 1))
    assert result.status == "skipped"
    assert "the check itself raised" in result.detail
    assert "ZeroDivisionError: division by zero" in result.detail
    report = run_checks(Reparameterization(), [Case(OracleRaises(), "init", num_samples=(1,))], budget=PATIENCE)
    assert report.status == "inconclusive"
    assert any("NotImplementedError: not today" in result.detail for result in report.checks)
    for estimator in (RaisesDeep(), OtherSignature()):
        assert check_with_a_fault(EstimatorCase(estimator, gaussian, 2)).status == "raised"


class NoGradient(LeaveOneOut):
    """Returns something else."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        return None  # type: ignore[return-value]


class Numbers(LeaveOneOut):
    """Returns numbers that are not tensors."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        return Estimate(dict.fromkeys(params, 0.0), state)  # type: ignore[arg-type]


class NumberAsState(LeaveOneOut):
    """Its state is a number."""

    def init(self, problem: Problem, params: Params) -> State:
        return 1.0


@pytest.mark.parametrize(
    ("estimator", "check", "said"),
    [
        (NoGradient(), gradient_has_the_form_of_the_parameters, "returned a NoneType"),
        (Numbers(), gradient_has_the_form_of_the_parameters, "the gradient is a float"),
        (NumberAsState(), state_keeps_its_form, "a float; it must be a tensor"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_estimate_still_fails(
    estimator: Estimator, check: Callable[[EstimatorCase], CheckResult], said: str
) -> None:
    result = check(EstimatorCase(estimator, Case(GaussianToy(), "init"), 2))
    assert (result.status, said in result.detail) == ("failed", True), result


# An estimator that refuses minibatches


@dataclass(frozen=True)
class AllRows(ScoreFunction):
    """Takes all rows only."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return "it needs all rows; use ScoreFunction()" if problem.partial else None


def test_refuses_can_see_a_minibatch() -> None:
    whole = LinearGaussian(latents=1, observed=2, rows=3)
    part = Minibatch(whole, size=2)
    assert EstimatorCase(AllRows(), Case(whole), 1).refusal is None
    assert EstimatorCase(AllRows(), Case(part), 1).refusal == "it needs all rows; use ScoreFunction()"
    assert Adam(AllRows()).refuses(whole) is None
    assert Adam(AllRows()).refuses(part) == "it needs all rows; use ScoreFunction()"
    assert EstimatorCase(ScoreFunction(), Case(part), 1).refusal is None
    refused = run_checks(AllRows(), [Case(part, num_samples=(1,))], budget=PATIENCE)
    assert refused.checks[0].detail == "it needs all rows; use ScoreFunction()"


# How the result is said


def test_the_result_is_one_line_of_80_columns() -> None:
    long = "my.very.long.package.name.module.Estimator(with_a_field=0.125, and_another='name', of=LeaveOneOut())"
    report = replace(run_checks(NeedsMore(), SUITE_CASES[:2], budget=PATIENCE), estimator=long)
    assert len(headline(report)) <= 80
    assert headline(report).startswith("my.")
    assert "failed: it raises RuntimeError (" in headline(report)
    assert long in sentence(report)


def test_a_report_demands_with_its_sentence() -> None:
    report = run_checks(LeaveOneOut(), [Case(BernoulliToy(), "init", num_samples=(2,))], budget=PATIENCE)
    report.demand()
    means = [result for result in report.checks if result.check == "expectation_is_exact"]
    gradient = 0.21 * 0.1  # p (1 − p) (1 − 2 target), with p = .3 and target .45
    assert means[0].relative == pytest.approx((means[0].smallest_detectable or 0.0) / gradient)
    wrong = replace(means[0], status="failed", error=0.5, coordinate="logits[0]", detail="off")
    with pytest.raises(AssertionError, match=r"LeaveOneOut\(\) failed: its mean is off .* in logits\[0\] by 0\.5: off"):
        replace(report, status="failed", checks=(wrong,)).demand()
    with pytest.raises(AssertionError, match="inconclusive"):
        CheckReport("X()", "unbiased", "inconclusive", 0.0, ()).demand()


def test_an_inconclusive_report_says_why_the_mean_was_not_checked() -> None:
    results = tuple(
        CheckResult("skipped", detail, check=check, problem="LinearGaussian()", at="init", num_samples=1)
        for check, detail in [
            ("draws_are_distinct", "no matter for the mean"),
            ("mean_of_many_is_exact", "1000 estimates would take long; " * 20),
            ("expectation_is_exact", "too many draws"),
        ]
    )
    said = sentence(CheckReport("X()", "unbiased", "inconclusive", 0.0, results))
    assert said.startswith("X() is inconclusive: its mean could not be checked (0 s). Why: 1000 estimates would take")
    assert said.endswith("too many draws.")
    assert "no matter" not in said
    assert len(said) < 300
