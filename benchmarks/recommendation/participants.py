"""Who takes part: which estimators are compared, at which numbers of samples, and which are not, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from gradmark.benchmarks import selections, specs
from gradmark.benchmarks.cells import MOST, Cell
from gradmark.benchmarks.errors import BadInput, shortened
from gradmark.benchmarks.recommendation.candidates import LeftOut
from gradmark.estimators.core import EXPECTED_COST, Estimator

NUM_SAMPLES = (1, 2, 4, 8)


@dataclass
class Participants:
    """The cells of unbiased estimators of the expected cost, and all others."""

    compared: list[Cell] = field(default_factory=list)  # the cheap ones first, so that a small budget has an answer
    biased: list[list[Cell]] = field(default_factory=list)  # of one estimator each
    exact: list[list[Cell]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def participants(
    like: Cell, estimators: Iterable[str], num_samples: Sequence[int], include_biased: bool
) -> Participants:
    """Each estimator at each number of samples, on the problem, point, device and seed of the cell `like`."""
    if not num_samples or not all(isinstance(k, int) and 1 <= k <= MOST for k in num_samples):
        shown = shortened(repr(list(num_samples)), 60)
        raise BadInput(f"recommend(num_samples={shown}): must be whole numbers from 1; pass {list(NUM_SAMPLES)}")
    found, later = Participants(), list[Cell]()
    for text in _texts(estimators, found):
        estimator = specs.estimator(text)
        state, counts = specs.states(text)[-1], dict.fromkeys(num_samples)
        cells = [replace(like, estimator=text, num_samples=count, state=state) for count in counts]
        if estimator.target.name != EXPECTED_COST.name:
            reason = f"it estimates another objective, the {estimator.target.name}"
            found.left_out.append(LeftOut(text, tuple(num_samples), reason, "other target"))
        elif not estimator.unbiased and not include_biased:
            reason = "it declares a bias; --include-biased measures it"
            found.left_out.append(LeftOut(text, tuple(num_samples), reason, "biased"))
        elif not estimator.unbiased:
            found.biased.append(cells)
        elif estimator.deterministic:
            found.exact.append(cells)
        else:
            (later if _costly(estimator, text) else found.compared).extend(cells)
    for cells in (found.compared, later):
        cells.sort(key=lambda cell: cell.num_samples)
    found.compared += later
    return found


def _texts(estimators: Iterable[str], found: Participants) -> list[str]:
    """The estimators, each once; a selected one that cannot be had with its defaults is left out."""
    texts: list[str] = []
    for text in estimators:
        if not selections.is_selection(text):
            texts.append(str(specs.estimator(text)))
            continue
        for each in selections.selected(text):
            if each.text is not None:
                texts.append(each.text)
            else:
                found.left_out.append(LeftOut(each.name, (), each.reason or ""))
    if not texts:
        raise BadInput("recommend(estimators=[]): must name an estimator, all or a family; pass all")
    return list(dict.fromkeys(texts))


def _costly(estimator: Estimator, text: str) -> bool:
    """Whether it takes long before it is measured, or evaluates the cost for each coordinate of z."""
    per_coordinate = getattr(estimator.evaluations, "forward_per_coordinate", 0)
    return specs.states(text) == specs.STATEFUL or per_coordinate > 0


def merged(left_out: Iterable[LeftOut]) -> list[LeftOut]:
    """The same with one entry for all numbers of samples of an estimator that share their reason."""
    groups: dict[tuple[str, str, str], tuple[int, ...]] = {}
    for each in left_out:
        key = (each.estimator, each.kind, each.reason)
        groups[key] = (*groups.get(key, ()), *each.num_samples)
    return [LeftOut(name, samples, reason, kind) for (name, kind, reason), samples in groups.items()]
