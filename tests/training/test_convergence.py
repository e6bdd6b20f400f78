"""Training: Adam's step is torch's, runs are independent, paired and evaluated alike; timing counts what it says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Training
from gradmark.benchmarks.measurement import timing
from gradmark.benchmarks.measurement.block import Setting, lifted
from gradmark.benchmarks.measurement.evaluations import count_evaluations
from gradmark.benchmarks.measurement.peak_memory import peak_memory
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner
from gradmark.benchmarks.training import convergence
from gradmark.benchmarks.training.solvers import Adam
from gradmark.estimators import ExactGradient, LeaveOneOut, RaoBlackwellScoreFunction, Reparameterization, ScoreFunction

LINEAR = "LinearGaussian(rows=16)"


def test_adam_is_torchs() -> None:
    problem = specs.problem(LINEAR)
    params = problem.init()
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    other = torch.optim.Adam(list(leaves.values()), lr=0.05)
    solver = Adam(ExactGradient(), rate=0.05)
    state = solver.init(problem, params)
    for _ in range(20):
        params, state = solver.step(problem, params, state)
        exact = problem.exact(leaves)
        assert exact is not None
        other.zero_grad()
        exact.sum().backward()
        other.step()
    for name, value in params.items():
        torch.testing.assert_close(value, leaves[name].detach(), rtol=1e-10, atol=1e-12)


def test_every_seed_descends_by_itself() -> None:
    data = convergence.train(Training(LINEAR, "Adam(LeaveOneOut(), rate=0.02, num_samples=4)", 60, 5, 4))
    objective, gap = np.array(data["objective"]), np.array(data["gap"])
    assert data["steps"] == [0, 20, 40, 60]
    assert objective.shape == gap.shape == (4, 5)
    assert (objective[-1] < objective[0]).all()
    assert len(set(objective[-1])) == 5
    assert (gap > 0).all()
    assert data["evaluation"] == "oracle"


def test_the_parts_of_a_run_are_stored() -> None:
    some = Training(f"Minibatch(problem={LINEAR}, size=4)", "Adam(LeaveOneOut(), num_samples=2)", 1, 1, 2)
    assert convergence.train(some)["parts"] == {
        "solver": "Adam",
        "estimator": "LeaveOneOut()",
        "problem": LINEAR,
        "minibatch": 4,
    }
    whole = convergence.train(Training("GaussianMixture(rows=4)", "EM()", 1, 1, 2))["parts"]
    assert whole == {"solver": "EM", "estimator": None, "problem": "GaussianMixture(rows=4)", "minibatch": None}


def test_runs_are_paired_by_their_draws() -> None:
    """Cold, decay 0 and one sample leave the first step of a moving average the plain score function's."""
    ends = [
        convergence.train(Training(LINEAR, f"Adam({name}, num_samples=2)", 1, 4, 2))["objective"][-1]
        for name in ("ScoreFunction()", "MovingAverageBaseline()")
    ]
    assert ends[0] == ends[1]


def test_training_seeds_draw_rows_of_their_own() -> None:
    problem = specs.problem("Minibatch(LinearGaussian(rows=64), size=4)")
    rows = problem.draw(4, sharing=1)._selection  # type: ignore[attr-defined]
    assert not torch.equal(rows[0], rows[1])
    rows = problem.draw(4)._selection  # type: ignore[attr-defined]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[1], rows[2])


def test_without_an_oracle_all_methods_are_evaluated_on_the_same_draws() -> None:
    problem = specs.problem("GaussianVAE(latents=2, hidden=4, rows=8)")
    params = lifted(problem.init(), 2)
    first, again = convergence.evaluate(problem, params), convergence.evaluate(problem, params)
    assert torch.equal(first[0], again[0])
    stderr = first[1]
    assert stderr is not None
    assert bool((stderr > 0).all())
    assert first[2] is None


def test_refused_and_measured_runs_are_stored_with_their_seconds(tmp_path: Path) -> None:
    runs = [Training(LINEAR, f"Adam({name}(), num_samples=2)", 4, 4, 2) for name in ("StraightThrough", "LeaveOneOut")]
    with Store(tmp_path / "s") as store:
        runner.run([], runs, store)
        refused, measured = store.curves()
        runner.run([], runs, store)
        assert store.curves()[1].data == measured.data
    assert refused.status == "refused"
    assert "use Reparameterization()" in (refused.reason or "")
    assert measured.data is not None
    assert [len(repeats) for repeats in measured.data["seconds"]] == [timing.REPEATS]


@pytest.mark.parametrize(
    ("problem", "estimator", "forward", "backward"),
    [
        ("GaussianToy()", ScoreFunction(), 3, 0),
        ("GaussianToy()", Reparameterization(), 3, 3),
        ("GaussianToy()", ExactGradient(), 0, 0),
        (LINEAR, ScoreFunction(), 3, 3),  # the model's own parameters need the backward pass
        ("BayesianLogisticRegression()", LeaveOneOut(), 3, 0),
        ("Minibatch(LinearGaussian(), size=4)", Reparameterization(), 3, 3),
        ("BernoulliToy(probs=(0.3, 0.6))", RaoBlackwellScoreFunction(), 3, 0),  # the cost in terms is the cost once
        (LINEAR, RaoBlackwellScoreFunction(), 3, 3),
        ("SigmoidBeliefNetwork(rows=4)", RaoBlackwellScoreFunction(), 3, 3),
    ],
)
def test_evaluations_are_counted(problem: str, estimator: ScoreFunction, forward: int, backward: int) -> None:
    resolved = specs.problem(problem)
    counts = count_evaluations(Setting(resolved, estimator, 3, resolved.init()))
    assert (counts.forward, counts.backward) == (forward, backward)


def test_peak_memory_grows_with_the_samples_and_holds_at_least_the_draws() -> None:
    problem = specs.problem("GaussianToy()")
    few, many = (peak_memory(Setting(problem, Reparameterization(), count, problem.init())) for count in (1000, 4000))
    assert few >= 3 * 8 * 1000  # noise, draw and cost at the least
    assert 3.9 < many / few < 4.1


def test_timing_leaves_the_generator_alone_and_takes_turns() -> None:
    order: list[int] = []
    before = torch.default_generator.get_state()
    rounds = timing.interleaved(
        [lambda: order.append(0), lambda: order.append(1), lambda: torch.rand(3)], torch.device("cpu")
    )
    assert torch.equal(torch.default_generator.get_state(), before)
    assert [len(column) for column in rounds] == [timing.ALONE] * 3
    changes = sum(a != b for a, b in pairwise(order))
    assert changes >= 2 * timing.ALONE - 1
