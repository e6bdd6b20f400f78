"""Right estimators on problems that others wrote are not called wrong, and wrong ones still are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.independence import seeds_decide
from gradmark.benchmarks.checks.properties import draws_are_distinct, order_changes_nothing
from gradmark.benchmarks.checks.report import CheckReport
from gradmark.benchmarks.checks.results import BROKEN
from gradmark.benchmarks.checks.runner import CONTRACT, run_checks
from gradmark.benchmarks.checks.shared_draws import draws_are_not_shared
from gradmark.benchmarks.problems import (
    BayesianGaussianMixture,
    CategoricalToy,
    ContextualBandit,
    LinearGaussian,
    StepToy,
    TabularMDP,
)
from gradmark.estimators import LeaveOneOut, MovingAverageBaseline, Reparameterization, ScoreFunction
from gradmark.estimators.core import Estimator, Params, Problem, State
from tests.cases import bound_of_the_losses, mixed_q, mixture_q
from tests.cases.handwritten import Codes, Matrix, Rare
from tests.cases.scalar_parameters import AlwaysOne, ScalarGaussian
from tests.cases.thousand_categories import Vocabulary

PATIENCE = 3600.0  # seconds, however busy the machine is
OF_FORM = {check.__name__ for check in CONTRACT} | {"order_changes_nothing", "draws_are_distinct"}
MIXTURE = BayesianGaussianMixture(components=2, observed=1, rows=3, shape=3.0)


def report_on(estimator: Estimator, problem: Problem, *counts: int) -> CheckReport:
    """The report of `check --against`, at the initial parameters only."""
    return run_checks(estimator, [Case(problem, "init", num_samples=counts)], budget=PATIENCE)


@pytest.mark.parametrize(
    ("estimator", "problem"),
    [
        (LeaveOneOut(), CategoricalToy()),  # four draws of four categories
        (ScoreFunction(), MIXTURE),
        (ScoreFunction(), ContextualBandit()),
        (LeaveOneOut(), TabularMDP()),
        (LeaveOneOut(), mixture_q.MixtureQ()),
        (LeaveOneOut(), Codes(rows=7)),
        (ScoreFunction(), Vocabulary()),
        (LeaveOneOut(), Rare()),
    ],
    ids=str,
)
def test_checks_of_form_accept(estimator: Estimator, problem: Problem) -> None:
    """All but those of the mean, which take longest."""
    checks = run_checks(estimator, [Case(problem, "init", num_samples=(4,), mean=False)], budget=PATIENCE).checks
    assert [result for result in checks if result.status in BROKEN] == []
    assert {result.check for result in checks} >= OF_FORM


@pytest.mark.parametrize(
    ("estimator", "problem"),
    [
        (ScoreFunction(), StepToy()),
        (ScoreFunction(), mixed_q.Bare()),
        (ScoreFunction(), mixed_q.Full()),
        (mixed_q.Mixed(), mixed_q.Bare()),
        (Reparameterization(), ScalarGaussian()),
        (LeaveOneOut(), AlwaysOne()),
        (MovingAverageBaseline(), Codes(rows=1)),
        (Reparameterization(), Matrix()),
        (ScoreFunction(), Matrix()),
    ],
    ids=str,
)
def test_right_is_right(estimator: Estimator, problem: Problem) -> None:
    report_on(estimator, problem, 1, 2).demand()


@pytest.mark.parametrize("estimator", [LeaveOneOut(), Reparameterization()], ids=str)
def test_no_check_stumbles_over_scalars(estimator: Estimator) -> None:
    results = run_checks(estimator, [Case(ScalarGaussian(), "init", num_samples=(2,))], budget=PATIENCE).checks
    assert [result for result in results if "the check itself raised" in result.detail] == []


def test_the_weights_of_a_mixture_need_their_gradient() -> None:
    wrong = report_on(mixture_q.Gathered(), mixture_q.MixtureQ(), 1)
    failed = next(result for result in wrong.checks if result.status == "failed")
    assert (failed.check, (failed.coordinate or "")[:6]) == ("expectation_is_exact", "logits")
    found = EstimatorCase(LeaveOneOut(), Case(mixture_q.MixtureQ(), "init"), 2).exact()
    assert found is not None
    for name, value in mixture_q.right().items():
        np.testing.assert_allclose(found[name], value, rtol=1e-12)


ONE_LATENT = LinearGaussian(latents=1, observed=2, rows=3)


@pytest.mark.parametrize("bound", [bound_of_the_losses.OfLosses(), bound_of_the_losses.RowsBeforeLog()], ids=str)
def test_a_wrong_bound_is_rejected(bound: Estimator) -> None:
    assert report_on(bound, ONE_LATENT, 2).status == "failed"


def test_a_constant_in_a_bound_is_no_fault() -> None:
    report_on(bound_of_the_losses.WithoutLogK(), ONE_LATENT, 2).demand()


# What a check became blind to must still be seen


@dataclass(frozen=True)
class FirstDrawCountsTwice(LeaveOneOut):
    """The order matters, and nothing else is wrong."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, q).detach()
        return ((cost * q.log_prob(z)).sum(0) + cost[0] * q.log_prob(z[0])) / (num_samples + 1), state


