"""What holds for every problem: shapes, replicates, the oracle, rows that stand for all."""

from __future__ import annotations

import math

import pytest
import torch

from gradmark.benchmarks import problems, specs
from gradmark.benchmarks.problems import (
    AmortisedFixedBeliefNetwork,
    BayesianGaussianMixture,
    BayesianLogisticRegression,
    BernoulliToy,
    BernoulliVAE,
    CategoricalMixture,
    CategoricalToy,
    ContextualBandit,
    CorrelatedLinearGaussian,
    DirichletPosterior,
    FixedBeliefNetwork,
    FixedPriorBernoulliVAE,
    GammaPosterior,
    GaussianMixture,
    GaussianToy,
    GaussianVAE,
    HiddenMarkovModel,
    LinearGaussian,
    NonlinearBernoulliVAE,
    NonlinearFixedPriorBernoulliVAE,
    SigmoidBeliefNetwork,
    StepToy,
    TabularMDP,
    ValueBaseline,
)
from gradmark.estimators.core import LatentVariableModel, Params, Problem, gradient_of_sum

PROBLEMS = [
    GaussianToy(),
    GaussianToy(function="cos", k=2.0, scale=0.7),
    GaussianToy(function="exp", k=0.5),
    StepToy(edges=(-0.5, 0.2)),
    BernoulliToy(),
    BernoulliToy(probs=(0.3, 0.8, 0.55)),
    CategoricalToy(),
    CategoricalToy(probs=(0.1, 0.3, 0.4, 0.2), latents=2),
    LinearGaussian(rows=6),
    CorrelatedLinearGaussian(rows=6),
    BayesianLogisticRegression(),
    GammaPosterior(),
    DirichletPosterior(),
    GaussianMixture(rows=6),
    CategoricalMixture(components=2, views=3, categories=3, rows=6),
    HiddenMarkovModel(steps=4, rows=6),
    BayesianGaussianMixture(components=2, rows=4, shape=3.0),
    FixedBeliefNetwork(latents=3, observed=4, rows=6),
    AmortisedFixedBeliefNetwork(latents=3, observed=4, rows=6),
    GaussianVAE(rows=6, hidden=5),
    BernoulliVAE(rows=6, latents=3),
    NonlinearBernoulliVAE(rows=6, latents=3, hidden=4),
    FixedPriorBernoulliVAE(rows=6, latents=3),
    NonlinearFixedPriorBernoulliVAE(rows=6, latents=3, hidden=4),
    SigmoidBeliefNetwork(rows=6, lower=2, upper=3),
    ContextualBandit(),
    TabularMDP(),
    ValueBaseline(TabularMDP()),
]
WITH_ORACLE = [problem for problem in PROBLEMS if problem.no_oracle is None]
MODELS = [problem for problem in PROBLEMS if isinstance(problem, LatentVariableModel)]
MOST_Z = 5.0  # two-sided 6e-7 for each comparison, below 1e-4 for all of this file


def every(cases: list) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("problem", cases, ids=str)


