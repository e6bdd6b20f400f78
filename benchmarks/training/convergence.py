"""Training runs, many seeds at once, evaluated the same way for every method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Training
from gradmark.benchmarks.json_numbers import finite
from gradmark.benchmarks.measurement.block import block_seed, device_of, lifted, seeded
from gradmark.benchmarks.measurement.forms import check_step
from gradmark.benchmarks.measurement.memory import check_fits
from gradmark.benchmarks.training.evidence import decompose
from gradmark.benchmarks.training.solvers import Solver
from gradmark.estimators.core import LatentVariableModel, Params, Problem

NUMBERS = 2**23  # in the largest tensor of one evaluation without an oracle
FEWEST, MOST = 8, 512  # draws of one evaluation
FALL = 64  # units of rounding by which a step of EM or CAVI may seem to lower the bound


def prepare(training: Training) -> tuple[Problem, Solver, Params]:
    """The problem, the solver and the starting parameters, in the run's dtype and device, a replicate for each seed."""
    problem, solver = specs.problem(training.problem), specs.solver(training.solver)
    dtype, device = getattr(torch, training.dtype), torch.device(training.device)
    start = {name: value.to(device, dtype) for name, value in problem.init().items()}
    check_fits(problem, getattr(solver, "num_samples", 1), start, training.seeds)
    return problem, solver, lifted(start, training.seeds)


class Evaluation(NamedTuple):
    """What is known of a point in a run, `[*R]` each."""

    objective: Tensor  # the expected cost
    stderr: Tensor | None  # of the objective; None from the oracle
    gap: Tensor | None  # objective + log p(x); None where log p(x) is not known
    evidence: Tensor | None = None  # log p(x)
    divergence: Tensor | None = None  # KL(q ‖ p(z|x)), computed by itself; None where the posterior is not known


def train(training: Training, tick: Callable[[float], object] = lambda done: None) -> dict[str, Any]:
    """One run: steps, and the objective and gap of every seed at each; `tick` hears which fraction is done.

    The draws of step t are seeded by problem, step and seed, and not by the solver, so that runs are paired.
    """
    problem, solver, params = prepare(training)
    stops = sorted({round(i * training.steps / (training.evaluations - 1)) for i in range(training.evaluations)})
    rows: list[Evaluation] = []
    state = solver.init(problem, params)
    for step in range(training.steps + 1):
        if step in stops:
            rows.append(evaluate(problem, params, solver.tight))
            if solver.monotone and len(rows) > 1:
                _never_falls(solver, step, -rows[-2].objective, -rows[-1].objective, step - stops[len(rows) - 2])
            tick(step / training.steps)
        if step < training.steps:
            seed = block_seed(problem, 0, "training", training.seed, training.seeds, step)
            with seeded(seed, device_of(params)):
                stepped = solver.step(problem.draw(training.seeds, sharing=1), params, state)
            params, state = check_step(solver, stepped, params, state)
    objective, stderr, gap, evidence, divergence = (_table(column) for column in zip(*rows, strict=True))
    kind = (
        "oracle" if stderr is None else f"{evaluation_draws(problem, training.seeds)} draws, the same for every method"
    )
    cited = {"reference": getattr(getattr(solver, "estimator", None), "reference", None)}
    cited |= {"solver_reference": solver.reference}
    curves = {"steps": stops, "objective": objective, "stderr": stderr, "gap": gap}
    curves |= {"evidence": evidence, "divergence": divergence, "tight": solver.tight, "rows": _rows_of_a_step(problem)}
    return finite({**curves, "evaluation": kind, "parts": parts(problem, solver), **cited})


def parts(problem: Problem, solver: Solver) -> dict[str, Any]:
    """What a report names of a run, as plain data, so that it need not read specs or repeat defaults of classes.

    `solver` is the class of the solver and `estimator` the text of the estimator that it uses (None for EM and CAVI);
    `problem` is the text of the problem with all rows, and `minibatch` how many of them a step sees (None for all).
    """
    estimator, whole = getattr(solver, "estimator", None), problem.template
    return {
        "solver": type(solver).__name__,
        "estimator": None if estimator is None else str(estimator),
        "problem": str(whole),
        "minibatch": None if whole is problem else getattr(problem, "size", None),
    }