@dataclass(frozen=True)
class OneDrawTwice(ScoreFunction):
    """Every draw is handed to the cost twice."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,)).repeat_interleave(2, 0)
        cost = problem.cost(params, z, q).detach()
        return (cost * q.log_prob(z)).mean(0), state


@dataclass(frozen=True)
class DrawOfTheFirstReplicate(ScoreFunction):
    """Every replicate draws, and sees what the first one drew."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        z = z[:, :1].expand_as(z)
        cost = problem.cost(params, z, q).detach()
        return (cost * q.log_prob(z)).mean(0), state


@dataclass(frozen=True)
class OneDrawForAllReplicates(ScoreFunction):
    """One draw is made, for all replicates."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        alone = problem.distribution({name: value[:1] for name, value in params.items()})
        z = alone.sample((num_samples,)).expand(num_samples, *q.batch_shape, *q.event_shape)
        cost = problem.cost(params, z, q).detach()
        return (cost * q.log_prob(z)).mean(0), state


@pytest.mark.parametrize("problem", [CategoricalToy(), ContextualBandit(), mixture_q.MixtureQ(), Codes()], ids=str)
def test_order_that_matters_is_seen(problem: Problem) -> None:
    assert order_changes_nothing(EstimatorCase(FirstDrawCountsTwice(), Case(problem, "init"), 4)).failed
    assert order_changes_nothing(EstimatorCase(LeaveOneOut(), Case(problem, "init"), 4)).status == "passed"


@pytest.mark.parametrize("problem", [mixed_q.Bare(), Matrix()], ids=str)
def test_draws_that_are_used_twice_are_seen_without_a_support(problem: Problem) -> None:
    assert draws_are_distinct(EstimatorCase(OneDrawTwice(), Case(problem, "init"), 2)).failed
    assert draws_are_distinct(EstimatorCase(ScoreFunction(), Case(problem, "init"), 2)).status == "passed"


def test_a_rare_event_is_not_a_shared_draw() -> None:
    result = seeds_decide(EstimatorCase(ScoreFunction(), Case(Rare(), "init"), 2))
    assert result.status == "skipped"
    assert "none has met a rare event" in result.detail


@pytest.mark.parametrize("problem", [CategoricalToy(), Matrix(), Codes(), Rare()], ids=str)
def test_draws_that_are_shared_are_seen(problem: Problem) -> None:
    alone = EstimatorCase(OneDrawForAllReplicates(), Case(problem, "init"), 2)
    assert seeds_decide(alone).failed
    assert draws_are_not_shared(EstimatorCase(DrawOfTheFirstReplicate(), Case(problem, "init"), 2)).failed
    assert not draws_are_not_shared(EstimatorCase(ScoreFunction(), Case(problem, "init"), 2)).failed


def test_rows_and_draws_as_many_as_replicates() -> None:
    for count in (3, 4, 5):
        assert (
            order_changes_nothing(EstimatorCase(LeaveOneOut(), Case(Codes(rows=count), "init"), count)).status
            == "passed"
        )
    assert torch.equal(Codes().cost(Codes().init(), torch.tensor([[2]]), None), torch.tensor([2.0]).double())  # type: ignore[arg-type]
