"""What a store has, and whether it is as it was written: counts and reasons, as data and in a terminal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from gradmark.benchmarks.store.store import Ending, Store

ENDED = ("done", "missing", "refused", "failed")


def status(path: Path, study: str | None = None, *, everything: bool = False) -> dict[str, Any]:
    """How cells, training runs and experiments ended, counted, and why those not measured are not.

    Of the study of that name, by default of the one run last, or of everything; then what is kept aside and damaged.
    """
    with Store(path, write=False) as store:
        described = store.study(study)
        damaged = store.damage()
        ended = store.endings(None if described is None or everything else described.name)
        studies, old = [each.name for each in store.studies()], store.kept_aside()
    counts = Counter(how for _, how, _, _ in ended)
    return {
        "study": None if described is None or everything else described.name,
        "studies": studies,
        "done": counts["measured"],
        **{name: counts[name] for name in ENDED[1:]},
        "reasons": _reasons(ended),
        "old": [{"what": what, "reason": aside.why, "date": aside.date} for what, aside in old],
        "damaged": [f"{each}: {each.fault}" for each in damaged],
    }


def _reasons(ended: list[Ending]) -> list[dict[str, Any]]:
    """Each reason once, with every number of samples and every point at which it was given."""
    cells: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for what, how, reason, cell in ended:
        if reason is not None:
            cells.setdefault((how, what, reason), []).extend([cell] if cell else [])
    return [
        {
            "what": what,
            "status": how,
            "reason": reason,
            "num_samples": sorted({count for count, _ in where}),
            "at": list(dict.fromkeys(at for _, at in where)),
        }
        for (how, what, reason), where in cells.items()
    ]


def show_status(counts: dict[str, Any]) -> None:
    """A store's counts on one line, then the reasons."""
    lines = []
    others = [name for name in counts["studies"] if name != counts["study"]]
    if counts["study"] is not None and others:
        lines.append(f"study {counts['study']} (others: {', '.join(others)}):")
    lines.append(", ".join(f"{counts[name]} {name}" for name in ENDED))
    for entry in counts["reasons"]:
        where = ", ".join(map(str, entry["num_samples"])), ", ".join(entry["at"])
        cells = f" (K = {where[0]}; at {where[1]})" if entry["at"] else ""
        lines.append(f"{entry['status']}: {entry['what']}{cells}: {entry['reason']}")
    lines += [f"old: {each['what']}: {each['reason']}; kept aside {each['date']}" for each in counts["old"]]
    lines += [f"damaged: {each}; `gradmark run` of its study measures it again" for each in counts["damaged"]]
    _print(lines)


def _print(lines: list[str]) -> None:
    """Lines that are anybody's: in a string, rich takes "[/red]" for markup."""
    console = Console()
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def verify(path: Path) -> dict[str, Any]:
    """Whether everything in the store is as it was written."""
    with Store(path, write=False) as store:
        return store.verify()


def show_verified(verified: dict[str, Any]) -> None:
    """What was found wrong, a line each, then what can be read."""
    rows = ", ".join(f"{count} {table}" for table, count in verified["rows"].items() if count)
    checked = "every checksum fits" if verified["checksums"] else "an older store: its rows have no checksums yet"
    summary = checked if verified["whole"] else "what is not listed as damaged can be read"
    lines = [f"file: {each}" for each in verified["structure"]] + [f"damaged: {each}" for each in verified["damaged"]]
    _print([*lines, f"{'whole' if verified['whole'] else 'damaged'}: {summary}: {rows or 'no rows'}"])
