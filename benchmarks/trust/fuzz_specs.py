"""Specs at random: each is read, and its text reads back to the same object, or it is refused in one line.

`python -m gradmark.benchmarks.trust.fuzz_specs` prints the counts as a Markdown table; exit status 1 where something
else happened. An audit hook of Python counts what no spec may do: start a process, remove a file, open one for writing.
"""

from __future__ import annotations

import platform
import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import click
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.trust.grammar_of_specs import KINDS, text

LONGEST = 300  # characters of a refusal
FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "os.remove",
    "os.rename",
    "os.rmdir",
)
READERS: dict[str, Callable[[str], Any]] = {kind: getattr(specs, kind) for kind in KINDS}

_seen: list[str] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    written = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if written or event in FORBIDDEN:
        _seen.append(event)


def outcome(kind: str, spec: str) -> str:
    """What happened to a spec: "read", "refused", or what should not be."""
    _seen.clear()
    try:
        found = READERS[kind](spec)
        back = READERS[kind](str(found))
    except BadInput as fault:
        line = str(fault)
        if _seen:
            return f"refused after {_seen[0]}"
        return (
            "refused" if len(line.splitlines()) == 1 and len(line) < LONGEST else f"refused in {len(line)} characters"
        )
    except BaseException as fault:
        return f"raised {type(fault).__name__}: {fault}"
    if _seen:
        return f"read after {_seen[0]}"
    same = back == found and str(back) == str(found)
    return "read" if same else f"read back as {back} from {found}"


def watch() -> None:
    """Let Python tell what is done from now on; a hook cannot be taken away again."""
    sys.addaudithook(_audit)


def count(inputs: int, seed: int) -> dict[str, Counter[str]]:
    """How often each outcome came, for each kind of spec: `inputs` specs altogether."""
    draw, found = random.Random(seed), {kind: Counter[str]() for kind in KINDS}
    for index in range(inputs):
        kind = KINDS[index % len(KINDS)]
        spec = text(draw, kind)
        how = outcome(kind, spec)
        found[kind][how if how in ("read", "refused") else f"{how[:200]!r} of {spec[:200]!r}"] += 1
    return found


@click.command()
@click.option("--inputs", type=click.IntRange(1), default=100_000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def main(inputs: int, seed: int) -> None:
    """Read specs at random and print what came of them."""
    for kind in specs.CATALOGUES:  # what is imported for the first time is read and compiled, and may write its cache
        specs.catalogue(kind)
    watch()
    found = count(inputs, seed)
    print(f"{inputs} specs, seed {seed}; torch {torch.__version__}, Python {platform.python_version()}\n")
    print("| spec | read, and back | refused in one line | anything else |\n|---|---|---|---|")
    for kind, outcomes in found.items():
        other = outcomes.total() - outcomes["read"] - outcomes["refused"]
        print(f"| {kind} | {outcomes['read']} | {outcomes['refused']} | {other} |")
    faults = {how for outcomes in found.values() for how in outcomes} - {"read", "refused"}
    print(*sorted(faults)[:20], sep="\n", file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
