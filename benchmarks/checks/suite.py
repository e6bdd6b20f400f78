"""What `check` tries an estimator on: one line for each problem at a place, with the numbers of draws worth trying."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch.utils._pytree import tree_leaves

from gradmark.benchmarks.checks.cases import Case, Fixture
from gradmark.benchmarks.checks.properties import Raised
from gradmark.benchmarks.problems import (
    BayesianLogisticRegression,
    BernoulliToy,
    BernoulliVAE,
    CategoricalToy,
    DirichletPosterior,
    GammaPosterior,
    GaussianToy,
    GaussianVAE,
    LinearGaussian,
    Minibatch,
    SigmoidBeliefNetwork,
    StepToy,
)
from gradmark.estimators.core import Estimator, Problem


@dataclass(frozen=True)
class Trial:
    """A fixture and the numbers of draws to try there: the laws of the `contract`, of the `mean`, or both."""

    fixture: Fixture
    counts: tuple[int, ...] = (1, 2)
    contract: bool = True  # form, replicates, seeds, precision, claims
    mean: bool = True  # exact where that can be had, and by many estimates


def _at(problem: Problem, *counts: int, place: str = "init", contract: bool = True, mean: bool = True) -> Trial:
    return Trial(Fixture(problem, place), counts or (1, 2), contract, mean)


COURT = (
    # one coordinate at a time: σ ≠ 1, narrow and wide, far from the optimum, an offset
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
    _at(BernoulliToy(probs=(0.3, 0.7)), 1, 2, place="far"),
    # rare outcomes: what clamps a probability at .01, 1e-4 or 1e-5 changes their gradients by all that there is
    _at(BernoulliToy(probs=(0.003,), target=0.8), 1, 2, contract=False),
    _at(BernoulliToy(probs=(1e-6,), target=0.8), 1, 2, contract=False),
    _at(BernoulliToy(probs=(0.997, 1e-6)), 2, contract=False),
    _at(CategoricalToy(probs=(0.003, 1e-6, 0.996999)), 1, 2, contract=False),
    # categories, one and two of them; a cost with steps
    _at(CategoricalToy(), 1, 2, 3, place="moved"),
    _at(CategoricalToy(probs=(0.15, 0.6, 0.25), latents=2), 2, place="moved", contract=False),
    _at(StepToy(edges=(-0.4, 0.5, 0.9), loc=0.3, scale=0.7), 1, 2),
    # draws that are made by rejection, at the posterior and away from it
    _at(GammaPosterior(), 1, 2, place="moved"),
    _at(GammaPosterior(counts=(2, 5), concentration=0.7), 2, place="posterior", contract=False),
    _at(DirichletPosterior(), 1, 2, place="moved"),
    _at(DirichletPosterior(counts=(3, 1)), 2, place="posterior", contract=False),
    # the model's parameters as well as q's, one row and three, q at the posterior and away from it
    _at(LinearGaussian(latents=1, observed=2, rows=1), 1, 2, 3, place="moved", contract=False),
    _at(LinearGaussian(latents=2, observed=3, rows=3), 1, 2, place="moved"),
    _at(LinearGaussian(latents=1, observed=2, rows=3), 2, place="posterior"),
    _at(LinearGaussian(latents=2, observed=3, rows=1, correlated=True), 1, 2, place="moved", contract=False),
    # rows whose costs are more than a hundred apart, where single precision underflows
    _at(LinearGaussian(latents=1, observed=80, rows=3), 2, place="moved", mean=False),
    _at(BernoulliVAE(latents=2, rows=3), 1, 2, place="moved"),
    _at(BernoulliVAE(latents=3, layers="nonlinear", hidden=2, learned_prior=False, rows=2), 2, place="moved"),
    _at(SigmoidBeliefNetwork(lower=2, upper=2, rows=1), 1, 2, place="moved"),
    _at(GaussianVAE(latents=2, hidden=3, rows=3), 2, place="moved"),
    # two rows and two draws, where bounds of several draws are known exactly
    _at(LinearGaussian(latents=1, observed=2, rows=2), 2, place="moved", contract=False),
    _at(LinearGaussian(latents=1, observed=3, rows=2), 2, contract=False),
    _at(BernoulliVAE(latents=1, rows=2), 2, 3, place="moved", contract=False),
    # one z for all rows, of unequal weights
    _at(BayesianLogisticRegression(), 2, place="moved"),
    # rows that are drawn, in parts that do not divide them
    _at(Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2), 1, 2, place="moved"),
    _at(Minibatch(BernoulliVAE(latents=1, rows=3), size=2), 1, 2, place="moved"),
    _at(Minibatch(GammaPosterior(counts=(2, 5, 1)), size=2), 1, 2, place="moved", contract=False),
    _at(Minibatch(BayesianLogisticRegression(), size=200), 1, place="moved", contract=False),
)


def against(problems: Iterable[Problem]) -> tuple[Trial, ...]:
    """The trials on somebody's own problems: at their start, and off it."""
    return tuple(_at(problem, 1, 2, 4, place=place) for problem in problems for place in ("init", "moved"))


def tried(estimator: Estimator, trial: Trial) -> list[Case]:
    """The estimator's cases of a trial: every number of draws that it does not refuse.

    Its state is warm, from one run for all of them, and cold once: most states begin with nothing in them.
    """
    fixture = trial.fixture
    counts = [count for count in trial.counts if Case(estimator, fixture, count).refusal is None]
    if not counts:
        return []
    if not tree_leaves(estimator.init(fixture.problem.template, fixture.params)):
        return [Case(estimator, fixture, count) for count in counts]
    warm = [Case(estimator, fixture, count, "warm", counts[0]) for count in counts]
    return [*warm, Case(estimator, fixture, counts[-1], "cold")]
