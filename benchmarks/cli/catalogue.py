"""The rows of `gradmark list`: gradmark's own classes as their source declares them, plug-ins as they are imported."""

from __future__ import annotations

import dataclasses
import inspect
import runpy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from gradmark.benchmarks import specs
from gradmark.benchmarks.cli.source import ROOT, Call, Class, listed
from gradmark.benchmarks.plugins import packages

DENSITY = "density only"  # what a method needs of a problem that declares nothing else
ANY = "any"  # num_samples of a method that requires nothing of it


@dataclass(frozen=True)
class Need:
    """A requirement of a method, in words: of the problem or of `num_samples`."""

    argument: str
    distributions: tuple[str, ...]
    summary: str

    @classmethod
    def of_source(cls, call: Call) -> Need:
        """The requirement that a class body calls."""
        argument, distributions, summary = (call.of.value(name) for name in ("argument", "distributions", "summary"))
        return cls(argument, distributions, summary.format(**call.fields()))

    @classmethod
    def of_object(cls, requirement: Any) -> Need:
        """The requirement that a class holds."""
        return cls(requirement.argument, requirement.distributions, requirement.summary.format(**vars(requirement)))


def estimators() -> list[dict[str, Any]]:
    """Every method: what it fits, needs, costs and keeps."""
    own = [from_source(name, found) for name, found in listed(specs.CATALOGUES["estimator"]).items()]
    return own + [from_class(name, cls) for name, cls in _plugins("estimator")]


def signed(kind: str) -> list[dict[str, Any]]:
    """Every problem or experiment, and how it is spelled."""
    own = [
        {"name": name, "signature": _signature(name, found.fields()), "what": _sentence(found.doc)}
        for name, found in listed(specs.CATALOGUES[kind]).items()
    ]
    return own + [signature_of(name, cls) for name, cls in _plugins(kind)]


def from_source(name: str, found: Class) -> dict[str, Any]:
    """The row of a method of gradmark, which is not imported."""
    evaluations = found.value("evaluations")
    return {
        **_described(name, found.module, found.doc, found.value("unbiased"), found.value("target").arguments["name"]),
        **_needs([Need.of_source(call) for call in found.value("requires")]),
        **_costs(evaluations.fields() if isinstance(evaluations, Call) else evaluations, found.value("keeps")),
        "reference": _references()["cited"](found.doc),
    }


def from_class(name: str, cls: Any) -> dict[str, Any]:
    """The row of a method that is imported; what its `refuses` decides is not known."""
    described = _described(name, cls.__module__, inspect.getdoc(cls) or "", cls.unbiased, cls.target.name)
    try:
        needs = _needs([Need.of_object(requirement) for requirement in cls.requires])
        evaluations = getattr(cls.evaluations, "_asdict", lambda: cls.evaluations)()
        costs = _costs(evaluations, cls.keeps)
    except Exception as fault:  # a plug-in may be anybody's code
        reason = " ".join(f"{type(fault).__name__}: {fault}".split())[:200]
        needs, costs = {**dict.fromkeys(_needs([])), "unknown": reason}, _costs(None, ())
    if cls.refuses is not specs.base("estimator").refuses:  # type: ignore[attr-defined]
        needs = {**dict.fromkeys(_needs([])), "unknown": "it has a `refuses` of its own; declare `requires` instead"}
    return {**described, **needs, **costs, "reference": cls.reference}


def signature_of(name: str, cls: Any) -> dict[str, Any]:
    """The row of a problem or an experiment that is imported."""
    fields = {f.name: ... if f.default is dataclasses.MISSING else _Text(f.default) for f in dataclasses.fields(cls)}
    return {"name": name, "signature": _signature(name, fields), "what": _sentence(inspect.getdoc(cls) or "")}


class _Text:
    """A default, which prints as it is typed: a problem as its spec, not with all of its fields."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return str(self.value) if dataclasses.is_dataclass(self.value) else repr(self.value)


def _described(name: str, module: str, doc: str, unbiased: bool, target: str) -> dict[str, Any]:
    bias = "unbiased" if unbiased else "biased"
    return {"family": specs.family(module), "name": name, "bias": bias, "target": target, "what": _sentence(doc)}


def _needs(needs: list[Need]) -> dict[str, Any]:
    """Which z a method fits, what else it needs of a problem, and which num_samples."""
    of_problem, of_samples = (
        [need.summary for need in needs if need.argument == argument and need.summary]
        for argument in ("problem", "num_samples")
    )
    return {
        "distributions": _common(need.distributions for need in needs),
        "needs": of_problem or [DENSITY],
        "draws": " and ".join(of_samples) or ANY,
    }


def _common(distributions: Iterable[tuple[str, ...]]) -> list[str]:
    """The distributions that all requirements allow, in order."""
    every = listed_distributions()
    allowed = list(distributions)
    return [name for name in every if all(name in each for each in allowed)]


@cache
def listed_distributions() -> tuple[str, ...]:
    """The distributions of z that the table tells apart."""
    return listed("gradmark.estimators.requirements")["Requirement"].value("distributions")


def _costs(evaluations: Any, keeps: Iterable[str]) -> dict[str, Any]:
    """How often a draw evaluates the cost, and the names of the state's tensors."""
    counted = evaluations if isinstance(evaluations, dict) else None
    text = per_draw(counted) if counted else evaluations or "not declared"
    return {"evaluations": counted, "per_draw": text, "state": list(keeps)}


def per_draw(counted: dict[str, int]) -> str:
    """The evaluations of one draw in words; d is the number of coordinates of z."""
    if not any(counted.values()):
        return "none"
    more = counted["forward_per_coordinate"]
    forward = f"{counted['forward']} + {more} d" if more else counted["forward"]
    return f"{forward} forward and {counted['backward']} backward in z for each draw"


def _signature(name: str, fields: dict[str, Any]) -> str:
    """How a problem or an experiment is spelled, with its defaults."""
    given = [field if value is ... else f"{field}={value!r}" for field, value in fields.items()]
    return f"{name}({', '.join(given)})".replace("'", '"')


def _sentence(doc: str) -> str:
    """The first sentence of a docstring, on one line."""
    return " ".join(doc.partition("\n\n")[0].split())


def _plugins(kind: str) -> Iterator[tuple[str, type]]:
    """What installed packages add to a catalogue; gradmark's own come first where names are equal."""
    if packages.listed(kind):
        own = listed(specs.CATALOGUES[kind])
        yield from ((name, cls) for name, cls in specs.catalogue(kind).items() if name not in own)


@cache
def _references() -> dict[str, Any]:
    """The functions of `references.py`, run by itself: its package imports torch."""
    return runpy.run_path(str(ROOT / "estimators" / "references.py"))
