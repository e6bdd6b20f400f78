"""Two layers of bits: oracle, evidence, posterior and terms against plain loops over all states, and who refuses them.

The two tests of draws fail a right sampler with probability 1e-6 each; seeds are fixed.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import expit, logsumexp
from scipy.stats import bernoulli
from sklearn.datasets import load_digits
from torch.distributions import Distribution, kl_divergence

import gradmark.estimators as estimators
from gradmark.benchmarks.problems import SigmoidBeliefNetwork, enumeration
from gradmark.benchmarks.problems.distributions.bits import EnumeratedBits, StagedBits, states_of_bits
from gradmark.estimators import ExactPosterior, StraightThrough
from gradmark.estimators.core import Params, gradient_of_sum
from tests.problems.test_every_problem import perturbed

NETWORK = SigmoidBeliefNetwork(lower=2, upper=3, rows=2)
LEVEL = 1e-6
DRAWS = 2**15


def loop(problem: SigmoidBeliefNetwork, params: Params, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All states, their log q(z|x) and their log p(x, z), for one row of digits."""
    w, found = {name: value.numpy() for name, value in params.items()}, []
    x = np.asarray(load_digits(return_X_y=True)[0])[row] / 16

    def chances(name: str, inputs: np.ndarray) -> np.ndarray:
        return expit(w[f"{name}_weight"] @ inputs + w[f"{name}_bias"])

    for state in itertools.product((0, 1), repeat=problem.lower + problem.upper):
        z1, z2 = np.array(state[: problem.lower]), np.array(state[problem.lower :])
        log_q = bernoulli.logpmf(z1, chances("encoder_lower", x)).sum()
        log_q += bernoulli.logpmf(z2, chances("encoder_upper", z1)).sum()
        joint = bernoulli.logpmf(z2, expit(w["prior_logits"])).sum()
        joint += bernoulli.logpmf(z1, chances("decoder_lower", z2)).sum()
        lit = chances("decoder_pixels", z1)
        found.append((log_q, joint + (x * np.log(lit) + (1 - x) * np.log1p(-lit)).sum()))
    states = np.array(list(itertools.product((0.0, 1.0), repeat=problem.lower + problem.upper)))
    return states, *np.array(found).T


def at_states(problem: SigmoidBeliefNetwork, states: np.ndarray) -> torch.Tensor:
    """z `[states, rows, d]`, the same states for each row."""
    return torch.from_numpy(states).unsqueeze(1).expand(-1, problem.num_rows, -1)


