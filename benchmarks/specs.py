"""Text to object and back: `LeaveOneOut()`, `Minibatch(GaussianVAE(latents=2), size=100)`, `my.module.Mine(k=3)`.

A spec is data: it is parsed as calls and literals (`gradmark.benchmarks.spec_text`). Names are looked up in the
catalogues, in the entry-point groups of installed packages and, where they are dotted or in a file, among plug-ins
(`gradmark.benchmarks.plugins.modules`). What a name leads to is looked at first: nothing but a class of the kind that
is expected there is ever called.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gradmark.benchmarks import spec_text
from gradmark.benchmarks.errors import LONGEST, BadInput, message, shortened
from gradmark.benchmarks.plugins import modules, packages
from gradmark.benchmarks.plugins.foreign_code import guarded
from gradmark.benchmarks.spec_text import Call
from gradmark.benchmarks.suggestions import did_you_mean, meant, renamed

if TYPE_CHECKING:
    from gradmark.benchmarks.experiment import Experiment
    from gradmark.benchmarks.training.solvers import Solver
    from gradmark.estimators.core import Estimator, Problem
    from gradmark.estimators.spec import Spec

CATALOGUES = {
    "estimator": "gradmark.estimators",
    "problem": "gradmark.benchmarks.problems",
    "solver": "gradmark.benchmarks.training.solvers",
    "experiment": "gradmark.benchmarks.experiments",
    "schedule": "gradmark.benchmarks.experiments.diffusion.simulation.schedules",
    "target": "gradmark.benchmarks.experiments.diffusion.simulation.targets",
}
BESIDE = ("num_samples", "at", "seed", "replicates", "device", "dtype")  # given beside a spec, not its fields
_given: ContextVar[dict[str, Spec]] = ContextVar("_given", default={})  # noqa: B039  # never written to
LISTED = ("estimator", "problem", "experiment")  # by `gradmark list`
STATEFUL, STATELESS = ("cold", "warm"), ("none",)  # the states in which an estimator is measured


def names(kind: str) -> list[str]:
    """What the catalogue of `kind` (a key of CATALOGUES) lists, installed plug-ins included, in order."""
    return list(dict.fromkeys([*_module(kind).__all__, *(point.name for point in packages.listed(kind))]))


def catalogue(kind: str) -> dict[str, type]:
    """Name to class, in the catalogue's order."""
    return {name: _listed(kind, name) for name in names(kind)}


def family(module: str) -> str:
    """The folder of `estimators` that the module of a method lies in, or "plug-in"."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["gradmark", "estimators"] and len(parts) > 3 else "plug-in"


def estimator(text: str) -> Estimator:
    """The estimator that `text` spells; BadInput where it spells none."""
    return _resolve("estimator", text)


def states(text: str) -> tuple[str, ...]:
    """In which states the estimator that `text` spells is measured: as it starts and warmed up, or once if it has none.

    The text must spell an estimator; else BadInput.
    """
    from gradmark.estimators.core import Estimator

    return STATEFUL if type(estimator(text)).init is not Estimator.init else STATELESS


def problem(text: str) -> Problem:
    """The problem that `text` spells; BadInput where it spells none."""
    return _resolve("problem", text)


def solver(text: str) -> Solver:
    """The solver that `text` spells; BadInput where it spells none."""
    return _resolve("solver", text)


def experiment(text: str) -> Experiment:
    """The experiment that `text` spells; BadInput where it spells none."""
    return _resolve("experiment", text)


@contextmanager
def given(*objects: Spec | str) -> Iterator[list[str]]:
    """The texts of these objects; within, each text leads to its object, wherever its class was defined.

    An object that a caller made is taken as it is. Its class may be of a notebook or of a test, which no import finds.
    """
    known = {str(each): each for each in objects if not isinstance(each, str)}
    token = _given.set({**_given.get(), **known})
    try:
        yield [str(each) for each in objects]
    finally:
        _given.reset(token)


def is_given(text: str) -> bool:
    """Whether a text stands for an object that the caller gave: it is used as it is, in the caller's process."""
    return text in _given.get()


def names_a_plugin(kind: str, text: str) -> bool:
    """Whether a spec names code from outside gradmark; nothing is imported. BadInput where it is not a spec."""
    with _as_bad(kind, text):
        return modules.comes_from_outside(text)


def read(kind: str, text: str) -> Any:
    """The object that `text` spells, of one kind; BadInput without the text where it spells none."""
    return _build(spec_text.parse(text), kind, (base(kind),))


def _resolve(kind: str, text: str) -> Any:
    with _as_bad(kind, text):
        if (found := _given.get().get(text)) is not None:
            if not isinstance(found, base(kind)):
                raise BadInput(f"{type(found).__name__} is not a subclass of {base(kind).__name__}; pass one that is")
            return found
        if modules.comes_from_outside(text):
            fault = modules.current().attempt(kind, text)
            if fault is not None:
                raise BadInput(fault)
        return read(kind, text)


@contextmanager
def _as_bad(kind: str, text: str) -> Iterator[None]:
    """Say of which spec a fault is, on one line."""
    try:
        yield
    except BadInput as fault:
        raise BadInput(shortened(f"{kind} {shortened(repr(text), 90)}: {message(fault)}", LONGEST)) from None
    except RecursionError:
        raise BadInput(f"{kind} {shortened(repr(text), 90)}: nested too deeply; a spec holds a few specs") from None


