"""Specs and study files at random: read, or refused in one line; the text of what is read is the object.

`python -m gradmark.benchmarks.trust.fuzz_specs` and `fuzz_studies` do the same with 10⁵ inputs each.
"""

from __future__ import annotations

import os
import random
import typing
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradmark.benchmarks import specs
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.studies import study
from gradmark.benchmarks.trust import fuzz_specs, fuzz_studies, grammar_of_specs

FEW = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
TEXTS = st.text(max_size=20) | st.sampled_from(grammar_of_specs.STRINGS)
VALUES = {
    int: st.integers(-(2**63) + 1, 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000),
    str: TEXTS | st.text(st.characters(categories=["Cs", "Cc", "Zl", "Zs", "Ll", "Po"]), max_size=8),
    bool: st.booleans(),
}
READABLE = [
    (kind, cls) for kind in specs.CATALOGUES for cls in specs.catalogue(kind).values() if kind in grammar_of_specs.KINDS
]


def strategy(hint: typing.Any) -> st.SearchStrategy[typing.Any]:
    """Values of an annotated type, whether or not they make sense to the class."""
    if typing.get_origin(hint) is tuple:
        return st.lists(strategy(typing.get_args(hint)[0]), max_size=3).map(tuple)
    return VALUES.get(hint, st.nothing())


@settings(FEW, max_examples=100)
@given(st.data())
def test_the_text_of_an_object_is_the_object(data: st.DataObject) -> None:
    kind, cls = data.draw(st.sampled_from(READABLE))
    hints = typing.get_type_hints(cls)
    open_ones = [field.name for field in fields(cls) if not strategy(hints[field.name]).is_empty]
    chosen = data.draw(st.lists(st.sampled_from(open_ones), unique=True, max_size=3)) if open_ones else []
    try:
        found = cls(**{name: data.draw(strategy(hints[name])) for name in chosen})
    except (ValueError, TypeError, BadInput):  # the value makes no sense, or a needed field is not there
        return
    assert fuzz_specs.READERS[kind](str(found)) == found
    assert str(fuzz_specs.READERS[kind](str(found))) == str(found)


@pytest.mark.parametrize(
    "text", [*grammar_of_specs.STRINGS, "C:\\new\\table.csv", '"', "\\", "'\"\\\n", "\x7f\x80\xa0"]
)
def test_every_string_reads_back(text: str) -> None:
    """An experiment keeps its texts as they are, so that any string can be put into one."""
    cls = specs.catalogue("experiment")["SampleSize"]
    found = cls(estimators=(text, "a"))
    assert specs.experiment(str(found)) == found
    assert str(found).isascii() or text.isprintable()
    str(found).encode()


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 2**63, -(2**63), pytest.param(10**5000, id="long")]
)
def test_numbers_that_do_not_read_back_are_refused(value: float) -> None:
    for name, field in (("GaussianToy", "k"), ("LinearGaussian", "rows")):
        with pytest.raises(ValueError, match=r"^\w+\(\w+=…\): expected "):
            specs.catalogue("problem")[name](**{field: value})


@FEW
@given(st.randoms(use_true_random=False), st.sampled_from(grammar_of_specs.KINDS))
def test_a_spec_at_random_is_read_or_refused_in_one_line(draw: random.Random, kind: str) -> None:
    text = grammar_of_specs.text(draw, kind)
    assert fuzz_specs.outcome(kind, text) in ("read", "refused"), text


@FEW
@given(st.text(max_size=60), st.sampled_from(grammar_of_specs.KINDS))
def test_any_text_is_read_or_refused_in_one_line(text: str, kind: str) -> None:
    assert fuzz_specs.outcome(kind, text) in ("read", "refused")


@settings(FEW, max_examples=60)
@given(st.randoms(use_true_random=False))
def test_a_study_at_random_is_read_or_refused_line_by_line(tmp_path: Path, draw: random.Random) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(fuzz_studies.content(draw))
    assert fuzz_studies.outcome(path) in ("read", "refused")


def test_the_fuzzers_see_what_they_look_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative controls: a reader that raises, one that does things, one whose text is another object's."""
    toy = specs.problem("GaussianToy()")
    for reader, how in (
        (lambda text: 1 / 0, "raised ZeroDivisionError"),
        (lambda text: fuzz_specs._audit("os.system", ()) or toy, "read after os.system"),
        (lambda text: toy if text == "x" else specs.problem("BernoulliToy()"), "read back as BernoulliToy()"),
    ):
        monkeypatch.setitem(fuzz_specs.READERS, "problem", reader)
        assert fuzz_specs.outcome("problem", "x").startswith(how)
    monkeypatch.setattr(study, "load", lambda name: 1 / 0)
    assert fuzz_studies.outcome(tmp_path).startswith("raised ZeroDivisionError")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"title = 1\n", "title: Input should be a valid string, got 1"),
        (b"a = " + b"[" * 5000, "not TOML"),
        (b"a = " + b"9" * 5000, "not TOML"),
        (b"seed = 0x" + b"f" * 5000, "seed: "),
        (b"replicate = 3\n", "replicate: there is no such key"),
        (b"titel = 't'\n", "titel: there is no such key; did you mean title?"),
        (b"[[variance]]\nreplicate = 3\n", "variance[0].replicate: there is no such key; did you mean replicates"),
        (b"[[convergence]]\nstep = 3\n", "convergence[0].step: there is no such key; did you mean steps"),
        (b'"a\\nb" = 3\n', "'a\\\\nb': there is no such key"),
    ],
)
def test_faults_of_a_study_file(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        study.load(str(path))
    assert part in str(caught.value).replace("\\n", "\\\\n")
    assert all(len(line) < 300 for line in str(caught.value).splitlines())


def test_a_mark_of_byte_order_and_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(b"\xef\xbb\xbf" + fuzz_studies.GOOD.replace("\n", "\r\n").encode())
    assert study.load(str(path)) == study.parse(fuzz_studies.GOOD, "s.toml")


def test_what_is_not_a_regular_file_of_a_studys_size_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2 * 10**9)
    names = ["pipe", "folder", "loop", "large", "none", "x" * 300, "a\0b", "\udcff"]
    for path in (*(tmp_path / name for name in names), Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(BadInput) as caught:
            study.load(str(path))
        assert len(str(caught.value).splitlines()) == 1
