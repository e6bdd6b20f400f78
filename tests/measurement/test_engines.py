"""Blocks measured with shared weights are those of lifted weights, and what cannot share is found out."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from gradmark.benchmarks import problems, specs
from gradmark.benchmarks.measurement import engines
from gradmark.benchmarks.measurement.block import Setting, measure_block, plan_for, warm_states
from gradmark.benchmarks.measurement.engines import Plan
from gradmark.benchmarks.measurement.moments import MAX_COORDINATES, Moments
from gradmark.benchmarks.problems import Minibatch
from gradmark.benchmarks.studies.measure import measure
from gradmark.benchmarks.studies.summary import _engine
from gradmark.estimators import Reparameterization, ScoreFunction
from gradmark.estimators.core import Estimator, LatentVariableModel, Params, Problem, State
from gradmark.estimators.shared_weights import SharedWeights, Use
from tests.cases.module_models import Images, Mixing
from tests.methods import METHODS

SAMPLES = 2  # the fewest that all methods take
ROUNDING = {torch.float64: 1e-10, torch.float32: 1e-5}  # of a moment; differences keep a thousandth of their digits
PROBLEMS = [
    "GaussianVAE(rows=6)",
    "Minibatch(problem=GaussianVAE(), size=6)",
    "Minibatch(problem=BernoulliVAE(latents=40), size=6)",
    "Minibatch(problem=NonlinearBernoulliVAE(latents=3, hidden=32), size=6)",
    "Minibatch(problem=SigmoidBeliefNetwork(lower=32, upper=8), size=6)",
    "LinearGaussian(observed=100, latents=30, rows=6)",
]
NOT_A_SURROGATE = {"DoubleControlVariate", "OptimalControlVariate", "REBAR", "RELAX"}
NETWORK = "Minibatch(problem=GaussianVAE(), size=6)"


@pytest.fixture(autouse=True)
def small_weights_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are made anew, also for networks of a test's size."""
    monkeypatch.setattr(engines, "LARGE", MAX_COORDINATES)
    monkeypatch.setattr(engines, "_plans", {})


def setting_of(problem: Problem | str, estimator: Estimator, dtype: torch.dtype = torch.float64) -> Setting:
    problem = specs.problem(problem) if isinstance(problem, str) else problem
    return Setting(problem, estimator, SAMPLES, {name: value.to(dtype) for name, value in problem.init().items()})


def lifted_only(setting: Setting, warm: State = None) -> Moments:
    """The block measured with lifted weights."""
    return measure_block(setting, 8, 1, warm, Plan(False))


def farthest(expected: Moments, found: Moments, dtype: torch.dtype = torch.float64) -> float:
    """The largest relative difference of a moment; a variance that is all rounding counts as that."""
    floor = torch.finfo(dtype).eps * expected.square_norms.max()
    pairs = [(getattr(expected, each.name), getattr(found, each.name)) for each in fields(Moments)]
    differences = [np.max(np.abs(one - other) / np.maximum(np.abs(one), floor), initial=0) for one, other in pairs]
    return float(max(differences))


def plan(setting: Setting) -> Plan:
    return plan_for(setting, 8)


@dataclass(frozen=True)
class Offset(problems.GaussianVAE):
    """An auto-encoder with a parameter of shape ()."""

    def init(self) -> Params:
        return super().init() | {"offset": torch.tensor(0.3, dtype=torch.float64)}

    def log_likelihood(self, params: Params, z: Tensor) -> Tensor:
        return super().log_likelihood(params, z) - params["offset"].square().unsqueeze(-1)


