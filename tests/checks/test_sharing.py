"""The check that no two replicates share a draw, over controls whose mean is right and over code that draws oddly."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.independence import replicates_are_independent, seeds_decide
from gradmark.benchmarks.checks.mean_by_monte_carlo import mean_by_monte_carlo
from gradmark.benchmarks.checks.shared_draws import NUMBERS, alterations, draws_are_not_shared
from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy, GammaPosterior, GaussianToy, LinearGaussian
from gradmark.benchmarks.quadrature.replay import Recorded
from gradmark.estimators import ExactGradient, ImplicitReparameterization, Reparameterization, ScoreFunction
from gradmark.estimators.core import Params, Problem, State, detached, replicate_axes
from tests.controls.control import Control
from tests.controls.wrong.pathwise import MirroredBetweenReplicates, NoiseOfHalfTheReplicates
from tests.controls.wrong.score_function import StratifiedOverReplicates

GAUSSIAN = Case(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init")
BIT = Case(BernoulliToy(probs=(0.3,)), "init")
MODEL = Case(LinearGaussian(latents=2, observed=3, rows=3))
SHARING_CONTROLS = [
    Control(NoiseOfHalfTheReplicates(), (draws_are_not_shared,), Reparameterization(), GAUSSIAN),
    Control(NoiseOfHalfTheReplicates(), (draws_are_not_shared,), Reparameterization(), MODEL),
    Control(MirroredBetweenReplicates(), (draws_are_not_shared,), Reparameterization(), GAUSSIAN),
    Control(StratifiedOverReplicates(), (draws_are_not_shared,), ScoreFunction(), BIT, num_samples=1),
]


@pytest.mark.parametrize("control", SHARING_CONTROLS, ids=lambda control: f"{control}-{control.on}")
def test_control_is_rejected_and_its_right_neighbour_is_not(control: Control) -> None:
    control.demand()


@pytest.mark.parametrize("control", SHARING_CONTROLS[::2], ids=str)
def test_other_checks_do_not_see_it(control: Control) -> None:
    for check in (replicates_are_independent, seeds_decide, mean_by_monte_carlo()):
        assert check(control.case(control.wrong)).status == "passed"


@dataclass(frozen=True)
class Shuffled(ScoreFunction):
    """Right: deals the draws out to the replicates in a random order."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))[:, torch.randperm(replicate_axes(problem, params)[0])]
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        return (cost.detach() * q.log_prob(z) + cost).mean(0), state


@pytest.mark.parametrize(
    "case",
    [
        EstimatorCase(Shuffled(), GAUSSIAN),
        EstimatorCase(Shuffled(), BIT),
        EstimatorCase(ImplicitReparameterization(), Case(GammaPosterior())),
    ],
    ids=str,
)
def test_odd_but_right_draws_pass(case: EstimatorCase) -> None:
    assert draws_are_not_shared(case).status == "passed"


def test_nothing_drawn_is_declined() -> None:
    assert draws_are_not_shared(EstimatorCase(ExactGradient(), MODEL)).status == "skipped"


def test_alterations_are_of_one_number_each_and_stay_in_the_support() -> None:
    with Recorded() as recorded:
        torch.bernoulli(torch.full((40,), 0.5))
        torch.randint(3, (5, 7))
        torch.randn(())
    flat = torch.cat([out.flatten().double() for _, out in recorded.draws])
    found = [torch.cat([out.flatten().double() for _, out in draws]) for draws in alterations(recorded.draws)]
    assert len(found) == NUMBERS
    assert all((each != flat).sum() <= 1 for each in found)
    assert sum(int((each != flat).sum()) for each in found) == NUMBERS
    assert all(set(each[:40].tolist()) <= {0.0, 1.0} for each in found)
    assert all(set(each[40:75].tolist()) <= {0.0, 1.0, 2.0} for each in found)


def test_shared_by_categories_too() -> None:
    @dataclass(frozen=True)
    class OneDrawForThree(ScoreFunction):
        """Every third replicate draws, and its neighbours see the same."""

        def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
            q = problem.distribution(params)
            z = q.sample((num_samples,))
            z = z[:, torch.arange(z.shape[1]) // 3 * 3]
            cost = problem.cost(params, z, problem.distribution(detached(params)))
            return (cost.detach() * q.log_prob(z) + cost).mean(0), state

    for on in (
        Case(CategoricalToy()),
        Case(GaussianToy(), "init"),
        Case(BernoulliToy(), "init"),
        Case(LinearGaussian(rows=2)),
    ):
        result = draws_are_not_shared(EstimatorCase(OneDrawForThree(), on, 2))
        assert result.failed
        assert "0, 1, 2" in result.detail or "3, 4, 5" in result.detail
