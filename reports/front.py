"""The first pages: the answer at a glance, and which estimator wins where."""

from __future__ import annotations

from collections import Counter

from reports.blocks import NEWLINE, Block, Segment, Table, Text, bullets, emph, heading, method, muted, see, strong
from reports.numbers import count, plain, reading
from reports.ranking import MARGIN, Place, Ranking, rankings
from reports.results import Entry, Results
from reports.style import Look, breakable
from reports.tables import counts

UNTESTED, NO_VARIANCE = "†", "‡"  # marks: bias untested; the variance may not exist


def blocks(results: Results, looks: dict[str, Look]) -> list[Block]:
    """The answer in sentences, then the table it is read from."""
    found = rankings(results.measured)
    listed: list[Block] = [heading(1, "At a glance", "glance"), bullets(_sentences(results, found))]
    if found:
        listed.append(_winners(results, found, looks))
    return listed


def _sentences(results: Results, found: list[tuple[Ranking, Ranking]]) -> list[Text]:
    said: list[Text] = []
    if found:
        said.append(["At equal numbers of samples: ", *_wins([pair[0] for pair in found]), "."])
        said.append(["At equal seconds (variance × seconds): ", *_wins([pair[1] for pair in found]), "."])
    said += [text for text in (_biased(results), _untested(results), _not_finite(results), _tails(results)) if text]
    if results.trained:
        said.append([f"{count(len(results.trained), 'training run')} in ", see("training"), "."])
    ended = counts(results)
    rest = ", ".join(f"{ended[how]} {how}" for how in ("refused", "failed", "missing") if ended[how])
    said.append([f"{ended['measured']} of {count(sum(ended.values()), 'cell')} and training runs are measured"])
    said[-1] += [f"; {rest} (", see("unmeasured"), ")."] if rest else ["."]
    return said


def _wins(found: list[Ranking]) -> Text:
    """How often each method is the best, and how often the best is not separated from the next."""
    contested = [ranking for ranking in found if ranking.next is not None]
    if not contested:
        return ["no comparison has two methods that may be ranked"]
    clear = Counter(ranking.places[0].entry.label for ranking in contested if not ranking.tied)
    parts: list[Text] = [[strong(name), f" wins {wins}"] for name, wins in clear.most_common()]
    ties = len(contested) - sum(clear.values())
    if ties:
        parts.append([f"{ties} {'is a tie' if ties == 1 else 'are ties'}"])
    joined: Text = [f"of {count(len(contested), 'comparison')}, "]
    for number, part in enumerate(parts):
        joined += [", " if 0 < number < len(parts) - 1 else " and " if number else "", *part]
    return joined


def _biased(results: Results) -> Text | None:
    found = [e for e in results.measured if e.summary["bias"]["verdict"] == "biased"]
    if not found:
        return None
    level = found[0].summary["bias"]["level"]
    where = dict.fromkeys(f"{e.estimator} on {breakable(e.record.cell.problem)}" for e in found)
    return ["Biased, and so not ranked: ", "; ".join(where), f" (family-wise level {plain(level)})."]


def _untested(results: Results) -> Text | None:
    found = [e for e in results.measured if e.unranked is None and e.summary["bias"]["verdict"] == "untested"]
    if not found:
        return None
    where = dict.fromkeys(breakable(e.record.cell.problem) for e in found)
    return [
        f"Bias could not be tested on {'; '.join(where)}: methods are ranked there as if they were unbiased ({UNTESTED})."
    ]


def _not_finite(results: Results) -> Text | None:
    found = [e for e in results.measured if e.summary["nonfinite"]]
    if not found:
        return None
    names = ", ".join(dict.fromkeys(e.estimator for e in found))
    total = sum(e.summary["nonfinite"] for e in found)
    drawn = sum(e.summary["replicates"] for e in found)
    return [
        f"NaN or infinite gradients: {names}, {count(total, 'estimate')} of {drawn}; counted, never averaged in, not ranked."
    ]


def _tails(results: Results) -> Text | None:
    found = [e for e in results.measured if e.summary["tail"]["verdict"] == "the variance may not exist"]
    if not found:
        return None
    where = dict.fromkeys(f"{e.label} on {breakable(e.record.cell.problem)}" for e in found)
    return [f"The variance may not exist (k-hat of 1 or more, {NO_VARIANCE}): {'; '.join(where)}."]


