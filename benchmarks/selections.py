"""Several estimators by one word, in a study and in `recommend`: `all`, or `family:score_function`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gradmark.benchmarks import specs
from gradmark.benchmarks.errors import BadInput, shortened

ALL, FAMILY = "all", "family:"


@dataclass(frozen=True)
class Listed:
    """One estimator of the catalogue with its fields at their defaults; `reason` says why it cannot be had so."""

    name: str
    family: str | None
    text: str | None
    reason: str | None = None


def is_selection(text: str) -> bool:
    """Whether a text selects estimators, instead of spelling one."""
    return text == ALL or text.startswith(FAMILY)


def families() -> list[str]:
    """The families of the catalogue, in its order; "plug-in" where an installed package adds an estimator."""
    return list(dict.fromkeys(each.family for each in catalogue() if each.family is not None))


def checked(text: str) -> str:
    """The selection; BadInput where there is no such family."""
    name = text.removeprefix(FAMILY)
    if text != ALL and name not in families():
        known = f"must be {ALL}, or {FAMILY} and one of {', '.join(families())}"
        raise BadInput(f"estimators {shortened(repr(text), 40)}: {known}")
    return text


def expanded(texts: Iterable[str]) -> list[str]:
    """The texts with each selection replaced by what it selects, each estimator once.

    An estimator that needs a field to be given is not selected: a study names it, with that field.
    """
    return list(dict.fromkeys(each for text in texts for each in _of(text)))


def catalogue() -> list[Listed]:
    """Every estimator of gradmark and of installed packages."""
    return [_listed(name) for name in specs.names("estimator")]


def selected(text: str) -> list[Listed]:
    """What a selection selects; also those that cannot be had with defaults, which belong to no family."""
    name = checked(text).removeprefix(FAMILY)
    return [each for each in catalogue() if text == ALL or each.family == name]


def _of(text: str) -> Iterator[str]:
    if is_selection(text):
        yield from (each.text for each in selected(text) if each.text is not None)
    else:
        yield text


def _listed(name: str) -> Listed:
    try:
        estimator = specs.estimator(f"{name}()")
    except BadInput as fault:
        return Listed(name, None, None, str(fault))
    return Listed(name, specs.family(type(estimator).__module__), str(estimator))
