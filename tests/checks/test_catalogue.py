"""The checks over the whole catalogue, and over controls that each break one.

The catalogue meets the checks that `gradmark check` and `parametrize_with_checks` run. Most of them have no chance in
them. Of those by Monte Carlo, the check of the mean fails a right case with probability 5e-5, in some 200 tests where
quadrature gives no answer, and the check of the variance with probability 1e-6: a right catalogue fails this file with
probability about .01, once: seeds are fixed, and what passes goes on passing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from functools import cache

import pytest

import gradmark.estimators as estimators
from gradmark.benchmarks import problems
from gradmark.benchmarks.checks import (
    CHECKS,
    PROPERTIES,
    SUITE,
    Case,
    Check,
    EstimatorCase,
    estimator_cases,
)
from gradmark.benchmarks.checks.api import (
    gradient_has_the_form_of_the_parameters,
    inputs_are_not_touched,
    nothing_stays_attached,
    state_keeps_its_form,
    surroundings_are_not_touched,
    text_is_identity,
)
from gradmark.benchmarks.checks.independence import replicates_are_independent, seeds_decide
from gradmark.benchmarks.checks.mean import bias_check, mean_is_exact
from gradmark.benchmarks.checks.mean_by_monte_carlo import mean_by_monte_carlo
from gradmark.benchmarks.checks.meta_device import estimate_runs_on_any_device
from gradmark.benchmarks.checks.pairs import check_pairs
from gradmark.benchmarks.checks.properties import Raised, constants_change_nothing, zero_at_the_posterior
from gradmark.benchmarks.checks.results import BIAS_CHECK
from gradmark.benchmarks.checks.variance_by_monte_carlo import replicated, variance_fall, variance_falls_with_draws
from gradmark.benchmarks.problems import (
    BernoulliToy,
    BernoulliVAE,
    GammaPosterior,
    GaussianToy,
    LinearGaussian,
    StepToy,
)
from gradmark.estimators import (
    DoubleControlVariate,
    DReG,
    ExactGradient,
    GumbelRao,
    ImplicitReparameterization,
    LeaveOneOut,
    MovingAverageBaseline,
    RaoBlackwellLeaveOneOut,
    Reparameterization,
    ScoreFunction,
    StickingTheLanding,
    StraightThrough,
    VarGrad,
)
from gradmark.estimators.core import Estimator
from tests.checks.test_properties import PROPERTY_CONTROLS
from tests.checks.test_sharing import SHARING_CONTROLS
from tests.controls.control import Control
from tests.controls.wrong import contract, implicit, learned_baselines, pathwise, score_function
from tests.covering import kind_of_z, parametrize_cover
from tests.methods import METHODS

FEWER_DRAWS: dict[type[Estimator], Estimator] = {GumbelRao: GumbelRao(inner=1)}  # few enough for quadrature
BIASED = [FEWER_DRAWS.get(type(estimator), estimator) for estimator in METHODS if not estimator.unbiased]

GAUSSIAN = Case(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init", (3, 4))
STEPS = Case(StepToy(edges=(-0.4, 0.5, 0.9), loc=0.3, scale=0.7), "init")
GAMMA = Case(GammaPosterior(), "moved", (3,))
BIT = Case(BernoulliToy(probs=(0.3,)), "init", (3,))
MODEL = Case(LinearGaussian(latents=2, observed=3, rows=3), "moved", (3,))
DECODER = Case(BernoulliVAE(latents=1, rows=2), "moved", (1,))  # not quadratic between states
ROW = Case(LinearGaussian(latents=1, observed=2, rows=1))
PAIR = Case(LinearGaussian(latents=1, observed=2, rows=2))  # where two draws are few enough for quadrature
POSTERIOR = Case(LinearGaussian(latents=1, observed=2, rows=3), "posterior")
ALL_OF_THREE = [replace(case, num_samples=(3,)) for case in SUITE]

ELSEWHERE = {BIAS_CHECK, estimate_runs_on_any_device.__name__}  # the first below, the second in test_meta_device.py
PRODUCT = [(check, case) for check, case in check_pairs(METHODS, SUITE) if check.__name__ not in ELSEWHERE]
NAMES = {check.__name__ for check in CHECKS}


def meetings(check: Check, case: EstimatorCase) -> Iterator[Hashable]:
    """What must meet: estimator, check, state and kind of z; the check of the mean with every case, too.

    That check finds what is wrong with one kind of z alone, and raises where shapes do not fit. So every estimator has
    its mean checked for every distribution, and with a model and without. An estimator does not see whether rows were
    drawn: it meets such a problem by one check or another. Declared properties are of the estimator alone.
    """
    kind, name = kind_of_z(case.on), check.__name__
    yield case.estimator, name, case.state
    yield case.estimator, kind
    if name in NAMES:
        yield kind, name
    if name == mean_is_exact.__name__:
        distribution, is_model, _ = kind
        yield from ((case.on, name), (case.estimator, name, distribution), (case.estimator, name, is_model))


def cost(check: Check, case: EstimatorCase) -> float:
    """About how long it takes: by the size of the problem; longer for a mean, for rows drawn, and for a warm state.

    For the mean of a method that relaxes a discrete z, the noise beneath it is integrated instead of its few states.
    """
    source, footprint = size(case.on)
    slow = (10.0 if case.state == "warm" else 1.0) * (4.0 if source else 1.0)
    slow *= 10.0 if "relaxed" in type(case.estimator).__module__ else 1.0
    numbers = case.num_samples * footprint
    return slow * (4.0 + numbers * (numbers if check.__name__ == mean_is_exact.__name__ else 1.0))


@cache
def size(on: Case) -> tuple[bool, int]:
    """Whether rows are drawn, and how many numbers a draw has: asked for each of the thousands of combinations."""
    return on.is_source, on.problem.footprint


def shares(check: Check, case: EstimatorCase) -> str:
    """The warm states and the exact moments of an estimator on a problem serve many checks."""
    return pair(case.estimator, case.on)


@cache
def pair(estimator: Estimator, on: Case) -> str:
    """The text of an estimator on a problem."""
    return f"{estimator} on {on}"


@parametrize_cover(("check", "case"), PRODUCT, meetings, cost, shares)
def test_catalogue_passes_every_check(check: Check, case: EstimatorCase) -> None:
    check(case).demand()


@pytest.mark.parametrize("estimator", BIASED, ids=str)
def test_declared_bias_is_found(estimator: Estimator) -> None:
    cases = estimator_cases([estimator], [GAUSSIAN, replace(BIT, num_samples=(1,)), MODEL, DECODER])
    result = bias_check(cases)(cases[0])
    assert (result.check, result.status) == (BIAS_CHECK, "passed"), result


def test_every_estimator_and_problem_is_tried() -> None:
    tried = [case for _, case in PRODUCT]
    assert {type(case.estimator).__name__ for case in tried} == set(estimators.__all__)
    assert {type(on.problem).__name__ for on in SUITE} == {*problems.__all__, Raised.__name__}
    assert {case.state for case in tried} == {"none", "cold", "warm"}


def test_the_mean_is_checked_on_every_problem_with_an_oracle() -> None:
    for case in estimator_cases([ScoreFunction(), LeaveOneOut()], SUITE):
        assert (case.exact() is None) == (case.on.problem.no_oracle is not None)


# Each draw's weight depends on the others: their variance has closed forms instead
JOINT = (LeaveOneOut, VarGrad, RaoBlackwellLeaveOneOut, DoubleControlVariate)
INDEPENDENT = [each for each in METHODS if not (each.deterministic or each.target.moves or isinstance(each, JOINT))]
ONE_EACH = [(case,) for case in estimator_cases(INDEPENDENT, [GAUSSIAN, BIT, MODEL])]


@parametrize_cover(("case",), ONE_EACH, lambda case: ((case.estimator, case.state), case.on))
def test_variance_falls_as_the_number_of_independent_draws(case: EstimatorCase) -> None:
    """From 2 to 8 draws by 4, in either direction, at the checks' level."""
    fall = variance_fall(replicated(case, 16384, 2), replicated(case, 16384, 8))
    assert fall is not None
    assert abs(fall[0]) < fall[1] < 0.5


