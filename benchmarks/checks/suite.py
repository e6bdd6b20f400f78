"""The suite of cases: one line for each problem at a parameter point, with the numbers of samples that are tried.

A new problem is one file and one line here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gradmark.benchmarks.checks.cases import Case
from gradmark.benchmarks.checks.properties import Raised
from gradmark.benchmarks.problems import (
    AmortisedFixedBeliefNetwork,
    BayesianGaussianMixture,
    BayesianLogisticRegression,
    BernoulliToy,
    BernoulliVAE,
    CategoricalMixture,
    CategoricalToy,
    ContextualBandit,
    CorrelatedLinearGaussian,
    DirichletPosterior,
    FixedBeliefNetwork,
    FixedPriorBernoulliVAE,
    GammaPosterior,
    GaussianMixture,
    GaussianToy,
    GaussianVAE,
    HiddenMarkovModel,
    LinearGaussian,
    Minibatch,
    NonlinearBernoulliVAE,
    NonlinearFixedPriorBernoulliVAE,
    SigmoidBeliefNetwork,
    StepToy,
    TabularMDP,
    ValueBaseline,
)
from gradmark.estimators.core import Problem


def _at(problem: Problem, *num_samples: int, at: str = "init", contract: bool = True, mean: bool = True) -> Case:
    return Case(problem, at, num_samples or (1, 2), contract, mean)


def _extra(problem: Problem) -> Case:
    return Case(problem, "moved", (1, 2), catalogue=True)


SMALL_MDP: dict[str, Any] = {
    "transitions": (((0.9, 0.1), (0.3, 0.7)), ((1.0, 0.0), (0.2, 0.8))),
    "rewards": ((0.5, 0.0), (-0.3, 1.0)),
    "initial": (0.6, 0.4),
    "horizon": 2,
}

SUITE = (
    # one coordinate: σ ≠ 1, narrow and wide, far from the optimum, an offset
    _at(GaussianToy(k=0.5, loc=0.8, scale=0.6), 1, 2, 3),
    _at(GaussianToy(k=-1.0, loc=0.4, scale=0.15), 1, 2, contract=False),
    _at(GaussianToy(function="cos", k=2.0, loc=0.4, scale=0.7), 1, 2, contract=False),
    _at(GaussianToy(function="exp", k=0.5, loc=-0.5, scale=1.3), 1, 2, contract=False),
    _at(Raised(GaussianToy(k=0.5, loc=0.8, scale=0.6), amount=50.0), 1, 2, contract=False),
    # bits: four draws, logits of both signs, logits of ±4, an offset
    _at(BernoulliToy(probs=(0.3,)), 1, 2, 4),
    _at(BernoulliToy(probs=(0.3, 0.85, 0.55, 0.02)), 1, 2, 3),
    _at(BernoulliToy(probs=(0.982, 0.018), target=0.8), 1, 2, contract=False),
    _at(Raised(BernoulliToy(probs=(0.3, 0.7)), amount=-50.0), 1, 2, contract=False),
    _at(BernoulliToy(probs=(0.3, 0.7)), 1, 2, at="far"),
    # rare outcomes: clamping a probability at .01, 1e-4 or 1e-5 removes their whole gradient
    _at(BernoulliToy(probs=(0.003,), target=0.8), 1, 2, contract=False),
    _at(BernoulliToy(probs=(1e-6,), target=0.8), 1, 2, contract=False),
    _at(BernoulliToy(probs=(0.997, 1e-6)), 2, contract=False),
    _at(CategoricalToy(probs=(0.003, 1e-6, 0.996999)), 1, 2, contract=False),
    # categories, one and two of them; a cost with steps
    _at(CategoricalToy(), 1, 2, 3, at="moved"),
    _at(CategoricalToy(probs=(0.15, 0.6, 0.25), latents=2), 2, at="moved", contract=False),
    _at(StepToy(edges=(-0.4, 0.5, 0.9), loc=0.3, scale=0.7), 1, 2),
    # draws by rejection, at the posterior and away from it
    _at(GammaPosterior(), 1, 2, at="moved"),
    _at(GammaPosterior(counts=(2, 5), concentration=0.7), 2, at="posterior", contract=False),
    _at(DirichletPosterior(), 1, 2, at="moved"),
    _at(DirichletPosterior(counts=(3, 1)), 2, at="posterior", contract=False),
    # the model's parameters as well as q's, one row and three, q at the posterior and away from it
    _at(LinearGaussian(latents=1, observed=2, rows=1), 1, 2, 3, at="moved", contract=False),
    _at(LinearGaussian(latents=2, observed=3, rows=3), 1, 2, at="moved"),
    _at(LinearGaussian(latents=1, observed=2, rows=3), 2, at="posterior"),
    _at(CorrelatedLinearGaussian(latents=2, observed=3, rows=1), 1, 2, at="moved", contract=False),
    # rows whose costs are more than a hundred apart, where single precision underflows
    _at(LinearGaussian(latents=1, observed=80, rows=3), 2, at="moved", mean=False),
    _at(BernoulliVAE(latents=2, rows=3), 1, 2, at="moved"),
    _at(NonlinearFixedPriorBernoulliVAE(latents=3, hidden=2, rows=2), 2, at="moved"),
    _at(SigmoidBeliefNetwork(lower=2, upper=2, rows=1), 1, 2, at="moved"),
    _at(GaussianVAE(latents=2, hidden=3, rows=3), 2, at="moved"),
    # two rows and two draws, where bounds of several draws are known exactly
    _at(LinearGaussian(latents=1, observed=2, rows=2), 2, at="moved", contract=False),
    _at(LinearGaussian(latents=1, observed=3, rows=2), 2, contract=False),
    _at(BernoulliVAE(latents=1, rows=2), 2, 3, at="moved", contract=False),
    # one z for all rows, which have unequal weights
    _at(BayesianLogisticRegression(), 2, at="moved"),
    # minibatches, also of a size that does not divide the number of rows
    _at(Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2), 1, 2, at="moved"),
    _at(Minibatch(BernoulliVAE(latents=1, rows=3), size=2), 1, 2, at="moved", mean=False),
    _at(Minibatch(BernoulliVAE(latents=1, rows=2), size=1), 1, 2, at="moved", contract=False),  # few bits: exact
    _at(Minibatch(GammaPosterior(counts=(2, 5, 1)), size=2), 1, 2, at="moved", contract=False),
    _at(Minibatch(BayesianLogisticRegression(), size=50), 1, at="moved", contract=False),
    # for the tests of our own catalogue alone: more problems, whose draws are of kinds that are above
    _extra(CorrelatedLinearGaussian(latents=2, observed=3, rows=3)),
    _extra(GaussianMixture(components=2, observed=1, rows=3)),
    _extra(CategoricalMixture(components=3, views=3, categories=2, rows=2)),
    _extra(HiddenMarkovModel(steps=2, symbols=2, rows=2)),
    _extra(BayesianGaussianMixture(components=2, observed=1, rows=3, shape=3.0)),
    _extra(FixedBeliefNetwork(latents=2, observed=3, rows=2)),
    _extra(AmortisedFixedBeliefNetwork(latents=2, observed=3, rows=2)),
    _extra(NonlinearBernoulliVAE(latents=1, hidden=2, rows=2)),
    _extra(FixedPriorBernoulliVAE(latents=1, rows=2)),
    _extra(SigmoidBeliefNetwork(lower=2, upper=2, rows=2)),
    _extra(ContextualBandit(contexts=(0.7, 0.3), rewards=((1.0, 2.0), (3.0, 0.5)))),
    _extra(TabularMDP(**SMALL_MDP)),
    _extra(ValueBaseline(TabularMDP(**SMALL_MDP))),
)
QUICK_SUITE = tuple(case for case in SUITE if not case.catalogue)  # what `check_estimator` runs


def suite_on(problems: Iterable[Problem]) -> tuple[Case, ...]:
    """The suite for a user's own problems: at their initial parameters, and away from them."""
    return tuple(_at(problem, 1, 2, 4, at=at) for problem in problems for at in ("init", "moved"))
