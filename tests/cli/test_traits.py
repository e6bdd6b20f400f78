"""What `list` says of methods is what the papers say of them."""

from __future__ import annotations

import pytest

import gradmark.estimators as estimators
from gradmark.benchmarks.cli.capabilities import NEEDS, traits
from gradmark.estimators import (
    ARM,
    IWAE,
    RELAX,
    ExactGradient,
    ExactPosterior,
    LeaveOneOut,
    Reparameterization,
    ScoreFunction,
)
from gradmark.estimators.core import Estimator

EVERY = {"Normal", "Bernoulli", "OneHotCategorical", "Gamma", "Dirichlet"}


@pytest.mark.parametrize(
    ("estimator", "distributions", "needs", "draws", "forward", "backward"),
    [
        (ScoreFunction(), EVERY, {"density"}, "any", 1, 0),
        (LeaveOneOut(), EVERY, {"density"}, "2 or more", 1, 0),
        (Reparameterization(), {"Normal"}, {"path"}, "any", 1, 1),
        (ARM(), {"Bernoulli"}, {"density"}, "even", 1, 0),
        (IWAE(), {"Normal", "Gamma", "Dirichlet"}, {"elbo", "path"}, "any", 1, 1),
        (ExactPosterior(), {"Normal"}, {"posterior"}, "any", 1, 1),
    ],
    ids=lambda value: str(value) if isinstance(value, Estimator) else "",
)
def test_traits_are_those_of_the_paper(
    estimator: Estimator, distributions: set[str], needs: set[str], draws: str, forward: int, backward: int
) -> None:
    found = traits(estimator)
    assert set(found.distributions) >= distributions
    assert set(found.needs) == {NEEDS[need] for need in needs}
    assert found.draws == draws
    count = found.evaluations["num_samples"]
    assert (found.evaluations["forward"], found.evaluations["backward"]) == (forward * count, backward * count)
    assert found.state == []


def test_an_oracle_evaluates_no_cost() -> None:
    found = traits(ExactGradient())
    assert found.needs == [NEEDS["answer"]]
    assert (found.evaluations["forward"], found.evaluations["backward"]) == (0, 0)


def test_a_learned_control_variate_has_a_state() -> None:
    assert "coefficients.log_temperature" in traits(RELAX()).state


@pytest.mark.parametrize("name", estimators.__all__)
def test_every_method_of_the_catalogue_can_be_asked(name: str) -> None:
    found = traits(getattr(estimators, name)())
    assert found.distributions
    assert found.needs
