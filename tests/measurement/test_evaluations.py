"""Evaluations of the cost: counted whichever form an estimator asks for, and whichever one a problem overrides."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

import gradmark.estimators as estimators
from gradmark.benchmarks import specs
from gradmark.benchmarks.measurement.block import Setting
from gradmark.benchmarks.measurement.evaluations import Evaluations, count_evaluations
from gradmark.benchmarks.problems import GaussianToy, LinearGaussian
from gradmark.estimators import ExactMarginalLikelihood, Reparameterization, ReparameterizationAnalyticKL, ScoreFunction
from gradmark.estimators.core import Estimate, Estimator, Params, Problem, State

# Of one estimate of each method with its fewest draws, forward and backward: recorded when the count was made at the
# likelihood of models, and the same since, but for what enumerates `log_joint_of` (it was 0), and for VIMCO, whose
# cost is differentiated through log q where the likelihood is not.
COUNTS: dict[str, dict[tuple[int, int], str]] = {
    "GaussianToy()": {
        (0, 0): "ExactGradient",
        (1, 0): "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate",
        (1, 1): "Reparameterization",
        (2, 0): "LeaveOneOut",
        (2, 2): "Antithetic DoubleControlVariate",
        (4, 0): "MeasureValued MeasureValuedIndependent",
    },
    "BernoulliToy()": {
        (0, 0): "ExactGradient",
        (1, 0): "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate RaoBlackwellScoreFunction",
        (1, 1): "StraightThrough GumbelSoftmax StraightThroughGumbelSoftmax GappedStraightThrough GumbelRao ReinMax",
        (2, 0): "LeaveOneOut RaoBlackwellLeaveOneOut ARM DisARM",
        (2, 2): "DoubleControlVariate",
        (3, 3): "REBAR RELAX",
    },
    "CategoricalToy()": {
        (1, 0): "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate",
        (1, 1): "StraightThrough GumbelSoftmax StraightThroughGumbelSoftmax GappedStraightThrough GumbelRao ReinMax",
        (2, 0): "LeaveOneOut",
        (2, 2): "DoubleControlVariate",
        (3, 0): "ExactGradient",
        (3, 3): "REBAR RELAX",
    },
    "StepToy()": {
        (0, 0): "ExactGradient",
        (1, 0): "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate",
        (2, 0): "LeaveOneOut",
        (4, 0): "MeasureValued MeasureValuedIndependent",
    },
    "LinearGaussian(latents=2, observed=3, rows=4)": {
        (0, 0): "ExactMarginalLikelihood",
        (1, 1): (
            "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate NVIL "
            "RaoBlackwellScoreFunction Reparameterization ReparameterizationAnalyticKL StickingTheLanding IWAE DReG "
            "ExactGradient ExactPosterior"
        ),
        (2, 2): "LeaveOneOut RaoBlackwellLeaveOneOut VarGrad Antithetic VIMCO",
        (2, 4): "DoubleControlVariate",
        (7, 1): "MeasureValued MeasureValuedIndependent",
    },
    "BayesianLogisticRegression()": {
        (0, 0): "ExactGradient",
        (1, 0): "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate RaoBlackwellScoreFunction",
        (1, 1): "Reparameterization ReparameterizationAnalyticKL StickingTheLanding IWAE DReG",
        (2, 0): "LeaveOneOut RaoBlackwellLeaveOneOut VarGrad",
        (2, 2): "Antithetic VIMCO DoubleControlVariate",
        (94, 0): "MeasureValued MeasureValuedIndependent",
    },
    "GaussianMixture()": {
        (0, 0): "ExactGradient",
        (1, 1): (
            "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate NVIL StraightThrough "
            "GumbelSoftmax StraightThroughGumbelSoftmax GappedStraightThrough GumbelRao ReinMax ExactPosterior"
        ),
        (2, 2): "LeaveOneOut VarGrad VIMCO",
        (2, 4): "DoubleControlVariate",
        (3, 3): "ExactMarginalLikelihood",
        (3, 4): "REBAR RELAX",
    },
    "CategoricalMixture()": {
        (0, 0): "ExactGradient",
        (1, 1): (
            "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate NVIL StraightThrough "
            "GumbelSoftmax StraightThroughGumbelSoftmax GappedStraightThrough GumbelRao ReinMax ExactPosterior"
        ),
        (2, 2): "LeaveOneOut VarGrad VIMCO",
        (2, 4): "DoubleControlVariate",
        (3, 3): "ExactMarginalLikelihood",
        (3, 4): "REBAR RELAX",
    },
    "HiddenMarkovModel()": {
        (0, 0): "ExactGradient ExactMarginalLikelihood",
        (1, 1): (
            "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate NVIL StraightThrough "
            "GumbelSoftmax StraightThroughGumbelSoftmax GappedStraightThrough GumbelRao ReinMax ExactPosterior"
        ),
        (2, 2): "LeaveOneOut VarGrad VIMCO",
        (2, 4): "DoubleControlVariate",
        (3, 4): "REBAR RELAX",
    },
    "BayesianGaussianMixture()": {
        (0, 0): "ExactGradient",
        (1, 0): "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate",
        (2, 0): "LeaveOneOut",
    },
    "FixedBeliefNetwork()": {
        (1, 0): (
            "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate NVIL RaoBlackwellScoreFunction"
        ),
        (1, 1): "StraightThrough GumbelSoftmax StraightThroughGumbelSoftmax GappedStraightThrough GumbelRao ReinMax",
        (2, 0): "LeaveOneOut RaoBlackwellLeaveOneOut VarGrad ARM DisARM",
        (2, 2): "VIMCO DoubleControlVariate",
        (3, 3): "REBAR RELAX",
        (64, 0): "ExactGradient ExactMarginalLikelihood",
    },
    "GammaPosterior()": {
        (0, 0): "ExactGradient",
        (1, 0): "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate",
        (1, 1): "ImplicitReparameterization ReparameterizationAnalyticKL StickingTheLanding IWAE DReG",
        (2, 0): "LeaveOneOut VarGrad",
        (2, 2): "VIMCO DoubleControlVariate",
    },
    "DirichletPosterior()": {
        (0, 0): "ExactGradient",
        (1, 0): "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate",
        (1, 1): "ImplicitReparameterization ReparameterizationAnalyticKL StickingTheLanding IWAE DReG",
        (2, 0): "LeaveOneOut VarGrad",
        (2, 2): "VIMCO DoubleControlVariate",
    },
    "GaussianVAE(latents=2, rows=3)": {
        (1, 1): (
            "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate NVIL "
            "RaoBlackwellScoreFunction Reparameterization ReparameterizationAnalyticKL StickingTheLanding IWAE DReG"
        ),
        (2, 2): "LeaveOneOut RaoBlackwellLeaveOneOut VarGrad Antithetic VIMCO",
        (2, 4): "DoubleControlVariate",
        (7, 1): "MeasureValued MeasureValuedIndependent",
    },
    "BernoulliVAE(latents=2, rows=3)": {
        (0, 0): "ExactGradient",
        (1, 1): (
            "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate NVIL "
            "RaoBlackwellScoreFunction StraightThrough GumbelSoftmax StraightThroughGumbelSoftmax "
            "GappedStraightThrough GumbelRao ReinMax ExactPosterior"
        ),
        (2, 2): "LeaveOneOut RaoBlackwellLeaveOneOut VarGrad ARM DisARM VIMCO",
        (2, 4): "DoubleControlVariate",
        (3, 4): "REBAR RELAX",
        (4, 4): "ExactMarginalLikelihood",
    },
    "SigmoidBeliefNetwork()": {
        (0, 0): "ExactGradient ExactMarginalLikelihood",
        (1, 1): (
            "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate NVIL "
            "RaoBlackwellScoreFunction ExactPosterior"
        ),
        (2, 2): "LeaveOneOut RaoBlackwellLeaveOneOut VarGrad VIMCO",
    },
    "ContextualBandit()": {
        (0, 0): "ExactGradient",
        (1, 0): "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate RaoBlackwellScoreFunction",
        (2, 0): "LeaveOneOut RaoBlackwellLeaveOneOut",
    },
    "TabularMDP()": {
        (0, 0): "ExactGradient",
        (1, 0): "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate RaoBlackwellScoreFunction",
        (2, 0): "LeaveOneOut RaoBlackwellLeaveOneOut",
    },
    "Minibatch(problem=LinearGaussian(latents=1, observed=2, rows=3), size=2)": {
        (0, 0): "ExactMarginalLikelihood",
        (1, 1): (
            "ScoreFunction ConstantBaseline MovingAverageBaseline OptimalControlVariate NVIL "
            "RaoBlackwellScoreFunction Reparameterization ReparameterizationAnalyticKL StickingTheLanding IWAE DReG "
            "ExactGradient ExactPosterior"
        ),
        (2, 2): "LeaveOneOut RaoBlackwellLeaveOneOut VarGrad Antithetic VIMCO",
        (2, 4): "DoubleControlVariate",
        (4, 1): "MeasureValued MeasureValuedIndependent",
    },
}


@pytest.mark.parametrize("problem", COUNTS)
def test_counts_of_the_catalogue(problem: str) -> None:
    target, params = specs.problem(problem), specs.problem(problem).init()
    for (forward, backward), names in COUNTS[problem].items():
        for name in names.split():
            estimator = getattr(estimators, name)()
            fewest = next(count for count in (1, 2) if estimator.refuses(target.seen, count) is None)
            assert count_evaluations(Setting(target, estimator, fewest, params)) == Evaluations(forward, backward), name


# Models that override one form of the cost or another


@dataclass(frozen=True)
class JointModel(LinearGaussian):
    """A hierarchical prior: log p(x, z) in one piece."""

    def log_joint(self, params: Params, z: Tensor) -> Tensor:
        prior = self.prior(params).log_prob(z / 2) - self.latents * torch.log(torch.tensor(2.0))
        mean = z @ params["weight"].mT + params["bias"].unsqueeze(-2)
        return prior - (self.observations(params) - mean).square().sum(-1)


@dataclass(frozen=True)
class WholeCost(LinearGaussian):
    """The cost in one piece."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return q.log_prob(z) + z.square().sum(-1) / 2


