"""Files of parameters, valid ones mutated: each is read as it stands or refused in one line, and nothing else happens.

`python -m gradmark.benchmarks.trust.fuzz_parameters` prints the counts as a Markdown table; exit status 1 where a file
did something else.
"""

from __future__ import annotations

import io
import json
import platform
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.training import points
from gradmark.estimators.core import Params, Problem

PROBLEMS = ("GaussianToy()", "LinearGaussian(rows=4)")
LONGEST = 300  # characters of a refusal
BYTES = (b"\x00", b"\xff", b"}", b"]", b"[", b"nan", b"1e999", b"true", b"9" * 30, b'"', b"-", b"\x80")
Random = np.random.Generator


def params_of(problem: Problem, draw: Random) -> Params:
    """Parameters that `problem` accepts."""
    return {name: torch.from_numpy(draw.normal(size=value.shape)) for name, value in problem.init().items()}


def written(params: Params, suffix: str, draw: Random) -> bytes:
    """A file of these parameters."""
    if suffix == ".json":
        return json.dumps({name: value.tolist() for name, value in params.items()}).encode()
    file = io.BytesIO()
    if suffix == ".pt":
        torch.save(params, file)
    else:
        save = np.savez_compressed if draw.random() < 0.3 else np.savez
        save(file, **{name: value.numpy() for name, value in params.items()})  # type: ignore[arg-type]
    return file.getvalue()


def flip(content: bytes, draw: Random) -> bytes:
    """A few bits are turned."""
    changed = bytearray(content)
    for position in draw.integers(len(content), size=draw.integers(1, 8)):
        changed[position] ^= 1 << int(draw.integers(8))
    return bytes(changed)


def replace(content: bytes, draw: Random) -> bytes:
    """A part is overwritten with something that a parser may stumble on."""
    at, other = int(draw.integers(len(content))), BYTES[draw.integers(len(BYTES))]
    return content[:at] + other + content[at + len(other) :]


def insert(content: bytes, draw: Random) -> bytes:
    """Something is put in, often many times over."""
    at, other = int(draw.integers(len(content))), BYTES[draw.integers(len(BYTES))]
    return content[:at] + other * int(draw.choice([1, 1, 3, 2000])) + content[at:]


def cut(content: bytes, draw: Random) -> bytes:
    """The end is missing."""
    return content[: draw.integers(len(content))]


def repeat(content: bytes, draw: Random) -> bytes:
    """A part stands twice."""
    first, last = sorted(draw.integers(len(content), size=2))
    return content[:last] + content[first:]


def numbers(content: bytes, draw: Random) -> bytes:
    """A field of four or eight bytes is set to a number that a size may not be."""
    width = int(draw.choice([2, 4, 8]))
    at = int(draw.integers(max(len(content) - width, 1)))
    value = int(draw.choice([0, 1, 2**15, 2**16 - 1])) if width == 2 else int(draw.choice([0, 1, 2**31 - 1, 2**31]))
    return content[:at] + value.to_bytes(width, "little") + content[at + width :]


MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (flip, replace, insert, cut, repeat, numbers)


def outcome(problem: Problem, path: Path, params: Params) -> str:
    """What happened to a file: "read", "refused", or what should not be.

    Archives have checksums, so that what is read from them is what was written; a digit of a text may be another.
    """
    try:
        found = points.find(problem, str(path))
    except BadInput as fault:
        line = str(fault)
        return "refused" if "\n" not in line and len(line) < LONGEST else f"refused in {len(line)} characters: {line}"
    except Exception as fault:
        return f"raised {type(fault).__name__}: {fault}"
    if isinstance(found, points.Refusal):
        return f"a refusal: {found.reason}"
    if not _fits(found.params, params):
        return "read, and of another shape"
    same = path.suffix == ".json" or all(torch.equal(found.params[name], value) for name, value in params.items())
    return "read" if same else "read, with other numbers"


def _fits(found: Params, params: Params) -> bool:
    same = {name: value.shape for name, value in found.items()} == {n: v.shape for n, v in params.items()}
    return same and all(v.dtype == torch.float64 and bool(v.isfinite().all()) for v in found.values())


def count(inputs: int, seed: int) -> dict[str, Counter[str]]:
    """How often each outcome came, for each kind of file: `inputs` mutated files altogether."""
    draw, found = np.random.default_rng(seed), {suffix: Counter[str]() for suffix in points.SUFFIXES}
    problems = [specs.problem(text) for text in PROBLEMS]
    with tempfile.TemporaryDirectory() as folder:
        for index in range(inputs):
            problem, suffix = problems[index % 2], points.SUFFIXES[index // 2 % 3]
            params = params_of(problem, draw)
            content = written(params, suffix, draw)
            for _ in range(int(draw.integers(1, 3))):
                content = MUTATIONS[draw.integers(len(MUTATIONS))](content or b"0", draw)
            path = Path(folder, f"params{suffix}")
            path.write_bytes(content)
            found[suffix][outcome(problem, path, params)] += 1
    return found


@click.command()
@click.option("--inputs", type=click.IntRange(1), default=100_000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def main(inputs: int, seed: int) -> None:
    """Read mutated files of parameters and print what came of them."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = count(inputs, seed)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"{inputs} mutated files, seed {seed}; torch {torch.__version__}, numpy {np.__version__}, ", end="")
    print(f"Python {platform.python_version()}; memory grew by {grown} MiB\n")
    print("| file | read | refused in one line | anything else |\n|---|---|---|---|")
    for suffix, outcomes in found.items():
        other = outcomes.total() - outcomes["read"] - outcomes["refused"]
        print(f"| {suffix} | {outcomes['read']} | {outcomes['refused']} | {other} |")
    faults = {text for outcomes in found.values() for text in outcomes} - {"read", "refused"}
    print(*sorted(faults)[:20], sep="\n", file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
