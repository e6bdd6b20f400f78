"""What a store knows of the comparisons of speed: their rows, who is the fastest, and what makes that unsafe."""

from __future__ import annotations

from typing import Any

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.numbers import count

BUSY = 0.25  # share of the machine that other processes had, above which it is said
WIDE = 1.25  # the upper end of a ratio's interval over its lower end, above which it is said
MARGIN = 1.05  # a ratio below it is a tie: the same code differs by as much from one process to the next

AIMS = {  # of works with this in their name: how many times faster than the loop, and than the best peer
    "toy": (300, 1),
    "1 draw": (60, 1),
    "10 draws": (20, 1),
    "Gaussian VAE, total variance": (3, 1.6),
    "Gaussian VAE, variance of each coordinate": (2.2, 1.1),
    "Bernoulli VAE": (3, 1.6),
    "convolutional VAE": (2, 1.2),
}

Row = dict[str, Any]


def rows(outcome: Outcome) -> list[Row]:
    """All contenders of one work, gradmark first, those that took no part with the reason."""
    return (outcome.tables or {})["contenders"]


def timed(outcome: Outcome) -> list[Row]:
    """Those that took part."""
    return [row for row in rows(outcome) if not row.get("absent")]


def session(outcome: Outcome) -> Row:
    """What the work is, and what it ran on."""
    return (outcome.tables or {})["session"][0]


def training(outcome: Outcome) -> Row:
    """What is known of training many runs at once."""
    return (outcome.tables or {})["training"][0]


def fastest(outcome: Outcome) -> tuple[str, list[str]]:
    """The contender with the smallest median, and those that the measurement does not separate from it."""
    best = min(timed(outcome), key=lambda row: row["seconds"]["value"])
    return best["contender"], [row["contender"] for row in timed(outcome) if row is not best and _tied(row)]


def _tied(row: Row) -> bool:
    behind = row["over_fastest"]
    return behind["value"] < MARGIN or behind["ci"] is None or behind["ci"][0] <= 1


def best_peer(outcome: Outcome) -> Row | None:
    """The fastest contender that is neither gradmark nor the loop."""
    peers = [row for row in timed(outcome) if row["contender"] not in ("gradmark", "loop")]
    return min(peers, key=lambda row: row["seconds"]["value"], default=None)


def aims(outcome: Outcome) -> tuple[float, ...]:
    """How many times faster than the loop and the best peer gradmark is to be; empty where nothing is aimed at."""
    return next((found for part, found in AIMS.items() if part in session(outcome)["work"]), ())


def warnings(outcome: Outcome) -> list[str]:
    """What makes a ranking unsafe: a busy machine, wide intervals, too few rounds."""
    ran, found = session(outcome), []
    if ran["busy"] is not None and ran["busy"] > BUSY:
        found.append(f"other processes had more than {BUSY:.0%} of the machine (median over rounds)")
    ratios = [row["over_gradmark"] for row in timed(outcome)[1:]]
    if any(each["ci"] is None for each in ratios):
        found.append(f"{ran['rounds']} rounds are too few for intervals")
    wide = [each for each in ratios if each["ci"] and each["ci"][1] > WIDE * each["ci"][0]]
    if wide:
        found.append(f"some ratios have intervals of more than {WIDE - 1:.0%}")
    return found


def machine(outcomes: list[Outcome]) -> str:
    """What all of it was measured on, in one line."""
    ran, facts = session(outcomes[0]), outcomes[0].facts["provenance"]
    names = ("gradmark", "torch", "numpy")
    versions = [f"{name} {facts['versions'][name]}" for name in names if name in facts.get("versions", {})]
    peers = {name: version for outcome in outcomes for name, version in session(outcome)["versions"].items()}
    versions += [f"{name} {version}" for name, version in peers.items()]
    cores, threads = facts.get("cores", "?"), count(ran["threads"], "thread")
    return (
        f"{facts.get('processor', 'unknown processor')}, {cores} cores, {threads}, "
        f"{ran['device']}, float32, seed {outcomes[0].inquiry.seed}, {ran['rounds']} rounds; "
        f"matrix products at {ran['product_rate'] / 1e9:.0f} · 10⁹ operations a second; "
        f"Python {facts.get('python', '?')}, {', '.join(versions)}."
    )


def scaled(quantity: Row, factor: float) -> Row:
    """A quantity in another unit."""
    ends = quantity["ci"] and [end * factor for end in quantity["ci"]]
    return {**quantity, "value": quantity["value"] * factor, "ci": ends}
