"""The laws over the whole catalogue, and over controls that each break one.

Laws of chance fail a right case with probability 1e-6 (`montecarlo.LEVEL`), over all of its coordinates; there are
about 200 such tests, so that a right catalogue fails this file with probability below 1e-3 in all, once: seeds are
fixed, and what passes goes on passing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator

import pytest

import gradmark.estimators as estimators
from gradmark.benchmarks import checks, problems
from gradmark.benchmarks.checks import CLAIMS, FIXTURES, LAWS, PROBLEM_LAWS, Case, Finding, Fixture, Law, cases
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
    quartered,
    replicated,
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
from tests.checks.test_claims import CLAIM_CONTROLS
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


PRODUCT = [(law, case) for case in cases(CATALOGUE) for law in LAWS]
OF_EVERY_Z = (mean_is_exact, replicates_are_independent)  # which raise, too, where shapes do not fit


def meetings(law: Law, case: Case) -> Iterator[Hashable]:
    """What must meet: estimator, check and state; fixture and check; estimator and kind of z.

    The checks OF_EVERY_Z, which find what is wrong with one kind of z alone, meet each kind with each estimator.
    """
    kind = kind_of_z(case.fixture)
    yield case.estimator, law, case.state
    yield case.fixture, law
    yield case.estimator, kind
    if law in OF_EVERY_Z:
        yield case.estimator, law, kind


def cost(law: Law, case: Case) -> float:
    """About how long it takes: by the size of the problem, and much longer where a state must be warmed up first."""
    return (4.0 + case.fixture.problem.footprint) * (10.0 if case.state == "warm" else 1.0)


@parametrize_cover(("law", "case"), PRODUCT, meetings, cost)
def test_catalogue_keeps_the_laws(law: Law, case: Case) -> None:
    law(case).demand()


@pytest.mark.parametrize("estimator", BIASED, ids=str)
def test_declared_bias_is_found(estimator: Estimator) -> None:
    bias_is_found(cases([estimator])).demand()


@pytest.mark.parametrize("law", PROBLEM_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("fixture", FIXTURES, ids=str)
def test_problems_keep_the_laws(fixture: Fixture, law: Callable[[Fixture], Finding]) -> None:
    law(fixture).demand()


def test_every_estimator_and_problem_is_tried() -> None:
    tried = cases(CATALOGUE)
    assert {type(case.estimator).__name__ for case in tried} == set(estimators.__all__)
    assert {type(fixture.problem).__name__ for fixture in FIXTURES} == set(problems.__all__)
    assert {case.state for case in tried} == {"none", "cold", "warm"}


def test_only_problems_without_oracle_are_left_unjudged() -> None:
    for case in cases([ScoreFunction(), LeaveOneOut()]):
        assert (case.exact() is None) == (case.fixture.problem.no_oracle is not None)


JOINT = (LeaveOneOut, VarGrad)  # each draw's weight depends on the others: their variance has closed forms instead
INDEPENDENT = [each for each in CATALOGUE if not (each.deterministic or each.target.moves or isinstance(each, JOINT))]


ONE_EACH = [(case,) for case in cases(INDEPENDENT, [GAUSSIAN, BIT, MODEL])]


@parametrize_cover(("case",), ONE_EACH, lambda case: ((case.estimator, case.state), case.fixture))
def test_variance_falls_as_the_number_of_independent_draws(case: Case) -> None:
    """From 2 to 8 draws by 4, in either direction, at the laws' level."""
    fall = quartered(replicated(case, 16384, 2), replicated(case, 16384, 8))
    assert fall is not None
    assert abs(fall[0]) < fall[1] < 0.5


@pytest.mark.parametrize("case", cases([LeaveOneOut()]), ids=str)
def test_leave_one_out_ignores_constants(case: Case) -> None:
    constants_change_nothing(case).demand()


@pytest.mark.parametrize("estimator", [DReG(), LeaveOneOut(), StickingTheLanding(), VarGrad()], ids=str)
def test_landing_without_noise(estimator: Estimator) -> None:
    finding = zero_at_the_posterior(Case(estimator, POSTERIOR))
    assert finding.status == "passed", finding


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
    Control(learned_baselines.StateInPlace(), (inputs_are_not_touched,), AVERAGE, GAUSSIAN, "warm"),
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
    Control(contract.ParametersInPlace(), (inputs_are_not_touched,), WEIGHTED, GAUSSIAN),
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


def test_every_law_rejects_a_control() -> None:
    """No test that cannot fail."""
    assert {law.__name__ for control in CONTROLS + CLAIM_CONTROLS + SHARING_CONTROLS for law in control.laws} == {
        law.__name__ for law in LAWS + CLAIMS
    }


@pytest.mark.parametrize("right", RIGHT, ids=str)
def test_what_controls_are_made_from_is_right(right: Estimator) -> None:
    for case in cases([right], [GAUSSIAN, MODEL, GAMMA]):
        for law in LAWS:
            law(case).demand()


def test_baseline_over_replicates_passes_for_unbiased_in_a_batch() -> None:
    """Why independence is a law of its own: no test of the mean can see this."""
    assert mean_is_exact(Case(score_function.BaselineOverReplicates(), MODEL)).status == "passed"


def test_bias_that_is_declared_and_not_there() -> None:
    claimed = bias_is_found(cases([contract.BiasedByName()], [GAUSSIAN, BIT, MODEL]))
    assert claimed.status == "failed"
    found = bias_is_found(cases([StraightThrough()], [BIT]))
    assert found.status == "passed"
    assert found.size == pytest.approx(0.3 * 0.7 * (2 * 0.3 - 1), rel=0.05)


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
    place = "init" if wrong is wrong_problems.OracleOfAnotherSlope else "moved"
    finding = PROBLEM_CONTROLS[wrong](Fixture(wrong(), place))
    assert finding.status == "failed", finding


def test_every_problem_law_rejects_a_control() -> None:
    assert set(PROBLEM_CONTROLS.values()) == set(PROBLEM_LAWS)


def test_a_finding_says_where_and_by_how_much() -> None:
    finding = mean_is_exact(Case(pathwise.Nudged(by=0.2), GAUSSIAN))
    assert finding.coordinate == "log_scale[0]"
    assert finding.size == pytest.approx(0.2, abs=0.05)
    assert 0 < (finding.visible or 0) < 0.1
    with pytest.raises(AssertionError, match=r"mean_is_exact: failed at log_scale\[0\] by 0\..*Nudged\(by=0.2\)"):
        finding.demand()
    assert finding.json()["status"] == "failed"


def test_code_that_raises_is_named() -> None:
    finding = mean_is_exact(Case(contract.Raises(), GAUSSIAN))
    assert "ZeroDivisionError" in finding.detail
    assert "contract.py:" in finding.detail


def test_a_law_is_silent_without_grounds() -> None:
    sources = [fixture for fixture in FIXTURES if fixture.is_source]
    assert constants_change_nothing(Case(LeaveOneOut(), sources[0])).status == "declined"
    assert zero_at_the_posterior(Case(LeaveOneOut(), MODEL)).status == "declined"
    assert mean_is_exact(Case(StraightThrough(), BIT)).status == "declined"
    assert variance_falls_with_draws(Case(ExactGradient(), BIT)).status == "declined"
