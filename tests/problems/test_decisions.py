"""Bandit and MDP: oracles against enumeration, REINFORCE by hand to the bit, reward-to-go, the value for a baseline."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.exact_moments import exact_moments, expectation_is_exact
from gradmark.benchmarks.checks.suite import SMALL_MDP
from gradmark.benchmarks.experiments.policy_gradient.reinforce import reinforce
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.problems import ContextualBandit, GaussianToy, TabularMDP, ValueBaseline
from gradmark.benchmarks.problems.decisions.base import DecisionProblem
from gradmark.benchmarks.problems.distributions.trajectories import Trajectories
from gradmark.estimators import RaoBlackwellScoreFunction, Reparameterization, ScoreFunction, StraightThrough
from gradmark.estimators.core import Params, gradient_of_sum
from tests.controls.wrong.rao_blackwell import BySite
from tests.problems.test_every_problem import perturbed

HOST = torch.device("cpu")
SMALL = TabularMDP(**SMALL_MDP)
PROBLEMS = [ContextualBandit(), SMALL, TabularMDP(), TabularMDP(horizon=3), TabularMDP(horizon=5)]
EPISODES = 7


def leaves(problem: DecisionProblem) -> Params:
    return {name: value.requires_grad_() for name, value in perturbed(problem, ()).items()}


def loop(problem: TabularMDP, logits: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the expected return and its gradient, path by path: the score of a softmax is one-hot minus π."""
    policy = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    states, actions = logits.shape
    mean, gradient = 0.0, np.zeros_like(logits)
    for path in itertools.product(itertools.product(range(states), range(actions)), repeat=problem.horizon):
        chance, gain, score = problem.initial[path[0][0]], 0.0, np.zeros_like(logits)
        for (s, a), following in zip(path, [*path[1:], None], strict=True):
            chance *= policy[s, a] * (1.0 if following is None else problem.transitions[s][a][following[0]])
            gain += problem.rewards[s][a]
            score[s] -= policy[s]
            score[s, a] += 1
        mean -= chance * gain
        gradient -= chance * gain * score
    return mean, gradient


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_dynamic_programming_is_the_enumeration(problem: DecisionProblem) -> None:
    params = leaves(problem)
    exact, enumerated = problem.exact(params), problem.enumerated(params)
    torch.testing.assert_close(exact, enumerated, rtol=1e-12, atol=1e-12)
    found, expected = gradient_of_sum(exact, params)["logits"], gradient_of_sum(enumerated, params)["logits"]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    q = problem.distribution(params)
    every = q.enumerate_support()
    chance, cost = q.log_prob(every).exp().detach(), problem.cost(params, every, q)
    assert float(chance.sum()) == pytest.approx(1, abs=1e-12)
    variance = float((chance * (cost.detach() - exact.detach()) ** 2).sum())
    assert float(problem.return_variance(params).detach()) == pytest.approx(variance, rel=1e-10)


def test_oracle_is_a_loop_over_paths() -> None:
    params = leaves(SMALL)
    mean, gradient = loop(SMALL, params["logits"].detach().numpy())
    exact = SMALL.exact(params)
    assert float(exact.detach()) == pytest.approx(mean, abs=1e-14)
    np.testing.assert_allclose(gradient_of_sum(exact, params)["logits"], gradient, rtol=0, atol=1e-14)


def by_hand(problem: TabularMDP, logits: Tensor, *, to_go: bool, values: list[Tensor] | None) -> tuple[Tensor, Tensor]:
    """REINFORCE with its score written out, one-hot minus π, and each episode's returns in a loop."""
    initial, transitions, rewards = (
        torch.tensor(table, dtype=torch.float64) for table in (problem.initial, problem.transitions, problem.rewards)
    )
    state, steps = None, []
    for _ in range(problem.horizon):
        chance = transitions[state, steps[-1][1]] if state is not None else initial.expand(EPISODES, -1)
        state = Categorical(probs=chance).sample()
        steps.append((state, Categorical(logits=logits[state]).sample()))
    gradient = torch.zeros_like(logits)
    for k in range(EPISODES):
        path = [(int(s[k]), int(a[k])) for s, a in steps]
        for t, (s, a) in enumerate(path):
            gain = sum(float(rewards[each]) for each in path[t if to_go else 0 :])
            gain -= float(values[t][s]) if values is not None else 0.0
            score = torch.nn.functional.one_hot(torch.tensor(a), logits.shape[1]) - logits[s].softmax(-1)
            gradient[s] -= gain * score / EPISODES
    return torch.stack([part for pair in steps for part in pair], -1).double(), gradient


