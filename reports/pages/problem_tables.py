"""The tables of one problem: variance, bias, accuracy, noises, parameters and cost, a row for each method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gradmark.benchmarks.measurement.bias_test import POWER
from gradmark.benchmarks.measurement.quantities import NOT_COUNTED
from gradmark.reports.layout.elements import (
    Block,
    Table,
    Text,
    emph,
    method,
    muted,
    paragraph,
    quantities,
    strong,
    where,
)
from gradmark.reports.layout.numbers import NONE, count, grouped, memory, plain, probability, quantity, tidy, time_unit
from gradmark.reports.layout.style import Look, breakable
from gradmark.reports.results.ranking import RankedMethod, Ranking, by_evaluations
from gradmark.reports.results.results import Entry, Results

MOST_COLUMNS = 6  # parameters in a table of their variances
RATIO_DIGITS = 4
EXACT_DIGITS = 6
EXACTLY = (
    " Exact: by a grid instead of the draws, where these are few; for a warm baseline the mean over a few warm-ups, ± "
    "its standard error."
)
SHORT = {
    "biased, as it declares": "biased",
    "gradients that are not finite": "not finite",
    "exact, a reference": "reference",
}  # of the reasons for which a method is not ranked


@dataclass(frozen=True)
class Subject:
    """One problem: its measured cells in groups that may be compared, and each group's rankings."""

    results: Results
    problem: str
    key: str  # what the labels of its tables begin with
    groups: list[list[Entry]]
    rankings: list[tuple[Ranking, Ranking]]
    looks: dict[str, Look]

    @property
    def entries(self) -> list[Entry]:
        """All cells."""
        return [entry for group in self.groups for entry in group]

    def table(self, name: str, title: str, rest: str) -> Table:
        """A table with a column of methods; its caption names the problem, and the point if there is one only."""
        at = f" ({where(self.results, self.groups[0][0].where)})" if len(self.groups) == 1 else ""
        table = Table([strong(title), f" on {breakable(self.problem)}{at}. {rest}"], f"{self.key}-{name}")
        table.column("estimator")
        return table

    def fill(self, table: Table) -> Iterator[tuple[Entry, tuple[Ranking, Ranking], Text]]:
        """Each cell with its group's rankings and its name; several groups are headed by a line each."""
        for group, pair in zip(self.groups, self.rankings, strict=True):
            if len(self.groups) > 1:
                table.group(where(self.results, group[0].where))
            for entry in group:
                yield entry, pair, method(entry, self.looks)


def variance(subject: Subject) -> Block:
    """Total variance, its ratio to the best, and the tail that may spoil it."""
    level = subject.entries[0].summary["total_variance"]["level"]
    exact = any(entry.summary["total_variance"].get("exact") is not None for entry in subject.entries)
    table = subject.table(
        "variance",
        "Variance",
        f"Total variance is the trace of one estimate's covariance, with its {level:.0%} interval; relative, its "
        "paired ratio to the smallest that may be ranked. Tail: k-hat less two standard errors is below 0.5 light, "
        "below 1 heavy, beyond that the variance may not exist." + (EXACTLY if exact else ""),
    )
    table.quantity_column("total variance")
    if exact:
        table.column("exact", "right")
    table.quantity_column("relative")
    table.column("tail, k-hat")
    table.column("replicates", "right")
    table.column("not finite", "right")
    for entry, (ranking, _), name in subject.fill(table):
        summary = entry.summary
        table.row(
            name, *quantities(summary["total_variance"]), *([_exactly(summary["total_variance"])] if exact else []),
            *_relative(entry, ranking), _tail(summary["tail"]), grouped(summary["replicates"]), _not_finite(summary),
        )  # fmt: skip
    return table.block()


