"""Every refusal of the product of estimators, problems and numbers of draws: a reason, and a remedy that fits."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.distributions import Cauchy, Distribution, Independent, MultivariateNormal

from gradmark.benchmarks import problems, specs
from gradmark.benchmarks.errors import one_line, reason_of
from gradmark.benchmarks.studies import measure
from gradmark.estimators import ReparameterizationAnalyticKL, ScoreFunction
from gradmark.estimators.core import Estimator, LatentVariableModel, Params, Problem
from gradmark.estimators.divergences import NoClosedForm
from tests.cases.full_covariance import Regression

ESTIMATORS: list[Estimator] = [specs.estimator(f"{name}()") for name in specs.catalogue("estimator")]
LARGE = (
    "GaussianVAE",
    "BernoulliVAE",
    "NonlinearBernoulliVAE",
    "FixedPriorBernoulliVAE",
    "NonlinearFixedPriorBernoulliVAE",
)
OF_A_PROBLEM = ("Minibatch", "ValueBaseline")
TEXTS = [f"{name}()" for name in problems.__all__ if name not in (*LARGE, *OF_A_PROBLEM)]
SMALL = [
    "Minibatch(problem=GaussianVAE(rows=8, hidden=4), size=4)",
    "GaussianVAE(rows=4, hidden=4)",
    "ValueBaseline(problem=TabularMDP())",
    "BernoulliVAE(rows=4)",
    "BernoulliVAE(rows=4, latents=40)",
    "CategoricalToy(latents=20)",
]
PROBLEMS: list[Problem] = [
    *(specs.problem(text) for text in TEXTS + SMALL),
    *(Regression(q, prior) for q in ("full", "lowrank", "zero") for prior in ("independent", "full")),
]
DRAWS = (1, 2, 3, 4)
ACTION = re.compile(r"\b(use|pass|write|add)\b")


def fault_of(reason: str, problem: Problem, num_samples: int) -> str | None:
    """What is wrong with a refusal, or None."""
    if not reason.strip() or "None" in reason or "\n" in reason or len(reason) >= 300:
        return f"{len(reason)} characters: {reason!r}"
    remedy = reason.rpartition("; ")[2]
    if not ACTION.search(remedy):
        return f"no remedy: {reason!r}"
    for name, said in re.findall(r"(\w+)\(\)((?: with two draws or more)?)", remedy):
        if name in specs.names("problem"):
            continue
        again = specs.estimator(f"{name}()").refuses(problem.template, max(num_samples, 2) if said else num_samples)
        if again is not None:
            return f"{reason!r} names {name}(), which says {again!r}"
    return None


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_every_refusal_has_a_reason_and_a_remedy_that_fits(problem: Problem) -> None:
    refusals = [
        (estimator, count, reason)
        for estimator in ESTIMATORS
        for count in DRAWS
        if (reason := estimator.refuses(problem.template, count)) is not None
    ]
    assert refusals
    faults = [(str(e), n, fault) for e, n, reason in refusals if (fault := fault_of(reason, problem.template, n))]
    assert faults == []


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "there is no oracle: None; use LeaveOneOut() with two draws or more",
        "z is discrete; use Reparameterization()",
        "z is discrete; use LeaveOneOut()",
        "z is discrete",
    ],
)
def test_a_refusal_can_fail(reason: str) -> None:
    assert fault_of(reason, specs.problem("BernoulliToy()"), 1)


PAIRS = {
    ("full", "independent"): "torch has no closed-form KL of MultivariateNormal to Independent(Normal)",
    ("lowrank", "independent"): "torch has no closed-form KL of LowRankMultivariateNormal to Independent(Normal)",
    ("zero", "independent"): "torch has no closed-form KL of LowRankMultivariateNormal to Independent(Normal)",
}


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_pair_without_a_closed_form_is_refused(pair: tuple[str, str]) -> None:
    reason = ReparameterizationAnalyticKL().refuses(Regression(*pair), 1) or ""
    assert PAIRS[pair] in reason
    assert reason.endswith("use Reparameterization()")
    summary = measure.measure(str(Regression(*pair)), "ReparameterizationAnalyticKL()", replicates=8)
    assert (summary["status"], summary["reason"]) == ("refused", reason)


@pytest.mark.parametrize("q", ["full", "lowrank"])
def test_a_pair_with_a_closed_form_is_measured_right(q: str) -> None:
    summary = measure.measure(str(Regression(q, "full")), "ReparameterizationAnalyticKL()", replicates=4096)
    assert summary["status"] == "measured"
    assert summary["bias"]["verdict"] == "unbiased"


@dataclass(frozen=True)
class CauchyInside(Regression):
    """q and the prior are both independent, and torch has no KL of what is inside."""

    def distribution(self, params: Params) -> Distribution:
        cauchy = Cauchy(params["loc"], params["log_diagonal"].exp(), validate_args=False)
        return Independent(cauchy, 1, validate_args=False)


@dataclass(frozen=True)
class OtherDimension(Regression):
    """A prior of three coordinates, of which torch's KL says that it does not fit."""

    def prior(self, params: Params) -> Distribution:
        zero = params["loc"].new_zeros(3)
        return MultivariateNormal(zero, torch.eye(3).to(zero), validate_args=False)


