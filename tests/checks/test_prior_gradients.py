"""The check that the cost's parameters are reached, against an estimator and a problem that forget the prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest
from torch import Tensor
from torch.distributions import Distribution

from gradmark.benchmarks.checks import Case, EstimatorCase, mean_is_exact
from gradmark.benchmarks.checks.missing_gradients import cost_reaches_its_parameters
from gradmark.benchmarks.checks.problems import every_parameter_matters
from gradmark.benchmarks.experiments import FixedPrior
from gradmark.benchmarks.problems import (
    BernoulliVAE,
    CategoricalMixture,
    FixedPriorBernoulliVAE,
    GaussianMixture,
    GaussianToy,
    SigmoidBeliefNetwork,
)
from gradmark.estimators import LeaveOneOut
from gradmark.estimators.core import LatentVariableModel, Params, Problem, State, SurrogateEstimator, detached

LEARNED = {
    "prior_logits": Case(BernoulliVAE(latents=2, rows=3)),
    "logits": Case(GaussianMixture(components=2, observed=1, rows=3)),
}


@dataclass(frozen=True)
class ForgetsThePrior(SurrogateEstimator):
    """Leave-one-out with log p(z) held constant in θ: right in q and in the decoder."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        model, q = cast(LatentVariableModel, problem), problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        log_p = model.prior(params).log_prob(z) * model.latent_weight
        cost = cost + log_p - log_p.detach()
        others = (cost.sum(0) - cost) / (num_samples - 1)
        return ((cost - others).detach() * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class PriorHeldStill(BernoulliVAE):
    """Has a prior with parameters, and does not differentiate it."""

    def prior(self, params: Params) -> Distribution:
        return super().prior(detached(params))


@pytest.mark.parametrize("name", LEARNED)
def test_an_estimator_that_forgets_the_prior_is_found(name: str) -> None:
    right, wrong = (EstimatorCase(estimator, LEARNED[name], 2) for estimator in (LeaveOneOut(), ForgetsThePrior()))
    assert cost_reaches_its_parameters(right).status == "passed"
    result = cost_reaches_its_parameters(wrong)
    assert result.failed
    assert result.coordinate == name
    assert mean_is_exact(wrong).failed  # where there is an oracle the check of the mean sees it too


def test_a_problem_that_holds_its_prior_still_is_found() -> None:
    result = every_parameter_matters(Case(PriorHeldStill(latents=2, rows=3)))
    assert result.failed
    assert result.coordinate == "prior_logits"


def test_priors_with_parameters_and_without_are_both_tried() -> None:
    for problem in (BernoulliVAE(rows=2), SigmoidBeliefNetwork(rows=2), CategoricalMixture(rows=2)):
        assert {"prior_logits", "logits"} & set(problem.init())
    assert "prior_logits" not in FixedPriorBernoulliVAE(rows=2).init()
    assert cost_reaches_its_parameters(EstimatorCase(LeaveOneOut(), Case(GaussianToy()))).status == "skipped"


def test_a_fixed_prior_costs_log_p_and_a_learned_one_is_the_mean_posterior() -> None:
    tables = FixedPrior(problem=BernoulliVAE(latents=2, rows=16), steps=50, starts=2).run(0)
    fits = {(row["fit"], row["prior"]): row for row in tables["fits"]}
    learned, fixed = (fits["maximum likelihood", prior] for prior in ("learned", "fixed"))
    assert learned["mismatch"] < 0.01 < 0.1 < fixed["mismatch"]
    assert learned["log_evidence"] > fixed["log_evidence"]
    assert all(row["prior_says"] == 0.5 for row in tables["latents"] if row["prior"] == "fixed")


def test_refusals() -> None:
    for problem in (FixedPriorBernoulliVAE(), GaussianToy(), BernoulliVAE(latents=13)):
        assert "use BernoulliVAE(latents=5)" in (FixedPrior(problem=problem).refuses() or "")