def test_a_scalar_beside_large_weights() -> None:
    setting = setting_of(Offset(rows=6), Reparameterization())
    found = measure_block(setting, 8, 1)
    assert found.shared == 8
    assert farthest(lifted_only(setting), replace(found, shared=0)) <= ROUNDING[torch.float64]


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        *((text, torch.float64) for text in PROBLEMS),
        (PROBLEMS[1], torch.float32),
        pytest.param(PROBLEMS[4], torch.float32, marks=pytest.mark.full),
    ],
)
def test_every_method_has_the_moments_of_lifted_weights(text: str, dtype: torch.dtype) -> None:
    problem = specs.problem(text)
    for method in METHODS:
        if method.refuses(problem.seen, SAMPLES) is not None:
            continue
        name, setting = type(method).__name__, setting_of(problem, method, dtype)
        found, expected = measure_block(setting, 8, 1), lifted_only(setting)
        alone = name in NOT_A_SURROGATE or method.deterministic
        assert (found.shared, expected.shared) == (0 if alone else 8, 0), name
        difference = farthest(expected, replace(found, shared=0), dtype)
        assert difference <= (0.0 if alone else ROUNDING[dtype]), name


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in problems.__all__ if name not in ("Minibatch", "ValueBaseline")])
def test_every_problem_has_the_moments_of_lifted_weights(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the catalogue with their own sizes, on minibatches where they have rows, by every method that draws."""
    monkeypatch.setattr(engines, "LARGE", 0)
    monkeypatch.setattr("gradmark.benchmarks.measurement.fold.MAX_COORDINATES", 0)  # those moments may cancel
    problem = getattr(problems, name)()
    problem = Minibatch(problem, 4) if isinstance(problem, LatentVariableModel) else problem
    for method in METHODS:
        if method.refuses(problem.seen, SAMPLES) is None and not method.deterministic:
            setting = setting_of(problem, method)
            found = measure_block(setting, 8, 1)
            assert found.shared == (8 if plan(setting).shares else 0)
            difference = farthest(lifted_only(setting), replace(found, shared=0))
            assert difference <= ROUNDING[torch.float64], type(method).__name__


def test_reasons_not_to_share() -> None:
    reasons = {type(method).__name__: plan(setting_of(PROBLEMS[3], method)).reason for method in METHODS}
    expected = dict.fromkeys(NOT_A_SURROGATE, "the estimate is not the gradient of a surrogate loss")
    expected |= dict.fromkeys(("ExactGradient", "ExactMarginalLikelihood"), "replicates do not differ")
    assert {name: reasons[name] for name in expected} == expected


def test_small_weights_and_single_replicates_are_lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = setting_of(NETWORK, ScoreFunction())
    assert plan(setting).shares
    assert plan_for(setting, 1).reason == "replicates do not differ"
    monkeypatch.setattr(engines, "LARGE", 10**6)
    assert plan(setting).reason == "the weights are not large"


KINDS = {
    "convolution": [],
    "layer norm": [],
    "group norm": [],
    "embedding": [],
    "recurrent": ["recurrent.weight_ih_l0"],
}
KINDS |= {"decides": ["layer.weight", "layer.bias"]}


@pytest.mark.each_once
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [None, 3])
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # by torch itself, in its `vmap`
def test_modules_have_the_moments_of_lifted_weights(
    kind: str, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LARGE", 0)
    problem = Images(kind) if size is None else Minibatch(Images(kind), size)
    for method in (Reparameterization(), ScoreFunction()):
        setting = setting_of(problem, method)
        assert plan(setting) == Plan(True, frozenset(f"encoder.{name}" for name in KINDS[kind]))
        found, expected = measure_block(setting, 8, 1), lifted_only(setting)
        assert found.shared == 8
        assert farthest(expected, replace(found, shared=0)) < ROUNDING[torch.float64]


def test_a_module_that_lets_rows_depend_on_one_another_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "LARGE", 0)
    assert plan(setting_of(Mixing(), Reparameterization())).reason == "with shared weights the estimates are others"


@pytest.mark.parametrize("name", ["MovingAverageBaseline", "NVIL"])
def test_warm_baselines_have_the_moments_of_lifted_weights(name: str) -> None:
    setting = setting_of("Minibatch(problem=BernoulliVAE(latents=40), size=6)", specs.estimator(f"{name}()"))
    warm = warm_states(setting, 2, 5)
    found, expected = measure_block(setting, 8, 1, warm), lifted_only(setting, warm)
    assert found.shared == 8
    assert farthest(expected, replace(found, shared=0)) < ROUNDING[torch.float64]


@dataclass(frozen=True)
class Decayed(ScoreFunction):
    """A penalty on one weight, beside the surrogate."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        loss, state = super().surrogate(problem, params, state, num_samples)
        return loss + params["decoder_logits_weight"].square().sum((-2, -1)).unsqueeze(-1), state


@dataclass(frozen=True)
class Normalised(ScoreFunction):
    """A surrogate divided by the length of its gradient."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        loss, state = super().surrogate(problem, params, state, num_samples)
        (slope,) = torch.autograd.grad(loss.sum(), params["decoder_logits_weight"], retain_graph=True)
        return loss / slope.flatten(1).norm(dim=1, keepdim=True), state


@dataclass(frozen=True)
class Penalised(ScoreFunction):
    """A penalty on the length of its gradient."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        loss, state = super().surrogate(problem, params, state, num_samples)
        (slope,) = torch.autograd.grad(loss.sum(), params["decoder_logits_weight"], create_graph=True)
        return loss + slope.square().sum((-2, -1)).unsqueeze(-1), state


@dataclass(frozen=True)
class Writing(ScoreFunction):
    """Changes a parameter, and changes it back."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        with torch.no_grad():
            params["decoder_logits_weight"].mul_(2).div_(2)
        return super().surrogate(problem, params, state, num_samples)


def test_a_weight_that_is_used_outside_of_a_layer_is_lifted() -> None:
    setting = setting_of(NETWORK, Decayed())
    assert plan(setting) == Plan(True, frozenset({"decoder_logits_weight"}))
    found, expected = measure_block(setting, 8, 1), lifted_only(setting)
    assert found.shared == 8
    assert farthest(expected, replace(found, shared=0)) < ROUNDING[torch.float64]


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (Normalised(), "with shared weights the estimates are others"),
        (Penalised(), "the gradient is differentiated"),
        (Writing(), "RuntimeError: unsupported operation"),
    ],
)
def test_methods_that_cannot_share_are_found_out(estimator: Estimator, reason: str) -> None:
    setting = setting_of(NETWORK, estimator)
    assert plan(setting).reason.startswith(reason)
    found, expected = measure_block(setting, 8, 1), lifted_only(setting)
    assert farthest(expected, found) == 0.0
    assert np.isfinite(found.traces).all()


def test_the_evidence_rejects_factors_that_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    note = SharedWeights._note

    def wrong(self: SharedWeights, weight: Tensor, use: Use) -> Tensor | None:
        return note(self, weight, Use(use.inputs, use.slopes * (1 + 1e-6)))

    setting = setting_of(NETWORK, Reparameterization())
    zero = replace(setting, params={name: torch.zeros_like(value) for name, value in setting.params.items()})
    for each in (setting, zero):  # where all weights are zero, so are their gradients, right or wrong
        assert plan(each).shares
        engines._plans.clear()
        with monkeypatch.context() as patch:
            patch.setattr(SharedWeights, "_note", wrong)
            assert plan(each).reason == "with shared weights the estimates are others"
        engines._plans.clear()


def test_a_block_that_turns_out_to_need_lifted_weights_gets_them() -> None:
    setting = setting_of(NETWORK, Decayed())
    found = measure_block(setting, 8, 1, plan=Plan(True))  # evidence that did not show it would say so
    assert found.shared == 0
    assert farthest(lifted_only(setting), found) == 0.0


def test_the_summary_says_how_the_gradients_were_made() -> None:
    assert measure("GaussianVAE(rows=6)", "Reparameterization()", replicates=16)["engine"] == "shared weights"
    shared = measure_block(setting_of(NETWORK, ScoreFunction()), 8, 1)
    alone = replace(shared, shared=0)
    blocks = ([shared, shared], [alone], [shared, alone])
    assert [_engine(each) for each in blocks] == ["shared weights", "lifted weights", "both"]
