"""The wrapper that sees what is asked of a problem's cost: it passes for the problem, and leaves it alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from gradmark.benchmarks.measurement.block import Setting
from gradmark.benchmarks.measurement.evaluations import Evaluations, count_evaluations
from gradmark.benchmarks.measurement.watching import showing
from gradmark.benchmarks.problems import GaussianToy, LinearGaussian
from gradmark.estimators import ScoreFunction
from gradmark.estimators.core import LatentVariableModel, Params, Problem


def test_a_wrapper_passes_for_its_problem() -> None:
    """It has the class, the fields, the text, the hash and the protocols of its problem, and a selection's rows."""
    model = LinearGaussian(latents=2, observed=3, rows=4)
    wrapped: tuple[Any, ...] = (GaussianToy(), model, model.select(torch.tensor([1, 3])))
    for problem in wrapped:
        wrapper = showing(showing(problem, list[Tensor]().append), list[Tensor]().append)
        assert isinstance(wrapper, type(problem))
        assert wrapper.__class__ is type(problem)
        assert wrapper == problem
        assert hash(wrapper) == hash(problem)
        assert (str(wrapper), wrapper.reference) == (str(problem), problem.reference)
        assert wrapper.partial == problem.partial
        assert replace(wrapper) == problem
    assert not isinstance(showing(GaussianToy(), list[Tensor]().append), LatentVariableModel)


def test_a_wrapper_leaves_its_problem_alone() -> None:
    model, seen = LinearGaussian(latents=2, observed=3, rows=4), list[Tensor]()
    before, z = dict(vars(model)), torch.zeros(5, 4, 2, dtype=torch.float64)
    wrapper = showing(model, seen.append)
    assert torch.equal(wrapper.log_joint(model.init(), z), model.log_joint(model.init(), z))
    assert [len(each) for each in seen] == [5]
    assert vars(model) == before
    assert type(model).log_joint is LatentVariableModel.log_joint


@dataclass(frozen=True, slots=True)
class Slotted(Problem):
    """A problem whose fields are not entries of a dictionary."""

    target: float = 1.0

    def init(self) -> Params:
        return GaussianToy().init()

    def distribution(self, params: Params) -> Distribution:
        return GaussianToy().distribution(params)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return (z.squeeze(-1) - self.target) ** 2


def test_a_problem_with_slots_is_wrapped() -> None:
    problem, seen = Slotted(target=3.0), list[Tensor]()
    wrapper = showing(problem, seen.append)
    assert (wrapper.target, wrapper) == (3.0, problem)
    assert count_evaluations(Setting(problem, ScoreFunction(), 4, problem.init())) == Evaluations(4, 0)


def test_a_selection_of_the_wrapper_is_the_problems_own() -> None:
    """The wrapper of a selection sees the selected rows, and not those of the problem that it was made of."""
    model, seen = LinearGaussian(latents=2, observed=3, rows=4), list[Tensor]()
    params, part = model.init(), torch.tensor([1, 3])
    z = torch.zeros(2, 2, 2, dtype=torch.float64)
    expected = model.select(part).log_joint(params, z)
    wrapper = showing(model, seen.append)
    assert isinstance(wrapper, LinearGaussian)
    assert torch.equal(wrapper.select(part).log_joint(params, z), expected)
    assert len(seen) == 1
