"""Declared properties, and checks that later bugs asked for: each rejects a control, and passes its neighbour."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import pytest
from torch import Tensor
from torch.distributions import Distribution

from gradmark.benchmarks.checks import PROPERTIES, Case, EstimatorCase
from gradmark.benchmarks.checks.api import gradient_is_finite
from gradmark.benchmarks.checks.exact_moments import expectation_is_exact
from gradmark.benchmarks.checks.missing_gradients import cost_reaches_its_parameters
from gradmark.benchmarks.checks.precision import draws_have_digits_enough, single_precision_is_enough
from gradmark.benchmarks.checks.properties import order_changes_nothing, properties_are_known
from gradmark.benchmarks.checks.runner import run_checks
from gradmark.benchmarks.checks.shared_draws import rows_draw_for_themselves
from gradmark.benchmarks.problems import BernoulliToy, BernoulliVAE, GaussianToy, LinearGaussian, Minibatch
from gradmark.estimators import (
    ARM,
    IWAE,
    Antithetic,
    DReG,
    GumbelSoftmax,
    LeaveOneOut,
    MovingAverageBaseline,
    ReinMax,
    Reparameterization,
    ScoreFunction,
    StraightThroughGumbelSoftmax,
    VarGrad,
)
from gradmark.estimators.core import Estimate, Estimator, Params, Problem, State, SurrogateEstimator
from tests.checks.simulated_clock import SimulatedClock
from tests.checks.test_prior_gradients import LEARNED, ForgetsThePrior
from tests.controls.control import Control
from tests.controls.unusual.bits import RotatedBits
from tests.controls.unusual.score_function import MedianOfOthers
from tests.controls.wrong import antithetic, coupled, multisample, relaxed, score_function, straight_through

BY_NAME = {check.__name__: check for check in PROPERTIES}
GAUSSIAN = Case(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init")
BIT = Case(BernoulliToy(probs=(0.3,)), "init")
FAR = Case(BernoulliToy(probs=(0.3, 0.7)), "far")
MODEL = Case(LinearGaussian(latents=2, observed=3, rows=3))
DECODER = Case(BernoulliVAE(latents=1, rows=1))
ROWS = Case(Minibatch(BernoulliVAE(latents=1, rows=3), size=2))


@dataclass(frozen=True)
class Short(Estimator):
    """A tenth of another's gradient is missing."""

    of: Estimator

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return self.of.refuses(problem, num_samples)

    def init(self, problem: Problem, params: Params) -> State:
        return self.of.init(problem, params)

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        found = self.of.estimate(problem, params, state, num_samples)
        return Estimate({name: 0.9 * value for name, value in found.gradient.items()}, found.state)