def _winners(results: Results, found: list[tuple[Ranking, Ranking]], looks: dict[str, Look]) -> Block:
    level = found[0][0].places[0].value.level
    caption: Text = [
        "Which estimator wins where. Left, methods are compared at equal numbers of samples K, by total variance; right, at equal seconds, "
        f"by variance × seconds. Brackets are {level:.0%} intervals; × is the runner-up's ratio to the best, paired over "
        f"groups of replicates that saw the same draws. A ratio whose interval includes 1, or that is below {MARGIN}, is a tie. "
    ]
    table = Table(caption, "winners")
    table.column("where")
    table.column("smallest total variance")
    table.column("next")
    table.column("smallest variance × seconds")
    table.column("next")
    last = None
    for pair in found:
        if pair[0].where[0] != last:
            last = pair[0].where[0]
            table.group(breakable(last))
        table.row(where(results, pair[0].where), *(cell for ranking in pair for cell in _cells(ranking, looks)))
    for line in _notes(found):
        table.note(*line)
    return table.block()


def where(results: Results, key: tuple[str, ...], *, inline: bool = False) -> Text:
    """What tells one comparison of a problem from the others: place and K, and what the study varies beside."""
    _, samples, at, device, dtype, seed, target = key
    every = [entry.where for entry in results.measured]
    varied = [value for value, index in ((device, 3), (dtype, 4)) if len({other[index] for other in every}) > 1]
    if len({other[5] for other in every}) > 1:
        varied.append(f"seed {seed}")
    text: Text = [f"{at}, K = {samples}", *(f", {value}" for value in varied)]
    if target != "expected cost":
        text += [", " if inline else NEWLINE, emph(f"target: {target}")]
    return text


def _cells(ranking: Ranking, looks: dict[str, Look]) -> list[Text]:
    if not ranking.places:
        return [["–"], ["–"]]
    best = ranking.places[0]
    value, interval = reading(best.value.value, *(best.value.ci or (None, None)))
    first = [*method(best.entry, looks), *_marks(best.entry), NEWLINE, value, " ", muted(interval)]
    if ranking.next is None:
        return [first, [muted("the only contender")]]
    return [
        first,
        [
            *method(ranking.next.entry, looks),
            *_marks(ranking.next.entry),
            NEWLINE,
            *_ratio(ranking.next),
            *_also(ranking),
        ],
    ]


def _ratio(place: Place) -> Text:
    if place.ratio.value is None:
        return [emph("tie: both are zero") if place.tied else "× ∞"]
    value, interval = reading(place.ratio.value, *(place.ratio.ci or (None, None)))
    return [*([emph("tie "), "×\u202f"] if place.tied else ["×\u202f"]), value, " ", muted(interval)]


def _also(ranking: Ranking) -> Text:
    others = [place.entry.label for place in ranking.tied if place is not ranking.next]
    return [NEWLINE, emph(f"tied too: {', '.join(others)}")] if others else []


def _marks(entry: Entry) -> list[Segment]:
    marks = UNTESTED if entry.summary["bias"]["verdict"] == "untested" else ""
    marks += NO_VARIANCE if entry.summary["tail"]["verdict"] == "the variance may not exist" else ""
    return [f"\u202f{marks}"] if marks else []


def _notes(found: list[tuple[Ranking, Ranking]]) -> list[Text]:
    """Who is not ranked and why; what the marks mean."""
    reasons: dict[str, list[str]] = {}
    for ranking, _ in found:
        for entry, reason in ranking.unranked:
            reasons.setdefault(reason, []).append(entry.estimator)
    lines: list[Text] = [
        [
            "Not ranked: ",
            "; ".join(f"{', '.join(dict.fromkeys(names))} ({reason})" for reason, names in reasons.items()),
            ".",
        ]
    ]
    lines = lines if reasons else []
    ranked = [place.entry for ranking, _ in found for place in ranking.places]
    if any(entry.summary["bias"]["verdict"] == "untested" for entry in ranked):
        lines.append([f"{UNTESTED} bias untested."])
    if any(entry.summary["tail"]["verdict"] == "the variance may not exist" for entry in ranked):
        lines.append([f"{NO_VARIANCE} heavy tail: the variance may not exist."])
    return lines