def bias(subject: Subject) -> Block:
    """The bias test: its result, worst coordinate and smallest detectable bias; or why all are untested."""
    tested = [e.summary["bias"] for e in subject.entries if e.summary["bias"]["verdict"] != "untested"]
    reasons: dict[str, list[str]] = {}
    for entry in subject.entries:
        why = entry.summary["bias"]["reason"] or entry.summary["bias"]["why_untested"]
        if why:
            reasons.setdefault(why, []).append(entry.label)
    if not tested:
        return paragraph(strong("Bias"), f" is untested, and no bias can be ruled out: {'; '.join(reasons)}.")
    table = subject.table(
        "bias",
        "Bias",
        "The coordinate whose mean is furthest from the exact gradient: |z| by Hall's skewness-corrected t; p over all "
        f"coordinates together (biased below {tidy(tested[0]['level'])}); the difference there. Minimum detectable: "
        f"the smallest bias in one coordinate that would have been seen with probability {POWER}.",
    )
    table.column("result")
    table.column("largest |z|", "right")
    table.column("p", "right")
    table.column("worst coordinate")
    for head in ("difference", "minimum detectable", "tested on"):
        table.column(head, "right")
    for entry, _, name in subject.fill(table):
        table.row(name, *_bias_cells(entry.summary["bias"]))
    for reason, labels in reasons.items():
        table.note(f"Untested: {', '.join(dict.fromkeys(labels))}: {reason}.")
    return table.block()


def accuracy(subject: Subject) -> Iterator[Block]:
    """Signal to noise; and, where the exact gradient is known, how one estimate compares with it."""
    columns = [("snr", "signal to noise")]
    rest = "Signal to noise: norm of the mean over the root of the total variance"
    if any(entry.summary["cosine"]["value"] is not None for entry in subject.entries):
        columns += [("cosine", "cosine"), ("wrong_signs", "wrong signs"), ("mean_squared_error", "mean squared error")]
        rest += ". Cosine, wrong signs (a fraction of the coordinates) and squared error: against the exact gradient"
    table = subject.table("accuracy", "Accuracy of one estimate", rest + ".")
    for _, head in columns:
        table.quantity_column(head)
    for entry, _, name in subject.fill(table):
        if not (entry.summary["deterministic"] and entry.summary["total_variance"]["value"] == 0):
            table.row(name, *(cell for column, _ in columns for cell in quantities(entry.summary[column])))
    if any("cells" in row for row in table.rows):
        yield table.block()


def noises(subject: Subject) -> Iterator[Block]:
    """Under a minibatch: the estimator's noise, the minibatch's, and both."""
    if not any(entry.summary["noise"]["minibatch"] for entry in subject.entries):
        return
    table = subject.table(
        "noises",
        "Three noises",
        "The variance of one estimate given the rows of its minibatch (the estimator's), what the choice of rows adds "
        "(the minibatch's), and both: the total variance.",
    )
    for head in ("the estimator's noise", "the minibatch's noise", "both"):
        table.quantity_column(head)
    for entry, _, name in subject.fill(table):
        noise = entry.summary["noise"]
        table.row(name, *(cell for kind in ("estimator", "minibatch", "both") for cell in quantities(noise[kind])))
    yield table.block()


