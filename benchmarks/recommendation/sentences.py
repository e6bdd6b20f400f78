"""The answer in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from gradmark.benchmarks.measurement.quantities import Quantity
from gradmark.benchmarks.recommendation.answer import Recommendation, Row
from gradmark.benchmarks.recommendation.candidates import BY
from gradmark.benchmarks.recommendation.halving import ERROR, ROUNDS

NAMED = 3  # of the undecided in the answer; the table has all


def sentences(found: Recommendation) -> str:
    """Which estimator to use, how sure that is, what the next one costs, and what limits the answer."""
    return " ".join([*_choice(found), *_limits(found)])


def spelled(quantity: Quantity, digits: int = 3) -> str:
    """A quantity with its interval, as `3.02 [2.84, 3.23]`."""
    if quantity.value is None:
        return "–"
    text = f"{quantity.value:.{digits}g}"
    return text if quantity.ci is None else f"{text} [{quantity.ci[0]:.{digits}g}, {quantity.ci[1]:.{digits}g}]"


def named(row: Row) -> str:
    """An estimator with its number of samples."""
    return f"{row.estimator}{', warm,' if row.state == 'warm' else ''} with num_samples={row.num_samples}"


def _choice(found: Recommendation) -> Iterator[str]:
    if not found.survivors:
        yield from _nothing(found)
        return
    best, names = found.survivors[0], list(dict.fromkeys(row.estimator for row in found.survivors))
    if found.status == "no clear winner":
        yield f"No clear winner: any of these {len(names)} estimators."
        yield f"The smallest {BY[found.by]} is that of {named(best)}."
    else:
        yield f"{'So far, use' if found.status == 'incomplete' else 'Use'} {named(best)}: {_how_sure(found)}."
    others = sorted(row.num_samples for row in found.survivors[1:] if row.estimator == best.estimator)
    if others:
        yield f"num_samples={_either(others)} {'are' if len(others) > 1 else 'is'} not separated from it."
    if found.next is not None:
        yield _next(found, found.next)


def _how_sure(found: Recommendation) -> str:
    compared = len({row.estimator for row in (*found.survivors, *found.dropped)})
    if compared == 1:
        return "no other unbiased estimator that fits could be compared"
    if found.survivors[0].value.value == 0.0:
        return "its variance is zero"
    smallest = f"of {compared} estimators that could be compared its {BY[found.by]} is the smallest"
    return f"{smallest}. The probability that any other was dropped by mistake is at most {ERROR:.0%}"


def _either(numbers: list[int]) -> str:
    """Numbers as `2, 4 or 8`."""
    *first, last = map(str, numbers)
    return f"{', '.join(first)} or {last}" if first else last


def _next(found: Recommendation, other: Row) -> str:
    if other.ratio.value is None:
        return f"The next, {named(other)}, has a variance."
    work = "evaluations" if found.by == "evaluations" else "seconds"
    return f"For the same variance the next, {named(other)}, needs {spelled(other.ratio)} times the {work}."


def _nothing(found: Recommendation) -> Iterator[str]:
    if found.exact:
        yield f"Use {found.exact[0].estimator}: it gives the exact gradient, and nothing else could be compared."
    elif found.spent:
        yield "No answer: nothing could be compared before the budget was spent."
    else:
        yield "No answer: no unbiased estimator could be compared."


def _limits(found: Recommendation) -> Iterator[str]:
    undecided = list(dict.fromkeys(each.estimator for each in found.undecided))
    if undecided and found.survivors:
        rest = f" and {len(undecided) - NAMED} others" if len(undecided) > NAMED else ""
        yield f"Undecided: {', '.join(undecided[:NAMED])}{rest}."
    if found.spent:
        spent = f"The budget of {found.budget:g} s was spent in round {found.round} of {len(ROUNDS)}"
        answered = "this is the answer so far, and a larger --budget may change it"
        yield f"{spent}: {answered if found.choice else 'pass a larger --budget'}."
    if found.survivors and found.exact:
        yield f"{found.exact[0].estimator} gives the exact gradient{_exact_cost(found)}."
    bias = found.survivors[0].bias if found.survivors else None
    if bias and bias["verdict"] == "untested":
        yield f"Its bias is untested: {bias['reason']}."
    elif bias and bias["minimum_detectable"] is not None:
        yield f"No bias was seen, where one of {bias['minimum_detectable']:.2g} in a coordinate would have been."


def _exact_cost(found: Recommendation) -> str:
    exact, best = found.exact[0].seconds.value, found.survivors[0].seconds.value
    if not exact or not best:
        return ""
    return f" in {1000 * exact:.3g} ms, where one estimate of the choice takes {1000 * best:.3g} ms"
