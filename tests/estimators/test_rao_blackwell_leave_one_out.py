"""Leave-one-out of the score function split by site: its exact variance by closed forms and by an enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import expit

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.exact_moments import exact_moments, expectation_is_exact
from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy, SigmoidBeliefNetwork
from gradmark.estimators import LeaveOneOut, RaoBlackwellLeaveOneOut
from gradmark.estimators.core import Estimator
from tests.controls.wrong import rao_blackwell
from tests.estimators import closed_forms
from tests.estimators.test_rao_blackwell import bernoulli

SPLIT = RaoBlackwellLeaveOneOut()


def moments(estimator: Estimator, on: Case, draws: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The exact mean and variance of each named parameter."""
    found = exact_moments(EstimatorCase(estimator, on, draws))
    sizes = [value.numel() for value in on.params.values()]
    pairs = zip(found.mean.split(sizes), found.variance.split(sizes), strict=True)
    return {name: (a.numpy(), b.numpy()) for name, (a, b) in zip(on.params, pairs, strict=True)}


@pytest.mark.parametrize("draws", [2, 3, 5])
@pytest.mark.parametrize("probs", [(0.3, 0.85, 0.55), (0.5, 0.02)], ids=str)
def test_bits_that_add_up_are_alone(probs: tuple[float, ...], draws: int) -> None:
    """Each bit has the mean and the variance that leave-one-out has for it alone; together they disturb each other."""
    on = Case(BernoulliToy(probs=probs), "init")
    found = moments(SPLIT, on, draws)["logits"]
    expected = [closed_forms.bit_leave_one_out(p, 0.45, draws) for p in probs]
    np.testing.assert_allclose(np.stack(found, 1), expected, rtol=1e-9, atol=1e-14)
    assert (found[1] < moments(LeaveOneOut(), on, draws)["logits"][1]).all()


def biases(problem: SigmoidBeliefNetwork, on: Case, draws: int) -> dict[str, np.ndarray]:
    """Mean and variance for the biases of both layers of q, by a loop over states and the formula of leave-one-out."""
    w = {name: value.numpy() for name, value in on.params.items()}
    (x,) = problem.data_rows(on.params["prior_logits"].dtype, on.params["prior_logits"].device).numpy()
    weights, scores, probability = [], [], []
    for state in itertools.product((0.0, 1.0), repeat=problem.lower + problem.upper):
        z1, z2 = np.array(state[: problem.lower]), np.array(state[problem.lower :])
        a = w["encoder_lower_weight"] @ x + w["encoder_lower_bias"]
        b = w["encoder_upper_weight"] @ z1 + w["encoder_upper_bias"]
        lit = w["decoder_pixels_weight"] @ z1 + w["decoder_pixels_bias"]
        q1, q2, p2 = bernoulli(z1, a), bernoulli(z2, b), bernoulli(z2, w["prior_logits"])
        p1 = bernoulli(z1, w["decoder_lower_weight"] @ z2 + w["decoder_lower_bias"]).sum()
        likelihood = (x * np.log(expit(lit)) + (1 - x) * np.log(expit(-lit))).sum()
        weights.append([*(q1 + q2.sum() - p2.sum() - p1 - likelihood), *(q2 - p2 - p1)])
        scores.append([*(z1 - expit(a)), *(z2 - expit(b))])
        probability.append(np.exp(q1.sum() + q2.sum()))
    f, s, p = np.array(weights).T, np.array(scores).T, np.array(probability)
    found = np.array([closed_forms.leave_one_out(*site, p, draws) for site in zip(f, s, strict=True)])
    lower, upper = np.split(found, [problem.lower])
    return {"encoder_lower_bias": lower, "encoder_upper_bias": upper}


@pytest.mark.parametrize(("lower", "upper", "draws"), [(2, 2, 2), (2, 1, 3), (1, 2, 2)])
def test_network_is_the_enumeration(lower: int, upper: int, draws: int) -> None:
    problem = SigmoidBeliefNetwork(lower=lower, upper=upper, rows=1)
    on = Case(problem)
    found = moments(SPLIT, on, draws)
    for name, expected in biases(problem, on, draws).items():
        np.testing.assert_allclose(np.stack(found[name], 1), expected, rtol=1e-9, atol=1e-9)
    exact = EstimatorCase(SPLIT, on, draws).exact()
    assert exact is not None
    for name, value in exact.items():
        np.testing.assert_allclose(found[name][0], value.flatten().numpy(), rtol=1e-10, atol=1e-10)


def test_the_upper_layer_gains() -> None:
    """The likelihood no longer weighs the upper layer's score; the model's own gradient is the same."""
    on = Case(SigmoidBeliefNetwork(lower=2, upper=2, rows=1), "init")
    split, whole = moments(SPLIT, on, 2), moments(LeaveOneOut(), on, 2)
    assert split["encoder_upper_bias"][1].sum() < 0.5 * whole["encoder_upper_bias"][1].sum()
    for name in ("decoder_pixels_weight", "decoder_lower_weight", "prior_logits"):
        np.testing.assert_allclose(split[name][1], whole[name][1], rtol=1e-10)


def test_refusals() -> None:
    one = SPLIT.refuses(BernoulliToy(), 1) or ""
    assert one.endswith("the baselines are of the other draws, so num_samples must be at least 2; pass 2 or more")
    assert "does not split into terms" in (SPLIT.refuses(CategoricalToy(), 2) or "")


WRONG: list[Estimator] = [
    rao_blackwell.OwnWeightInTheBaseline(),
    rao_blackwell.BaselineOfTheOtherSites(),
    rao_blackwell.SitesNotReachedLessTheirBaseline(),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: type(wrong).__name__)
def test_control_is_rejected_and_its_right_neighbour_is_not(wrong: Estimator) -> None:
    on = Case(SigmoidBeliefNetwork(lower=2, upper=1, rows=1))
    assert expectation_is_exact(EstimatorCase(wrong, on, 2)).status == "failed"
    for right in (SPLIT, rao_blackwell.SitesWithBaselines()):
        assert expectation_is_exact(EstimatorCase(right, on, 2)).status == "passed"
