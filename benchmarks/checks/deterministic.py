"""Checks that a problem is deterministic: its methods draw nothing, keep nothing, and treat draws separately."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from gradmark.benchmarks.checks.cases import HOST, Case, coordinate
from gradmark.benchmarks.checks.exceptions import blamed
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.dispatch import Dispatch
from gradmark.benchmarks.quadrature.replay import is_draw
from gradmark.estimators.core import Params, Problem, gradient_of_sum

SAME = 1e-6  # times 1 + the number: rounding of sums and of inverse transforms
REPLICATES, DRAWS = 2, 3
NOISE = "a dropout layer in training mode draws; call .eval() on the module, or make the noise a part of z"
KEPT = "a module in training mode keeps running averages; call .eval() on it, and keep nothing between calls"


def drawn(case: Case, replicates: tuple[int, ...], samples: tuple[int, ...]) -> tuple[Problem, Params, torch.Tensor]:
    """The problem that an estimator sees, parameters that require gradients, and draws of z."""
    params = {
        name: value.expand((*replicates, *value.shape)).clone().requires_grad_() for name, value in case.params.items()
    }
    with seeded(1, HOST):
        problem = case.problem.draw(replicates[0]) if replicates else case.problem.template
        return problem, params, problem.distribution(params).sample(samples)


@check
def problem_draws_nothing(case: Case) -> CheckResult:
    """`distribution`, `log_prob` and `cost` draw nothing, change no parameter, and give the same numbers twice."""
    problem, params, z = drawn(case, (REPLICATES,), (DRAWS,))
    q = problem.distribution(params)
    calls: dict[str, Callable[[], Any]] = {
        "distribution": lambda: problem.distribution(params),
        "log_prob": lambda: q.log_prob(z),
        "cost": lambda: problem.cost(params, z, q),
    }
    kept = {name: value.detach().clone() for name, value in params.items()}
    for name, call in calls.items():
        call()  # the first call may fill a cache, with or without random numbers
        with _watched() as used:
            once, again = call(), call()
        if used:
            return failed(f"`{name}` draws from {used[0]}{_where(call)}; only z may be random: {NOISE}")
        if not all(torch.equal(value.detach(), params[key].detach()) for key, value in kept.items()):
            return failed(f"`{name}` changes the parameters that it is given: {KEPT}")
        if name == "distribution":
            once, again = once.log_prob(z), again.log_prob(z)
        if not close(once, again):
            return failed(
                f"`{name}` gives other numbers when it is called again with the same draws: it draws from a generator "
                f"of its own, or keeps something between calls; {KEPT}",
                error=_distance(once, again),
            )
    return passed(SAME)


@contextmanager
def _watched() -> Iterator[list[str]]:
    """The names of the generators that the block uses, complete at its end; all are restored."""
    used: list[str] = []
    generator, before = torch.default_generator, torch.default_generator.get_state()
    pythons, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002  # a problem may use it
    try:
        yield used
    finally:
        if not torch.equal(generator.get_state(), before):
            used.append("torch's generator")
            generator.set_state(before)
        after: Any = np.random.get_state()  # noqa: NPY002
        if not all(np.array_equal(one, other) for one, other in zip(numpys, after, strict=True)):
            used.append("numpy's generator")
            np.random.set_state(numpys)  # noqa: NPY002
        if random.getstate() != pythons:
            used.append("Python's generator")
            random.setstate(pythons)


class _Located(Dispatch):
    """Keeps the line of the first operation that draws."""

    where = ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_draw(func) and not self.where:
            self.where = blamed(traceback.extract_stack())
        return func(*args, **(kwargs or {}))


def _where(call: Callable[[], Any]) -> str:
    """` (file:line)` of the first draw of torch in the call, or an empty text."""
    with _watched(), _Located() as located:
        call()
    return located.where


@check
def log_prob_is_the_same_anew(case: Case) -> CheckResult:
    """log q of a draw and its gradient are equal for a q that is built anew from the same parameters."""
    problem, params, _ = drawn(case, (REPLICATES,), ())
    q = problem.distribution(params)
    with seeded(1, HOST):
        z = q.sample((DRAWS,))
    here, anew = q.log_prob(z), problem.distribution(params).log_prob(z)
    if not close(here, anew):
        detail = (
            "log q of a draw changes when q is built anew from the same parameters: q keeps something between calls"
        )
        return failed(detail, error=_distance(here, anew))
    found, expected = gradient_of_sum(here, params), gradient_of_sum(anew, params)
    for name, value in expected.items():
        if not close(found[name], value):
            distance = (found[name] - value).abs().nan_to_num(torch.inf).reshape(REPLICATES, -1).amax(0)
            return failed(
                "the gradient of log q of a draw changes when q is built anew: q keeps how it made the draw, as a "
                "transform's cache does, and so hides parameters; use cache_size=0",
                coordinate({name: value[0]}, int(distance.argmax())),
                float(distance.max()),
            )
    return passed(SAME)


@check
def seeds_decide_the_draws(case: Case) -> CheckResult:
    """The same seed of torch's generator gives the same draws of z."""
    problem, params, z = drawn(case, (REPLICATES,), (DRAWS,))
    if case.is_source:
        return skipped("the rows of a minibatch are drawn, too")
    with _watched() as used, seeded(1, HOST):
        again = problem.distribution(params).sample((DRAWS,))
    if used:
        return failed(
            f"`sample` draws from {used[0]}, which torch's seed does not determine; use torch's default generator"
        )
    return passed() if close(z, again) else failed("`sample` gives other draws from the same seed of torch's generator")


@check
def draws_do_not_mix(case: Case) -> CheckResult:
    """The cost and log q of a draw do not depend on other draws, replicates or rows."""
    problem, params, z = drawn(case, (REPLICATES,), (DRAWS,))
    numbers = _numbers(problem, params, z)
    views = [("draws", [value[1:2] for value in numbers], _numbers(problem, params, z[1:2]))]
    if not case.is_source:
        first = {name: value[:1] for name, value in params.items()}
        views.append(("replicates", [value[:, :1] for value in numbers], _numbers(problem, first, z[:, :1])))
    if len(problem.distribution(params).batch_shape) > 1:
        moved = z.clone()
        moved[:, :, 0] = z[:, :, 0].roll(1, 0)
        after = [value[:, :, 1:] for value in _numbers(problem, params, moved)]
        views.append(("rows", [value[:, :, 1:] for value in numbers], after))
    for what, together, alone in views:
        for name, value, expected in zip(("log_prob", "cost"), together, alone, strict=True):
            if not close(value, expected):
                return failed(
                    f"`{name}` of a draw depends on the other {what}, as with a batch-norm layer in training mode; "
                    "call .eval() on the module",
                    error=_distance(value, expected),
                )
    return passed(SAME)


def _numbers(problem: Problem, params: Params, z: Tensor) -> list[Tensor]:
    q: Distribution = problem.distribution(params)
    return [q.log_prob(z), problem.cost(params, z, q)]


def close(found: Tensor, expected: Tensor) -> bool:
    """Whether all numbers are equal up to rounding; NaN equals NaN."""
    return found.shape == expected.shape and torch.allclose(found, expected, SAME, SAME, equal_nan=True)


def _distance(found: Tensor, expected: Tensor) -> float | None:
    if found.shape != expected.shape:
        return None
    return float((found - expected).detach().abs().nan_to_num(0.0, 0.0, 0.0).max())
