"""What was measured and how, what was not, and what the methods cite."""

from __future__ import annotations

from typing import Any

from benchmarks.readings import LEVEL
from benchmarks.verdicts import BIAS_REPLICATES, FAMILY_LEVEL, FEWEST_FOR_BIAS, FEWEST_FOR_TAIL, POWER
from reports import tables
from reports.blocks import Block, Table, Text, bullets, code, heading, muted, paragraph, strong
from reports.numbers import count, grouped
from reports.ranking import MARGIN
from reports.results import Results
from reports.style import breakable


def setup(results: Results) -> list[Block]:
    """What was measured, on what, and how numbers and verdicts are made."""
    found: list[Block] = [heading(1, "What was measured, and on what", "setup"), paragraph(*_extent(results))]
    found += [_provenance(results.provenance), heading(2, "How to read the numbers", "method"), bullets(_methods())]
    return found


def _extent(results: Results) -> Text:
    cells = [entry.record.cell for entry in results.measured]
    parts = [
        f"{count(len(cells), 'cell')} on {count(len({c.problem for c in cells}), 'problem')} with {count(len({c.estimator for c in cells}), 'estimator')}"
    ]
    if results.trained:
        parts.append(
            f"{count(len(results.trained), 'training run')} of {_range(c.training.seeds for c in results.trained)} seeds each"
        )
    text: Text = ["; ".join(parts) + ". "] if cells else [parts[-1] + ". "]
    if cells:
        drawn = _range(e.summary["replicates"] for e in results.measured if not e.summary["deterministic"])
        seeds, dtypes = _range({c.seed for c in cells}), ", ".join(sorted({c.dtype for c in cells}))
        devices = ", ".join(sorted({c.device for c in cells}))
        text += [
            f"A cell is measured with {drawn} independent estimates at frozen parameters, from seed {seeds}, on {devices} in {dtypes}."
        ]
    return text


def _range(values) -> str:  # noqa: ANN001
    found = sorted(set(values))
    if not found:
        return "no"
    return grouped(found[0]) if len(found) == 1 else f"{grouped(found[0])} to {grouped(found[-1])}"


def _provenance(runs: list[dict[str, Any]]) -> Block:
    table = Table(
        [
            f"What the {count(len(runs), 'run')} of this store ran on."
            if len(runs) > 1
            else "What the run of this store ran on."
        ],
        "provenance",
    )
    table.column("", width="auto")
    table.column("", width="1fr")
    for number, facts in enumerate(runs, 1):
        if len(runs) > 1:
            table.group(f"Run {number}")
        for name, value in _facts(facts):
            table.row([muted(name)], value)
    return table.block()


def _facts(facts: dict[str, Any]) -> list[tuple[str, Text]]:
    versions = ", ".join(f"{name} {version}" for name, version in facts.get("versions", {}).items() if version)
    processor = f"{facts.get('processor')}, {count(facts.get('cores') or 1, 'core')}, {count(facts.get('threads') or 1, 'thread')}"
    listed: list[tuple[str, Text]] = [
        ("command", [code(str(facts.get("command")))]),
        ("date", [str(facts.get("date", "")).replace("T", " ").replace("+00:00", " UTC")]),
        ("commit", [facts.get("commit") or "installed package"]),
        ("platform", [f"{facts.get('platform')}, Python {facts.get('python')}"]),
        ("processor", [processor]),
        ("accelerator", [facts.get("cuda") or "none"]),
        ("versions", [versions]),
    ]
    return listed


def _methods() -> list[Text]:
    return [
        [strong("Variance"), ". Replicates are folded in groups of consecutive estimates; each group gives an unbiased trace of the covariance. The interval "
         f"({LEVEL:.0%}) is Student's t on the logarithm of their mean."],
        [strong("Ratios"), ". Methods of one comparison saw the same seeds, so a ratio is formed group by group and what the groups share cancels. A "
         f"tie is a ratio whose interval includes 1, or below {MARGIN}. Intervals are for one comparison each, not for all of a report together."],
        [strong("Fairness"), ". A table compares methods at equal num_samples, written K: the draws of z that one estimate uses. Variance × seconds compares them at "
         "equal seconds: it is the variance that is left when estimates are averaged for one second."],
        [strong("Who is ranked"), ". Not methods that are biased by their verdict or their own declaration, that gave NaN or infinite gradients, or that are "
         "exact. Methods are compared only with those that estimate the gradient of the same target. A stateful method is measured cold, as it starts, and warm, after a warm-up."],
        [strong("Bias"), f". Hall's skewness-corrected t for each coordinate, on the first {grouped(BIAS_REPLICATES)} replicates, a number fixed beforehand; biased at a "
         f"family-wise level of {FAMILY_LEVEL}. The detectable bias would have been seen with probability {POWER}. Untested without an exact gradient or below {FEWEST_FOR_BIAS} replicates."],
        [strong("Tail"), f". k-hat of a generalised Pareto distribution fitted to the largest squared distances to the mean; not judged below {FEWEST_FOR_TAIL} replicates."],
        [strong("Time"), ". Seconds of one estimate alone, the median of interleaved rounds, its interval from the interquartile range."],
    ]  # fmt: skip


def unmeasured(results: Results) -> list[Block]:
    """Refusals, failures and missing cells, with reasons."""
    frame = tables.unmeasured(results)
    found: list[Block] = []
    if not len(frame):
        return found
    found.append(heading(1, "Not measured", "unmeasured"))
    said = {
        "refused": "Refused: the method and the problem do not fit.",
        "failed": "Failed: an error while measuring.",
        "missing": "Missing: planned, and not measured yet.",
    }
    for status, caption in said.items():
        part = frame[frame["status"] == status]
        if len(part):
            found.append(_unmeasured(part, caption, status))
    return found


def _unmeasured(part, caption: str, status: str) -> Block:  # noqa: ANN001
    table = Table([strong(caption.partition(":")[0]), caption[len(status) :]], f"unmeasured-{status}")
    table.column("method", width="30%" if status != "missing" else "1fr")
    table.column("where", width="17%")
    if status != "missing":
        table.column("reason", width="1fr")
    for problem, rows in part.groupby("problem", sort=False):
        table.group(breakable(str(problem)))
        for _, row in rows.iterrows():
            reason = [[breakable(row["reason"])]] if status != "missing" else []
            table.row([breakable(row["method"])], row["where"], *reason)
    return table.block()


def bibliography(results: Results) -> list[Block]:
    """What the methods used cite."""
    frame = tables.bibliography(results)
    cited = frame[frame["reference"] != ""]
    found: list[Block] = [heading(1, "References of the methods used", "references")]
    items: list[Text] = [[f"{row['reference']}. ", muted(row["estimators"])] for _, row in cited.iterrows()]
    if items:
        found.append({"kind": "references", "items": items})
    rest = frame[frame["reference"] == ""]
    if len(rest):
        found.append(paragraph("Used, without a reference in this store: ", ", ".join(rest["estimators"]), "."))
    return found
