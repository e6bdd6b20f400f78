"""The optimal control variate: its exact variance by closed forms and by enumeration, and how it finds a coefficient.

One test depends on chance: it fails a right estimator with probability below 1e-6, once, as its seed is fixed.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from gradmark.benchmarks.measurement.block import Setting, lifted, seeded
from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy, GaussianToy, LinearGaussian
from gradmark.benchmarks.quadrature.exact_moments import exact_moments
from gradmark.estimators import OptimalControlVariate
from gradmark.estimators.core import Params, Problem, State
from gradmark.estimators.score_function.optimal_control_variate import coefficient
from tests.estimators import closed_forms

OPTIMAL = OptimalControlVariate()


def frozen(problem: Problem, coefficients: Params) -> State:
    """The state of averages that have seen enough, and whose ratios are `coefficients`."""
    square = {name: torch.full_like(value, 0.25) for name, value in problem.init().items()}
    product = {name: 0.25 * coefficients[name] for name in square}
    return {"product": product, "square": square, "weight": torch.tensor(1.0, dtype=torch.float64)}


def moments(problem: Problem, coefficients: Params, draws: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The exact mean and variance of each coordinate."""
    found = exact_moments(Setting(problem, OPTIMAL, draws, problem.init(), frozen(problem, coefficients)))
    return found.mean.numpy(), found.variance.numpy()


