"""The same code path on a GPU: numbers agree with the oracle, memory and seconds are read from the device."""

from __future__ import annotations

import pytest
import torch

from gradmark.benchmarks.cells import Training
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


def test_training_on_the_gpu() -> None:
    data = convergence.train(Training("LinearGaussian()", "Adam(LeaveOneOut(), num_samples=4)", 20, 4, 2, "cuda"))
    assert max(data["objective"][-1]) < min(data["objective"][0])