def perturbed(problem: Problem, replicates: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Params:
    """Parameters near `init`, different for every replicate."""
    noise = torch.Generator().manual_seed(1)
    return {
        name: (value + 0.1 * torch.randn(*replicates, *value.shape, generator=noise, dtype=torch.float64)).to(dtype)
        for name, value in problem.init().items()
    }


def one_replicate(params: Params, replicate: int) -> Params:
    return {name: value[replicate] for name, value in params.items()}


def draws(problem: Problem, params: Params, count: int, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return problem.distribution(params).sample((count,))


def test_every_problem_of_the_catalogue_is_tested_here() -> None:
    assert {type(problem).__name__ for problem in PROBLEMS} | {"Minibatch"} == set(problems.__all__)


@pytest.mark.parametrize("name", sorted(set(problems.__all__) - {"Minibatch", "ValueBaseline"}))
def test_every_problem_is_built_from_its_name_alone(name: str) -> None:
    assert str(specs.problem(f"{name}()")) == f"{name}()"


@every(PROBLEMS)
def test_text_is_identity(problem: Problem) -> None:
    assert specs.problem(str(problem)) == problem


@every(PROBLEMS)
def test_init_is_deterministic_float64_and_not_shared(problem: Problem) -> None:
    first, second = problem.init(), problem.init()
    assert all(value.dtype == torch.float64 and value.device.type == "cpu" for value in first.values())
    for name, value in first.items():
        assert torch.equal(value, second[name])
        value += 1
    assert all(not torch.equal(first[name], problem.init()[name]) for name in first)


FORMS = [((), torch.float64), ((3,), torch.float32)]
OTHER_FORMS = [
    pytest.param(replicates, dtype, marks=pytest.mark.full)
    for replicates in ((), (1,), (3,))
    for dtype in (torch.float32, torch.float64)
    if (replicates, dtype) not in FORMS
]


@pytest.mark.parametrize(("replicates", "dtype"), [*FORMS, *OTHER_FORMS], ids=str)
@every(PROBLEMS)
def test_cost_has_the_shape_of_log_prob(problem: Problem, replicates: tuple[int, ...], dtype: torch.dtype) -> None:
    params = perturbed(problem, replicates, dtype)
    q = problem.distribution(params)
    assert q.batch_shape[: len(replicates)] == replicates
    for samples in ((), (1,), (4,)):
        z = q.sample(samples)
        cost = problem.cost(params, z, q)
        assert cost.shape == q.log_prob(z).shape == samples + q.batch_shape
        assert cost.dtype == dtype
        if isinstance(problem, LatentVariableModel):
            assert problem.cost_analytic_kl(params, z, q).shape == cost.shape
    exact = problem.exact(params)
    assert (exact is None) == (problem.no_oracle is not None)
    assert exact is None or (exact.shape == q.batch_shape and exact.dtype == dtype)


@pytest.mark.parametrize("selected", [False, True])
@every(PROBLEMS)
def test_replicates_are_a_loop(problem: Problem, selected: bool) -> None:
    params = perturbed(problem, (3,))
    index = torch.tensor([[0, 4], [5, 1], [2, 2]])
    lifted, alone = problem, [problem] * 3
    if selected and isinstance(problem, LatentVariableModel):
        lifted, alone = problem.select(index), [problem.select(rows) for rows in index]
    z = draws(lifted, params, 4)
    cost, gradient = cost_and_gradient(lifted, params, z)
    for replicate in range(3):
        own = one_replicate(params, replicate)
        single, expected = cost_and_gradient(alone[replicate], own, z[:, replicate])
        torch.testing.assert_close(cost[:, replicate], single, rtol=1e-11, atol=1e-11)
        for name in params:
            torch.testing.assert_close(gradient[name][replicate], expected[name], rtol=1e-9, atol=1e-9)


def cost_and_gradient(problem: Problem, params: Params, z: torch.Tensor) -> tuple[torch.Tensor, Params]:
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    cost = problem.cost(leaves, z, problem.distribution(leaves))
    return cost.detach(), gradient_of_sum(cost, leaves)


@every(WITH_ORACLE)
def test_oracle_of_replicates_is_a_loop(problem: Problem) -> None:
    params = perturbed(problem, (3,))
    exact = problem.exact(params)
    assert exact is not None
    for replicate in range(3):
        torch.testing.assert_close(
            exact[replicate], problem.exact(one_replicate(params, replicate)), rtol=1e-11, atol=0
        )


@every(WITH_ORACLE)
def test_oracle_is_the_mean_of_the_cost(problem: Problem) -> None:
    params = perturbed(problem, ())
    cost = problem.cost(params, z := draws(problem, params, 4000), q := problem.distribution(params))
    assert worst_z(cost, problem.exact(params)) < MOST_Z
    if isinstance(problem, LatentVariableModel):
        assert worst_z(problem.cost_analytic_kl(params, z, q), problem.exact(params)) < MOST_Z


def worst_z(cost: torch.Tensor, exact: torch.Tensor | None) -> float:
    assert exact is not None
    error = cost.std(0) / math.sqrt(len(cost))
    return ((cost.mean(0) - exact).abs() / error).max().item()


@every(WITH_ORACLE)
def test_gradient_of_oracle_is_that_of_differences(problem: Problem) -> None:
    params = {name: value.requires_grad_() for name, value in perturbed(problem, ()).items()}
    exact = problem.exact(params)
    assert exact is not None
    found = torch.autograd.grad(exact.sum(), list(params.values()), materialize_grads=True)
    step = 1e-4
    for (name, value), gradient in zip(params.items(), found, strict=True):
        chosen = torch.arange(0, value.numel(), 1 + value.numel() // 40)  # each moved in a replicate of its own
        steps = step * torch.nn.functional.one_hot(chosen, value.numel()).to(value).view(-1, *value.shape)
        still = {each: tensor.detach().expand(len(chosen), *tensor.shape) for each, tensor in params.items()}
        above, below = (problem.exact({**still, name: value.detach() + sign * steps}) for sign in (1, -1))
        assert above is not None
        assert below is not None
        difference = (above - below).reshape(len(chosen), -1).sum(1) / (2 * step)
        torch.testing.assert_close(gradient.reshape(-1)[chosen], difference, rtol=1e-5, atol=1e-5)


@every(WITH_ORACLE)
def test_single_precision_agrees_with_double(problem: Problem) -> None:
    single, double = problem.exact(perturbed(problem, (2,), torch.float32)), problem.exact(perturbed(problem, (2,)))
    assert single is not None
    assert double is not None
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-5)


@every(MODELS)
def test_rows_of_one_average_to_all_rows(problem: LatentVariableModel) -> None:
    """The mean over all minibatches of a single row, for the cost at fixed z and for the oracle."""
    params, rows = perturbed(problem, ()), problem.num_rows
    assert problem.observations(params).shape[0] == rows
    lifted = {name: value.expand(rows, *value.shape) for name, value in params.items()}
    view = problem.select(torch.arange(rows).unsqueeze(-1))
    z, q = draws(problem, params, 2), problem.distribution(params)
    own_z = z.unsqueeze(-1 - len(q.event_shape)) if problem.per_row else z.unsqueeze(1).expand(-1, rows, -1)
    parts = view.cost(lifted, own_z, view.distribution(lifted)).reshape(2, -1).sum(-1) / rows
    whole = problem.cost(params, z, q).reshape(2, -1).sum(-1)
    torch.testing.assert_close(parts, whole, rtol=1e-10, atol=0)
    if problem.no_oracle is None:
        exact, of_view = problem.exact(params), view.exact(lifted)
        assert exact is not None
        assert of_view is not None
        torch.testing.assert_close(of_view.sum() / rows, exact.sum(), rtol=1e-10, atol=0)


@every([problem for problem in MODELS if problem.no_oracle is None])
def test_oracle_of_selected_rows_is_the_mean_of_their_cost(problem: LatentVariableModel) -> None:
    params, view = perturbed(problem, (2,)), problem.select(torch.tensor([[0, 3, 5], [4, 1, 0]]))
    cost = view.cost(params, draws(view, params, 4000), view.distribution(params))
    assert worst_z(cost, view.exact(params)) < MOST_Z
    assert view == problem
    assert view.exact(params).shape == view.distribution(params).batch_shape  # type: ignore[union-attr]


@every([problem for problem in PROBLEMS if "Bernoulli" in str(problem) or "Categorical" in str(problem)])
def test_cost_can_be_differentiated_between_the_states(problem: Problem) -> None:
    """As straight-through methods do: in z, with log q(z) included."""
    params = perturbed(problem, ())
    q = problem.distribution(params)
    z = q.mean.clone().requires_grad_()
    (found,) = torch.autograd.grad(problem.cost(params, z, q).sum(), z)
    direction = torch.ones_like(found) * 1e-5
    up, down = problem.cost(params, z + direction, q), problem.cost(params, z - direction, q)
    slope = found.sum(tuple(range(-len(q.event_shape), 0)))
    torch.testing.assert_close(slope, (up - down) / 2e-5, rtol=1e-5, atol=1e-6)


@every(PROBLEMS)
def test_footprint_and_reason(problem: Problem) -> None:
    assert problem.footprint >= 1
    assert problem.template is problem
    assert problem.draw(4) is problem
    assert problem.no_oracle is None or "use " in problem.no_oracle
