"""Binary latents: the oracle and the evidence against plain loops over states."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp
from scipy.stats import bernoulli
from sklearn.datasets import load_digits

from gradmark.benchmarks.problems import BernoulliVAE, FixedPriorBernoulliVAE, NonlinearBernoulliVAE, enumeration
from gradmark.benchmarks.problems.autoencoders.bernoulli_vae.base import BinaryAutoEncoder
from gradmark.estimators.core import Params

PROBLEMS = [
    BernoulliVAE(rows=3, latents=3),
    NonlinearBernoulliVAE(rows=3, latents=2, hidden=4),
    FixedPriorBernoulliVAE(rows=3, latents=3),
]


def shifted(problem: BinaryAutoEncoder) -> Params:
    draw = np.random.default_rng(7)
    return {
        name: value + 0.3 * torch.from_numpy(draw.standard_normal(value.shape))
        for name, value in problem.init().items()
    }


def network(problem: BinaryAutoEncoder, w: dict[str, np.ndarray], side: str, x: np.ndarray) -> np.ndarray:
    if "decoder_hidden1_weight" in w:
        x = np.tanh(w[f"{side}_hidden1_weight"] @ x + w[f"{side}_hidden1_bias"])
        x = np.tanh(w[f"{side}_hidden2_weight"] @ x + w[f"{side}_hidden2_bias"])
    return expit(w[f"{side}_logits_weight"] @ x + w[f"{side}_logits_bias"])


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_oracle_and_evidence_are_the_enumeration(problem: BinaryAutoEncoder) -> None:
    params = shifted(problem)
    w = {name: value.numpy() for name, value in params.items()}
    prior = expit(w["prior_logits"]) if "prior_logits" in w else np.full(problem.latents, 0.5)
    exact, evidence = problem.exact(params), problem.log_evidence(params)
    assert exact is not None
    assert evidence is not None
    for row, pixels in enumerate(load_digits(return_X_y=True)[0][:3] / 16):
        encoded = network(problem, w, "encoder", pixels)
        cost, joints = 0.0, []
        for state in itertools.product((0, 1), repeat=problem.latents):
            log_q = bernoulli.logpmf(state, encoded).sum()
            lit = network(problem, w, "decoder", np.array(state, dtype=float))
            joint = bernoulli.logpmf(state, prior).sum() + (pixels * np.log(lit) + (1 - pixels) * np.log1p(-lit)).sum()
            cost += np.exp(log_q) * (log_q - joint)
            joints.append(joint)
            z = torch.tensor(state, dtype=torch.float64).expand(3, -1)
            found = problem.cost(params, z, problem.distribution(params))[row].item()
            assert found == pytest.approx(log_q - joint, rel=1e-9)
        assert exact[row].item() == pytest.approx(cost, rel=1e-10)
        assert evidence[row].item() == pytest.approx(logsumexp(joints), rel=1e-10)


def test_a_part_of_the_rows_at_a_time_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = BernoulliVAE(rows=7, latents=3)
    params = {name: value.expand(2, *value.shape).clone().requires_grad_() for name, value in shifted(problem).items()}

    def measured() -> list[torch.Tensor]:
        exact, evidence = problem.exact(params), problem.log_evidence(params)
        assert exact is not None
        assert evidence is not None
        gradient = torch.autograd.grad(exact.sum() + evidence.sum(), list(params.values()))
        return [exact.detach(), evidence.detach(), *gradient]

    whole = measured()
    monkeypatch.setattr(enumeration, "MOST_NUMBERS", 2 * 8 * 2)  # two rows at a time
    for found, expected in zip(measured(), whole, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_evidence_is_at_least_the_bound() -> None:
    problem = BernoulliVAE(rows=20, latents=12)
    exact, evidence = problem.exact(problem.init()), problem.log_evidence(problem.init())
    assert exact is not None
    assert evidence is not None
    assert bool((evidence >= -exact).all())


def test_more_than_twelve_latents_are_not_enumerated() -> None:
    problem = BernoulliVAE(latents=13, rows=3)
    assert problem.no_oracle is not None
    assert "latents=12" in problem.no_oracle
    assert problem.exact(problem.init()) is None
    assert problem.log_evidence(problem.init()) is None
