"""The checks over the whole catalogue, and over controls that each break one.

Checks by Monte Carlo fail a right case with probability 1e-6 (`monte_carlo.LEVEL`), over all coordinates; there are
about 200 such tests, so that a right catalogue fails this file with probability below 1e-3 in all, once: seeds are
fixed, and what passes goes on passing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator

import pytest

import gradmark.estimators as estimators
from gradmark.benchmarks import checks, problems
from gradmark.benchmarks.checks import (
    CHECKS,
    FIXTURES,
    PROBLEM_CHECKS,
    PROPERTIES,
    Case,
    Check,
    CheckResult,
    Fixture,
    cases,
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
from gradmark.benchmarks.checks.monte_carlo import (
    bias_is_found,
    mean_is_exact,
    replicated,
    variance_fall,
    variance_falls_with_draws,
)
from gradmark.benchmarks.checks.properties import constants_change_nothing, zero_at_the_posterior
from gradmark.benchmarks.problems import BernoulliToy, GammaPosterior, GaussianToy, LinearGaussian, StepToy
from gradmark.estimators import (
    DReG,
    ExactGradient,
    ImplicitReparameterization,
    LeaveOneOut,
    MovingAverageBaseline,
    Reparameterization,
    ScoreFunction,
    StickingTheLanding,
    StraightThrough,
    VarGrad,
)
from gradmark.estimators.core import Estimator, Problem
from tests.checks.test_claims import PROPERTY_CONTROLS
from tests.checks.test_sharing import SHARING_CONTROLS
from tests.controls.control import Control
from tests.controls.wrong import contract, implicit, learned_baselines, pathwise, score_function
from tests.controls.wrong import problems as wrong_problems
from tests.covering import kind_of_z, parametrize_cover

CATALOGUE: list[Estimator] = [getattr(estimators, name)() for name in estimators.__all__]
BIASED = [estimator for estimator in CATALOGUE if not estimator.unbiased]

GAUSSIAN = Fixture(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init")
STEPS = Fixture(StepToy(edges=(-0.4, 0.5, 0.9), loc=0.3, scale=0.7), "init")
GAMMA = Fixture(GammaPosterior())
BIT = Fixture(BernoulliToy(probs=(0.3,)), "init")
MODEL = Fixture(LinearGaussian(latents=2, observed=3, rows=3))
POSTERIOR = Fixture(LinearGaussian(latents=1, observed=2, rows=3), "posterior")


PRODUCT = [(check, case) for case in cases(CATALOGUE) for check in CHECKS]


def meetings(check: Check, case: Case) -> Iterator[Hashable]:
    """What must meet: estimator, check and state; fixture and check; estimator and kind of z, by the check of the mean.

    That check finds what is wrong with one kind of z alone, and raises where shapes do not fit.
    """
    kind = kind_of_z(case.fixture)
    yield case.estimator, check, case.state
    yield case.fixture, check
    yield case.estimator, kind
    if check is mean_is_exact:
        yield case.estimator, check, kind


def cost(check: Check, case: Case) -> float:
    """About how long it takes: by the size of the problem, and much longer where a state must be warmed up first."""
    return (4.0 + case.fixture.problem.footprint) * (10.0 if case.state == "warm" else 1.0)


@parametrize_cover(("check", "case"), PRODUCT, meetings, cost)
def test_catalogue_passes_every_check(check: Check, case: Case) -> None:
    check(case).demand()


@pytest.mark.parametrize("estimator", BIASED, ids=str)
def test_declared_bias_is_found(estimator: Estimator) -> None:
    bias_is_found(cases([estimator])).demand()


@pytest.mark.parametrize("check", PROBLEM_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("fixture", FIXTURES, ids=str)
def test_problems_pass_every_check(fixture: Fixture, check: Callable[[Fixture], CheckResult]) -> None:
    check(fixture).demand()


def test_every_estimator_and_problem_is_tried() -> None:
    tried = cases(CATALOGUE)
    assert {type(case.estimator).__name__ for case in tried} == set(estimators.__all__)
    assert {type(fixture.problem).__name__ for fixture in FIXTURES} == set(problems.__all__)
    assert {case.state for case in tried} == {"none", "cold", "warm"}


def test_the_mean_is_checked_on_every_problem_with_an_oracle() -> None:
    for case in cases([ScoreFunction(), LeaveOneOut()]):
        assert (case.exact() is None) == (case.fixture.problem.no_oracle is not None)


JOINT = (LeaveOneOut, VarGrad)  # each draw's weight depends on the others: their variance has closed forms instead
INDEPENDENT = [each for each in CATALOGUE if not (each.deterministic or each.target.moves or isinstance(each, JOINT))]


ONE_EACH = [(case,) for case in cases(INDEPENDENT, [GAUSSIAN, BIT, MODEL])]


@parametrize_cover(("case",), ONE_EACH, lambda case: ((case.estimator, case.state), case.fixture))
def test_variance_falls_as_the_number_of_independent_draws(case: Case) -> None:
    """From 2 to 8 draws by 4, in either direction, at the checks' level."""
    fall = variance_fall(replicated(case, 16384, 2), replicated(case, 16384, 8))
    assert fall is not None
    assert abs(fall[0]) < fall[1] < 0.5


