"""The score function split by site: exact mean and variance, where it helps and where it does not, wrong versions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.special import expit

from gradmark.benchmarks.checks import CHECKS, Case, EstimatorCase, estimator_cases
from gradmark.benchmarks.checks.exact_moments import exact_moments, expectation_is_exact
from gradmark.benchmarks.measurement.quantities import positive
from gradmark.benchmarks.problems import (
    BernoulliToy,
    BernoulliVAE,
    CategoricalToy,
    DirichletPosterior,
    GammaPosterior,
    GaussianToy,
    LinearGaussian,
    Minibatch,
    SigmoidBeliefNetwork,
)
from gradmark.estimators import RaoBlackwellScoreFunction, ScoreFunction
from gradmark.estimators.core import Estimator, Params, Term
from gradmark.estimators.score_function.base import downstream
from tests.controls.wrong import rao_blackwell
from tests.estimators import closed_forms
from tests.estimators.agreement import measured

SPLIT, PLAIN = RaoBlackwellScoreFunction(), ScoreFunction()
NETWORK = Case(SigmoidBeliefNetwork(lower=2, upper=2, rows=1))
OF_Q = ("encoder_lower_weight", "encoder_lower_bias", "encoder_upper_weight", "encoder_upper_bias")


@dataclass(frozen=True)
class At(Case):
    """A problem at parameters of our own."""

    solved: Params | None = None

    @property
    def params(self) -> Params:
        assert self.solved is not None
        return {name: value.clone() for name, value in self.solved.items()}

    def __hash__(self) -> int:
        return id(self)


def moments(estimator: Estimator, on: Case, draws: int = 1) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The exact mean and variance of each named parameter."""
    found = exact_moments(EstimatorCase(estimator, on, draws))
    sizes = [value.numel() for value in on.params.values()]
    pairs = zip(found.mean.split(sizes), found.variance.split(sizes), strict=True)
    return {name: (a.numpy(), b.numpy()) for name, (a, b) in zip(on.params, pairs, strict=True)}


