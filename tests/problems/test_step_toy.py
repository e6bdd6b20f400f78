"""A cost with steps: its oracle, the noise of methods that may be used on it, and the refusal of those that may not."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

import gradmark.estimators as estimators
from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.mean import mean_is_exact
from gradmark.benchmarks.problems import BernoulliToy, StepToy
from gradmark.estimators import LeaveOneOut, ScoreFunction
from gradmark.estimators.core import Estimator, Problem
from tests.controls.wrong.score_function import PathThroughSteps
from tests.estimators.agreement import assert_agrees, measured

Answer = tuple[float, float]
PATHWISE = ["Reparameterization", "ReparameterizationAnalyticKL", "StickingTheLanding", "StraightThrough"]


class SteppedBits(BernoulliToy):
    """Bits whose cost is counted by comparison."""

    @property
    def differentiable(self) -> bool:
        return False


def answers(loc: float, scale: float, edge: float, draws: int | None) -> tuple[Answer, Answer]:
    """One step, for the score function (None) or leave-one-out, in loc and in log scale, from E[1[e > u] eⁿ]."""
    u = (edge - loc) / scale
    density, above = float(stats.norm.pdf(u)), float(stats.norm.sf(u))
    powers = [above, density, u * density + above, 0.0, (u**3 + 3 * u) * density + 3 * above]
    found = []
    for chain, mean, square, whole in (
        (1 / scale, powers[1], powers[2], 1.0),
        (1.0, powers[2] - powers[0], powers[4] - 2 * powers[2] + powers[0], 2.0),
    ):
        variance = square - mean**2
        if draws is not None:  # E[(f − E f)² s²], f being its own square
            centred = square * (1 - 2 * above) + above**2 * whole
            extra = (above * (1 - above) * whole + mean**2) / (draws * (draws - 1))
            variance = (centred - mean**2) / draws + extra
        found.append((chain * mean, chain**2 * variance))
    return found[0], found[1]


@pytest.mark.parametrize(("loc", "scale", "edge"), [(1.0, 1.0, 0.0), (0.3, 0.6, 0.5), (-0.2, 1.7, -1.0)])
def test_mean_and_variance_of_one_step(loc: float, scale: float, edge: float) -> None:
    problem = StepToy(edges=(edge,), loc=loc, scale=scale)
    params = {name: value.requires_grad_() for name, value in problem.init().items()}
    exact = problem.exact(params)
    assert exact.item() == pytest.approx(stats.norm.cdf((loc - edge) / scale))
    gradient = [value.item() for value in torch.autograd.grad(exact, list(params.values()))]
    assert gradient == pytest.approx([mean for mean, _ in answers(loc, scale, edge, None)])
    assert_agrees(measured(problem, ScoreFunction(), replicates=2**17), *answers(loc, scale, edge, None))
    assert_agrees(measured(problem, LeaveOneOut(), 3, 2**17), *answers(loc, scale, edge, 3))


def test_steps_add_up() -> None:
    problem = StepToy(edges=(-1.0, 0.5, 0.5))
    z = torch.tensor([[-2.0], [0.0], [0.6]])
    assert problem.cost({}, z, problem.distribution(problem.init())).tolist() == [0, 1, 3]
    expected = sum(stats.norm.cdf(1.0 - edge) for edge in problem.edges)
    assert problem.exact(problem.init()).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", PATHWISE)
@pytest.mark.parametrize("problem", [StepToy(), SteppedBits()], ids=["Gaussian", "bits"])
def test_what_differentiates_the_cost_refuses(name: str, problem: Problem) -> None:
    estimator: Estimator = getattr(estimators, name)()
    refusal = estimator.refuses(problem, 3)
    assert refusal is not None
    assert refusal.startswith(f"{name}.estimate(problem={problem}): ")
    assert "; use " in refusal


def test_a_path_through_steps_is_silently_wrong() -> None:
    """Why they refuse: zero for every draw."""
    case = EstimatorCase(PathThroughSteps(), Case(StepToy(), "init"))
    assert not case.estimate(case.params((64,))).gradient["loc"].count_nonzero()
    assert mean_is_exact(case).failed
    assert case.exact()["loc"].item() == pytest.approx(math.exp(-0.5) / math.sqrt(2 * math.pi))  # type: ignore[index]


@pytest.mark.parametrize(("fields", "message"), [({"edges": ()}, "without a step"), ({"scale": 0.0}, "use 1.0")])
def test_impossible_fields_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StepToy(**fields)
