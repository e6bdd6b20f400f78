"""From study to store: refusals are data, failures are one cell's own, and a parameter point is found once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import measure, runner
from gradmark.benchmarks.training import convergence, points
from gradmark.benchmarks.training.points import ParameterPoint, Refusal
from gradmark.estimators import ScoreFunction
from gradmark.estimators.core import Estimate, Estimator, Params, Problem, State


@dataclass(frozen=True)
class Raises(Estimator):
    """A plug-in that is broken."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        raise RuntimeError("no such luck")


@dataclass(frozen=True)
class SometimesNaN(ScoreFunction):
    """The score function with every replicate beyond four standard deviations lost."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        gradient, state = super().estimate(problem, params, state, num_samples)
        lost = gradient["loc"].abs() > 100
        return Estimate({**gradient, "loc": gradient["loc"].where(~lost, torch.nan)}, state)


def cells(*estimators: str, **fields: object) -> list[Cell]:
    return [Cell("GaussianToy(k=-3.0)", estimator, replicates=4096, **fields) for estimator in estimators]  # type: ignore[arg-type]


def test_one_failure_leaves_the_others(tmp_path: Path) -> None:
    todo = cells(f"{__name__}.Raises()", "ScoreFunction()", "StraightThrough()")
    with Store(tmp_path / "s") as store:
        runner.run(todo, [], store)
        found = {record.cell.estimator: record for record in store.records()}
    assert [record.status for record in found.values()] == ["failed", "measured", "refused"]
    line = Raises.estimate.__code__.co_firstlineno + 1
    assert found[f"{__name__}.Raises()"].reason == f"RuntimeError: no such luck (test_runner.py:{line})"
    assert "use Reparameterization()" in (found["StraightThrough()"].reason or "")


def test_nonfinite_gradients_are_counted_and_named() -> None:
    summary = measure.measure("GaussianToy(k=-3.0)", f"{__name__}.SometimesNaN()", replicates=4096)
    assert 0 < summary["nonfinite"] < 200
    assert summary["bias"]["verdict"] == "untested"
    assert "NaN or infinite" in summary["bias"]["reason"]
    assert summary["total_variance"]["value"] > 0
    json.dumps(summary, allow_nan=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_one_is_a_refusal() -> None:
    summary = measure.measure("GaussianToy()", "ScoreFunction()", device="cuda")
    assert summary["status"] == "refused"
    assert "--device cpu" in summary["reason"]


def test_replicates_are_rounded_up_to_whole_blocks() -> None:
    assert measure.measure("GaussianToy()", "ScoreFunction()", replicates=1)["replicates"] == 4096
    assert measure.measure("GaussianToy()", "ScoreFunction()", replicates=4097)["replicates"] == 8192


def test_rel_ci_runs_until_the_interval_is_as_narrow() -> None:
    for width in (0.2, 0.02):
        summary = measure.measure("GaussianToy()", "Reparameterization()", rel_ci=width)
        low, high = summary["total_variance"]["ci"]
        assert (high - low) / 2 <= width * summary["total_variance"]["value"]
    assert summary["replicates"] > 16384


def test_an_oracle_runs_once_and_under_a_minibatch_as_often_as_all() -> None:
    assert measure.measure("LinearGaussian()", "ExactGradient()", replicates=100)["replicates"] == 1
    rows = measure.measure("Minibatch(LinearGaussian(), size=8)", "ExactGradient()", replicates=100)
    assert rows["replicates"] >= 100
    assert rows["noise"]["estimator"]["value"] == 0
    assert rows["noise"]["minibatch"]["value"] > 0


@pytest.mark.parametrize(
    ("problem", "estimator", "num_samples", "closed"),
    [
        ("GaussianToy(k=0.5, loc=0.8, scale=0.6)", "Reparameterization()", 2, None),
        ("BernoulliToy(probs=(0.3,))", "ScoreFunction()", 1, None),
        ("BernoulliToy(probs=(0.3,))", "MovingAverageBaseline()", 1, None),
        ("GammaPosterior()", "ImplicitReparameterization()", 1, None),
        ("Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2)", "Reparameterization()", 1, None),
        ("GaussianToy(k=0.0, loc=1.0, scale=1.0)", "Reparameterization()", 1, 4.0 + 4 * 2 + 4 * 1),
        ("LinearGaussian()", "ExactGradient()", 1, 0.0),
    ],
)
def test_exact_variance_stands_beside_the_measured_one(
    problem: str, estimator: str, num_samples: int, closed: float | None
) -> None:
    """Within six standard errors of the measured one, at 16 384 replicates: one false alarm in 10⁸ of a normal."""
    total = measure.measure(problem, estimator, num_samples)["total_variance"]
    assert total["not_exact"] is None
    assert abs(total["exact"] - total["value"]) <= 6 * total["stderr"] + 1e-12
    if closed is not None:
        assert total["exact"] == pytest.approx(closed, rel=1e-9, abs=1e-12)


def test_exact_variance_is_the_methods_own_whatever_the_dtype() -> None:
    half, whole = (
        measure.measure("GaussianToy()", "ScoreFunction()", dtype=dtype)["total_variance"]["exact"]
        for dtype in ("float32", "float64")
    )
    assert half == pytest.approx(whole, rel=1e-5)


def test_exact_variance_that_is_not_known_has_its_reason() -> None:
    total = measure.measure("BayesianLogisticRegression()", "ScoreFunction()", replicates=1)["total_variance"]
    assert total["exact"] is None
    assert "too many draws" in total["not_exact"]


def test_cold_is_the_plain_score_function_and_warm_is_not() -> None:
    plain = measure.measure("GaussianToy(k=-3.0)", "ScoreFunction()")
    cold, warm = (measure.measure("GaussianToy(k=-3.0)", "MovingAverageBaseline()", state=s) for s in ("cold", "warm"))
    assert cold["total_variance"] == plain["total_variance"]
    assert warm["total_variance"]["ci"][1] < plain["total_variance"]["ci"][0]
    assert (plain["state"], cold["state"], warm["state"]) == ("none", "cold", "warm")


def test_the_objective_is_the_oracles_or_a_sample_around_it() -> None:
    exact = measure.measure("GaussianToy(k=-3.0)", "ScoreFunction()", replicates=1)["objective"]
    assert exact == {"value": 17.0, "stderr": 0.0, "exact": True}
    vae = "GaussianVAE(latents=2, hidden=8, rows=16)"
    sampled = measure.measure(vae, "Reparameterization()", replicates=8)["objective"]
    assert not sampled["exact"]
    assert sampled["stderr"] > 0


def test_optimum_where_there_is_one() -> None:
    found = points.find(specs.problem("LinearGaussian()"), "optimum")
    assert isinstance(found, ParameterPoint)
    problem = specs.problem("LinearGaussian()")
    leaves = {name: value.clone().requires_grad_() for name, value in found.params.items()}
    exact = problem.exact(leaves)
    assert exact is not None
    gradients = torch.autograd.grad(exact.sum(), list(leaves.values()))
    assert max(float(g.abs().max()) for g in gradients) < 1e-4


@pytest.mark.parametrize(
    "problem",
    ["GaussianToy()", 'GaussianToy(function="cos", k=2.0)', 'GaussianToy(function="exp", k=1.0)', "BernoulliToy()"],
)
def test_no_finite_optimum_is_a_refusal(problem: str) -> None:
    found = points.find(specs.problem(problem), "optimum")
    assert isinstance(found, Refusal)
    assert "no finite optimum" in found.reason


def test_no_oracle_no_optimum() -> None:
    summary = measure.measure("GaussianVAE(latents=2, hidden=8, rows=16)", "Reparameterization()", at="optimum")
    assert summary["status"] == "refused"
    assert "--at step=N" in summary["reason"]


def test_the_reference_run_descends() -> None:
    for text in ("LinearGaussian()", "GaussianVAE(latents=2, hidden=8, rows=16)", "BernoulliVAE(latents=3, rows=16)"):
        problem = specs.problem(text)
        values = []
        for at in ("step=0", "step=30"):
            found = points.find(problem, at)
            assert isinstance(found, ParameterPoint)
            params = {name: value.unsqueeze(0) for name, value in found.params.items()}
            values.append(float(convergence.evaluate(problem, params)[0]))
        assert values[1] < values[0]


@pytest.mark.parametrize("suffix", points.SUFFIXES)
def test_a_file_of_parameters(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"params{suffix}"
    params = {"loc": torch.tensor([2.0]), "log_scale": torch.tensor([0.5])}
    if suffix == ".npz":
        np.savez(path, **{name: value.numpy() for name, value in params.items()})  # type: ignore[arg-type]
    elif suffix == ".json":
        path.write_text(json.dumps({name: value.tolist() for name, value in params.items()}))
    else:
        torch.save(params, path)
    summary = measure.measure("GaussianToy()", "ExactGradient()", at=str(path))
    assert summary["parameters"]["loc"]["exact"] == [4.0]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ('{"loc": [1.0]}', "has the parameters"),
        ('{"loc": [1.0, 2.0], "log_scale": [0.0]}', "has the shape"),
        ('{"loc": [NaN], "log_scale": [0.0]}', "NaN or infinite"),
        ('{"loc": "x", "log_scale": [0.0]}', "not a readable file"),
        ("[", "not a readable file"),
    ],
)
def test_a_bad_file_of_parameters(tmp_path: Path, content: str, part: str) -> None:
    path = tmp_path / "params.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=part):
        measure.measure("GaussianToy()", "ExactGradient()", at=str(path))


def test_a_file_that_changed_is_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "params.json"
    path.write_text('{"loc": [1.0], "log_scale": [0.0]}')
    todo = cells("ScoreFunction()", at=str(path))
    with Store(tmp_path / "s") as store:
        runner.run(todo, [], store)
        before = store.record(todo[0]).moments
        path.write_text('{"loc": [2.0], "log_scale": [0.0]}')
        with pytest.raises(BadInput, match="the file changed"):
            runner.run(todo, [], store)
        np.testing.assert_array_equal(store.record(todo[0]).moments.mean, before.mean)
