"""`gradmark recommend` on the command line."""

from __future__ import annotations

import json

import pytest

from tests.cli.test_cli import call
from tests.recommendation.untimed import no_timing as no_timing

pytestmark = pytest.mark.usefixtures("no_timing")
COMMAND = ("recommend", "--problem", "BernoulliToy()", "--estimator", "LeaveOneOut()", "--num-samples", "2")


def test_the_answer_tables_and_code_fit_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    others = ("--estimator", "family:coupled", "--estimator", "StraightThrough()", "--include-biased")
    code, out, err = call(capsys, *COMMAND, *others, "--budget", "600s")
    assert (code, err) == (0, "")
    assert out.startswith("Use DisARM() with num_samples=2: of 3 estimators")
    text, _, lines = out.partition("\nimport torch\n")
    assert max(map(len, text.splitlines())) <= 80
    row = next(line.split("│") for line in text.splitlines() if line.startswith(" DisARM()"))
    assert [cell.strip() for cell in (row[0], row[1], row[3], row[4])] == ["DisARM()", "2", "1 [1, 1]", "1"]
    for title in ("Not separated from the smallest", "Dropped after a round; of each", "Biased, and so not"):
        assert title in text
    assert "loss, state = estimator.surrogate(problem, params, state, num_samples=2)" in lines


def test_one_object_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, *COMMAND, "--estimator", "VarGrad()", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["status"], found["choice"]["estimator"]) == ("clear", "LeaveOneOut()")
    assert (found["left_out"][0]["estimator"], found["left_out"][0]["kind"]) == ("VarGrad()", "refused")
    assert found["left_out"][0]["reason"].startswith("VarGrad.estimate(problem=BernoulliToy()): ")


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--budget", "5m", "must be seconds above zero, such as 60s; pass --budget 300s"),
        ("--budget", "-2", "must be seconds above zero"),
        ("--problem", "BernoulliTyo()", "did you mean BernoulliToy"),
        ("--estimator", "family:score", "must be all, or family: and one of"),
        ("--by", "hours", "'hours' is not one of 'evaluations', 'seconds'"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(
    capsys: pytest.CaptureFixture[str], option: str, value: str, text: str
) -> None:
    code, out, err = call(capsys, *COMMAND, option, value)
    assert (code, out) == (2, "")
    assert err.startswith("gradmark: ")
    assert text in err
    assert len(err.splitlines()) == 1