@dataclass(frozen=True)
class KLFirst(LinearGaussian):
    """The cost under an analytic divergence, in one piece."""

    def cost_analytic_kl(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return q.log_prob(z).detach() * 0 + z.square().sum(-1)


@dataclass(frozen=True)
class Twice(LinearGaussian):
    """A cost that asks for its likelihood twice: it is evaluated once."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return super().cost(params, z, q) - self.log_likelihood(params, z)


@pytest.mark.parametrize("problem", [JointModel, WholeCost, Twice], ids=lambda cls: cls.__name__)
def test_an_overridden_form_is_counted(problem: type[LinearGaussian]) -> None:
    model = problem(latents=2, observed=3, rows=4)
    for method, counts in ((ScoreFunction(), 3), (Reparameterization(), 3)):
        found = count_evaluations(Setting(model, method, 3, model.init()))
        assert found.forward == counts
    assert count_evaluations(Setting(model, Reparameterization(), 3, model.init())).backward == 3


def test_the_analytic_divergence_is_counted() -> None:
    model = KLFirst(latents=2, observed=3, rows=4)
    found = count_evaluations(Setting(model, ReparameterizationAnalyticKL(), 5, model.init()))
    assert found == Evaluations(5, 5)


def test_an_enumeration_is_counted_state_by_state() -> None:
    model = specs.problem("BernoulliVAE(latents=3, rows=3)")
    assert count_evaluations(Setting(model, ExactMarginalLikelihood(), 1, model.init())).forward == 8


@dataclass(frozen=True)
class Asked(GaussianToy):
    """A problem with a form of its cost that the counter does not know."""

    def reward(self, z: Tensor) -> Tensor:
        return -(z**2).sum(-1)


@dataclass(frozen=True)
class Asking(Estimator):
    """Asks for that form only."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None if isinstance(problem, Asked) else "made for Asked"

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        assert isinstance(problem, Asked)
        z = Independent(Normal(params["loc"], params["log_scale"].exp()), 1).sample((num_samples,))
        weight = -problem.reward(z).mean(0).unsqueeze(-1)
        return Estimate({name: weight * torch.ones_like(value) for name, value in params.items()}, state)


def test_unseen_evaluations_are_not_counted() -> None:
    problem = Asked()
    assert count_evaluations(Setting(problem, Asking(), 1, problem.init())) == Evaluations(None, None)
