"""The first pages: the answer at a glance, and which estimator wins where."""

from __future__ import annotations

from collections import Counter

from gradmark.benchmarks.measurement.quantities import Quantity
from gradmark.reports.layout.elements import Block, Text, bullets, figure, heading, see, strong, where
from gradmark.reports.layout.numbers import count, grouped, plain, tidy
from gradmark.reports.layout.style import Look, breakable
from gradmark.reports.pages import winners
from gradmark.reports.pages.winners import HEAVY_TAIL, HEAVY_TAILS, UNTESTED
from gradmark.reports.plots.ratios import overview
from gradmark.reports.plots.training import names
from gradmark.reports.results import arrivals, parts
from gradmark.reports.results.arrivals import Arrival
from gradmark.reports.results.frames import counts
from gradmark.reports.results.ranking import Ranking, at_equal_evaluations, rankings
from gradmark.reports.results.results import Results

OVERVIEW = (
    "How far every ranked method is from the best, wherever it was measured: paired ratios with their intervals, on a "
    "logarithmic axis. Open marks are cold states. A method keeps its colour throughout."
)


NAMED = 5  # winners in a sentence


def blocks(results: Results, looks: dict[str, Look]) -> list[Block]:
    """The answer in sentences, the tables that it comes from, and a figure of all methods."""
    ranked = rankings(results.measured)
    page: list[Block] = [heading(1, "At a glance", "glance"), bullets(_sentences(results, ranked))]
    if ranked:
        page += winners.tables(results, ranked, looks)
        drawn = overview(ranked, lambda ranking: where(results, ranking.where), looks)
        if drawn is not None:
            page.append(figure("overview.svg", drawn, [OVERVIEW], "overview"))
    return page


def _sentences(results: Results, ranked: list[tuple[Ranking, Ranking]]) -> list[Text]:
    sentences: list[Text] = []
    if any(ranking.next for ranking, _ in ranked):
        by_evaluations = [at_equal_evaluations(pair[0]) for pair in ranked]
        sentences.append(["At equal evaluations (variance × evaluations): ", *_wins(by_evaluations), "."])
        sentences.append(["At equal numbers of samples: ", *_wins([pair[0] for pair in ranked]), "."])
        sentences.append(["At equal seconds (variance × seconds): ", *_wins([pair[1] for pair in ranked]), "."])
    elif results.measured:
        sentences.append(
            ["Nothing is ranked: no two methods that may be ranked were measured under the same conditions."]
        )
    sentences += _fastest(results)
    sentences += [
        text for text in (_biased(results), _untested(results), _not_finite(results), _tails(results)) if text
    ]
    ended = counts(results)
    rest = ", ".join(f"{ended[how]} {how}" for how in ("refused", "failed", "missing") if ended[how])
    every = f"{grouped(sum(ended.values()))} cells, training runs and experiments"
    sentences.append([f"{ended['measured']} of {every} are measured"])
    last: Text = [f"; {rest} (", see("unmeasured"), ")."] if rest else ["."]
    sentences[-1] = [*sentences[-1], *last]
    return sentences


def _wins(comparisons: list[Ranking]) -> Text:
    """How often each method is the best, and how often the best is not separated from the next."""
    contested = [ranking for ranking in comparisons if ranking.next is not None]
    clear = Counter(ranking.methods[0].entry.label for ranking in contested if not ranking.tied)
    ordered = clear.most_common()
    parts: list[Text] = [[strong(name), f" wins {wins}"] for name, wins in ordered[:NAMED]]
    if ordered[NAMED:]:
        parts.append(
            [f"{count(len(ordered) - NAMED, 'other method')} {sum(wins for _, wins in ordered[NAMED:])} together"]
        )
    ties = len(contested) - sum(clear.values())
    if ties:
        parts.append([f"{ties} {'is a tie' if ties == 1 else 'are ties'}"])
    return [f"of {count(len(contested), 'comparison')}, ", *_listed(parts)]