@pytest.mark.parametrize("case", cases([LeaveOneOut()]), ids=str)
def test_leave_one_out_ignores_constants(case: Case) -> None:
    constants_change_nothing(case).demand()


@pytest.mark.parametrize("estimator", [DReG(), LeaveOneOut(), StickingTheLanding(), VarGrad()], ids=str)
def test_landing_without_noise(estimator: Estimator) -> None:
    result = zero_at_the_posterior(Case(estimator, POSTERIOR))
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
    Control(contract.NoisyExact(), (seeds_decide, mean_is_exact), ExactGradient(), MODEL),
    Control(score_function.WeightAttached(), (mean_is_exact,), WEIGHTED, MODEL),
    Control(score_function.DrawAttached(), (mean_is_exact,), WEIGHTED, GAUSSIAN),
    Control(score_function.CostGradientForgotten(), (mean_is_exact,), WEIGHTED, MODEL),
    Control(score_function.SumOverDraws(), (mean_is_exact, variance_falls_with_draws), WEIGHTED, GAUSSIAN),
    Control(score_function.MeanOverRows(), (mean_is_exact,), WEIGHTED, MODEL),
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
    Control(pathwise.VarianceForScale(), (mean_is_exact,), PATHWISE, GAUSSIAN),
    Control(pathwise.ScaleChainForgotten(), (mean_is_exact,), PATHWISE, GAUSSIAN),
    Control(pathwise.Nudged(by=0.2), (mean_is_exact,), PATHWISE, GAUSSIAN),
    Control(pathwise.OneNoiseForReplicates(), (seeds_decide,), PATHWISE, GAUSSIAN),
    Control(pathwise.SeedIgnored(), (seeds_decide,), PATHWISE, GAUSSIAN),
    Control(pathwise.Unrepeatable(), (seeds_decide,), PATHWISE, GAUSSIAN),
    Control(pathwise.EntropyForgotten(), (mean_is_exact,), StickingTheLanding(), MODEL),
    Control(pathwise.LandingWithoutPath(), (mean_is_exact,), StickingTheLanding(), MODEL),
    Control(pathwise.LandingForgotten(), (zero_at_the_posterior,), StickingTheLanding(), POSTERIOR),
    Control(score_function.PathThroughSteps(), (mean_is_exact,), WEIGHTED, STEPS),
    Control(implicit.SampledInsteadOfDifferentiated(), (mean_is_exact,), IMPLICIT, GAMMA),
    Control(implicit.ShapeOfTheGammaHeld(), (mean_is_exact,), IMPLICIT, GAMMA),
    Control(implicit.RateForScale(), (mean_is_exact,), IMPLICIT, GAMMA),
    Control(implicit.ConcentrationChainForgotten(), (mean_is_exact,), IMPLICIT, GAMMA),
    Control(contract.ParametersOverwritten(), (inputs_are_not_touched,), WEIGHTED, GAUSSIAN),
    Control(contract.AlwaysDouble(), (gradient_has_the_form_of_the_parameters,), WEIGHTED, GAUSSIAN),
    Control(contract.OtherOrder(), (gradient_has_the_form_of_the_parameters,), WEIGHTED, GAUSSIAN),
    Control(contract.GradModeLeft(), (surroundings_are_not_touched,), WEIGHTED, GAUSSIAN),
    Control(contract.Raises(), (mean_is_exact,), WEIGHTED, GAUSSIAN),
    Control(contract.TextLosesField(rate=0.3), (text_is_identity,), AVERAGE, GAUSSIAN),
    Control(contract.NoDataclass(), (text_is_identity,), WEIGHTED, GAUSSIAN),
]


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_control_is_rejected_and_its_right_neighbour_is_not(control: Control) -> None:
    control.demand()


def test_every_check_rejects_a_control() -> None:
    """No test that cannot fail."""
    assert {
        check.__name__ for control in CONTROLS + PROPERTY_CONTROLS + SHARING_CONTROLS for check in control.checks
    } == {check.__name__ for check in CHECKS + PROPERTIES}