def bernoulli(z: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """log of the probability of each bit."""
    return np.log(np.where(z == 1, expit(logits), expit(-logits)))


def enumerated(on: Case, split: bool) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """q's part of one draw's gradient, by a plain loop over rows and states: which term weighs which score by hand."""
    problem, w = on.problem, {name: value.numpy() for name, value in on.params.items()}
    assert isinstance(problem, SigmoidBeliefNetwork)
    total = {name: (np.zeros(w[name].size), np.zeros(w[name].size)) for name in OF_Q}
    for x in problem.data_rows(torch.float64, torch.device("cpu")).numpy():
        first, second = ({name: np.zeros(w[name].size) for name in OF_Q} for _ in range(2))
        for state in itertools.product((0.0, 1.0), repeat=problem.lower + problem.upper):
            z1, z2 = np.array(state[: problem.lower]), np.array(state[problem.lower :])
            a = w["encoder_lower_weight"] @ x + w["encoder_lower_bias"]
            b = w["encoder_upper_weight"] @ z1 + w["encoder_upper_bias"]
            lit = w["decoder_pixels_weight"] @ z1 + w["decoder_pixels_bias"]
            q1, q2, p2 = bernoulli(z1, a), bernoulli(z2, b), bernoulli(z2, w["prior_logits"])
            p1 = bernoulli(z1, w["decoder_lower_weight"] @ z2 + w["decoder_lower_bias"])
            likelihood = (x * np.log(expit(lit)) + (1 - x) * np.log(expit(-lit))).sum()
            of_lower = q1 + q2.sum() - p2.sum() - p1.sum() - likelihood
            of_upper = q2 - p2 - p1.sum()
            if not split:
                of_lower = of_upper = q1.sum() + q2.sum() - p2.sum() - p1.sum() - likelihood
            s1, s2 = of_lower * (z1 - expit(a)), of_upper * (z2 - expit(b))
            drawn = dict(zip(OF_Q, (np.outer(s1, x).ravel(), s1, np.outer(s2, z1).ravel(), s2), strict=True))
            prob = np.exp(q1.sum() + q2.sum())
            for name, value in drawn.items():
                first[name] += prob * value
                second[name] += prob * value**2
        for name, (mean, variance) in total.items():
            total[name] = mean + first[name], variance + second[name] - first[name] ** 2
    return total


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 2, 1), (1, 3, 1)], ids=str)
@pytest.mark.parametrize("estimator", [SPLIT, PLAIN], ids=str)
def test_network_is_the_enumeration(estimator: Estimator, sizes: tuple[int, int, int]) -> None:
    lower, upper, rows = sizes
    on = Case(SigmoidBeliefNetwork(lower=lower, upper=upper, rows=rows))
    found, expected = moments(estimator, on), enumerated(on, estimator == SPLIT)
    exact = EstimatorCase(estimator, on).exact()
    assert exact is not None
    for name, value in exact.items():
        np.testing.assert_allclose(found[name][0], value.flatten().numpy(), rtol=1e-12, atol=1e-12)
    for name, (mean, variance) in expected.items():
        np.testing.assert_allclose(found[name][0], mean, rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(found[name][1], variance, rtol=1e-9, atol=1e-9)


def test_draws_are_averaged() -> None:
    one, two = moments(SPLIT, NETWORK, 1), moments(SPLIT, NETWORK, 2)
    for name, (mean, variance) in one.items():
        np.testing.assert_allclose(two[name][0], mean, rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(two[name][1], variance / 2, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("probs", [(0.3, 0.85, 0.55, 0.02), (0.5, 0.1)], ids=str)
def test_bits_that_add_up_are_alone(probs: tuple[float, ...]) -> None:
    """Each bit has the mean and the variance that it has without the others."""
    mean, variance = moments(SPLIT, Case(BernoulliToy(probs=probs), "init"))["logits"]
    expected = [closed_forms.bit_score_function(p, 0.45) for p in probs]
    np.testing.assert_allclose(np.stack([mean, variance], 1), expected, rtol=1e-10, atol=1e-13)
    assert (variance < moments(PLAIN, Case(BernoulliToy(probs=probs), "init"))["logits"][1]).all()


def shares(on: Case) -> dict[str, float]:
    """The variance as a share of the plain score function's."""
    split, plain = moments(SPLIT, on), moments(PLAIN, on)
    return {name: float(split[name][1].sum() / plain[name][1].sum()) for name in on.params}


@pytest.mark.parametrize(("lower", "upper", "worse"), [(3, 2, 1.05), (6, 4, 1.15)])
def test_upper_layer_gains_and_lower_layer_loses(lower: int, upper: int, worse: float) -> None:
    """The likelihood, of 45 nats, no longer weighs z²; z¹ has lost log q(z¹_j), which cancelled some of −log p."""
    on = Case(SigmoidBeliefNetwork(lower=lower, upper=upper, rows=1), "init")
    found, (split, plain) = shares(on), (enumerated(on, each) for each in (True, False))
    for name in OF_Q:
        assert found[name] == pytest.approx(split[name][1].sum() / plain[name][1].sum(), rel=1e-9)
    assert found["encoder_upper_bias"] < 0.01
    assert round(found["encoder_lower_bias"], 2) == worse
    for name in ("decoder_pixels_weight", "decoder_lower_weight", "prior_logits"):
        assert found[name] == pytest.approx(1.0, abs=1e-12)  # the model's own gradient is the same draw for draw


def test_a_wide_layer_loses_more() -> None:
    """Twice the variance with 32 + 16 bits: the intervals of the two are apart."""
    wide = SigmoidBeliefNetwork(lower=32, upper=16, rows=1)
    column = 1 + list(wide.init()).index("encoder_lower_bias")
    split, plain = (positive(measured(wide, each, 1, 2**11).traces[:, column]) for each in (SPLIT, PLAIN))
    assert split.ci is not None
    assert plain.ci is not None
    assert split.ci[0] > plain.ci[1]
    assert split.ci[0] < 2 * plain.ci[1]
    assert 2 * plain.ci[0] < split.ci[1]


def posterior(log_noise: float) -> tuple[At, torch.Tensor, torch.Tensor, float]:
    """A model whose q is the posterior; mean and variance of log q_j − log p_j of each latent; c = −log p(x)."""
    problem = LinearGaussian(latents=2, observed=2, rows=1)
    params = problem.true_parameters()
    params["weight"] = torch.tensor([[0.3, 0.0], [0.0, -0.2]], dtype=torch.float64)
    params["bias"] = problem.data_rows(torch.float64, torch.device("cpu"))[0] - 0.1
    params["log_noise"] = torch.tensor([log_noise], dtype=torch.float64)
    noise = (2 * params["log_noise"]).exp()
    precision = 1 + params["weight"].diagonal() ** 2 / noise
    encoder = params["weight"].mT / noise / precision.unsqueeze(-1)
    params |= {"encoder_weight": encoder, "encoder_bias": -encoder @ params["bias"], "log_scale": -precision.log() / 2}
    q, evidence = problem.distribution(params), problem.log_evidence(params)
    m, v = q.mean[0], q.variance[0]
    return (
        At(problem, "solved", solved=params),
        (v + m**2 - 1 - v.log()) / 2,
        (v - 1) ** 2 / 2 + m**2 * v,
        -evidence.item(),
    )


@pytest.mark.parametrize(("log_noise", "worse"), [(-0.5, False), (-1.2, True)])
def test_at_the_posterior_by_hand(log_noise: float, worse: bool) -> None:
    """The cost is c for every draw, and the variance for loc_i c²/v_i; without the other's r_j, E[(c − r_j)²]/v_i.

    Where c is near zero the plain score function has next to no noise, and the split one what r_j had taken away.
    """
    on, mean, variance, c = posterior(log_noise)
    v = (2 * on.params["log_scale"]).exp()
    expected = ((c - mean) ** 2 + variance).flip(0) / v
    split, plain = moments(SPLIT, on)["encoder_bias"][1], moments(PLAIN, on)["encoder_bias"][1]
    np.testing.assert_allclose(split, expected.numpy(), rtol=1e-9)
    np.testing.assert_allclose(plain, (c**2 / v).numpy(), rtol=1e-9)
    assert (split > plain).all() == worse


def test_what_a_stage_can_change() -> None:
    terms = [Term(torch.zeros(()), named) for named in ((), (0,), (0, 1), (2,), (1, 3))]
    expected = [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert torch.equal(downstream(terms, (0, 0, 1, 2)).long(), torch.tensor(expected))
    assert torch.equal(
        downstream(terms[:4], (0, 0, 0)).long(), torch.tensor([[0] * 3, [1, 0, 0], [1, 1, 0], [0, 0, 1]])
    )


@pytest.mark.parametrize(
    "inner", [SigmoidBeliefNetwork(lower=1, upper=1, rows=3), BernoulliVAE(latents=2, rows=3)], ids=str
)
def test_rows_that_stand_for_more(inner: SigmoidBeliefNetwork | BernoulliVAE) -> None:
    result = expectation_is_exact(EstimatorCase(SPLIT, Case(Minibatch(inner, size=2)), 1))
    assert result.status == "passed", result


def test_refusals() -> None:
    for problem in (GaussianToy(), CategoricalToy(), GammaPosterior()):
        assert "does not split into terms" in (SPLIT.refuses(problem, 2) or "")
    reason = SPLIT.refuses(DirichletPosterior(), 2) or ""
    assert "neither independent in its coordinates" in reason
    assert reason.startswith("RaoBlackwellScoreFunction.estimate(problem=DirichletPosterior())")
    assert "use ImplicitReparameterization()" in reason
    with pytest.raises(ValueError, match="neither independent"):
        SPLIT.estimate(DirichletPosterior(), DirichletPosterior().init(), (), 2)


WRONG = [
    rao_blackwell.LikelihoodForgotten(),
    rao_blackwell.LaterStagesForgotten(),
    rao_blackwell.MeanFieldBlanket(),
    rao_blackwell.StagesReversed(),
    rao_blackwell.ScoreOfTheNextSite(),
    rao_blackwell.TermsAttached(),
    rao_blackwell.OwnGradientForgotten(),
    rao_blackwell.OwnGradientOncePerSite(),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: type(wrong).__name__)
def test_control_is_rejected_and_its_right_neighbour_is_not(wrong: Estimator) -> None:
    assert expectation_is_exact(EstimatorCase(wrong, NETWORK, 1)).status == "failed"
    for right in (SPLIT, rao_blackwell.BySite()):
        assert expectation_is_exact(EstimatorCase(right, NETWORK, 1)).status == "passed"


@pytest.mark.parametrize("wrong", [rao_blackwell.LaterStagesForgotten(), rao_blackwell.MeanFieldBlanket()], ids=str)
def test_faults_that_independent_coordinates_hide(wrong: Estimator) -> None:
    """Why a staged q is among the problems."""
    for problem in (BernoulliVAE(latents=2, rows=2), LinearGaussian(latents=2, observed=2, rows=1)):
        assert expectation_is_exact(EstimatorCase(wrong, Case(problem), 1)).status == "passed"


def test_leaving_nothing_out_shows_in_the_variance() -> None:
    everything = rao_blackwell.EveryTermForEverySite()
    assert expectation_is_exact(EstimatorCase(everything, NETWORK, 1)).status == "passed"
    found, expected = moments(everything, NETWORK), enumerated(NETWORK, split=True)
    assert found["encoder_upper_bias"][1].sum() > 100 * expected["encoder_upper_bias"][1].sum()


def test_what_controls_are_made_from_is_right() -> None:
    for case in estimator_cases([rao_blackwell.BySite()], [NETWORK, Case(BernoulliToy(probs=(0.3, 0.85)), "init")]):
        for check in CHECKS:
            check(case).demand()
