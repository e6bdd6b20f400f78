"""Specs are data: calls and literals, never run; a mistyped one suggests the nearest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import specs
from benchmarks.errors import BadInput
from estimators.spec import Spec


@pytest.mark.parametrize(
    "text",
    [
        "GaussianToy()",
        'GaussianToy(function="cos", k=2.0)',
        "BernoulliToy(probs=(0.1, 0.9))",
        "Minibatch(problem=LinearGaussian(rows=12), size=5)",
        "Minibatch(problem=GaussianVAE(hidden=8, latents=3), size=7)",
    ],
)
def test_text_is_the_object(text: str) -> None:
    found = specs.problem(text)
    assert specs.problem(str(found)) == found


def test_one_cell_however_it_is_written() -> None:
    assert str(specs.problem(" GaussianToy( k = 1 , loc=1 )")) == "GaussianToy(k=1.0)"
    assert specs.problem("BernoulliToy([0.3])") == specs.problem("BernoulliToy()")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("ScoreFuncton()", "did you mean ScoreFunction"),
        ("ScoreFunction", "a spec is a call; write ScoreFunction()"),
        ("__import__('os').system('touch pwned')", "is no name"),
        ("ScoreFunction(**{})", "write the fields out"),
        ("ScoreFunction(k=1)", "takes the fields"),
        ("MovingAverageBaseline(decay=2)", "decay must be in"),
        ("MovingAverageBaseline(decay='a')", "expected float, got 'a'"),
        ("MovingAverageBaseline(decay=True)", "expected float, got True"),
        ("MovingAverageBaseline(decay=open)", "is no literal"),
        ("MovingAverageBaseline(decay=0.5 + 0.1)", "is no literal"),
        ("MovingAverageBaseline(decay=1e999)", "expected a finite number"),
        ("GaussianToy()", "is no Estimator"),
        ("no.such.module.Thing()", "cannot import"),
        ("estimators.core.Nothing()", "has no 'Nothing'"),
        ("(", "not a spec"),
        ("", "not a spec"),
        ("f(" * 500 + ")" * 500, "not a spec"),
    ],
)
def test_bad_specs_are_one_line(text: str, part: str) -> None:
    with pytest.raises(BadInput, match=r".*") as caught:
        specs.estimator(text)
    assert part in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not Path("pwned").exists()


def test_a_plug_in_is_dotted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_for_specs.py").write_text(
        "from dataclasses import dataclass\nfrom estimators import ScoreFunction\n"
        "@dataclass(frozen=True)\nclass Mine(ScoreFunction):\n    k: int = 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = specs.estimator("mine_for_specs.Mine(k=3)")
    assert str(found) == "mine_for_specs.Mine(k=3)"
    assert specs.estimator(str(found)) == found
    assert isinstance(found, Spec)
    del sys.modules["mine_for_specs"]