def _listed(parts: list[Text]) -> Text:
    """Parts with commas, and an `and` before the last."""
    joined: Text = []
    for number, part in enumerate(parts):
        joined += [", " if 0 < number < len(parts) - 1 else " and " if number else "", *part]
    return joined


def _fastest(results: Results) -> list[Text]:
    """Who reaches the target first, exact gradients aside, if anybody is separated; one for each figure of training."""
    exact = [e.estimator for e in results.measured if e.summary["deterministic"]]
    sentences: list[Text] = []
    for number, curves in enumerate(results.figures):
        goal = arrivals.target(curves)
        named = {id(curve): name for curve, name in zip(curves, names(curves)[0], strict=True)}
        runs = [arrivals.arrival(curve, goal) for curve in curves if parts.of_run(curve).estimator not in exact]
        ordered = arrivals.first(runs)
        if ordered is not None:
            text = _arrived(*ordered, named)
            on = f"Training on {breakable(parts.of_run(curves[0]).problem)}: "
            sentences.append([on, *text, "; ", see(f"training-{number}-table"), "."])
    return sentences


def _arrived(first: Arrival, others: list[tuple[Arrival, Quantity]], named: dict[int, str]) -> Text:
    """The first run at the target and how much longer the next takes; or those that are not separated from it."""
    when = f"{plain(first.total_seconds)} seconds" if len(first.seconds) else f"{tidy(first.steps)} steps"
    seeds = f"{first.reached} of {len(first.by)} seeds"
    tied = [other for other, ratio in others if not arrivals.separated(ratio)]
    if tied:
        together = ", ".join(named[id(other.curve)] for other in tied)
        return [f"no method is the first at the target by more than the noise: {named[id(first.curve)]} ({when}, "
                f"{seeds}) is not separated from {together}"]  # fmt: skip
    winner: Text = [strong(named[id(first.curve)]), f" is the first at the target, after {when} ({seeds})"]
    if not others:
        return [*winner, ", and nothing else was trained"]
    other, ratio = others[0]
    times = " ".join(arrivals.text(ratio)).strip()
    return [*winner, f"; {named[id(other.curve)]} takes {times} times as long"]


def _biased(results: Results) -> Text | None:
    entries = [e for e in results.measured if e.summary["bias"]["verdict"] == "biased"]
    if not entries:
        return None
    level = entries[0].summary["bias"]["level"]
    biased = dict.fromkeys(f"{e.estimator} on {breakable(e.record.cell.problem)}" for e in entries)
    return ["Biased, and so not ranked: ", "; ".join(biased), f" (family-wise level {tidy(level)})."]


def _untested(results: Results) -> Text | None:
    entries = [e for e in results.measured if e.unranked is None and e.summary["bias"]["verdict"] == "untested"]
    if not entries:
        return None
    problems = "; ".join(dict.fromkeys(breakable(e.record.cell.problem) for e in entries))
    return [f"Bias is untested on {problems}: methods are ranked there as if they were unbiased ({UNTESTED})."]


def _not_finite(results: Results) -> Text | None:
    entries = [e for e in results.measured if e.summary["nonfinite"]]
    if not entries:
        return None
    names = ", ".join(dict.fromkeys(e.estimator for e in entries))
    lost, drawn = (grouped(sum(e.summary[name] for e in entries)) for name in ("nonfinite", "replicates"))
    return [f"NaN or infinite gradients: {names}, {lost} of {drawn} estimates; counted, never averaged in, not ranked."]


def _tails(results: Results) -> Text | None:
    entries = [e for e in results.measured if e.summary["tail"]["kind"] in HEAVY_TAILS]
    if not entries:
        return None
    methods: dict[str, list[str]] = {}
    for e in entries:
        methods.setdefault(e.summary["tail"]["kind"], []).append(f"{e.label} on {breakable(e.record.cell.problem)}")
    text = "; ".join(f"{word}: {', '.join(dict.fromkeys(names))}" for word, names in methods.items())
    return [f"Heavy tails ({HEAVY_TAIL}), whose variances have no interval and rank only where exact. {text}."]
