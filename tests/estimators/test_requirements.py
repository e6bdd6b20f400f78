"""Who fits whom, as a table; and what a requirement says where it is not met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

import gradmark.estimators as estimators
from gradmark.benchmarks import specs
from gradmark.benchmarks.problems import BernoulliToy, GaussianToy, GaussianVAE, SigmoidBeliefNetwork
from gradmark.estimators.core import Estimator, Problem
from gradmark.estimators.requirements import (
    ELBO,
    Bits,
    BitsOrCategories,
    GaussianFactors,
    KnownMean,
    LogEvidence,
    MinSamples,
    Oracle,
    Posterior,
    Requirement,
    Stages,
)

DRAWS = (1, 2, 3, 4)
MARKS = {"1": DRAWS, "2": (2, 3, 4), "e": (2, 4), "-": ()}  # the numbers of samples that a method takes
PROBLEMS = (
    "GaussianToy()",
    "BernoulliToy()",
    "CategoricalToy()",
    "StepToy()",
    "LinearGaussian()",
    "CorrelatedLinearGaussian()",
    "BayesianLogisticRegression()",
    "GaussianMixture()",
    "CategoricalMixture()",
    "HiddenMarkovModel()",
    "BayesianGaussianMixture()",
    "FixedBeliefNetwork()",
    "GammaPosterior()",
    "DirichletPosterior()",
    "GaussianVAE(rows=4, hidden=4)",
    "BernoulliVAE(rows=4)",
    "BernoulliVAE(rows=4, latents=40)",
    "SigmoidBeliefNetwork(rows=4)",
    "ContextualBandit()",
    "TabularMDP()",
    "Minibatch(problem=GaussianVAE(rows=8, hidden=4), size=4)",
)
FITS = {
    "ScoreFunction": "111111111111111111111",
    "ConstantBaseline": "111111111111111111111",
    "MovingAverageBaseline": "111111111111111111111",
    "OptimalControlVariate": "111111111111111111111",
    "NVIL": "----11-111-1--1111--1",
    "LeaveOneOut": "222222222222222222222",
    "VarGrad": "----222222-2222222--2",
    "RaoBlackwellScoreFunction": "-1--1-1----1--1111111",
    "RaoBlackwellLeaveOneOut": "-2--2-2----2--2222222",
    "DoubleControlVariate": "222-222222-222222---2",
    "Reparameterization": "1---111-------1-----1",
    "ImplicitReparameterization": "------------11-------",
    "ReparameterizationAnalyticKL": "----111-----111-----1",
    "StickingTheLanding": "----111-----111-----1",
    "Antithetic": "e---e-e-------e-----e",
    "MeasureValued": "1--11-1-------1-----1",
    "MeasureValuedIndependent": "1--11-1-------1-----1",
    "StraightThrough": "-11----111-1---11----",
    "ARM": "-e---------e---ee----",
    "DisARM": "-e---------e---ee----",
    "GumbelSoftmax": "-11----111-1---11----",
    "StraightThroughGumbelSoftmax": "-11----111-1---11----",
    "GappedStraightThrough": "-11----111-1---11----",
    "GumbelRao": "-11----111-1---11----",
    "ReinMax": "-11----111-1---11----",
    "REBAR": "-11----111-1---11----",
    "RELAX": "-11----111-1---11----",
    "IWAE": "----111-----111-----1",
    "DReG": "----111-----111-----1",
    "VIMCO": "----222222-2222222--2",
    "ExactGradient": "11111111111111-1-111-",
    "ExactPosterior": "----11-111-----1-1---",
    "ExactMarginalLikelihood": "----11-111-1---1-1---",
}


@pytest.mark.parametrize("text", PROBLEMS)
def test_every_pair_fits_or_is_refused_as_the_table_says(text: str) -> None:
    """The table was made before requirements were declared, when each method decided for itself."""
    problem, column = specs.problem(text).seen, PROBLEMS.index(text)
    for name, row in FITS.items():
        estimator: Estimator = getattr(estimators, name)()
        fitting = tuple(count for count in DRAWS if estimator.refuses(problem, count) is None)
        assert fitting == MARKS[row[column]], name


def test_no_method_decides_by_itself() -> None:
    assert {getattr(estimators, name).refuses for name in estimators.__all__} == {Estimator.refuses}


TOY, VAE = GaussianToy(), GaussianVAE(rows=2, hidden=2)


@pytest.mark.parametrize(
    "prove",
    [
        lambda: Bits().of(TOY.distribution(TOY.init())),
        lambda: BitsOrCategories().of(TOY.distribution(TOY.init())),
        lambda: GaussianFactors().of(BernoulliToy().distribution(BernoulliToy().init())),
        lambda: KnownMean().of(SigmoidBeliefNetwork(rows=2).distribution(SigmoidBeliefNetwork(rows=2).init())),
        lambda: Stages().of(BernoulliToy().distribution(BernoulliToy().init()).base_dist),  # type: ignore[attr-defined]
        lambda: ELBO().of(TOY),
        lambda: Oracle().of(VAE, VAE.init()),
        lambda: Posterior().of(VAE, VAE.init()),
        lambda: LogEvidence(4).of(VAE, VAE.init()),
    ],
)
def test_what_is_not_proved_is_one_clear_error(prove: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"^\w+\.of\(.*\): .+; (use|let) ") as caught:
        prove()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@dataclass(frozen=True)
class NoMinibatch(Requirement):
    """A requirement of one's own."""

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        return "it needs all rows; use ScoreFunction()" if problem.partial else None


@dataclass(frozen=True)
class OfAllRows(estimators.ScoreFunction):
    """Declares two requirements, of which the first that is not met is said."""

    requires = (NoMinibatch(), MinSamples(3, "it takes a third draw"))


def test_the_first_that_is_not_met_refuses() -> None:
    part = specs.problem("Minibatch(problem=GaussianVAE(rows=8, hidden=4), size=4)").seen
    assert (OfAllRows().refuses(part, 1) or "").endswith("): it needs all rows; use ScoreFunction()")
    few = OfAllRows().refuses(TOY, 2)
    expected = "estimate(num_samples=2): it takes a third draw, so num_samples must be at least 3; pass 3 or more"
    assert few == f"OfAllRows.{expected}"
    assert OfAllRows().refuses(TOY, 3) is None