@dataclass(frozen=True)
class OwnClosedForm(Regression):
    """A pair that torch has no KL for, with the KL written out."""

    def cost_analytic_kl(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        written: LatentVariableModel = Regression(self.q, "full")
        return written.cost_analytic_kl(params, z, q)


def test_a_pair_is_asked_for_what_it_is_made_of() -> None:
    """torch has no KL of a Cauchy to a Gaussian: the pair of Independent around them is registered all the same."""
    reason = ReparameterizationAnalyticKL().refuses(CauchyInside(), 1) or ""
    assert "torch has no closed-form KL of Independent(Cauchy) to Independent(Normal); use" in reason


def test_a_registered_pair_that_raises_is_refused() -> None:
    reason = ReparameterizationAnalyticKL().refuses(OtherDimension(), 1) or ""
    assert (
        "the KL of MultivariateNormal to MultivariateNormal cannot be computed at init (KL-divergence between" in reason
    )
    assert fault_of(reason, OtherDimension(), 1) is None


def test_a_model_may_bring_a_closed_form_of_its_own() -> None:
    assert ReparameterizationAnalyticKL().refuses(OwnClosedForm(), 1) is None


def test_the_cost_itself_says_what_is_missing() -> None:
    problem = Regression()
    params = problem.init()
    q = problem.distribution(params)
    with pytest.raises(NoClosedForm, match=r"MultivariateNormal to Independent.*register_kl"):
        problem.cost_analytic_kl(params, q.sample(), q)


@dataclass(frozen=True)
class GivesNoReason(ScoreFunction):
    """Refuses without a reason."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return " \n"


@dataclass(frozen=True)
class SaysFalse(ScoreFunction):
    """Returns something that is not text."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return False  # type: ignore[return-value]


def test_a_refusal_of_anybody_has_a_reason() -> None:
    found = measure.measure("GaussianToy()", f"{__name__}.GivesNoReason()", replicates=8)
    assert found["status"] == "refused"
    assert found["reason"] == f"{__name__}.GivesNoReason() refuses, and gives no reason"
    found = measure.measure("GaussianToy()", f"{__name__}.SaysFalse()", replicates=8)
    assert found["status"] == "failed"
    assert "returned bool; must be None, or the reason as text" in found["reason"]
    assert reason_of("it", "two\nlines") == "two lines"


class Silent(Exception):
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("fault", [NotImplementedError(), ValueError(""), ValueError("\n"), Silent(), KeyError()])
def test_an_exception_without_text_gives_its_type_and_line(fault: Exception) -> None:
    try:
        raise fault
    except Exception as caught:
        line = one_line(caught)
    assert line.startswith(type(fault).__name__)
    assert re.search(r": \(.+\) \(test_refusals\.py:\d+\)$", line)
