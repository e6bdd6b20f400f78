"""A problem that is at fault is named as such, with the remedy, before any estimator is judged or measured on it.

The checks that draw reject a right problem with probability 1e-6 each, at fixed seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gradmark.benchmarks import checks
from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.checks import PROBLEM_CHECKS, Case, CheckResult
from gradmark.benchmarks.checks.before_measuring import FaultyProblem, check_sound
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner
from gradmark.estimators.core import Problem
from tests.cases import flows, matrix_q, module_models, module_vae, right_siblings
from tests.controls.wrong import problems

RIGHT = (*right_siblings.RIGHT, flows.Flow(), flows.Relaxed(), module_vae.Vmapped(), module_models.Images())


@pytest.mark.each_once
@pytest.mark.parametrize("point", ["init", "moved"])
@pytest.mark.parametrize("problem", RIGHT, ids=str)
def test_right_problems_pass(problem: Problem, point: str) -> None:
    for check in PROBLEM_CHECKS:
        if check is not checks.start_is_the_same_each_time:  # which asks for a spec that is found again
            check(Case(problem, point)).demand()


FAULTY: list[tuple[Problem, Callable[[Case], CheckResult], tuple[str, ...]]] = [
    (
        matrix_q.Correlation(),
        checks.draws_have_the_density,
        ("the distribution's draws do not have its density", "`sample` and `log_prob` disagree"),
    ),
    (flows.Flow(cache=1), checks.log_prob_is_the_same_anew, ("when q is built anew", "cache_size=0")),
    (
        module_vae.Vmapped(dropout=0.2),
        checks.problem_draws_nothing,
        ("`distribution` draws from torch's generator (module_vae.py:", ".eval()"),
    ),
    (
        module_vae.Plain(),
        checks.replicates_are_a_leading_axis,
        ("leading axis of replicates", "torch.func.vmap over the parameters", "(module_vae.py:"),
    ),
    (problems.NoiseOfNumpy(), checks.problem_draws_nothing, ("`cost` draws from numpy's generator",)),
    (problems.NoiseOfPython(), checks.problem_draws_nothing, ("`distribution` draws from Python's generator",)),
    (problems.CostCentred(), checks.draws_do_not_mix, ("`cost` of a draw depends on the other draws", ".eval()")),
    (module_models.Mixing(), checks.draws_do_not_mix, ("`cost` of a draw depends on the other draws", ".eval()")),
    (problems.NoiseOfItsOwn(), checks.problem_draws_nothing, ("`cost` gives other numbers",)),
]


@pytest.mark.parametrize(("problem", "check", "parts"), FAULTY, ids=[str(problem) for problem, _, _ in FAULTY])
def test_the_problem_is_named(problem: Problem, check: Callable[[Case], CheckResult], parts: tuple[str, ...]) -> None:
    result = check(Case(problem, "init"))
    assert result.failed
    assert all(part in result.detail for part in parts), result.detail
    with pytest.raises(FaultyProblem, match="the problem itself is wrong: ") as raised:
        check_sound(problem)
    assert all(part in str(raised.value) for part in parts)


def test_layers_in_training_mode_are_a_fault() -> None:
    """vmap refuses to move a batch norm's averages, and says how; in eval mode the same module is right."""
    with pytest.raises(FaultyProblem, match=r"the problem itself is wrong: .*Module\(evaluated=False\)"):
        check_sound(right_siblings.Module(evaluated=False))
    check_sound(right_siblings.Module())


def test_a_cell_on_a_faulty_problem_is_failed_and_names_it(tmp_path: Path) -> None:
    good = "GaussianToy()"
    bad = "tests.cases.flows.Flow(cache=1)"
    cells = [Cell(problem, "ScoreFunction()", 1, replicates=1024) for problem in (bad, good)]
    with Store(tmp_path / "s") as store:
        runner.run(cells, [], store)
        rows = {record.cell.problem: record for record in store.records()}
    assert rows[good].status == "measured"
    assert rows[bad].status == "failed"
    assert "FaultyProblem: the problem itself is wrong: tests.cases.flows.Flow(cache=1): " in (rows[bad].reason or "")
    assert "use cache_size=0" in (rows[bad].reason or "")