@pytest.mark.parametrize("case", estimator_cases([LeaveOneOut()], ALL_OF_THREE), ids=str)
def test_leave_one_out_ignores_constants(case: EstimatorCase) -> None:
    constants_change_nothing(case).demand()


@pytest.mark.parametrize("estimator", [DReG(), LeaveOneOut(), StickingTheLanding(), VarGrad()], ids=str)
def test_landing_without_noise(estimator: Estimator) -> None:
    result = zero_at_the_posterior(EstimatorCase(estimator, POSTERIOR))
    assert result.status == "passed", result


WEIGHTED, AVERAGE, PATHWISE = ScoreFunction(), MovingAverageBaseline(), Reparameterization()
IMPLICIT = ImplicitReparameterization()
RIGHT = [  # what controls are made from
    score_function.Weighted(),
    learned_baselines.MovingAverage(),
    pathwise.Pathwise(),
    pathwise.Landing(),
    implicit.Implicit(),
]
CONTROLS = [
    Control(score_function.OwnSampleInBaseline(), (mean_is_exact,), LeaveOneOut(), BIT),
    Control(score_function.BaselineOverReplicates(), (replicates_are_independent,), LeaveOneOut(), MODEL),
    Control(score_function.HalfBaseline(), (constants_change_nothing, zero_at_the_posterior), LeaveOneOut(), POSTERIOR),
    Control(score_function.RaisedBaseline(), (zero_at_the_posterior,), LeaveOneOut(), POSTERIOR),
    Control(contract.NoisyExact(), (seeds_decide,), ExactGradient(), MODEL),
    Control(score_function.WeightAttached(), (mean_is_exact,), WEIGHTED, PAIR, num_samples=2),
    Control(score_function.DrawAttached(), (mean_is_exact,), WEIGHTED, GAUSSIAN, num_samples=2),
    Control(score_function.CostGradientForgotten(), (mean_is_exact,), WEIGHTED, PAIR, num_samples=2),
    Control(
        score_function.SumOverDraws(), (mean_is_exact, variance_falls_with_draws), WEIGHTED, GAUSSIAN, num_samples=2
    ),
    Control(score_function.MeanOverRows(), (mean_is_exact,), WEIGHTED, PAIR, num_samples=2),
    Control(score_function.OneDrawForAll(), (variance_falls_with_draws,), WEIGHTED, MODEL),
    Control(learned_baselines.AverageUpdatedFirst(), (mean_is_exact,), AVERAGE, BIT, "warm"),
    Control(learned_baselines.StateOverwritten(), (inputs_are_not_touched,), AVERAGE, GAUSSIAN, "warm"),
    Control(learned_baselines.StateAttached(), (nothing_stays_attached,), AVERAGE, MODEL, "cold"),
    Control(
        learned_baselines.StateForgetsReplicates(),
        (state_keeps_its_form, replicates_are_independent),
        AVERAGE,
        MODEL,
        "cold",
    ),
    Control(pathwise.VarianceForScale(), (mean_is_exact,), PATHWISE, GAUSSIAN, num_samples=2),
    Control(pathwise.ScaleChainForgotten(), (mean_is_exact,), PATHWISE, GAUSSIAN, num_samples=2),
    Control(pathwise.Nudged(by=0.2), (mean_is_exact,), PATHWISE, GAUSSIAN, num_samples=2),
    Control(pathwise.OneNoiseForReplicates(), (seeds_decide,), PATHWISE, GAUSSIAN),
    Control(pathwise.SeedIgnored(), (seeds_decide,), PATHWISE, GAUSSIAN),
    Control(pathwise.Unrepeatable(), (seeds_decide,), PATHWISE, GAUSSIAN),
    Control(pathwise.EntropyForgotten(), (mean_is_exact,), StickingTheLanding(), PAIR, num_samples=2),
    Control(pathwise.LandingWithoutPath(), (mean_is_exact,), StickingTheLanding(), PAIR, num_samples=2),
    Control(pathwise.LandingForgotten(), (zero_at_the_posterior,), StickingTheLanding(), POSTERIOR),
    Control(score_function.PathThroughSteps(), (mean_is_exact,), WEIGHTED, STEPS, num_samples=2),
    Control(implicit.SampledInsteadOfDifferentiated(), (mean_is_exact,), IMPLICIT, GAMMA, num_samples=1),
    Control(implicit.ShapeOfTheGammaHeld(), (mean_is_exact,), IMPLICIT, GAMMA, num_samples=1),
    Control(implicit.RateForScale(), (mean_is_exact,), IMPLICIT, GAMMA, num_samples=1),
    Control(implicit.ConcentrationChainForgotten(), (mean_is_exact,), IMPLICIT, GAMMA, num_samples=1),
    Control(contract.ParametersOverwritten(), (inputs_are_not_touched,), WEIGHTED, GAUSSIAN),
    Control(contract.AlwaysDouble(), (gradient_has_the_form_of_the_parameters,), WEIGHTED, GAUSSIAN),
    Control(contract.OtherOrder(), (gradient_has_the_form_of_the_parameters,), WEIGHTED, GAUSSIAN),
    Control(contract.GradModeLeft(), (surroundings_are_not_touched,), WEIGHTED, GAUSSIAN),
    Control(contract.Raises(), (mean_is_exact,), WEIGHTED, GAUSSIAN, num_samples=2),
    Control(contract.TextLosesField(rate=0.3), (text_is_identity,), AVERAGE, GAUSSIAN),
    Control(contract.NoDataclass(), (text_is_identity,), WEIGHTED, GAUSSIAN),
]


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_control_is_rejected_and_its_right_neighbour_is_not(control: Control) -> None:
    control.demand()


