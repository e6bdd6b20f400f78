"""Study files at random: each is a study, or is refused in lines that a terminal can show, and nothing else happens.

`python -m gradmark.benchmarks.trust.fuzz_studies` prints the counts as a Markdown table; exit status 1 where something
else happened.
"""

from __future__ import annotations

import json
import platform
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
import pydantic

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.studies import study
from gradmark.benchmarks.trust import grammar_of_specs

LONGEST = 300  # characters of a line on a fault
KEYS = (
    "title", "description", "seed", "include", "plugins", "experiments", "problems", "estimators", "solvers",
    "num_samples", "at", "devices", "dtypes", "replicates", "rel_ci", "steps", "seeds", "evaluations", "device",
    "dtype", "replicate", "", "é", '"a b"', '"a\\nb"', "a.b", "__class__",
)  # fmt: skip
VALUES = (
    "1", "-1", "0", "1.5", "nan", "inf", "-inf", "1e999", "true", '""', '"text"', "[]", "[[]]", "{}", "{a = 1}",
    "[1, 'a']", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "2020-13-45", "9" * 30, "9" * 5000, "0x" + "f" * 5000,
    "0o7", "-0.0", "[" * 50 + "]" * 50, "[" * 3000 + "]" * 3000, "{a=" * 500 + "1" + "}" * 500, '"\\ud800"',
    '"\\u0000"', "'''a\nb'''", '"init"', '"step=5"', '"step=x"', '"no/file.npz"', '"demo"', '["quick"]', '"."', '"/"',
    '["init", 3]', "[8]", "8", '["' + "x" * 5000 + '"]', "[" + "1," * 5000 + "]", '"' + "x" * 100_000 + '"', "\x00",
    "\x7f", "=", "[[", "]]", "#", "'",
)  # fmt: skip
GOOD = """title = "t"
seed = 3
experiments = ["Decomposition()"]
[[variance]]
problems = ["GaussianToy()", "BernoulliToy()"]
estimators = ["ScoreFunction()", "LeaveOneOut()"]
num_samples = [1, 2]
at = ["init", "step=10"]
replicates = 100
[[convergence]]
problems = ["GaussianToy()"]
solvers = ["Adam(LeaveOneOut(), num_samples=3)"]
steps = 5
"""
BYTES = (
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r",
    b"\r\n",
    b"[",
    b"]",
    b'"',
    b"=",
    b"\xc3",
    b"\x1b[31m",
)


def line(text: str, draw: random.Random) -> str:
    """A line more, somewhere: a key, known or not, and a value that it may not have."""
    lines = text.splitlines(keepends=True)
    lines.insert(draw.randrange(len(lines) + 1), f"{draw.choice(KEYS)} = {draw.choice(VALUES)}\n")
    return "".join(lines)


def value(text: str, draw: random.Random) -> str:
    """Another value of one of its keys."""
    lines = text.splitlines(keepends=True)
    at = draw.randrange(len(lines))
    lines[at] = f"{lines[at].partition('=')[0]}= {draw.choice(VALUES)}\n" if "=" in lines[at] else "[[variance.x]]\n"
    return "".join(lines)


def spec(text: str, draw: random.Random) -> str:
    """Another spec in one of its lists: right, mistyped or hostile."""
    kind = draw.choice(("estimator", "problem", "solver"))
    written = json.dumps(grammar_of_specs.text(draw, kind), ensure_ascii=False)
    return text.replace(f"{kind}s = [", f"{kind}s = [{written}, ", 1)


def mistype(text: str, draw: random.Random) -> str:
    """A few characters are others."""
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(text))
        text = text[:at] + draw.choice(("", text[at] * 2, chr(draw.randrange(0x3000)))) + text[at + 1 :]
    return text


MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (line, value, spec, mistype)


def content(draw: random.Random) -> bytes:
    """The bytes of a study file with a few faults."""
    text = GOOD
    for _ in range(draw.randrange(3)):
        text = draw.choice(MUTATIONS)(text, draw)
    found = text.encode(errors="surrogatepass")
    if draw.random() < 0.2:
        at = draw.choice((0, draw.randrange(len(found))))
        found = found[:at] + draw.choice(BYTES) + found[at:]
    return found if draw.random() < 0.97 else draw.randbytes(draw.randrange(200))


def outcome(path: Path) -> str:
    """What loading a study file led to: "read", "refused", or what should not be."""
    try:
        plan = study.load(str(path))
        _ = plan.cells(), plan.trainings(), plan.inquiries()
    except BadInput as fault:
        lines = str(fault).split("\n")
        plain = all(len(each.splitlines()) == 1 and len(each) < LONGEST for each in lines)
        return "refused" if plain and len(lines) <= study.MOST_FAULTS + 1 else f"refused in {str(fault)!r}"
    except BaseException as fault:
        return f"raised {type(fault).__name__}: {fault}"
    return "read"


def count(inputs: int, seed: int) -> Counter[str]:
    """How often each outcome came, of `inputs` study files."""
    draw, found = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "study.toml")
        for _ in range(inputs):
            path.write_bytes(content(draw))
            how = outcome(path)
            found[how if how in ("read", "refused") else f"{how[:300]} of {path.read_bytes()[:300]!r}"] += 1
    return found


@click.command()
@click.option("--inputs", type=click.IntRange(1), default=100_000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def main(inputs: int, seed: int) -> None:
    """Load study files at random and print what came of them."""
    found = count(inputs, seed)
    print(f"{inputs} study files, seed {seed}; pydantic {pydantic.VERSION}, Python {platform.python_version()}\n")
    print("| read | refused, a line for each fault | anything else |\n|---|---|---|")
    other = found.total() - found["read"] - found["refused"]
    print(f"| {found['read']} | {found['refused']} | {other} |")
    print(*sorted(set(found) - {"read", "refused"})[:20], sep="\n", file=sys.stderr)
    sys.exit(bool(other))


if __name__ == "__main__":
    main()
