"""Specs are data: calls and literals, never run; a mistyped one suggests the nearest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gradmark.benchmarks import spec_text, specs
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.suggestions import OTHER_NAMES


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


@pytest.mark.parametrize(
    "text",
    [
        "A()",
        'my.module.A(b=(1, -2.5), c=("x",), d=True, e=None)',
        'my/file.py:A(problem=B(c="\\n \\"q\\""), size=1e-05)',
    ],
)
def test_a_parsed_call_spells_itself(text: str) -> None:
    assert str(spec_text.parse(text)) == text


def test_one_cell_however_it_is_written() -> None:
    assert str(specs.problem(" GaussianToy( k = 1 , loc=1 )")) == "GaussianToy(k=1.0)"
    assert specs.problem("BernoulliToy([0.3])") == specs.problem("BernoulliToy()")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("ScoreFuncton()", "did you mean ScoreFunction"),
        ("ScoreFunction", "a spec is a call; write ScoreFunction()"),
        ("__import__('os').system('touch pwned')", "is not a name"),
        ("ScoreFunction(**{})", "write the fields out"),
        ("ScoreFunction(k=1)", "has no field 'k'; it takes no fields"),
        ("ScoreFunction(1)", "is given 1 values; it takes no fields"),
        ("MovingAverageBaseline(decy=.5)", "did you mean decay? it takes the fields (decay)"),
        ("MovingAverageBaseline(0.5, decay=0.5)", "is given 'decay' twice"),
        ("MovingAverageBaseline(decay=0.5, decay=0.5)", "a field is given twice"),
        ("LeaveOneOut(nmu=3)", "did you mean num_samples (which is given beside the spec, not in it)?"),
        ("MovingAverageBaseline(decay=2)", "decay must be in"),
        ("MovingAverageBaseline(decay='a')", "expected float, got 'a'"),
        ("MovingAverageBaseline(decay=True)", "expected float, got True"),
        ("MovingAverageBaseline(decay=open)", "is not a literal"),
        ("MovingAverageBaseline(decay=0.5 + 0.1)", "is not a literal"),
        ("MovingAverageBaseline(decay={1})", "is not a literal"),
        ("MovingAverageBaseline(decay={'a': 1})", "is not a literal"),
        ("MovingAverageBaseline(decay=b'a')", "is not a literal"),
        ("MovingAverageBaseline(decay=1j)", "is not a literal"),
        ("MovingAverageBaseline(decay=f'{1}')", "is not a literal"),
        ("MovingAverageBaseline(decay=...)", "is not a literal"),
        ("MovingAverageBaseline(decay=1e999)", "expected a finite number"),
        ("MovingAverageBaseline(decay=1" + "0" * 400 + ")", "below 2**63"),
        ("MovingAverageBaseline(decay=0x1" + "0" * 5000 + ")", "below 2**63"),
        ("MovingAverageBaseline(decay=1" + "0" * 5000 + ")", "not a spec"),
        ("MovingAverageBaseline(decay='" + "a" * 5000 + "')", "expected float"),
        ("MovingAverageBaseline(decay='\\ud800')", "expected float"),
        ("MovingAverageBaseline(decay='\ud800')", "not a spec"),
        ("ScoreFunction(\0)", "not a spec"),
        ("MovingAverageBaseline(decay=" + "(" * 90 + "1" + ",)" * 90 + ")", "expected float"),
        ("MovingAverageBaseline(decay=" + "-" * 3000 + "1)", ""),
        ("a" + ".a" * 30000 + "()", ""),
        ("X" * 200000, "at most 100000 characters"),
        ("GaussianToy()", "is not a subclass of Estimator"),
        ("no.such.module.Thing()", "cannot import"),
        ("gradmark.estimators.core.Nothing()", "has no 'Nothing'"),
        ("gradmark.estimators.core.Estimator()", "is abstract"),
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
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("kind", ["estimator", "problem", "solver", "experiment"])
@pytest.mark.parametrize(
    "call",
    [
        'os.system("touch pwned")',
        'subprocess.Popen(("touch", "pwned"))',
        "builtins.exec(\"open('pwned', 'w')\")",
        'pathlib.Path.touch(pathlib.Path("pwned"))',
        "antigravity.X()",
        "torch.manual_seed(0)",
        "torch.nn.Linear(2, 3)",
        'gradmark.benchmarks.studies.provenance.Path("x")',
        "gradmark.benchmarks.studies.measure.measure()",
        "gradmark.benchmarks.__main__.main()",
        "gradmark.benchmarks.studies.terminal.Store(None)",
        "pip.__main__.X()",
    ],
)
def test_nothing_but_a_spec_is_called(kind: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the top, as a field that holds a spec, as one that holds a number, in a tuple, by its position."""
    monkeypatch.chdir(tmp_path)
    loaded = set(sys.modules)
    around = ["{}", "Minibatch(problem={}, size=2)", "Adam(estimator={})", "GaussianToy(k={})", "GaussianToy({})",
              "BernoulliToy(probs=(0.1, ({},)))", "Adam(Adam({}))", "Decomposition({})"]  # fmt: skip
    for text in around:
        with pytest.raises(BadInput):
            getattr(specs, kind)(text.format(call))
    assert list(tmp_path.iterdir()) == []
    assert not (set(sys.modules) - loaded) & {"antigravity", "pip", "pip.__main__", "gradmark.benchmarks.__main__"}


@pytest.mark.parametrize(
    ("kind", "name", "ours"),
    [
        ("estimator", "REINFORCE", "ScoreFunction"),
        ("estimator", "RLOO", "LeaveOneOut"),
        ("estimator", "reparam", "Reparameterization"),
        ("estimator", "reparameterization_trick", "Reparameterization"),
        ("estimator", "STL", "StickingTheLanding"),
        ("estimator", "pathwise", "Reparameterization"),
        ("estimator", "RaoBlackwell", "RaoBlackwellScoreFunction"),
        ("solver", "SGD", "Adam"),
    ],
)
def test_names_of_the_field_lead_to_ours(kind: str, name: str, ours: str) -> None:
    with pytest.raises(BadInput, match=rf"did you mean {ours}\?"):
        getattr(specs, kind)(f"{name}()")


def test_other_names_lead_somewhere_and_nowhere_twice() -> None:
    own = {name for kind in specs.CATALOGUES for name in specs.names(kind)}
    assert set(OTHER_NAMES) <= own
    others = [name for names in OTHER_NAMES.values() for name in names]
    assert len({name.lower() for name in others}) == len(others)
    assert not {name.lower() for name in others} & {name.lower() for name in own}