@pytest.mark.parametrize("row", [0, 1])
def test_oracles_are_the_enumeration(row: int) -> None:
    params = perturbed(NETWORK, ())
    states, log_q, joint = loop(NETWORK, params, row)
    z, q = at_states(NETWORK, states), NETWORK.distribution(params)
    exact, evidence, posterior = NETWORK.exact(params), NETWORK.log_evidence(params), NETWORK.posterior(params)
    assert exact is not None
    assert evidence is not None
    assert posterior is not None
    assert np.exp(log_q).sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(q.log_prob(z)[:, row], log_q, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(NETWORK.log_joint(params, z)[:, row], joint, rtol=1e-11)
    np.testing.assert_allclose(NETWORK.cost(params, z, q)[:, row], log_q - joint, rtol=1e-11)
    np.testing.assert_allclose(posterior.log_prob(z)[:, row], joint - logsumexp(joint), rtol=1e-10, atol=1e-11)
    assert exact[row].item() == pytest.approx((np.exp(log_q) * (log_q - joint)).sum(), rel=1e-12)
    assert evidence[row].item() == pytest.approx(logsumexp(joint), rel=1e-12)


def test_evidence_is_the_bound_and_the_gap() -> None:
    """log p(x) = ELBO + KL(q ‖ p(z|x)), by the oracle's own parts."""
    params = perturbed(NETWORK, (3,))
    exact, evidence, posterior = NETWORK.exact(params), NETWORK.log_evidence(params), NETWORK.posterior(params)
    assert exact is not None
    assert evidence is not None
    assert posterior is not None
    q = NETWORK.distribution(params)
    states = q.enumerate_support()
    gap = (q.log_prob(states).exp() * (q.log_prob(states) - posterior.log_prob(states))).sum(0)
    torch.testing.assert_close(evidence, gap - exact, rtol=1e-12, atol=1e-12)
    assert (gap > 0).all()


def test_terms_name_what_they_read() -> None:
    params = perturbed(NETWORK, (2,))
    q = NETWORK.distribution(params)
    z = q.sample((4,))
    terms = NETWORK.terms(params, z, q)
    assert [term.coordinates for term in terms] == [
        *[(0,), (1,), (2,), (3,), (4,)],
        *[(0, 2, 3, 4), (1, 2, 3, 4)],
        *[(0, 1, 2), (0, 1, 3), (0, 1, 4)],
        (0, 1),
    ]
    torch.testing.assert_close(torch.stack([term.value for term in terms]).sum(0), NETWORK.cost(params, z, q))


def test_terms_of_selected_rows_have_their_weight() -> None:
    params, view = perturbed(NETWORK, ()), NETWORK.select(torch.tensor([1]))
    z = NETWORK.distribution(params).sample((4,))
    whole = NETWORK.terms(params, z, NETWORK.distribution(params))
    part = view.terms(params, z[:, 1:], view.distribution(params))  # pyright: ignore[reportAttributeAccessIssue]
    for one, other in zip(part, whole, strict=True):
        torch.testing.assert_close(one.value, 2 * other.value[:, 1:], rtol=1e-12, atol=0)


def frequencies(distribution: Distribution, number: int) -> torch.Tensor:
    """How often each state of the first row is drawn."""
    torch.manual_seed(0)
    z = distribution.sample(torch.Size((DRAWS,)))[:, 0]
    state = (z.long() * 2 ** torch.arange(number)).sum(-1)
    return torch.bincount(state, minlength=2**number)


@pytest.mark.parametrize("which", ["distribution", "prior", "posterior"])
def test_draws_have_their_probabilities(which: str) -> None:
    """Pearson's chi-squared over all states, and a similar distribution that it rejects: the layers drawn apart."""
    params = {name: value * 2 for name, value in perturbed(NETWORK, ()).items()}
    drawn = getattr(NETWORK, which)(params)
    states = states_of_bits(5, params["prior_logits"])
    expected = drawn.log_prob(states.unsqueeze(1).expand(-1, 2, -1))[:, 0].exp()
    found = frequencies(drawn, 5).numpy()
    assert stats.chisquare(found, DRAWS * expected.numpy()).pvalue > LEVEL
    lower, upper = (expected.view(8, 4).sum(axis) for axis in (0, 1))
    apart = torch.outer(upper, lower).flatten()
    assert stats.chisquare(found, DRAWS * apart.numpy()).pvalue < LEVEL


def test_divergence_in_closed_form() -> None:
    """KL(q ‖ p(z)) for the two orders in which q and the prior are drawn."""
    params = perturbed(NETWORK, (3,))
    q, prior = NETWORK.distribution(params), NETWORK.prior(params)
    assert q.stages == (0, 0, 1, 1, 1)
    assert prior.stages == (1, 1, 0, 0, 0)
    states = q.enumerate_support()
    assert states.shape == (32, 3, 2, 5)
    assert q.enumerate_support(expand=False).shape == (32, 1, 1, 5)
    expected = sum(q.log_prob(z).exp() * (q.log_prob(z) - prior.log_prob(z)) for z in states)
    torch.testing.assert_close(kl_divergence(q, prior), expected, rtol=1e-12, atol=1e-12)


def test_enumerated_bits() -> None:
    logits = torch.randn(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    bits, states = EnumeratedBits(logits), states_of_bits(3, logits)
    assert (bits.batch_shape, bits.event_shape) == ((3,), (3,))
    torch.testing.assert_close(bits.mean, logits.softmax(-1) @ states)
    torch.testing.assert_close(bits.log_prob(states.unsqueeze(1)).mT, logits.log_softmax(-1))


def test_fisher_identity() -> None:
    """The mean of −∂ log p(x, z) under the posterior is the gradient of minus log p(x)."""
    params = {name: value.requires_grad_() for name, value in perturbed(NETWORK, ()).items()}
    evidence, posterior = NETWORK.log_evidence(params), NETWORK.posterior(params)
    assert evidence is not None
    assert posterior is not None
    z = states_of_bits(5, params["prior_logits"]).unsqueeze(1).expand(-1, 2, -1)
    found = gradient_of_sum((posterior.log_prob(z).detach().exp() * NETWORK.log_joint(params, z)).sum(0), params)
    for name, value in gradient_of_sum(evidence, params).items():
        torch.testing.assert_close(found[name], value, rtol=1e-10, atol=1e-12)
    assert ExactPosterior().refuses(NETWORK, 1) is None


def test_a_part_of_the_rows_at_a_time_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = SigmoidBeliefNetwork(lower=2, upper=1, rows=7)
    params = perturbed(problem, (2,))
    whole = problem.exact_bound(params, 3)
    monkeypatch.setattr(enumeration, "MOST_NUMBERS", 2 * 8 * 512 * 2)  # two rows at a time
    torch.testing.assert_close(problem.exact_bound(params, 3), whole, rtol=1e-12, atol=1e-12)


FITTING = {
    "ScoreFunction",
    "ConstantBaseline",
    "MovingAverageBaseline",
    "OptimalControlVariate",
    "LeaveOneOut",
    "VarGrad",
    "RaoBlackwellScoreFunction",
    "RaoBlackwellLeaveOneOut",
    "VIMCO",
    "ExactGradient",
    "ExactPosterior",
}


@pytest.mark.parametrize("name", estimators.__all__)
def test_methods_fit_or_say_why_not(name: str) -> None:
    reason = getattr(estimators, name)().refuses(NETWORK, 4)
    assert reason is None or (reason.startswith(f"{name}.estimate(") and "; use " in reason)
    if name in FITTING:
        assert reason is None


def test_a_q_without_a_mean_is_not_straightened() -> None:
    assert "the mean of q is not known" in (StraightThrough().refuses(NETWORK, 1) or "")
    with pytest.raises(NotImplementedError):
        _ = NETWORK.distribution(NETWORK.init()).mean


def test_more_than_twelve_latents_are_not_enumerated() -> None:
    problem = SigmoidBeliefNetwork(lower=8, upper=5, rows=2)
    assert "2^13 states" in (problem.no_oracle or "")
    for found in (problem.exact, problem.log_evidence, problem.posterior):
        assert found(problem.init()) is None
    z = problem.distribution(problem.init()).sample((2,))
    assert problem.cost(problem.init(), z, problem.distribution(problem.init())).shape == (2, 2)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"lower": 0}, r"SigmoidBeliefNetwork\(lower=0\).*pass 1 or more"),
        ({"upper": -1}, r"SigmoidBeliefNetwork\(upper=-1\).*pass 1 or more"),
        ({"rows": 0}, r"SigmoidBeliefNetwork\(rows=0\).*pass 1 to 1797"),
        ({"data": "breast_cancer"}, r"SigmoidBeliefNetwork\(data='breast_cancer'\): no pixels"),
    ],
)
def test_impossible_networks_are_refused(fields: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SigmoidBeliefNetwork(**fields)


def test_staged_bits_in_three_stages() -> None:
    """A chain in which each bit repeats the one before with certainty: drawn in order, whatever their positions."""

    def logits(z: torch.Tensor) -> torch.Tensor:
        sure = 80 * z - 40
        return torch.stack([sure[..., 2], torch.zeros_like(sure[..., 0]), sure[..., 1]], -1)

    chain = StagedBits(logits, (2, 0, 1), (), torch.zeros((), dtype=torch.float64))
    torch.manual_seed(0)
    z = chain.sample((64,))
    assert torch.equal(z, z[:, :1].expand(-1, 3))
    assert 0 < z.mean() < 1
    total = chain.log_prob(chain.enumerate_support()).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))
