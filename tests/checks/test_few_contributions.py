"""Means whose variance a few replicates carry are not judged; all others are, with the power that is promised.

Each count is over 40 fixed seeds. At the level of .00005 a right mean is rejected in 40 of them with probability .002.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from torch import Tensor
from torch.distributions import Independent, Normal

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.mean_by_monte_carlo import mean_by_monte_carlo
from gradmark.benchmarks.checks.scores import seen_by
from gradmark.benchmarks.problems import BernoulliToy, GaussianToy, LinearGaussian
from gradmark.benchmarks.trust.few_contributions import DISTRIBUTIONS, count
from gradmark.estimators import LeaveOneOut, ScoreFunction
from gradmark.estimators.core import Params, Problem, State, SurrogateEstimator
from tests.controls.wrong import score_function

KNOWN = {each.name: each for each in DISTRIBUTIONS}
SEEDS = 40
mean_of_many = mean_by_monte_carlo()


@dataclass(frozen=True)
class Elsewhere(SurrogateEstimator):
    """The score function from draws that lie `shift` standard deviations away, weighed by q over their density."""

    shift: float = 2.39  # of 303 draws one is effective
    forgets: float = 0.0  # this part of the cost's mean: a wrong one, to see that the check sees it

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        loc, scale = q.mean.detach(), q.stddev.detach()
        other = Independent(Normal(loc + self.shift * scale, scale, validate_args=False), 1, validate_args=False)
        z = other.sample((num_samples,))
        log_q = q.log_prob(z)
        weight = (log_q - other.log_prob(z)).exp().detach()
        cost = problem.cost(params, z, q) * (1 - self.forgets)
        return (weight * (cost.detach() * log_q + cost)).mean(0), state


@pytest.mark.parametrize(
    "name",
    [
        "importance weights, proposal 0.6 as wide",
        "importance weights, 1 in 303 effective",
        "log-normal, σ = 4",
        "Pareto, tail index 1.2",
        "rare event, 1 expected",
    ],
)
def test_a_right_mean_with_few_contributions_is_not_rejected(name: str) -> None:
    found = count(KNOWN[name], SEEDS)
    assert found.rejected == 0
    assert found.tested < SEEDS / 4


def test_without_the_rule_right_means_are_rejected() -> None:
    """The negative control: the same seeds, where nothing is asked of the contributions."""
    assert sum(count(KNOWN[name], SEEDS).without for name in ("log-normal, σ = 4", "rare event, 1 expected")) > 5


@pytest.mark.parametrize("name", ["normal", "exponential", "score function, quadratic"])
def test_an_ordinary_mean_is_tested_and_a_visible_bias_is_seen(name: str) -> None:
    """The power is .9; in 40 seeds it is seen less than 29 times with probability 5e-4."""
    found = count(KNOWN[name], SEEDS)
    assert (found.tested, found.rejected) == (SEEDS, 0)
    assert found.seen >= 29


@pytest.mark.parametrize("seed", range(3))
def test_importance_weights_are_not_rejected(seed: int) -> None:
    result = mean_by_monte_carlo(seed=seed)(EstimatorCase(Elsewhere(), Case(GaussianToy(), "init"), 1))
    assert result.status == "skipped", result
    assert "carry the variance" in result.detail


def test_mild_importance_weights_are_judged() -> None:
    on = Case(GaussianToy(function="cos", k=2.0, loc=0.4, scale=0.7), "init")
    assert mean_of_many(EstimatorCase(Elsewhere(shift=0.3), on, 1)).status == "passed"
    assert mean_of_many(EstimatorCase(Elsewhere(shift=0.3, forgets=0.1), on, 1)).status == "failed"


@pytest.mark.parametrize("estimator", [ScoreFunction(), LeaveOneOut()], ids=str)
def test_an_event_that_no_draw_has_seen_rejects_no_estimator(estimator: SurrogateEstimator) -> None:
    """At p = 1e-7 the logit's gradient is the same in every replicate, or has the other bit's noise only."""
    result = mean_of_many(EstimatorCase(estimator, Case(BernoulliToy(probs=(1e-7, 0.3)), "init"), 2))
    assert result.status == "passed", result
    assert "1 of 2 coordinates cannot be tested: hardly any draw has met" in result.detail


def test_a_wrong_gradient_beside_an_unseen_event_is_rejected() -> None:
    result = mean_of_many(
        EstimatorCase(score_function.SumOverDraws(), Case(BernoulliToy(probs=(1e-7, 0.3)), "init"), 2)
    )
    assert result.status == "failed", result
    assert result.coordinate == "logits[1]"


def test_a_parameter_of_the_cost_alone_is_seen() -> None:
    on = Case(LinearGaussian(latents=1, observed=2, rows=2))
    assert seen_by(on, 2**12, 1e-3, 0).all()
    rare = Case(BernoulliToy(probs=(1e-6, 0.3)), "init")
    assert seen_by(rare, 2**12, 1e-3, 0).tolist() == [False, True]