def _never_falls(solver: Solver, step: int, before: Tensor, after: Tensor, steps: int) -> None:
    """Raise ArithmeticError where the bound fell by more than rounding, FALL eps (1 + |bound|) for each step."""
    least = -FALL * steps * torch.finfo(after.dtype).eps * (1 + after.abs())
    if not bool((after - before >= least).all()):
        worst = int((after - before - least).argmin())
        what, hook = ("log p(x)", "maximise") if solver.tight else ("the bound", "coordinate")
        raise ArithmeticError(
            f"{solver}, step {step}: {what} fell from {float(before[worst]):.17g} to {float(after[worst]):.17g}, "
            f"which its step cannot do; the problem's {hook} is wrong"
        )


def _rows_of_a_step(problem: Problem) -> int | None:
    """How many rows of data a step sees; None for a problem without data."""
    size = getattr(problem, "size", None) if problem.template is not problem else None
    return size or (problem.template.num_rows if isinstance(problem.template, LatentVariableModel) else None)


def one_step(training: Training) -> Callable[[], object]:
    """A call that makes one step of one seed, on rows drawn beforehand, for timing."""
    problem, solver, params = prepare(training)
    params = {name: value[:1] for name, value in params.items()}
    problem, state = problem.draw(1), solver.init(problem, params)
    return lambda: solver.step(problem, params, state)


def evaluate(problem: Problem, params: Params, tight: bool = False) -> Evaluation:
    """The objective at these parameters, and the parts that log p(x) splits into where they are known.

    `tight` is for a solver whose q is p(z|x), where the bound is log p(x) and nothing is left of the gap.
    """
    problem, axes = problem.template, len(next(iter(params.values())))
    with torch.no_grad():
        if tight and isinstance(problem, LatentVariableModel):
            known = problem.log_evidence(params)
            assert known is not None, "EM has a posterior"
            evidence = known.reshape(axes, -1).sum(1)
            return Evaluation(-evidence, None, torch.zeros_like(evidence), evidence, torch.zeros_like(evidence))
        exact = problem.exact(params)
        if exact is None:
            objective, stderr = sampled_cost(problem, params)
        else:
            objective, stderr = exact.reshape(axes, -1).sum(1), None
        split = decompose(problem, params)
        if split is not None:
            parts = (part.reshape(axes, -1).sum(1) for part in (split.log_evidence, split.divergence))
            evidence, divergence = parts
            return Evaluation(objective, stderr, objective + evidence, evidence, divergence)
        known = problem.log_evidence(params) if isinstance(problem, LatentVariableModel) else None
        gap = None if known is None else objective + known.reshape(axes, -1).sum(1)
    return Evaluation(objective, stderr, gap)


def sampled_cost(problem: Problem, params: Params) -> tuple[Tensor, Tensor]:
    """Mean and standard error of the cost over a fixed number of draws from a fixed seed, `[*R]` each."""
    problem, axes = problem.template, len(next(iter(params.values())))
    draws = evaluation_draws(problem, axes)
    seed = block_seed(problem, draws, "evaluation", 0, axes, 0)
    with torch.no_grad(), seeded(seed, device_of(params)):
        q = problem.distribution(params)
        costs = [problem.cost(params, q.sample((1,)), q)[0].reshape(axes, -1).sum(1) for _ in range(draws)]
    every = torch.stack(costs).double()
    return every.mean(0), every.std(0) / draws**0.5


def evaluation_draws(problem: Problem, replicates: int) -> int:
    """How many draws an evaluation without an oracle takes: fewer where one draw of the cost is large."""
    return min(max(NUMBERS // (problem.template.footprint * replicates), FEWEST), MOST)


def _table(column: tuple[Tensor | None, ...]) -> list[list[float]] | None:
    return None if column[0] is None else [row.tolist() for row in column if row is not None]
