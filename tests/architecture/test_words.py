"""Words that the project does not use, as the field has better ones, do not come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("gradmark", "estimators", "benchmarks", "reports", "tests", "docs", ".github")
SUFFIXES = (".py", ".md", ".toml", ".typ", ".yml", ".css")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # of `reverse_law`, ReverseLaw and "laws": reverse, law; laws
UNUSED = {
    "court": "checks", "sitting": "a run of the checks", "referee": "the runner of the checks", "trial": "a case",
    "ruling": "a result", "convict": "reject", "convicted": "rejected", "verdict": "a result",
    "law": "a check, or a distribution", "claim": "a property", "told": "say who reports what",
    "place": "a parameter point, a position", "reading": "a quantity, an interval",
}  # fmt: skip
ANY_UNUSED = re.compile("|".join(UNUSED), re.IGNORECASE)
ALLOWED = [  # file or folder, the words, why
    ("tests/architecture/test_words.py", set(UNUSED), "this list"),
    ("benchmarks/experiments/diffusion", {"law"}, "a probability distribution, of data or of the reverse's end"),
    ("tests/experiments/diffusion", {"law"}, "the same"),
    ("reports/sections", {"law"}, "the law of averages"),
    ("docs/note/diffusion.md", {"law"}, "a method of a target, which gives its distribution"),
    ("reports/templates/report.typ", {"place"}, "a function of typst"),
    ("benchmarks/store/schema.py", {"place"}, "the name of a table in older stores"),
    ("tests/store/test_versions.py", {"place"}, "the same"),
    ("reports/sections/along_training.py", {"place"}, "a key in older stores"),
    ("reports/sections/reverse_test.py", {"verdict"}, "a key in older stores"),
    ("benchmarks/checks/properties.py", {"claim"}, "the former name of `properties`, in the error that says so"),
    ("tests/checks/test_former_names.py", {"claim"}, "the same"),
    ("CHANGELOG.md", {"claim"}, "the same"),
]
MODULES = re.compile(r"test_(laws|claims)\w*")  # tests that get other names
# The result of the bias test is the key `verdict` of `measure --json`, which scripts use, and so an attribute
BIAS_VERDICT = re.compile(r"""\bverdict(?=["'`:=])|\.verdict\b|\bbias_verdict\b""")


def texts() -> Iterator[tuple[str, str]]:
    """Every text of ours with its path; of the changelog the newest version."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile", "mkdocs.yml", "pyproject.toml"):
        yield name, (ROOT / name).read_text(encoding="utf-8")
    versions = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")
    yield "CHANGELOG.md", "\n".join(versions[:2])


def unused_words(file: str, text: str) -> Iterator[str]:
    """Each line with a word of UNUSED, alone or as a part of a name, where it is not allowed."""
    allowed = {word for path, words, _ in ALLOWED if file == path or file.startswith(f"{path}/") for word in words}
    for number, line in enumerate(text.splitlines(), 1):
        if not ANY_UNUSED.search(line):
            continue
        for part in PART.findall(BIAS_VERDICT.sub("", MODULES.sub("", line))):
            word = part.lower()
            word = word if word in UNUSED else word.removesuffix("s")
            if word in UNUSED and word not in allowed:
                yield f"{file}:{number}: {word}; say {UNUSED[word]}"


def test_unused_words_do_not_come_back() -> None:
    assert [each for file, text in texts() for each in unused_words(file, text)] == []


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("def laws_of_the_court() -> None:", 2),
        ("class TrialRuling(Placement): pass", 2),
        ("replace it in the lawn; reclaim, trialled", 0),
        ('assert summary["bias"]["verdict"] == bias.verdict', 0),
        ("verdict = assess_bias(moments)", 1),
    ],
)
def test_the_search(line: str, count: int) -> None:
    assert len(list(unused_words("benchmarks/x.py", line))) == count


def test_the_list_of_exceptions_is_not_stale() -> None:
    known = dict(texts())
    for path, words, _ in ALLOWED:
        inside = "\n".join(text for file, text in known.items() if file == path or file.startswith(f"{path}/"))
        parts = {part.lower().removesuffix("s") for part in PART.findall(inside)}
        assert words <= parts, path
