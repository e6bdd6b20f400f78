"""The parts of training runs and experiments: as the runner stored them, or read from the text in an older store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from gradmark.benchmarks import spec_text
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.store.records import Curve, Outcome


@dataclass(frozen=True)
class RunParts:
    """What a training run is made of."""

    solver: str  # the class, without its package
    estimator: str | None  # its text; None for a solver that uses none, such as EM
    problem: str  # the text of the problem with all rows
    rows: str  # "minibatches of 100" or "all rows"


def of_run(curve: Curve) -> RunParts:
    """The parts of a training run; of one without data, and in an older store, by the grammar of specs."""
    stored = (curve.data or {}).get("parts")
    if stored is None:
        return _parsed(curve.training.solver, curve.training.problem)
    rows = "all rows" if stored["minibatch"] is None else f"minibatches of {stored['minibatch']}"
    return RunParts(stored["solver"], stored["estimator"], stored["problem"], rows)


@cache
def _parsed(solver: str, problem: str) -> RunParts:
    """A field that a text leaves out has a default, which only the class knows: it is not named then."""
    call, source = _call(solver), _call(problem)
    estimator = call and call.fields.get("estimator")
    whole = source and source.name == "Minibatch" and source.fields.get("problem")
    size = source.fields.get("size") if whole and source else None
    return RunParts(
        solver=_class_of(solver),
        estimator=None if estimator is None else str(estimator),
        problem=str(whole) if whole else problem,
        rows="all rows" if not whole else "minibatches" if size is None else f"minibatches of {size}",
    )


def estimator_or_solver(curve: Curve) -> str:
    """The estimator of a training run, which its colour depends on; the solver where there is none."""
    return of_run(curve).estimator or curve.training.solver


def experiment_class(outcome: Outcome) -> str:
    """The class of an experiment, without its package."""
    return outcome.facts.get("experiment") or _class_of(outcome.inquiry.experiment)


def experiment_problem(outcome: Outcome) -> str:
    """The problem of an experiment; the experiment's text where an older store does not name it."""
    stored = outcome.facts.get("problem")
    if stored is not None:
        return stored
    call = _call(outcome.inquiry.experiment)
    return str(call.fields["problem"] if call and "problem" in call.fields else outcome.inquiry.experiment)


def _class_of(text: str) -> str:
    call = _call(text)
    return (call.name if call else text.partition("(")[0]).rpartition(".")[2]


def _call(text: str) -> spec_text.Call | None:
    """What a text spells; None for one that is not a spec, as a store may hold any text."""
    try:
        return spec_text.parse(text)
    except BadInput:
        return None
