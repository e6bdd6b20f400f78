"""One problem's pages: its variance, bias, accuracy, noises and cost, a table each, and what they look like."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

from reports import figures
from reports.blocks import (
    Block,
    Segment,
    Table,
    Text,
    emph,
    figure,
    heading,
    method,
    muted,
    paragraph,
    readings,
    see,
    strong,
)
from reports.figures import Panel
from reports.front import where
from reports.numbers import NONE, count, grouped, memory, plain, probability, reading, time_unit
from reports.ranking import Place, Ranking, by_variance, by_work
from reports.results import Entry, Results, tables
from reports.style import Look

_T = TypeVar("_T")
PANELS = 3  # side by side; fewer where there are many methods
MOST_COLUMNS = 5  # parameters in a table of their variances


class Pages:
    """The blocks of one problem, and the figures they show."""

    def __init__(self, results: Results, problem: str, number: int, looks: dict[str, Look]) -> None:
        """The measured cells of `problem`, the report's `number`-th."""
        self.results, self.problem, self.looks = results, problem, looks
        self.key = f"problem-{number}"
        self.groups = tables(results.of(problem))
        self.rankings = [(by_variance(group), by_work(group)) for group in self.groups]
        self.images: dict[str, str] = {}

    def blocks(self) -> list[Block]:
        """Everything about the problem."""
        found = [heading(2, self.problem, self.key), self._intro(), self._variance(), *self._figures()]
        found += [self._bias(), self._accuracy(), *self._noises(), *self._parameters(), self._cost()]
        return [block for block in found if block is not None]

    def _intro(self) -> Block:
        facts = self.groups[0][0].record.facts
        shapes = facts["shapes"]
        named = ", ".join(f"{name} {'×'.join(map(str, shape)) or '1'}" for name, shape in shapes.items())
        total = sum(math.prod(shape) for shape in shapes.values())
        text: Text = [f"{grouped(total)} parameters ({named}). " if total > 1 else f"One parameter ({named}). "]
        if facts["no_oracle"]:
            text += [f"The exact gradient is not known: {facts['no_oracle'].partition('; ')[0]}. "]
        else:
            text += ["The exact gradient is known. "]
        return paragraph(*text, *self._objectives())

    def _objectives(self) -> Text:
        """The expected cost at every place, and how it was found."""
        found: dict[str, dict[str, Any]] = {}
        for group in self.groups:
            found.setdefault(group[0].record.cell.at, group[0].summary["objective"])
        parts = []
        for at, objective in found.items():
            value, error = objective["value"], objective["stderr"]
            if objective["exact"]:
                parts.append(f"at {at} {plain(value, 8)} (exact)")
            else:
                written, _ = reading(value, value - error, value + error)
                parts.append(f"at {at} {written} ± {plain(error, 2)} (from a fixed sample)")
        return ["Objective: ", "; ".join(parts), "."]

    def _sections(self, table: Table) -> Iterator[tuple[list[Entry], tuple[Ranking, Ranking]]]:
        """The problem's comparisons, each under a line of its own where there are several."""
        for group, pair in zip(self.groups, self.rankings, strict=True):
            if len(self.groups) > 1:
                table.group(*where(self.results, group[0].where, inline=True))
            yield group, pair

    def _name(self, entry: Entry) -> Text:
        return method(entry, self.looks)

    def _caption(self, title: str, rest: str) -> Text:
        only = where(self.results, self.groups[0][0].where, inline=True) if len(self.groups) == 1 else []
        at: Text = [" (", *only, ")"] if only else []
        return [strong(title), f" on {self.problem}", *at, f". {rest}"]

    def _variance(self) -> Block:
        level = self.groups[0][0].summary["total_variance"]["level"]
        caption = self._caption(
            "Variance",
            f"Total variance is the trace of one estimate's covariance, with its {level:.0%} interval; relative, its ratio to the "
            "smallest of those that may be ranked, paired. Tail: k-hat of the squared distances to the mean; below 0.5 light, below "
            "1 heavy, beyond that the variance beside it may not exist.",
        )
        table = Table(caption, f"{self.key}-variance")
        table.column("estimator", width="1fr")
        table.reading_column("total variance")
        table.reading_column("relative")
        table.column("tail, k-hat")
        table.column("replicates", "right")
        table.column("not finite", "right")
        for group, (ranking, _) in self._sections(table):
            for entry in group:
                found = entry.summary
                table.row(
                    self._name(entry), *readings(found["total_variance"]), *_relative(entry, ranking), _tail(found["tail"]),
                    grouped(found["replicates"]), _not_finite(found),
                )  # fmt: skip
        return table.block()

    def _figures(self) -> Iterator[Block]:
        panels = [
            Panel("".join(map(_flat, where(self.results, group[0].where, inline=True))), group, pair)
            for group, pair in zip(self.groups, self.rankings, strict=True)
        ]
        drawn = [panel for panel in panels if any(e.summary["total_variance"]["value"] for e in panel.entries)]
        rows = max((len(panel.entries) for panel in drawn), default=0)
        for number, chunk in enumerate(_chunks(drawn, PANELS if rows <= 18 else 1)):
            name = f"{self.key}-figure-{number}"
            self.images[f"{name}.svg"] = figures.variance(chunk, self.looks)
            caption: Text = [
                f"Total variance and variance × seconds on {self.problem}, with intervals where they are wider than the "
                "mark. The line is the best that may be ranked. A cross is a method that may not; an open mark is a cold state."
            ]
            exact = dict.fromkeys(
                e.estimator for panel in chunk for e in panel.entries if e.summary["total_variance"]["value"] == 0
            )
            caption += [f" Not drawn, as its variance is zero: {', '.join(exact)}."] if exact else []
            yield figure(f"{name}.svg", caption, name)

    def _bias(self) -> Block | None:
        tested = [e for group in self.groups for e in group if e.summary["bias"]["verdict"] != "untested"]
        if not tested:
            why = dict.fromkeys(e.summary["bias"]["reason"] for group in self.groups for e in group)
            return paragraph(strong("Bias"), f" is untested: {'; '.join(why)}.")
        level = tested[0].summary["bias"]["level"]
        caption = self._caption(
            "Bias",
            "The coordinate whose mean is furthest from the exact gradient, |z| by Hall's skewness-corrected t, p over all coordinates "
            f"together (biased below {plain(level)}), and the smallest bias in one coordinate that would have been seen with "
            "probability 0.9.",
        )
        table = Table(caption, f"{self.key}-bias")
        table.column("estimator", width="1fr")
        table.column("verdict")
        for head in ("largest |z|", "p"):
            table.column(head, "right")
        table.column("worst coordinate")
        for head in ("difference", "detectable", "tested on"):
            table.column(head, "right")
        for group, _ in self._sections(table):
            for entry in group:
                table.row(self._name(entry), *_bias_cells(entry))
        reasons = {
            e.summary["bias"]["reason"]: e.estimator for g in self.groups for e in g if e.summary["bias"]["reason"]
        }
        for reason, estimator in reasons.items():
            table.note(f"Untested: {estimator}: {reason}.")
        return table.block()

    def _accuracy(self) -> Block:
        known = [e.summary for group in self.groups for e in group]
        columns = [("snr", "signal to noise")]
        if any(found["cosine"]["value"] is not None for found in known):
            columns += [
                ("cosine", "cosine"),
                ("wrong_signs", "wrong signs"),
                ("mean_squared_error", "mean squared error"),
            ]
        rest = "Signal to noise is the norm of the mean over the root of the total variance"
        if len(columns) > 1:
            rest += (
                "; cosine and wrong signs (a fraction of the coordinates) compare one estimate with the exact gradient"
            )
        table = Table(self._caption("Accuracy of one estimate", rest + "."), f"{self.key}-accuracy")
        table.column("estimator", width="1fr")
        for _, head in columns:
            table.reading_column(head)
        for group, _ in self._sections(table):
            for entry in group:
                table.row(self._name(entry), *(cell for name, _ in columns for cell in readings(entry.summary[name])))
        return table.block()

    def _noises(self) -> Iterator[Block]:
        groups = [group for group in self.groups if any(e.summary["noise"]["minibatch"] for e in group)]
        if not groups:
            return
        caption = self._caption(
            "Three noises",
            "The variance of one estimate given the rows of its minibatch (the estimator's), what the choice of rows adds "
            "(the minibatch's), and both: their sum is the total variance.",
        )
        table = Table(caption, f"{self.key}-noises")
        table.column("estimator", width="1fr")
        for head in ("estimator's noise", "minibatch's noise", "both"):
            table.reading_column(head)
        for group, _ in self._sections(table):
            for entry in group:
                noise = entry.summary["noise"]
                table.row(
                    self._name(entry),
                    *(cell for kind in ("estimator", "minibatch", "both") for cell in readings(noise[kind])),
                )
        yield table.block()
        panels = [Panel("".join(map(_flat, where(self.results, g[0].where, inline=True))), g, None) for g in groups]
        for number, chunk in enumerate(_chunks(panels, PANELS)):
            name = f"{self.key}-noise-figure-{number}"
            self.images[f"{name}.svg"] = figures.noises(chunk, self.looks)
            yield figure(
                f"{name}.svg",
                ["The three noises on ", self.problem, ", the numbers of ", see(f"{self.key}-noises"), "."],
                name,
            )

    def _parameters(self) -> Iterator[Block]:
        names = list(self.groups[0][0].record.facts["shapes"])
        for number, part in enumerate(_chunks(names, MOST_COLUMNS) if len(names) > 1 else []):
            caption = self._caption(
                "Variance by parameter", "The part of the total variance that is each named parameter's."
            )
            table = Table(caption, f"{self.key}-parameters-{number}")
            table.column("estimator", width="1fr")
            for name in part:
                table.reading_column(name) if len(part) <= 2 else table.column(name, "right")
            for group, _ in self._sections(table):
                for entry in group:
                    found = entry.summary["variance_by_parameter"]
                    cells = [readings(found.get(name)) for name in part]
                    table.row(self._name(entry), *(c for cell in cells for c in (cell if len(part) <= 2 else cell[:1])))
            yield table.block()

    def _cost(self) -> Block:
        seconds = [e.summary["cost"]["seconds"]["value"] or 0.0 for group in self.groups for e in group]
        unit, scale = time_unit(seconds)
        threads = {e.summary["cost"].get("threads") for group in self.groups for e in group} - {None}
        on = f", on {count(min(threads), 'thread')}" if len(threads) == 1 else ""
        rest = (
            "Evaluations of the cost, forward and backward; wall time of one estimate, the median of rounds in which the methods took "
            f"turns{on}; peak memory of one estimate; total variance × seconds, "
            "which compares methods at equal seconds, and its ratio to the best."
        )
        table = Table(self._caption("Cost", rest), f"{self.key}-cost")
        table.column("estimator", width="1fr")
        table.column("fwd, bwd")
        table.reading_column(f"time, {unit}")
        table.column("memory", "right")
        table.reading_column("variance × seconds")
        table.reading_column("relative")
        for group, (_, ranking) in self._sections(table):
            for entry in group:
                cost = entry.summary["cost"]
                counted = NONE if cost["forward"] is None else f"{plain(cost['forward'])}, {plain(cost['backward'])}"
                table.row(
                    self._name(entry), counted, *readings(cost["seconds"], scale), memory(cost["peak_memory_bytes"]),
                    *readings(entry.summary["work_normalised_variance"]), *_relative(entry, ranking),
                )  # fmt: skip
        return table.block()


