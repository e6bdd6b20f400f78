"""The same code path on a GPU: numbers agree with the oracle, memory and seconds are read from the device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Training
from gradmark.benchmarks.measurement.block import Setting, measure_block, plan_for
from gradmark.benchmarks.measurement.engines import Plan
from gradmark.benchmarks.studies import measure
from gradmark.benchmarks.training import convergence

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device on this machine"),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("problem", "estimator"),
    [
        ("GaussianToy(k=-3.0)", "ScoreFunction()"),
        ("BernoulliToy()", "LeaveOneOut()"),
        ("LinearGaussian()", "StickingTheLanding()"),
        ("BayesianLogisticRegression()", "MovingAverageBaseline()"),
        ("Minibatch(problem=BernoulliVAE(latents=4), size=20)", "LeaveOneOut()"),
    ],
)
def test_a_cell_on_the_gpu(problem: str, estimator: str, dtype: str) -> None:
    found = measure.measure(problem, estimator, num_samples=2, device="cuda", dtype=dtype, replicates=2048)
    assert found["status"] == "measured"
    assert found["bias"]["verdict"] == "unbiased"
    assert found["total_variance"]["value"] > 0
    assert found["cost"]["seconds"]["value"] > 0
    assert found["cost"]["peak_memory_bytes"] > 0


def test_the_same_seed_gives_the_same_numbers_and_leaves_the_generators() -> None:
    before = torch.cuda.get_rng_state()
    first, again = (
        measure.measure("GaussianToy()", "ScoreFunction()", device="cuda", replicates=1)["parameters"] for _ in range(2)
    )
    assert first == again
    assert torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.parametrize("estimator", ["Reparameterization()", "LeaveOneOut()"])
def test_shared_weights_have_the_moments_of_lifted_weights(estimator: str) -> None:
    """In float64: the same draws, and no more than rounding between them."""
    problem = specs.problem("Minibatch(problem=GaussianVAE(hidden=600), size=20)")
    params = {name: value.to("cuda") for name, value in problem.init().items()}
    setting = Setting(problem, specs.estimator(estimator), 2, params)
    plan = plan_for(setting, 8)
    assert plan.shares
    shared, alone = (measure_block(setting, 8, 1, plan=each) for each in (plan, Plan(False)))
    assert (shared.shared, alone.shared) == (8, 0)
    np.testing.assert_allclose(shared.traces, alone.traces, rtol=1e-9)
    np.testing.assert_allclose(shared.within_traces, alone.within_traces, rtol=1e-9)


def test_training_on_the_gpu() -> None:
    data = convergence.train(Training("LinearGaussian()", "Adam(LeaveOneOut(), num_samples=4)", 20, 4, 2, "cuda"))
    assert max(data["objective"][-1]) < min(data["objective"][0])