def test_every_check_rejects_a_control() -> None:
    """No test that cannot fail; the controls on another device are in test_meta_device.py."""
    assert {
        check.__name__ for control in CONTROLS + PROPERTY_CONTROLS + SHARING_CONTROLS for check in control.checks
    } | {estimate_runs_on_any_device.__name__} == {check.__name__ for check in CHECKS + PROPERTIES}


@pytest.mark.parametrize("right", RIGHT, ids=str)
def test_what_controls_are_made_from_is_right(right: Estimator, at_most: int | None) -> None:
    for case in estimator_cases([right], [GAUSSIAN, replace(PAIR, num_samples=(2,)), GAMMA])[:at_most]:
        for check in CHECKS:
            check(case).demand()


def test_baseline_over_replicates_passes_for_unbiased_in_a_batch() -> None:
    """Why independence has a check of its own: no mean of many estimates can find this."""
    assert mean_by_monte_carlo()(EstimatorCase(score_function.BaselineOverReplicates(), MODEL)).status == "passed"


def test_bias_that_is_declared_and_not_there() -> None:
    cases = estimator_cases([contract.BiasedByName()], [GAUSSIAN, BIT, MODEL])
    assert bias_check(cases)(cases[0]).status == "failed"
    cases = estimator_cases([StraightThrough()], [BIT])
    found = bias_check(cases)(cases[0])
    assert found.status == "passed"
    assert found.error == pytest.approx(0.3 * 0.7 * (2 * 0.3 - 1))


