"""Flags that became classes: the same numbers, an error for the old text, and old stores that are still read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.checks.cases import Case
from gradmark.benchmarks.cli import commands
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.suggestions import FORMER_FIELDS
from gradmark.reports.cli import report
from tests.reports.conftest import add, drawn, folded

# The old text and the new one; sums of the first parameter at init, the oracle, and the cost of z = 0 at moved
# parameters, as they were with the flag
FORMER = [
    (
        "LinearGaussian(latents=3, observed=4, rows=5, seed=2, correlated=True)",
        "CorrelatedLinearGaussian(latents=3, observed=4, rows=5, seed=2)",
        (0.07945488760890385, 60.745459019992936, 27.68386141675382),
    ),
    (
        'BernoulliVAE(latents=3, rows=4, layers="nonlinear", hidden=4)',
        "NonlinearBernoulliVAE(latents=3, rows=4, hidden=4)",
        (5.518644702740252, 181.32633042187405, 179.3511072860674),
    ),
    (
        "BernoulliVAE(latents=3, rows=4, learned_prior=False)",
        "FixedPriorBernoulliVAE(latents=3, rows=4)",
        (4.43674081708434, 182.86858412074676, 173.57618244888852),
    ),
    (
        'BernoulliVAE(latents=3, rows=4, layers="nonlinear", hidden=4, learned_prior=False)',
        "NonlinearFixedPriorBernoulliVAE(latents=3, rows=4, hidden=4)",
        (5.518644702740252, 181.45807216468168, 178.98547269225656),
    ),
    (
        'FixedBeliefNetwork(latents=3, observed=4, rows=6, encoder="linear")',
        "AmortisedFixedBeliefNetwork(latents=3, observed=4, rows=6)",
        (0.02648496253630131, 22.112779500955902, 12.27401869703932),
    ),
    (
        'TabularMDP(baseline="value")',
        "ValueBaseline(problem=TabularMDP())",
        (0.0, -0.4996229727247786, -0.8),
    ),
    (
        'ContextualBandit(baseline="value")',
        "ValueBaseline(problem=ContextualBandit())",
        (0.0, -1.7641597880894089, -1.0),
    ),
]


def class_of(text: str) -> str:
    """The name of the class that a text calls."""
    return text.partition("(")[0]


@pytest.mark.parametrize(("now", "numbers"), [each[1:] for each in FORMER], ids=[each[1] for each in FORMER])
def test_the_class_has_the_numbers_of_the_flag(now: str, numbers: tuple[float, float, float]) -> None:
    problem = specs.problem(now)
    params = Case(problem, "moved").params
    q, exact = problem.distribution(params), problem.exact(params)
    z = torch.zeros_like(q.sample())
    assert exact is not None
    found = (next(iter(problem.init().values())).sum(), exact.sum(), problem.cost(params, z, q).sum())
    assert [float(each) for each in found] == pytest.approx(list(numbers), rel=1e-12)


@pytest.mark.parametrize(("before", "now"), [each[:2] for each in FORMER], ids=[each[0] for each in FORMER])
def test_the_old_text_names_the_new_class(before: str, now: str) -> None:
    with pytest.raises(BadInput, match=f"has no field '.*' any more; write {class_of(now)}\\(") as caught:
        specs.problem(before)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_former_field_at_its_former_default_names_the_class_itself() -> None:
    with pytest.raises(BadInput, match=r"write LinearGaussian\(\) instead"):
        specs.problem("LinearGaussian(correlated=False)")
    with pytest.raises(BadInput, match=r"write BernoulliVAE\(\) instead"):
        specs.problem("BernoulliVAE(hidden=5)")  # of affine layers, which had no use for it


def test_every_former_field_is_tried_here() -> None:
    tried = " ".join(before for before, _, _ in FORMER)
    assert [field for fields in FORMER_FIELDS.values() for field in fields if f"{field}=" not in tried] == []


def test_the_command_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["measure", "--problem", "LinearGaussian(correlated=True)", "--estimator", "ScoreFunction()"]
    with pytest.raises(SystemExit) as ended:
        commands.main(arguments)
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.err.count("\n") == 1
    assert "CorrelatedLinearGaussian()" in said.err


def test_an_old_store_is_still_reported(tmp_path: Path) -> None:
    """Its texts no longer spell problems, and its numbers are shown under the names that they were measured with."""
    with Store(tmp_path / "old.store") as store:
        cells = [Cell(before, "ScoreFunction()", replicates=4096) for before, _, _ in FORMER]
        store.plan(cells, [])
        for cell in cells:
            add(store, cell, folded(drawn(2.0)))
    outcome = CliRunner().invoke(report, [str(tmp_path / "old.store"), "-o", str(tmp_path / "old.pdf")])
    assert outcome.exit_code == 0, outcome.output
    assert (tmp_path / "old.pdf").stat().st_size > 10_000
