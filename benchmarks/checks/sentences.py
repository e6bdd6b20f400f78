"""What `gradmark check` says of one estimator: the result in one line, and a sentence that explains it."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any

from gradmark.benchmarks.errors import shortened

OF_THE_MEAN = ("expectation_is_exact", "mean_of_many_is_exact", "bias_is_found")
WIDTH = 80  # columns of the result's line
SHORTEST_NAME = 12  # characters that are left of a name

Rulings = list[dict[str, Any]]


def result(verdict: dict[str, Any], width: int = WIDTH) -> str:
    """The result in one line of at most so many columns; a name that is too long is shortened in its middle."""
    name, said = verdict["estimator"], f"{_said(verdict)} ({verdict['seconds']:.0f} s)"
    room = max(width - len(said) - 1, SHORTEST_NAME)
    if len(name) > room:
        half = (room - 1) // 2
        name = f"{name[: room - 1 - half]}…{name[len(name) - half :]}"
    return f"{name} {said}"


def _said(verdict: dict[str, Any]) -> str:
    """The result without the name and the seconds: at most sixty characters or so."""
    laws = verdict["laws"]
    failed, raised = of(laws, "failed"), of(laws, "raised")
    if failed:
        first = f"it fails '{failed[0]['law'].replace('_', ' ')}'"
        first = "its mean is off" if any(_off(ruling) for ruling in failed) else first
        others = len({ruling["law"] for ruling in failed}) - 1
        more = f", and {others} more" if others else ""
        return f"is wrong: {first}{more}"
    if raised:
        first = (raised[0]["exception"] or "an exception").partition(" ")[0]
        return f"is wrong: it raises {first}{f', and {len(raised) - 1} more' if len(raised) > 1 else ''}"
    if verdict["verdict"] == "undecided":
        return "is undecided: its mean could be tried nowhere"
    held, cases = of(laws, "passed"), {(each["fixture"], each["num_samples"]) for each in laws}
    biased = ", with a declared bias" if verdict["declared"] == "biased" else ""
    return f"is right: {len(held)} checks passed on {len(cases)} cases{biased}"


def _off(ruling: dict[str, Any]) -> bool:
    return ruling["law"] in OF_THE_MEAN and ruling["size"] is not None


def sentence(verdict: dict[str, Any]) -> str:
    """The result with its explanation, on one line."""
    return f"{result(verdict, 10**6)}. {explanation(verdict)}"


def explanation(verdict: dict[str, Any]) -> str:
    """Which checks decided, where, and by how much; or how small a bias would have been seen."""
    laws = verdict["laws"]
    broken = [*of(laws, "failed"), *of(laws, "raised")]
    if broken:
        return _fault(broken)
    judged = [ruling for ruling in of(laws, "passed") if ruling["law"] in OF_THE_MEAN]
    if verdict["verdict"] == "undecided":
        declined = [ruling for ruling in of(laws, "declined") if ruling["detail"]]
        of_the_mean = [ruling for ruling in declined if ruling["law"] in OF_THE_MEAN]
        reasons = dict.fromkeys(ruling["detail"] for ruling in of_the_mean or declined)
        return f"Why: {shortened('; '.join(reasons), 200)}."
    if verdict["declared"] == "biased":
        worst = judged[-1]
        if worst["size"] is None:
            return "It breaks no law; it declares a bias, which these problems do not show."
        off = f"{worst['coordinate']} is off by {worst['size']:.3g} on {worst['fixture']}"
        return f"It breaks no law, and is biased as it declares: {off}."
    return f"It breaks no law; {' and '.join(_means(judged))}."


def _means(judged: Rulings) -> list[str]:
    """In how many trials the mean is right, and how well that is known."""
    found = []
    for law, text in (
        ("expectation_is_exact", "its expectation is exact"),
        ("mean_of_many_is_exact", "its mean agrees"),
    ):
        group = [ruling for ruling in judged if ruling["law"] == law]
        if group:
            found.append(f"{text} in {len(group)} trials ({reach(group) or 'no bias at all'} would have shown in each)")
    return found


def reach(group: Rulings) -> str:
    """The smallest bias that every ruling of the group would have seen, relative to the gradient where that is known.

    Where the gradient is zero the bias is a number of its own.
    """
    relative = [each["relative"] for each in group if each.get("relative")]
    absolute = [each["visible"] for each in group if each["visible"] and not each.get("relative")]
    said = [f"a bias of {max(relative):.1g} of the gradient's norm"] if relative else []
    said += [f"{'' if said else 'a bias of '}{max(absolute):.1g} where the gradient is 0"] if absolute else []
    return ", or ".join(said)


def _fault(broken: Rulings) -> str:
    """Which checks failed, and the first of them; then every exception by itself."""
    failed, said = of(broken, "failed"), list[str]()
    if failed:
        laws = ", ".join(dict.fromkeys(ruling["law"] for ruling in failed))
        first = failed[0]
        where = f" in {first['coordinate']}" if first["coordinate"] else ""
        size = f" by {first['size']:.3g}" if first["size"] is not None else ""
        said.append(f"It breaks {laws}; first{_case(first)}{where}{size}: {first['detail']}.")
    said += [f"It raises{_case(ruling)}: {ruling['detail']}." for ruling in of(broken, "raised")]
    return " ".join(said)


def _case(ruling: dict[str, Any]) -> str:
    draws = f" with K = {ruling['num_samples']}" if ruling["num_samples"] else ""
    return f" on {ruling['fixture']}{draws}" if ruling["fixture"] else ""


def of(laws: Rulings, status: str) -> Rulings:
    """The rulings of one status."""
    return [ruling for ruling in laws if ruling["status"] == status]


def groups(laws: Rulings, key: Callable[[dict[str, Any]], Hashable]) -> list[Rulings]:
    """The rulings with equal keys together, in the order in which the keys come first."""
    found: dict[Hashable, Rulings] = {}
    for ruling in laws:
        found.setdefault(key(ruling), []).append(ruling)
    return list(found.values())


def alike(ruling: dict[str, Any]) -> Hashable:
    """What two rulings have in common that say the same but for numbers."""
    return ruling["law"], re.sub(r"[\d.]+", "", ruling["detail"])