def parameters(subject: Subject) -> Iterator[Block]:
    """The part of the total variance that is each named parameter's, where there are several."""
    names = list(subject.groups[0][0].record.facts["shapes"])
    parts = -(-len(names) // MOST_COLUMNS) if len(names) > 1 else 0
    for number in range(parts):
        part = names[number * len(names) // parts : (number + 1) * len(names) // parts]
        table = subject.table(
            f"parameters-{number}", "Variance by parameter", "Each named parameter's part of the total variance."
        )
        for name in part:
            table.quantity_column(name) if len(part) <= 2 else table.column(name, "right")
        for entry, _, label in subject.fill(table):
            cells = [quantities(entry.summary["variance_by_parameter"].get(name)) for name in part]
            table.row(label, *(c for cell in cells for c in (cell if len(part) <= 2 else cell[:1])))
        yield table.block()


def evaluations(subject: Subject) -> Block:
    """The variance that is left after one evaluation of the cost: the same on every machine."""
    table = subject.table(
        "evaluations",
        "At equal evaluations",
        "Evaluations of the cost in one estimate, forward and backward; variance × forward evaluations, and its paired "
        "ratio to the best.",
    )
    table.column("fwd, bwd", "right")
    table.quantity_column("variance × evaluations")
    table.quantity_column("relative")
    compared = {group[0].where: by_evaluations(group) for group in subject.groups}
    for entry, _, name in subject.fill(table):
        cells = [*quantities(entry.summary["variance_times_evaluations"]), *_relative(entry, compared[entry.where])]
        table.row(name, _counted(entry.summary["cost"]), *cells)
    return table.block()


def _counted(cost: dict[str, Any]) -> Text:
    if cost["forward"] is None:
        return [muted(NOT_COUNTED)]
    return [f"{tidy(cost['forward'], 6)}, {tidy(cost['backward'], 6)}"]


def cost(subject: Subject) -> Block:
    """What an estimate costs on this machine, and the variance that is left after a second of them."""
    unit, scale = time_unit([entry.summary["cost"]["seconds"]["value"] or 0.0 for entry in subject.entries])
    threads = {entry.summary["cost"].get("threads") for entry in subject.entries} - {None}
    on = f" on {count(min(threads), 'thread')}" if len(threads) == 1 else ""
    table = subject.table(
        "cost",
        "Cost",
        f"Wall time of one estimate{on}, the median of rounds in which the methods took turns; peak memory of one "
        "estimate; variance × seconds, which compares methods at equal seconds, and its ratio to the best.",
    )
    table.quantity_column(f"time, {unit}")
    table.column("memory", "right")
    table.quantity_column("variance × seconds")
    table.quantity_column("relative")
    for entry, (_, ranking), name in subject.fill(table):
        costs = entry.summary["cost"]
        table.row(
            name, *quantities(costs["seconds"], scale), memory(costs["peak_memory_bytes"]),
            *quantities(entry.summary["work_normalised_variance"]), *_relative(entry, ranking),
        )  # fmt: skip
    return table.block()


def _relative(entry: Entry, ranking: Ranking) -> list[Text]:
    """The ratio to the best; why there is none for a method that is not ranked."""
    ranked = next((ranked for ranked in ranking.methods if ranked.entry is entry), None)
    if ranked is None:
        why = next((reason for other, reason in ranking.unranked if other is entry), "not timed")
        return [[""], [muted(SHORT.get(why, why))]]
    if ranked is ranking.methods[0]:
        return [[strong("1")], [strong("smallest")]] if len(ranking.methods) > 1 else [[""], [muted("no other")]]
    return _ratio(ranked)


def _ratio(ranked: RankedMethod) -> list[Text]:
    if ranked.ratio.value is None:
        return [["1"], [emph("tie")]] if ranked.tied else [["∞"], [""]]
    value, interval = quantity(ranked.ratio.value, *(ranked.ratio.ci or (None, None)), most=RATIO_DIGITS)
    return [[value], [muted(interval), *([emph(" tie")] if ranked.tied else [])]]


def _exactly(total: dict[str, Any]) -> Text:
    if total.get("exact") is None:
        return [NONE]
    stderr = total.get("exact_stderr")
    return [
        plain(total["exact"], EXACT_DIGITS if stderr is None else 3),
        *([] if stderr is None else [muted(f" ± {plain(stderr, 2)}")]),
    ]


def _tail(tail: dict[str, Any]) -> Text:
    if tail["kind"] is None:
        return [muted("not judged")]
    khat = "" if tail["khat"] is None else f"{tail['khat']:.2f} ".replace("-", "−")
    return [khat, muted("light") if tail["kind"] == "light" else strong(tail["kind"])]


def _not_finite(summary: dict[str, Any]) -> Text:
    return [strong(grouped(summary["nonfinite"]))] if summary["nonfinite"] else ["0"]


def _bias_cells(bias: dict[str, Any]) -> list[Text]:
    if bias["verdict"] == "untested":
        return [[emph("untested")], *[[NONE]] * 6]
    result: Text = [strong("biased") if bias["verdict"] == "biased" else "unbiased"]
    if left := bias["untested_coordinates"]:
        result.append(f" in {grouped(bias['coordinates'] - left)} of {grouped(bias['coordinates'])}")
    z = "∞" if bias["max_abs_z"] is None else f"{bias['max_abs_z']:.2f}"
    return [
        result, [z], [probability(bias["p_value"])], [breakable(bias["coordinate"] or NONE)],
        [plain(bias["size"], 2)], [plain(bias["minimum_detectable"], 2)], [grouped(bias["replicates"])],
    ]  # fmt: skip