def params_of(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("draws", [1, 2])
@pytest.mark.parametrize(("p", "t"), [(0.3, 0.45), (0.85, 0.8), (0.5, 0.499)])
def test_one_bit(p: float, t: float, draws: int) -> None:
    """At the coefficient (1 − p) cost(1) + p cost(0) nothing is left; away from it, the variance of a baseline."""
    best = (1 - p) * (1 - t) ** 2 + p * t**2
    for given in (best, best + 0.3, 0.0):
        mean, variance = closed_forms.bit_score_function(p, t, given)
        found = moments(BernoulliToy((p,), t), {"logits": params_of(given)}, draws)
        np.testing.assert_allclose(found, [[mean], [variance / draws]], rtol=1e-9, atol=1e-16)
    assert closed_forms.bit_score_function(p, t, best)[1] < 1e-16


@pytest.mark.parametrize("coefficients", [(0.4, -1.3), (2.0, 7.0)], ids=str)
@pytest.mark.parametrize(("k", "loc", "scale"), [(-3.0, 1.0, 1.0), (0.7, -0.4, 0.5)])
def test_location_and_scale_have_their_own(k: float, loc: float, scale: float, coefficients: tuple[float, ...]) -> None:
    """Each coordinate has the variance of a baseline that is its own coefficient."""
    cost = closed_forms.quadratic(k, loc, scale)
    expected = [cost.score_function(each)[index] for index, each in enumerate(coefficients)]
    given = {"loc": params_of(coefficients[0]), "log_scale": params_of(coefficients[1])}
    found = moments(GaussianToy(k=k, loc=loc, scale=scale), given)
    np.testing.assert_allclose(np.stack(found, 1), expected, rtol=1e-9, atol=1e-9)


def test_the_best_coefficients_of_a_quadratic() -> None:
    """E[cost s²]/E[s²] is α + 3γ for loc and α + 5γ for log scale: the variance falls by its correlation's square."""
    k, loc, scale = 0.7, -0.4, 0.5
    cost = closed_forms.quadratic(k, loc, scale)
    best = (cost.alpha + 3 * cost.gamma, cost.alpha + 5 * cost.gamma)
    given = {"loc": params_of(best[0]), "log_scale": params_of(best[1])}
    _, variance = moments(GaussianToy(k=k, loc=loc, scale=scale), given)
    for index, information in enumerate((1 / scale**2, 2.0)):
        plain = cost.score_function()[index][1]
        assert variance[index] == pytest.approx(plain - best[index] ** 2 * information, rel=1e-9)


@pytest.mark.parametrize("probs", [(0.3, 0.85, 0.6), (0.9, 0.2)], ids=str)
def test_several_bits_by_enumeration(probs: tuple[float, ...]) -> None:
    f, s, weight = closed_forms.bits(probs, 0.45)
    best = (s**2 @ (weight * f)) / (s**2 @ weight)
    expected = np.array([closed_forms.score_function(f, row, weight, a) for row, a in zip(s, best, strict=True)]).T
    np.testing.assert_allclose(
        moments(BernoulliToy(probs, 0.45), {"logits": params_of(*best)}), expected, rtol=1e-9, atol=1e-14
    )
    near = moments(BernoulliToy(probs, 0.45), {"logits": params_of(*(best + 0.05))})[1]
    assert (near > expected[1]).all()


def test_rows_have_one_coefficient_together() -> None:
    """Two rows of one latent: of h − a s, both summed over rows, by quadrature of two Gaussians at once."""
    problem = LinearGaussian(latents=1, observed=1, rows=2)
    params = problem.init()
    e, weight = np.polynomial.hermite_e.hermegauss(40)
    weight = weight / weight.sum()
    q = problem.distribution(params)
    mean, scale = q.mean.numpy(), q.stddev.numpy()
    pairs = np.array(list(itertools.product(e, e)))
    z = torch.tensor(mean[:, 0] + scale[:, 0] * pairs).unsqueeze(-1)
    cost = problem.cost(params, z, q).numpy()
    score = pairs / scale[:, 0]
    total, both = np.outer(weight, weight).ravel(), 1.7
    drawn = (cost * score).sum(1) - both * score.sum(1)
    expected = float(total @ drawn**2 - (total @ drawn) ** 2)
    given = {name: torch.full_like(value, both) for name, value in params.items()}
    found = exact_moments(Setting(problem, OPTIMAL, 1, params, frozen(problem, given)))
    sizes = [value.numel() for value in params.values()]
    variance = dict(zip(params, found.variance.split(sizes), strict=True))["encoder_bias"].item()
    assert variance == pytest.approx(expected, rel=1e-9)


def test_averages_are_of_the_draws_of_the_estimate() -> None:
    problem = CategoricalToy()
    params = lifted(problem.init(), 4)
    state = OPTIMAL.init(problem, params)
    with seeded(3, torch.device("cpu")):
        _, once = OPTIMAL.estimate(problem, params, state, 2)
    with seeded(3, torch.device("cpu")):
        z = problem.distribution(params).sample((2,))
    cost, score = problem.cost(params, z, problem.distribution(params)), (z - params["logits"].softmax(-1)).squeeze(-2)
    plain = (cost.unsqueeze(-1) * score).mean(0)
    torch.testing.assert_close(once["product"]["logits"].reshape(plain.shape), 0.02 * plain * score.mean(0))
    torch.testing.assert_close(once["square"]["logits"].reshape(plain.shape), 0.02 * score.mean(0) ** 2)


@pytest.mark.parametrize(("weight", "expected"), [(0.49, (0.0, 0.0)), (0.51, (1.5, 0.0))])
def test_a_coefficient_is_used_where_half_of_the_weight_is_seen(weight: float, expected: tuple[float, float]) -> None:
    """Where the score has never been anything but zero, it stays zero."""
    state = {"product": {"logits": params_of(3.0, 0.0)}, "square": {"logits": params_of(2.0, 0.0)}}
    found = coefficient({**state, "weight": params_of(weight).squeeze()}, "logits")
    assert tuple(found.tolist()) == expected


def test_the_coefficient_of_a_long_run_is_the_best_one() -> None:
    """The mean over replicates of the ratio, whose own bias is of the order of 1/2000 here, is within five errors."""
    problem, estimator = GaussianToy(k=0.7, loc=-0.4, scale=0.5), OptimalControlVariate(decay=0.995)
    cost = closed_forms.quadratic(0.7, -0.4, 0.5)
    params = lifted(problem.init(), 128)
    state = estimator.init(problem, params)
    with seeded(1, torch.device("cpu")):
        for _ in range(1000):
            _, state = estimator.estimate(problem, params, state, 16)
    found = state["product"]["loc"] / state["square"]["loc"]
    error = found.std().item() / 128**0.5
    assert abs(found.mean().item() - (cost.alpha + 3 * cost.gamma)) < 5 * error
    assert error < 0.02 * abs(cost.alpha + 3 * cost.gamma)


@pytest.mark.parametrize("decay", [0.5, 1.0, -0.1])
def test_a_decay_that_keeps_too_little_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"OptimalControlVariate\(decay=.*must be in \[0.9, 1\).*try 0.98"):
        OptimalControlVariate(decay)
