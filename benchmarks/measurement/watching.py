"""A wrapper around a problem that sees what is asked of its cost."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from torch import Tensor

from gradmark.estimators.core import LatentVariableModel, Problem

P = TypeVar("P", bound=Problem)
Watch: TypeAlias = Callable[[str, Callable[..., Any]], Callable[..., Any]]  # a form and the problem's own method for it

FORMS = (
    "cost",
    "cost_analytic_kl",
    "terms",
    "log_joint",
    "log_likelihood",
)  # in which a cost of draws can be asked for
OF_STATES = "log_joint_of"  # the form that takes a range of states instead of draws


def watching(problem: P, watch: Watch) -> P:
    """The problem in a wrapper that calls `watch(form, method)(…)` where a form of the cost is asked for.

    A form runs inside the problem itself, so that a form which calls another one is seen once, where the caller asks.
    Whatever else is asked, the oracle for example, runs on the wrapper, and the forms that it calls are seen. The
    posterior runs inside the problem: it is given, as q is. The wrapper is of the problem's own class, has its text and
    is equal to it.
    """
    return _wrapper(type(problem))(problem, watch)  # type: ignore[call-arg, return-value]


def showing(problem: P, see: Callable[[Tensor], object]) -> P:
    """The problem in a wrapper that shows every z whose cost is evaluated."""

    def watch(form: str, method: Callable[..., Any]) -> Callable[..., Any]:
        if form == OF_STATES:
            return method
        return lambda params, z, *rest, **named: (see(z), method(params, z, *rest, **named))[1]

    return watching(problem, watch)


@functools.cache
def _wrapper(cls: type[Problem]) -> type[Problem]:
    """The subclass of `cls` whose objects wrap an object of it."""
    names = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    methods = {"__init__": _wrap, "__getattr__": _delegate, "__class__": property(_class_of)}
    methods |= {form: _form(form) for form in (*FORMS, OF_STATES) if hasattr(cls, form)}
    if issubclass(cls, LatentVariableModel):
        methods |= {"posterior": _posterior, "select": _select}
    return types.new_class(cls.__name__, (cls,), exec_body=lambda namespace: namespace.update(names | methods))


def _wrap(self: Any, problem: Problem, watch: Watch) -> None:
    vars(self).update(vars(problem), _watched=problem, _watch=watch)


def _delegate(self: Any, name: str) -> Any:
    """What the wrapper does not have by itself: the fields of a class with `__slots__`."""
    return getattr(vars(self)["_watched"], name)


def _class_of(self: Any) -> type[Problem]:
    """The problem's class, by which objects are compared and replaced."""
    return self._watched.__class__


def _form(name: str) -> Callable[..., Any]:
    def form(self: Any, *args: Any, **named: Any) -> Any:
        return self._watch(name, getattr(self._watched, name))(*args, **named)

    return form


def _posterior(self: Any, params: Any) -> Any:
    return self._watched.posterior(params)


def _select(self: Any, index: Tensor) -> LatentVariableModel:
    """The wrapper of the problem's own selection."""
    return watching(self._watched.select(index), self._watch)
