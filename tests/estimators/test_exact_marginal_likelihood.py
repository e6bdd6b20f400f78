"""The gradient of log p(x): against autograd of the evidence, the Fisher identity, and itself in parts."""

from __future__ import annotations

import pytest
import torch

from gradmark.benchmarks.experiments import Scaling
from gradmark.benchmarks.measurement.block import Setting, lifted
from gradmark.benchmarks.measurement.peak_memory import peak_memory
from gradmark.benchmarks.problems import (
    BernoulliVAE,
    GammaPosterior,
    GaussianToy,
    GaussianVAE,
    LinearGaussian,
    NonlinearFixedPriorBernoulliVAE,
)
from gradmark.estimators import ExactMarginalLikelihood, ExactPosterior
from gradmark.estimators.core import LatentVariableModel, Params, gradient_of_sum
from gradmark.reports.sections.scaling import crossing, growth

BITS = BernoulliVAE(latents=5, rows=4)
NONLINEAR = NonlinearFixedPriorBernoulliVAE(latents=3, rows=3, hidden=4)
LINEAR = LinearGaussian(rows=6)


def moved(problem: LatentVariableModel, replicates: int = 2) -> Params:
    noise = torch.Generator().manual_seed(3)
    start = lifted(problem.init(), replicates)
    return {n: v + 0.3 * torch.randn(v.shape, generator=noise, dtype=torch.float64) for n, v in start.items()}


@pytest.mark.parametrize("at_once", [1, 2000, 2**22])
@pytest.mark.parametrize("selected", [False, True])
@pytest.mark.parametrize("problem", [BITS, NONLINEAR, LINEAR], ids=str)
def test_it_is_the_gradient_of_the_evidence(problem: LatentVariableModel, selected: bool, at_once: int) -> None:
    params = moved(problem)
    seen = problem.select(torch.tensor([[0, 2], [1, 1]])) if selected else problem
    found = ExactMarginalLikelihood(at_once).estimate(seen, params, (), 1).gradient
    leaves = {name: value.requires_grad_() for name, value in params.items()}
    evidence = seen.log_evidence(leaves)
    assert evidence is not None
    for name, expected in gradient_of_sum(-evidence, leaves).items():
        torch.testing.assert_close(found[name], expected, rtol=1e-10, atol=1e-10)
    assert all(not value.any() for name, value in found.items() if name.startswith(("encoder", "log_scale")))


def test_the_fisher_identity() -> None:
    """∇ log p(x) = E_{p(z|x)}[∇ log p(x, z)], the expectation as a sum over the posterior's states."""
    params = {name: value.requires_grad_() for name, value in moved(BITS).items()}
    posterior = BITS.posterior({name: value.detach() for name, value in params.items()})
    assert posterior is not None
    joint = BITS.log_joint(params, posterior.enumerate_support()).movedim(0, -1)
    fisher = gradient_of_sum(-posterior.expect(joint), params)
    found = ExactMarginalLikelihood().estimate(BITS, params, (), 1).gradient
    for name, expected in fisher.items():
        torch.testing.assert_close(found[name], expected, rtol=1e-10, atol=1e-10)
    assert ExactPosterior().refuses(BITS, 1) is None


def test_parts_bound_the_memory() -> None:
    """From 6 to 10 latents the states are 16 times as many."""

    def grown(at_once: int) -> float:
        few, many = (
            peak_memory(Setting(problem, ExactMarginalLikelihood(at_once), 1, problem.init()))
            for problem in (BernoulliVAE(latents=latents, rows=16) for latents in (6, 10))
        )
        return many / few

    assert grown(16 * 64 * 32) < 2
    assert grown(2**22) > 8


@pytest.mark.parametrize(
    ("problem", "parts"),
    [
        (BernoulliVAE(latents=21, rows=2), ("2097152 states are too many", "1048576 (2^20)", "use fewer latents")),
        (GaussianVAE(rows=2), ("no closed form", "use Reparameterization()")),
        (GaussianToy(), ("is not a latent-variable model", "use ExactGradient()")),
        (GammaPosterior(), ("has no parameters", "use LeaveOneOut()")),
    ],
)
def test_refusals_name_value_and_remedy(problem: LatentVariableModel, parts: tuple[str, ...]) -> None:
    reason = ExactMarginalLikelihood().refuses(problem, 1)
    assert reason is not None
    assert "\n" not in reason
    assert all(part in reason for part in parts)
    assert ExactMarginalLikelihood().refuses(BernoulliVAE(latents=20, rows=2), 1) is None


def test_the_experiment_has_every_estimator_at_every_number_of_latents() -> None:
    rows = Scaling(latents=(2, 3), rows=1, in_one_piece=2).run(0)["gradients"]
    assert len(rows) == 2 * 4 + 1
    assert all(row["seconds"]["value"] > 0 and row["peak_memory_bytes"] > 0 for row in rows)
    assert "2097152" in (Scaling(latents=(2, 21)).refuses() or "")
    with pytest.raises(ValueError, match="pass 1 to 64"):
        Scaling(rows=65)


def test_crossing_and_growth_of_known_lines() -> None:
    rows = [{"latents": d, "seconds": {"value": 2.0**d}} for d in range(2, 12, 2)]
    flat = [{"latents": d, "seconds": {"value": 2.0**7}} for d in range(2, 12, 2)]
    assert crossing(rows, flat) == pytest.approx(7)
    assert crossing(flat, flat) is None
    assert growth(rows) == pytest.approx(2)
