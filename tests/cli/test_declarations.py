"""What methods declare is what they do: measured on small problems; and the source says what the classes say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import keystr, tree_flatten_with_path

import gradmark.estimators as estimators
from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.properties import Raised
from gradmark.benchmarks.cli import catalogue
from gradmark.benchmarks.cli.source import listed
from gradmark.benchmarks.measurement.block import HOST, Setting, lifted, seeded
from gradmark.benchmarks.measurement.evaluations import count_evaluations
from gradmark.benchmarks.measurement.watching import OF_STATES, watching
from gradmark.benchmarks.problems import (
    BernoulliToy,
    BernoulliVAE,
    CategoricalToy,
    DirichletPosterior,
    GammaPosterior,
    GaussianToy,
    LinearGaussian,
)
from gradmark.estimators.core import Estimator, Evaluations, Params, Problem, detached
from gradmark.estimators.requirements import DifferentiableCost, Requirement
from gradmark.estimators.requirements.base import DISTRIBUTIONS
from tests.methods import METHODS

DRAWS = (1, 2, 3, 4)
SMALL: dict[str, tuple[Problem, ...]] = {  # a distribution of z, and small problems that have it
    "Normal": (GaussianToy(), LinearGaussian(latents=2, observed=3, rows=3)),
    "Bernoulli": (BernoulliToy(), BernoulliVAE(latents=2, rows=3)),
    "OneHotCategorical": (CategoricalToy(),),
    "Gamma": (Raised(GammaPosterior()), GammaPosterior()),
    "Dirichlet": (Raised(DirichletPosterior()), DirichletPosterior()),
}
ROWS = {row["name"]: row for row in catalogue.estimators()}


def fewest(estimator: Estimator, problem: Problem) -> int | None:
    """The smallest number of samples that the method takes there; None where it refuses all."""
    return next((count for count in DRAWS if estimator.refuses(problem, count) is None), None)


def fitting(estimator: Estimator) -> list[Problem]:
    """The small problems that the method does not refuse."""
    return [each for problems in SMALL.values() for each in problems if fewest(estimator, each) is not None]


def held(problem: Problem) -> Problem:
    """The problem with a cost of constant parameters, so that z alone is differentiated."""

    def hold(form: str, method: Callable[..., Any]) -> Callable[..., Any]:
        if form == OF_STATES:
            return method

        def constant(params: Params, z: Tensor, *q: object) -> Any:
            fixed = detached(params)
            return method(fixed, z, *([problem.distribution(fixed)] if q else []))

        return constant

    return watching(problem, hold)


def without_path(problem: Problem) -> Problem:
    """The problem with a cost whose derivative in z is zero."""

    def cut(form: str, method: Callable[..., Any]) -> Callable[..., Any]:
        return method if form == OF_STATES else lambda params, z, *rest: method(params, z.detach(), *rest)

    return watching(problem, cut)


def gradient(estimator: Estimator, problem: Problem, earlier: int = 0) -> Params:
    """That of one estimate, after `earlier` ones from which a state learns."""
    params, count = lifted(problem.init(), 2), fewest(estimator, problem) or 1
    with seeded(1, HOST):
        state = estimator.init(problem, params)
        for _ in range(earlier):
            state = estimator.estimate(problem, params, state, count).state
        return estimator.estimate(problem, params, state, count).gradient


@pytest.mark.parametrize("estimator", METHODS, ids=str)
def test_evaluations_are_those_that_are_counted(estimator: Estimator) -> None:
    """A text is declared by the one method that enumerates: it counts states, or nothing in closed form.

    An oracle may evaluate the cost within itself, so that `ExactGradient` is measured where it does not.
    """
    declared, count = estimator.evaluations, 4
    if isinstance(declared, str):
        assert "one for each state of z; none where" in declared
        bits, normals = BernoulliVAE(latents=2, rows=3), LinearGaussian(latents=2, observed=3, rows=3)
        counted = [count_evaluations(Setting(each, estimator, 1, each.init())).forward for each in (bits, normals)]
        assert counted == [4, 0]
        return
    assert isinstance(declared, Evaluations)
    for problem in fitting(estimator)[: 1 if estimator.deterministic else None]:
        d = problem.distribution(problem.init()).event_shape[0]
        counted = count_evaluations(Setting(held(problem), estimator, count, problem.init()))
        forward = declared.forward + declared.forward_per_coordinate * d
        assert (counted.forward, counted.backward) == (forward * count, declared.backward * count), str(problem)


@pytest.mark.parametrize("estimator", METHODS, ids=str)
def test_the_state_has_the_tensors_that_are_declared(estimator: Estimator) -> None:
    problem = fitting(estimator)[0]
    leaves, _ = tree_flatten_with_path(estimator.init(problem, problem.init()))
    names = [keystr(path).replace("']['", ".").strip("[']") for path, _ in leaves]
    for name in names:
        assert any(name == kept or name.startswith(f"{kept}.") for kept in estimator.keeps), name
    for kept in estimator.keeps:
        assert any(name == kept or name.startswith(f"{kept}.") for name in names), kept


@pytest.mark.parametrize("estimator", METHODS, ids=str)
def test_num_samples_may_be_what_is_declared(estimator: Estimator) -> None:
    counts = [count for count in DRAWS if estimator.refuses(fitting(estimator)[0], count) is None]
    expected = {"any": [1, 2, 3, 4], "2 or more": [2, 3, 4], "even": [2, 4]}
    assert counts == expected[ROWS[type(estimator).__name__]["draws"]]


@pytest.mark.parametrize("estimator", METHODS, ids=str)
def test_who_requires_a_differentiable_cost_differentiates_it(estimator: Estimator) -> None:
    def moves(problem: Problem, earlier: int = 0) -> bool:
        before, after = (gradient(estimator, each, earlier) for each in (problem, without_path(problem)))
        return any(not torch.equal(before[name], after[name]) for name in before)

    declared = any(isinstance(each, DifferentiableCost) for each in estimator.requires)
    found = any(moves(problem) for problem in fitting(estimator)[: 1 if estimator.deterministic else None])
    if declared and estimator.keeps and not found:  # a control variate whose coefficient is zero at first
        found = moves(fitting(estimator)[0], earlier=64)
    assert found == declared


REQUIREMENTS = list(dict.fromkeys(each for method in METHODS for each in method.requires))


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda each: type(each).__name__)
def test_a_requirement_is_met_by_the_distributions_that_it_names(requirement: Requirement) -> None:
    """One that names all of them is about something else, which another problem may have."""
    if requirement.distributions == DISTRIBUTIONS:
        return
    for name, problems in SMALL.items():
        for problem in problems:
            assert (requirement.unmet(problem, 4) is None) == (name in requirement.distributions), str(problem)


@pytest.mark.parametrize("estimator", METHODS, ids=str)
def test_a_method_fits_no_other_distributions_than_it_declares(estimator: Estimator) -> None:
    found = {name for name, problems in SMALL.items() if any(fewest(estimator, each) for each in problems)}
    assert found
    assert found <= set(ROWS[type(estimator).__name__]["distributions"])


EVERY = set(DISTRIBUTIONS)


@pytest.mark.parametrize(
    ("name", "distributions", "needs", "draws"),
    [
        ("ScoreFunction", EVERY, {"density only"}, "any"),
        ("LeaveOneOut", EVERY, {"density only"}, "2 or more"),
        ("Reparameterization", {"Normal"}, {"a differentiable cost"}, "any"),
        ("ARM", {"Bernoulli"}, {"density only"}, "even"),
        ("IWAE", {"Normal", "Gamma", "Dirichlet"}, {"an ELBO", "a differentiable cost"}, "any"),
        ("ExactPosterior", {"Normal"}, {"an exact posterior"}, "any"),
        ("ExactGradient", EVERY, {"an exact answer"}, "any"),
    ],
)
def test_the_list_says_what_the_papers_say(name: str, distributions: set[str], needs: set[str], draws: str) -> None:
    row = ROWS[name]
    assert set(row["distributions"]) >= distributions
    assert set(row["needs"]) == needs
    assert row["draws"] == draws
    assert row["state"] == []


def test_the_list_says_what_a_draw_costs() -> None:
    assert ROWS["ScoreFunction"]["per_draw"] == "1 forward and 0 backward in z for each draw"
    assert ROWS["MeasureValued"]["per_draw"] == "1 + 3 d forward and 0 backward in z for each draw"
    assert ROWS["IWAE"]["evaluations"] == {"forward": 1, "backward": 1, "forward_per_coordinate": 0}
    assert ROWS["ExactGradient"]["per_draw"] == "none"
    assert "coefficients.log_temperature" in ROWS["RELAX"]["state"]


def test_the_source_of_a_method_says_what_its_class_says() -> None:
    assert list(ROWS) == estimators.__all__
    for name, row in ROWS.items():
        assert row == catalogue.from_class(name, getattr(estimators, name))


@pytest.mark.parametrize("kind", ["problem", "experiment"])
def test_the_source_of_a_signature_says_what_the_class_says(kind: str) -> None:
    classes = specs.catalogue(kind)
    assert list(listed(specs.CATALOGUES[kind])) == list(classes)
    assert catalogue.signed(kind) == [catalogue.signature_of(name, cls) for name, cls in classes.items()]


class OwnRefusal(estimators.ScoreFunction):
    """Decides by itself."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return "never here; use ScoreFunction()"


class NoTuple(estimators.ScoreFunction):
    """Declares something else."""

    requires = 3  # type: ignore[assignment]


def test_what_a_plugin_does_not_declare_is_not_known() -> None:
    row = catalogue.from_class("OwnRefusal", OwnRefusal)
    assert (row["distributions"], row["needs"], row["draws"]) == (None, None, None)
    assert "`refuses` of its own" in row["unknown"]
    assert row["per_draw"] == "1 forward and 0 backward in z for each draw"
    assert "TypeError" in catalogue.from_class("NoTuple", NoTuple)["unknown"]