@pytest.mark.parametrize("weight", ["whole", "to go", "value"])
@pytest.mark.parametrize("horizon", [1, 4, 9])
def test_the_score_function_is_reinforce(horizon: int, weight: str) -> None:
    """The trajectories to the bit, the gradient to 1e-12; and the catalogue's text-book code is the loop."""
    mdp = TabularMDP(horizon=horizon)
    problem: DecisionProblem = ValueBaseline(mdp) if weight == "value" else mdp
    logits = perturbed(problem, ())["logits"]
    estimator = ScoreFunction() if weight == "whole" else RaoBlackwellScoreFunction()
    values = problem.values({"logits": logits}) if weight == "value" else None
    with seeded(5, HOST):
        z = problem.distribution({"logits": logits}).sample((EPISODES,))
    with seeded(5, HOST):
        ours = estimator.estimate(problem, {"logits": logits}, (), EPISODES).gradient["logits"]
    with seeded(5, HOST):
        path, hand = by_hand(mdp, logits, to_go=weight != "whole", values=values)
    with seeded(5, HOST):
        again, textbook = reinforce(
            problem.environment(logits), logits, EPISODES, to_go=weight != "whole", values=values
        )
    assert torch.equal(z, path)
    assert torch.equal(z, again)
    torch.testing.assert_close(ours, hand, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(textbook, hand, rtol=1e-12, atol=1e-12)
    if horizon > 1:  # another weight is another gradient
        with seeded(5, HOST):
            other = by_hand(mdp, logits, to_go=weight == "whole", values=None)[1]
        assert float((other - ours).abs().max()) > 1e-3


def test_trajectories_of_many_replicates_are_the_chain() -> None:
    """Frequencies of all 64 paths of two policies against their probabilities, at 1e-6 for each by Bonferroni."""
    problem = SMALL
    params = perturbed(problem, (2,))
    q = problem.distribution(params)
    with seeded(3, HOST):
        z = q.sample((2**15,))
    every = q.enumerate_support(expand=False).squeeze(1)
    counts = (z.unsqueeze(-2) == every).all(-1).double().sum(0)
    chance = q.log_prob(q.enumerate_support()).exp().mT
    spread = (len(z) * chance * (1 - chance)).sqrt()
    assert counts[chance == 0].sum() == 0
    assert float(((counts - len(z) * chance) / spread.clamp_min(1e-9))[chance > 0].abs().max()) < 5.5
    swapped = chance.flip(0)  # the other policy's: seen
    assert float(((counts - len(z) * swapped) / spread.clamp_min(1e-9))[chance > 0].abs().max()) > 5.5


class ImmediateRewards(BySite):
    """Each action weighed by its own reward: dependence through the environment forgotten."""

    def is_downstream(self, term: Any, site: int, stages: tuple[int, ...]) -> bool:
        return site in term.coordinates


def test_dependence_goes_through_the_environment() -> None:
    on = Case(SMALL)
    assert expectation_is_exact(EstimatorCase(RaoBlackwellScoreFunction(), on, 2)).status == "passed"
    assert expectation_is_exact(EstimatorCase(ImmediateRewards(), on, 2)).failed


def test_each_step_takes_variance_away() -> None:
    """Exactly, at the uniform policy of the river: the whole return, the reward-to-go, that less the value."""
    river = TabularMDP(horizon=2)
    found = [
        exact_moments(EstimatorCase(estimator, Case(problem, "init"), 1)).total_variance
        for problem, estimator in (
            (river, ScoreFunction()), (river, RaoBlackwellScoreFunction()),
            (ValueBaseline(river), RaoBlackwellScoreFunction()),
        )
    ]  # fmt: skip
    assert found[0] > 1.2 * found[1]
    assert found[1] > 1.2 * found[2]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"transitions": (((1.0,), (0.9,)),), "rewards": ((0.0, 1.0),), "initial": (1.0,)},
         r"transitions\[0\]\[1\] is \(0\.9,\), which sums to 0\.9; .*divide by it"),
        ({"transitions": (((1.5, -0.5),), ((0.0, 1.0),)), "rewards": ((0.0,), (1.0,)), "initial": (1.0, 0.0)},
         r"transitions\[0\]\[0\] is \(1\.5, -0\.5\), and probabilities are not negative; pass 0 or more"),
        ({"initial": (0.6, 0.3, 0.2)}, r"initial is .* sums to 1\.1"),
        ({"horizon": 0}, r"horizon=0\): nothing would be decided; pass 1 or more"),
        ({"initial": (0.5, 0.5)}, r"no table of 2 rows"),
        ({"rewards": ((0.0,), (1.0,), (2.0,))}, r"transitions are for 3 states with \[2\] actions"),
    ],
)  # fmt: skip
def test_what_is_no_process_is_said(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TabularMDP(**given)


def test_what_is_no_bandit_and_too_many_paths_are_said() -> None:
    with pytest.raises(ValueError, match=r"contexts is \(0\.5, 0\.4\), which sums to 0\.9"):
        ContextualBandit(contexts=(0.5, 0.4), rewards=((1.0,), (2.0,)))
    with pytest.raises(ValueError, match="no table of 3 rows"):
        ContextualBandit(rewards=((1.0, 2.0), (3.0,), (0.0, 4.0)))
    long = TabularMDP(horizon=40)
    with pytest.raises(ValueError, match=r"paths are too many to enumerate, 262144 .*use the problem's exact\(\)"):
        long.enumerated(long.init())
    assert float(long.exact(long.init())) < 0


def test_what_needs_a_path_or_a_mean_refuses() -> None:
    for estimator in (Reparameterization(), StraightThrough()):
        assert "; use " in (estimator.refuses(SMALL, 2) or "")
    assert isinstance(SMALL.distribution(SMALL.init()), Trajectories)
    assert ScoreFunction().refuses(SMALL, 1) is None
    assert ScoreFunction().refuses(GaussianToy(), 1) is None