def test_a_result_says_where_and_by_how_much() -> None:
    result = mean_is_exact(EstimatorCase(pathwise.Nudged(by=0.2), GAUSSIAN))
    assert result.coordinate == "log_scale[0]"
    assert result.error == pytest.approx(0.2, abs=0.05)
    assert 0 < (result.smallest_detectable or 0) < 0.1
    with pytest.raises(AssertionError, match=r"mean_is_exact: failed at log_scale\[0\] by 0\..*Nudged\(by=0.2\)"):
        result.demand()
    assert result.json()["status"] == "failed"


def test_code_that_raises_is_named() -> None:
    result = mean_is_exact(EstimatorCase(contract.Raises(), GAUSSIAN))
    assert "ZeroDivisionError" in result.detail
    assert "contract.py:" in result.detail


def test_a_check_that_does_not_apply_is_skipped() -> None:
    sources = [on for on in SUITE if on.is_source]
    assert constants_change_nothing(EstimatorCase(LeaveOneOut(), sources[0])).status == "skipped"
    assert zero_at_the_posterior(EstimatorCase(LeaveOneOut(), MODEL)).status == "skipped"
    assert mean_is_exact(EstimatorCase(StraightThrough(), BIT)).status == "skipped"
    assert variance_falls_with_draws(EstimatorCase(ExactGradient(), BIT)).status == "skipped"