@dataclass(frozen=True)
class FirstCountsTwice(SurrogateEstimator):
    """The first draw is weighed twice: the mean is right, and the order matters."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        cost = problem.cost(params, q.rsample((num_samples,)), q)
        return (cost.sum(0) + cost[0]) / (num_samples + 1), state


def property_control(
    wrong: Estimator, name: str, right: Estimator, on: Case, state: str = "none", draws: int = 2
) -> Control:
    return Control(wrong, (BY_NAME[name],), right, on, state, draws)


class Misspelt(LeaveOneOut):
    """Declares a property that does not exist."""

    properties = ("zero_at_posterior",)


APART = Case(LinearGaussian(latents=1, observed=80, rows=3))
PROPERTY_CONTROLS = [
    property_control(FirstCountsTwice(), "order_changes_nothing", Reparameterization(), GAUSSIAN),
    property_control(MedianOfOthers(), "exact_variance_halves", LeaveOneOut(), BIT),
    property_control(antithetic.AntitheticInTheSampleMean(), "draws_are_distinct", Antithetic(), GAUSSIAN),
    property_control(straight_through.MeanNotTakenOff(), "exact_for_quadratic_costs", ReinMax(), BIT),
    property_control(
        relaxed.PriorlessSTGumbel(), "unbiased_for_the_model", StraightThroughGumbelSoftmax(), DECODER, draws=1
    ),
    property_control(Short(IWAE()), "one_draw_is_reparameterization", IWAE(), MODEL),
    property_control(Short(DReG()), "one_draw_is_sticking_the_landing", DReG(), MODEL),
    property_control(Short(VarGrad()), "of_q_is_leave_one_out", VarGrad(), MODEL),
    property_control(Short(MovingAverageBaseline()), "cold_is_score_function", MovingAverageBaseline(), BIT, "cold"),
    Control(score_function.ScoreFunctionByProbabilities(), (gradient_is_finite,), ScoreFunction(), FAR),
    Control(ForgetsThePrior(), (cost_reaches_its_parameters,), LeaveOneOut(), LEARNED["prior_logits"]),
    Control(coupled.ARMInReducedPrecision(), (draws_have_digits_enough,), ARM(), BIT, num_samples=2),
    Control(multisample.UnderflowingIWAE(), (single_precision_is_enough,), IWAE(), APART),
    Control(score_function.RolledLeaveOneOut(), (order_changes_nothing,), LeaveOneOut(), GAUSSIAN),
    Control(Misspelt(), (properties_are_known,), LeaveOneOut(), BIT),
    Control(relaxed.GumbelSoftmaxOfOneNoise(), (rows_draw_for_themselves,), GumbelSoftmax(), ROWS, num_samples=1),
]


@pytest.mark.parametrize("control", PROPERTY_CONTROLS, ids=str)
def test_control_is_rejected_and_its_right_neighbour_is_not(control: Control) -> None:
    control.demand()


def test_rows_that_share_their_noise_may_say_so() -> None:
    class Meant(relaxed.GumbelSoftmaxOfOneNoise):
        properties = ("rows_share_their_noise",)

    case = EstimatorCase(Meant(), ROWS, 1)
    assert rows_draw_for_themselves(case).status == "skipped"
    assert properties_are_known(case).status == "passed"


def test_a_decision_where_no_rule_expects_it_is_no_bias() -> None:
    """Two rules agree by symmetry here, and are wrong: others, with nodes elsewhere, are asked before it fails."""
    case = EstimatorCase(RotatedBits(), Case(BernoulliToy(probs=(0.982, 0.018), target=0.8), "init"), 2)
    assert expectation_is_exact(case).status == "skipped"
    wrong = replace(case, estimator=score_function.SumOverDraws())
    assert expectation_is_exact(wrong).status == "failed"


CALLS = Counter[str]()
CLOCK = SimulatedClock()


@dataclass(frozen=True)
class SlowInTheEnd(ScoreFunction):
    """Takes longer than a check may, after it has come back a few times."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        CALLS["surrogate"] += 1
        CLOCK.sleep(2.0 if CALLS["surrogate"] == 25 else 0.0)
        return super().surrogate(problem, params, state, num_samples)


def test_slow_is_not_stuck() -> None:
    CALLS.clear()
    report = run_checks(SlowInTheEnd(), [replace(BIT, num_samples=(1,))], budget=3.0, clock=CLOCK)
    assert CALLS["surrogate"] > 25
    assert report.status != "failed"
    assert any("took longer than 1 seconds" in result.detail for result in report.checks)


@dataclass(frozen=True)
class SlowToBeginWith(ScoreFunction):
    """Takes two seconds each time."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        CLOCK.sleep(2.0)
        return super().surrogate(problem, params, state, num_samples)


@dataclass(frozen=True)
class SlowBits(BernoulliToy):
    """A problem, or a machine, on which each evaluation of the cost takes half a second."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        CLOCK.sleep(0.5)
        return super().cost(params, z, q)


@dataclass(frozen=True)
class SlowToWarmUp(MovingAverageBaseline):
    """Takes half a second each time, and so half a minute to be warmed up."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        CLOCK.sleep(0.5)
        return super().surrogate(problem, params, state, num_samples)


def test_slow_to_warm_up_is_not_stuck() -> None:
    report = run_checks(SlowToWarmUp(), [replace(BIT, num_samples=(1,))], budget=30.0, clock=CLOCK)
    assert any("took longer than 10 seconds" in result.detail for result in report.checks)
    assert report.status != "failed"


def test_stuck_is_what_takes_a_hundred_times_as_long_as_others() -> None:
    stuck = run_checks(SlowToBeginWith(), [replace(BIT, num_samples=(1,))], budget=3.0, clock=CLOCK)
    assert any("did not return within 1 seconds" in result.detail for result in stuck.checks)
    assert stuck.status == "failed"
    slow = run_checks(ScoreFunction(), [Case(SlowBits(), "init", num_samples=(1,))], budget=3.0, clock=CLOCK)
    assert any("took longer than 1 seconds" in result.detail for result in slow.checks)
    assert slow.status == "inconclusive"