def _build(call: Call, kind: str, expected: tuple[type, ...]) -> Spec:
    """The object of a call, its arguments built first; only what is known to be of an expected kind is called."""
    cls = _class(call, kind, expected)
    hints = _hints(cls)
    values = {name: _value(value, hints.get(name), kind) for name, value in _fields(cls, call).items()}
    with guarded(f"{cls.__name__}()"):
        try:
            return cls(**values)
        except ValueError as fault:  # a field's value makes no sense, and the class says so
            raise BadInput(message(fault)) from None


def _value(value: Any, hint: Any, kind: str) -> Any:
    if isinstance(value, tuple):
        inner = (*typing.get_args(hint), None)[0] if typing.get_origin(hint) is tuple else None
        return tuple(_value(item, inner, kind) for item in value)
    if not isinstance(value, Call):
        return value
    from gradmark.estimators.spec import Spec  # torch: only where a spec is read

    options = (*typing.get_args(hint), hint)
    expected = tuple(option for option in options if isinstance(option, type) and issubclass(option, Spec))
    return _build(value, _kind(expected) or kind, expected or tuple(map(base, CATALOGUES)))


def _class(call: Call, kind: str, expected: tuple[type, ...]) -> type[Spec]:
    """The class that a call names, once it is known that it may be called."""
    dotted = call.file is not None or "." in call.name
    found = modules.load(call.name, call.file) if dotted else _find(kind, call.name)
    wanted = " or ".join(dict.fromkeys(each.__name__ for each in expected))
    spelled = shortened(call.spelled, 80)
    if not isinstance(found, type):
        raise BadInput(f"{spelled} is not a class; name a subclass of {wanted}; {_shown(kind)}")
    if not issubclass(found, expected):
        raise BadInput(f"{spelled} is not a subclass of {wanted}; {_shown(kind)}")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise BadInput(f"{spelled} is abstract: it has no {shortened(missing, 80)}; name a subclass that defines them")
    parameters = getattr(found, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise BadInput(f"{spelled} is not a frozen dataclass; put @dataclass(frozen=True) above the class")
    return found


def _fields(cls: type[Spec], call: Call) -> dict[str, Any]:
    """The call's values by the names of the fields; BadInput for a field that there is not, or too few or too many."""
    known = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    takes = f"it takes the fields ({', '.join(known)})" if known else "it takes no fields"
    if unknown := [name for name in call.fields if name not in known]:
        if now := renamed(cls.__name__, {name: call.fields[name] for name in unknown}):
            fault = f"{cls.__name__} has no field {unknown[0]!r} any more"
            raise BadInput(f"{fault}; write {now} instead, with the other fields as they are")
        raise BadInput(f"{cls.__name__} has no field {shortened(unknown[0], 60)!r}; {_meant(unknown[0], known)}{takes}")
    if len(call.arguments) > len(known):
        raise BadInput(f"{cls.__name__} is given {len(call.arguments)} values; {takes}")
    given = dict(zip(known, call.arguments, strict=False))
    if twice := sorted(given.keys() & call.fields.keys()):
        raise BadInput(f"{cls.__name__} is given {twice[0]!r} twice, by its position and by its name; keep one")
    needed = [field.name for field in dataclasses.fields(cls) if field.init and _is_needed(field)]  # type: ignore[arg-type]
    if missing := [name for name in needed if name not in given and name not in call.fields]:
        raise BadInput(f"{cls.__name__} needs {', '.join(missing)}; {takes}")
    return {**given, **call.fields}


def _meant(name: str, known: list[str]) -> str:
    """The field that somebody may mean, or what is given beside a spec, as the start of a sentence."""
    found = [name] if name in BESIDE else meant(name, known) or meant(name, BESIDE)
    if not found:
        return ""
    beside = " (which is given beside the spec, not in it)" if found[0] in BESIDE and found[0] not in known else ""
    return f"did you mean {found[0]}{beside}? "


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _hints(cls: type[Spec]) -> dict[str, Any]:
    from gradmark.estimators.spec import types_of  # torch: only where a spec is read

    with guarded(f"annotations of {cls.__name__}"):
        return types_of(cls)


def _shown(kind: str) -> str:
    """Where the catalogue of a kind can be seen; its first names where no command lists it."""
    return f"`gradmark list {kind}s` shows them" if kind in LISTED else f"there are {', '.join(names(kind)[:4])}"


def _find(kind: str, name: str) -> Any:
    """What a name without a dot leads to, in the catalogue of `kind` or of any other."""
    for each in (kind, *(other for other in CATALOGUES if other != kind)):
        if name in names(each):
            return _listed(each, name)
    remedy = did_you_mean(name, names(kind)) or _shown(kind)
    raise BadInput(f"no {kind} is called {shortened(name, 60)}; {remedy}")


def _listed(kind: str, name: str) -> Any:
    """What the catalogue, or an installed package, calls `name`; gradmark's own come first."""
    if name in _module(kind).__all__:
        return getattr(_module(kind), name)
    return _loaded(next(point for point in packages.listed(kind) if point.name == name))


def _loaded(point: EntryPoint) -> Any:
    """What an entry point names; BadInput where its package is at fault."""
    with guarded(f"the plug-in {point.name} of {point.dist.name if point.dist else point.value}: importing it"):
        return point.load()


def base(kind: str) -> type:
    """The class that all of `kind` are subclasses of."""
    return getattr(_module(kind), kind.capitalize())


def _kind(expected: tuple[type, ...]) -> str | None:
    """The first kind that all of these classes are of."""
    return next((kind for kind in CATALOGUES if expected and issubclass(expected[0], base(kind))), None)


def _module(kind: str) -> ModuleType:
    return importlib.import_module(CATALOGUES[kind])
