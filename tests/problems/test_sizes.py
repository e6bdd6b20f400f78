"""Sizes beyond all reason are refused in one line before anything is allocated; those that are only large work."""

from __future__ import annotations

import dataclasses
import tracemalloc
import typing
from collections.abc import Callable

import pytest
import torch

from gradmark.benchmarks import problems, specs
from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.cli import commands
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.execution.prepare import prepare
from gradmark.benchmarks.measurement import memory
from gradmark.benchmarks.problems import BernoulliToy, LinearGaussian, Minibatch
from gradmark.benchmarks.studies import measure
from gradmark.benchmarks.training.points import Refusal
from gradmark.estimators.core import Problem

HUGE = (10**9, 10**15, 10**18)
LEGAL = {"seed"}  # of any size
CATALOGUE = {name: getattr(problems, name) for name in problems.__all__}


def integers() -> list[tuple[str, str, str]]:
    """Every field of the catalogue that is an integer, or holds some: class, field, and what is written around it."""
    found = []
    for name, cls in CATALOGUE.items():
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            arguments = typing.get_args(hints[field.name])
            if hints[field.name] is int or (int in arguments and type(None) in arguments):
                found.append((name, field.name, "{}"))
            elif int in arguments:
                found.append((name, field.name, "({},)"))
                found.append((name, field.name, "({}, 1)"))
    return found


def spec(name: str, field: str, value: str) -> str:
    inner = "problem=BernoulliVAE(), " if name == "Minibatch" else ""
    return f"{name}({inner}{field}={value})"


def within(memory: int, call: Callable[[], object]) -> object:
    """What the call gives, or the line of its BadInput; it may not allocate more than `memory` bytes in Python."""
    tracemalloc.start()
    try:
        return call()
    except BadInput as fault:
        line = str(fault)
        assert "\n" not in line
        assert len(line) < 300
        return line
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < memory


@pytest.mark.parametrize(("name", "field", "form"), integers())
def test_no_size_is_believed(name: str, field: str, form: str) -> None:
    for value in HUGE:
        found = within(2**24, lambda value=value: specs.problem(spec(name, field, form.format(value))))
        legal = field in LEGAL or (name == "GammaPosterior" and value < 2**53)
        assert isinstance(found, Problem if legal else str), found
        assert legal or "pass" in str(found) or "use" in str(found)


def test_the_fields_of_the_catalogue_are_all_tried() -> None:
    tried = {f"{name}.{field}" for name, field, _ in integers()}
    assert len(tried) > 30
    assert {"BernoulliVAE.latents", "HiddenMarkovModel.steps", "DirichletPosterior.counts", "GaussianVAE.rows"} <= tried


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("GaussianMixture(components=10000000)", "the cost of one draw would hold 4000000000 numbers, and 134217728"),
        ("HiddenMarkovModel(steps=100000)", "steps=100000): the steps are taken one by one, forward and backward"),
        ("LinearGaussian(latents=1000000)", "latents=1000000): a covariance of that side is factorised; pass 2048"),
        ("LinearGaussian(observed=4000)", "observed=4000): a covariance of that side is factorised; pass 2048"),
        ("LinearGaussian(rows=100000000)", "rows=100000000): the cost of one draw would hold 500000000 numbers"),
        ("TabularMDP(horizon=100000)", "horizon=100000): the steps are taken one by one; pass 1024 or less"),
        ("CategoricalToy(latents=100000000)", "would hold 300000000 numbers"),
        (
            "NonlinearBernoulliVAE(hidden=20000)",
            "a layer of hidden=20000 units would hold 400000000 numbers",
        ),
        ("BernoulliVAE(latents=5000)", "latents=5000): latents are taken apart one by one; pass 2048 or less"),
        ("SigmoidBeliefNetwork(lower=5000)", "lower=5000): latents are taken apart one by one"),
        ("CategoricalMixture(rows=1, views=100000, components=1000)", "view_logits would hold 400000000 numbers"),
        ("HiddenMarkovModel(rows=1, steps=2, states=2, symbols=100000000)", "would hold 600000000 numbers"),
        ("FixedBeliefNetwork(latents=12, observed=100000, rows=1)", "states would hold 409600000 numbers"),
        (
            "DirichletPosterior(counts=(100000000, 1))",
            "the data have a row for each observation; pass 67108864 or less",
        ),
    ],
)
def test_the_line_names_the_number_and_the_remedy(text: str, said: str) -> None:
    found = within(2**22, lambda: specs.problem(text))
    assert said in str(found)


@pytest.mark.parametrize("text", ["CategoricalToy(latents=1000)", "BernoulliVAE(latents=40, rows=2)"])
@pytest.mark.parametrize(
    "estimator", ["LeaveOneOut()", "ExactGradient()", "ExactPosterior()", "ExactMarginalLikelihood()"]
)
def test_states_beyond_number_are_not_enumerated(text: str, estimator: str) -> None:
    """The oracle says so, in few digits, and an estimator that needs it refuses; the others measure."""
    problem = specs.problem(text)
    assert "states are too many to enumerate" in (problem.no_oracle or "")
    summary = measure.measure(text, estimator, 2, replicates=8)
    assert summary["status"] == ("measured" if estimator == "LeaveOneOut()" else "refused")
    assert len(summary["reason"] or "") < 300


def test_many_draws_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 1 GiB: what fits is measured, what does not says how much would."""
    monkeypatch.setattr(memory, "total_memory", lambda device: 2**30)
    with pytest.raises(
        MemoryError, match=r"8 replicates at once need about 238 GiB, and cpu has 1; pass num_samples=4194304"
    ):
        memory.check_fits(BernoulliToy(), 10**9, BernoulliToy().init(), 8)
    memory.check_fits(BernoulliToy(), 4194304, BernoulliToy().init(), 8)
    with pytest.raises(MemoryError, match=r"use fewer rows, or Minibatch\(\)"):
        memory.check_fits(LinearGaussian(rows=10**7), 1, LinearGaussian().init(), 8)


@pytest.mark.parametrize("name", CATALOGUE)
def test_no_number_of_draws_is_believed(name: str) -> None:
    text = {"Minibatch": spec(name, "size", "100"), "ValueBaseline": "ValueBaseline(TabularMDP())"}.get(
        name, f"{name}()"
    )
    cell = Cell(text, "ScoreFunction()", 10**9)
    with pytest.raises(MemoryError, match="num_samples=1000000000"):
        prepare(cell, None)
    cell = Cell(text, "ExactGradient()", 10**9)  # draws nothing
    assert not isinstance(specs.problem(text), BernoulliToy) or not isinstance(prepare(cell, None), Refusal)


@pytest.mark.parametrize("option", ["--num-samples", "--replicates"])
def test_no_option_is_believed(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["measure", "--problem", "BernoulliToy()", "--estimator", "ScoreFunction()", option]
    for value in (10**9, 10**15, 10**30):
        assert commands._guarded([*command, str(value)]) == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        assert "100000000" in line


def test_rows_drawn_in_parts_are_those_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Minibatch(LinearGaussian(rows=50), size=7)

    def drawn() -> torch.Tensor:
        torch.manual_seed(0)
        index = problem.draw(37)._selected
        assert index is not None
        return index

    at_once = drawn()
    monkeypatch.setattr("gradmark.benchmarks.problems.minibatch.AT_ONCE", 120)
    assert torch.equal(drawn(), at_once)