@pytest.mark.parametrize("right", RIGHT, ids=str)
def test_what_controls_are_made_from_is_right(right: Estimator) -> None:
    for case in cases([right], [GAUSSIAN, MODEL, GAMMA]):
        for check in CHECKS:
            check(case).demand()


def test_baseline_over_replicates_passes_for_unbiased_in_a_batch() -> None:
    """Why independence has a check of its own: no check of the mean can find this."""
    assert mean_is_exact(Case(score_function.BaselineOverReplicates(), MODEL)).status == "passed"


def test_bias_that_is_declared_and_not_there() -> None:
    declared = bias_is_found(cases([contract.BiasedByName()], [GAUSSIAN, BIT, MODEL]))
    assert declared.status == "failed"
    found = bias_is_found(cases([StraightThrough()], [BIT]))
    assert found.status == "passed"
    assert found.error == pytest.approx(0.3 * 0.7 * (2 * 0.3 - 1), rel=0.05)


PROBLEM_CONTROLS = {
    wrong_problems.SharedStart: checks.start_is_the_same_each_time,
    wrong_problems.SummedCost: checks.cost_has_the_shape_of_log_prob,
    wrong_problems.TermForgotten: checks.terms_are_the_cost,
    wrong_problems.TermNamesTooFew: checks.terms_are_the_cost,
    wrong_problems.TermDetached: checks.terms_are_the_cost,
    wrong_problems.IdleParameter: checks.every_parameter_matters,
    wrong_problems.SilentlyWithoutOracle: checks.oracle_or_the_reason,
    wrong_problems.OracleDetached: checks.oracle_has_its_own_gradient,
    wrong_problems.WithoutReplicates: checks.replicates_are_a_leading_axis,
    wrong_problems.NoisyCost: checks.problem_draws_nothing,
    wrong_problems.NoiseOfNumpy: checks.problem_draws_nothing,
    wrong_problems.NoiseOfPython: checks.problem_draws_nothing,
    wrong_problems.NoiseOfItsOwn: checks.problem_draws_nothing,
    wrong_problems.ParameterMoved: checks.problem_draws_nothing,
    wrong_problems.DrawRemembered: checks.log_prob_is_the_same_anew,
    wrong_problems.DrawsOfNumpy: checks.seeds_decide_the_draws,
    wrong_problems.CostCentred: checks.draws_do_not_mix,
    wrong_problems.ScaleIgnored: checks.draws_have_the_density,
    wrong_problems.ConstantForgotten: checks.density_has_mass_one,
    wrong_problems.OutcomesOfMassTwo: checks.density_has_mass_one,
    wrong_problems.OracleTwice: checks.oracle_is_the_average_cost,
    wrong_problems.OracleOfAnotherSlope: checks.oracle_is_the_average_cost,
    wrong_problems.CostThroughQ: checks.oracle_is_the_average_cost,
}


@pytest.mark.parametrize("wrong", PROBLEM_CONTROLS, ids=lambda cls: cls.__name__)
def test_wrong_problem_is_rejected(wrong: type[Problem]) -> None:
    at = "init" if wrong is wrong_problems.OracleOfAnotherSlope else "moved"
    result = PROBLEM_CONTROLS[wrong](Fixture(wrong(), at))
    assert result.status == "failed", result


def test_every_check_of_problems_rejects_a_control() -> None:
    assert set(PROBLEM_CONTROLS.values()) == set(PROBLEM_CHECKS)


def test_a_result_says_where_and_by_how_much() -> None:
    result = mean_is_exact(Case(pathwise.Nudged(by=0.2), GAUSSIAN))
    assert result.coordinate == "log_scale[0]"
    assert result.error == pytest.approx(0.2, abs=0.05)
    assert 0 < (result.smallest_detectable or 0) < 0.1
    with pytest.raises(AssertionError, match=r"mean_is_exact: failed at log_scale\[0\] by 0\..*Nudged\(by=0.2\)"):
        result.demand()
    assert result.json()["status"] == "failed"


def test_code_that_raises_is_named() -> None:
    result = mean_is_exact(Case(contract.Raises(), GAUSSIAN))
    assert "ZeroDivisionError" in result.detail
    assert "contract.py:" in result.detail


def test_a_check_that_does_not_apply_is_skipped() -> None:
    sources = [fixture for fixture in FIXTURES if fixture.is_source]
    assert constants_change_nothing(Case(LeaveOneOut(), sources[0])).status == "skipped"
    assert zero_at_the_posterior(Case(LeaveOneOut(), MODEL)).status == "skipped"
    assert mean_is_exact(Case(StraightThrough(), BIT)).status == "skipped"
    assert variance_falls_with_draws(Case(ExactGradient(), BIT)).status == "skipped"
