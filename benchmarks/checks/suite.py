"""The suite of cases that `gradmark check` runs: one line for each problem at a parameter point, with num_samples."""

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
    CorrelatedLinearGaussian,
    DirichletPosterior,
    GammaPosterior,
    GaussianToy,
    GaussianVAE,
    LinearGaussian,
    Minibatch,
    NonlinearFixedPriorBernoulliVAE,
    SigmoidBeliefNetwork,
    StepToy,
)
from gradmark.estimators.core import Estimator, Problem


@dataclass(frozen=True)
class SuiteCase:
    """A problem at a parameter point with numbers of samples, and which checks run there."""

    fixture: Fixture
    counts: tuple[int, ...] = (1, 2)  # numbers of samples
    contract: bool = True  # shapes, independent replicates, seeds, precision
    mean: bool = True  # the mean, exactly where that is possible, else by Monte Carlo


def _at(problem: Problem, *counts: int, at: str = "init", contract: bool = True, mean: bool = True) -> SuiteCase:
    return SuiteCase(Fixture(problem, at), counts or (1, 2), contract, mean)


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
    _at(Minibatch(BernoulliVAE(latents=1, rows=3), size=2), 1, 2, at="moved"),
    _at(Minibatch(GammaPosterior(counts=(2, 5, 1)), size=2), 1, 2, at="moved", contract=False),
    _at(Minibatch(BayesianLogisticRegression(), size=200), 1, at="moved", contract=False),
)


def suite_on(problems: Iterable[Problem]) -> tuple[SuiteCase, ...]:
    """The suite for a user's own problems: at their initial parameters, and away from them."""
    return tuple(_at(problem, 1, 2, 4, at=at) for problem in problems for at in ("init", "moved"))


def cases_of(estimator: Estimator, suite_case: SuiteCase) -> list[Case]:
    """The estimator on a case of the suite, with every number of samples that it does not refuse.

    A state is warmed up once for all of them; one more case has a cold state, since most states start empty.
    """
    fixture = suite_case.fixture
    counts = [count for count in suite_case.counts if Case(estimator, fixture, count).refusal is None]
    if not counts:
        return []
    if not tree_leaves(estimator.init(fixture.problem.template, fixture.params)):
        return [Case(estimator, fixture, count) for count in counts]
    warm = [Case(estimator, fixture, count, "warm", counts[0]) for count in counts]
    return [*warm, Case(estimator, fixture, counts[-1], "cold")]