def _flat(segment: Segment) -> str:
    return segment if isinstance(segment, str) else segment.get("text", "")


def _relative(entry: Entry, ranking: Ranking) -> list[Text]:
    """The ratio to the best; why there is none for a method that is not ranked."""
    place = next((place for place in ranking.places if place.entry is entry), None)
    if place is None:
        why = next((reason for other, reason in ranking.unranked if other is entry), "not timed")
        return [[""], [muted(why.partition(",")[0].replace("gradients that are ", ""))]]
    if place is ranking.places[0]:
        return [[strong("1")], [strong("smallest")]] if len(ranking.places) > 1 else [["1"], [muted("alone")]]
    return [[*_times(place)], [muted(_interval(place)), *([emph(" tie")] if place.tied else [])]]


def _times(place: Place) -> Text:
    return ["∞"] if place.ratio.value is None else [reading(place.ratio.value, *(place.ratio.ci or (None, None)))[0]]


def _interval(place: Place) -> str:
    return "" if place.ratio.value is None else reading(place.ratio.value, *(place.ratio.ci or (None, None)))[1]


def _tail(tail: dict[str, Any]) -> Text:
    if tail["verdict"] is None:
        return [muted("not judged")]
    khat = "" if tail["khat"] is None else f"{plain(tail['khat'], 2)} "
    return [khat, muted(tail["verdict"]) if tail["verdict"] == "light" else strong(tail["verdict"])]


def _not_finite(summary: dict[str, Any]) -> Text:
    return [strong(grouped(summary["nonfinite"]))] if summary["nonfinite"] else ["0"]


def _bias_cells(entry: Entry) -> list[Text]:
    bias = entry.summary["bias"]
    if bias["verdict"] == "untested":
        return [[emph("untested")], [NONE], [NONE], [NONE], [NONE], [NONE], [NONE]]
    verdict = strong("biased") if bias["verdict"] == "biased" else "unbiased"
    z = "∞" if bias["max_abs_z"] is None else f"{bias['max_abs_z']:.2f}"
    worst = bias["coordinate"] or NONE
    return [
        [verdict], [z], [probability(bias["p_value"])], [worst], [plain(bias["size"], 2)],
        [plain(bias["minimum_detectable"], 2)], [grouped(bias["replicates"])],
    ]  # fmt: skip


def _chunks(items: list[_T], most: int) -> Iterator[list[_T]]:
    """Items in parts of at most `most`, as even as can be."""
    parts = -(-len(items) // most)
    for part in range(parts):
        yield items[part * len(items) // parts : (part + 1) * len(items) // parts]
