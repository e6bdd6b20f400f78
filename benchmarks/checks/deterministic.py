"""Checks that a problem is deterministic: its calls draw nothing, keep nothing, and a draw's numbers are its own."""

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

from gradmark.benchmarks.checks.cases import HOST, Fixture, coordinate
from gradmark.benchmarks.checks.exceptions import blamed
from gradmark.benchmarks.checks.results import Finding, declined, failed, law, passed
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.dispatch import Dispatch
from gradmark.benchmarks.quadrature.replay import is_draw
from gradmark.estimators.core import Params, Problem, gradient_of_sum

SAME = 1e-6  # times one plus the number: what the order of a sum, or the inverse of a transform, may change
REPLICATES, DRAWS = 2, 3
NOISE = "a dropout layer in training mode does so: call .eval() on the module, or make the noise a part of z"
KEPT = "a module in training mode keeps running averages: call .eval() on it, and keep nothing between calls"


def drawn(
    fixture: Fixture, replicates: tuple[int, ...], samples: tuple[int, ...]
) -> tuple[Problem, Params, torch.Tensor]:
    """The problem that an estimator sees, parameters that require gradients, and draws of z."""
    params = {
        name: value.expand((*replicates, *value.shape)).clone().requires_grad_()
        for name, value in fixture.params.items()
    }
    with seeded(1, HOST):
        problem = fixture.problem.draw(replicates[0]) if replicates else fixture.problem.template
        return problem, params, problem.distribution(params).sample(samples)


@law
def problem_draws_nothing(fixture: Fixture) -> Finding:
    """`distribution`, `log_prob` and `cost` draw nothing, change no parameter, and give the same numbers again."""
    problem, params, z = drawn(fixture, (REPLICATES,), (DRAWS,))
    q = problem.distribution(params)
    calls: dict[str, Callable[[], Any]] = {
        "distribution": lambda: problem.distribution(params),
        "log_prob": lambda: q.log_prob(z),
        "cost": lambda: problem.cost(params, z, q),
    }
    kept = {name: value.detach().clone() for name, value in params.items()}
    for name, call in calls.items():
        call()  # the first may fill a cache, from a generator of its own or from torch's
        with _watched() as used:
            once, again = call(), call()
        if used:
            return failed(f"`{name}` draws from {used[0]}{_where(call)}, and only z may be random; {NOISE}")
        if not all(torch.equal(value.detach(), params[key].detach()) for key, value in kept.items()):
            return failed(f"`{name}` changes the parameters that it is given; {KEPT}")
        if name == "distribution":
            once, again = once.log_prob(z), again.log_prob(z)
        if not close(once, again):
            return failed(
                f"`{name}` gives other numbers when it is called again with the same draws: it draws from a generator "
                f"of its own, or keeps something between calls; {KEPT}",
                size=_apart(once, again),
            )
    return passed(SAME)


@contextmanager
def _watched() -> Iterator[list[str]]:
    """The names of the generators that were used inside, known at the end; all are put back as they were."""
    used: list[str] = []
    generator, before = torch.default_generator, torch.default_generator.get_state()
    pythons, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002  # what the problem's author may use
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
    """` (file:line)` of the first of torch's draws in the call, or nothing."""
    with _watched(), _Located() as located:
        call()
    return located.where


@law
def log_prob_is_the_same_anew(fixture: Fixture) -> Finding:
    """log q of a draw and its gradient are those of a q that is built anew from the same parameters."""
    problem, params, _ = drawn(fixture, (REPLICATES,), ())
    q = problem.distribution(params)
    with seeded(1, HOST):
        z = q.sample((DRAWS,))
    here, anew = q.log_prob(z), problem.distribution(params).log_prob(z)
    if not close(here, anew):
        said = "log q of a draw changes when q is built anew from the same parameters: q keeps something"
        return failed(f"{said} between calls", size=_apart(here, anew))
    found, expected = gradient_of_sum(here, params), gradient_of_sum(anew, params)
    for name, value in expected.items():
        if not close(found[name], value):
            apart = (found[name] - value).abs().nan_to_num(torch.inf).reshape(REPLICATES, -1).amax(0)
            return failed(
                "the gradient of log q of a draw changes when q is built anew: q remembers how it made the draw, as a "
                "transform's cache does, and hides parameters; use cache_size=0",
                coordinate({name: value[0]}, int(apart.argmax())),
                float(apart.max()),
            )
    return passed(SAME)


@law
def seeds_decide_the_draws(fixture: Fixture) -> Finding:
    """The same seed of torch's generator gives the same draws of z."""
    problem, params, z = drawn(fixture, (REPLICATES,), (DRAWS,))
    if fixture.is_source:
        return declined("the rows are drawn, too")
    with _watched() as used, seeded(1, HOST):
        again = problem.distribution(params).sample((DRAWS,))
    if used:
        return failed(f"`sample` draws from {used[0]}, which no seed of torch decides; use torch's default generator")
    return passed() if close(z, again) else failed("`sample` gives other draws from the same seed of torch's generator")


@law
def draws_do_not_mix(fixture: Fixture) -> Finding:
    """cost and log q of a draw depend on no other draw, replicate or row."""
    problem, params, z = drawn(fixture, (REPLICATES,), (DRAWS,))
    numbers = _numbers(problem, params, z)
    views = [("draws", [value[1:2] for value in numbers], _numbers(problem, params, z[1:2]))]
    if not fixture.is_source:
        first = {name: value[:1] for name, value in params.items()}
        views.append(("replicates", [value[:, :1] for value in numbers], _numbers(problem, first, z[:, :1])))
    if len(problem.distribution(params).batch_shape) > 1:
        moved = z.clone()
        moved[:, :, 0] = z[:, :, 0].roll(1, 0)
        after = [value[:, :, 1:] for value in _numbers(problem, params, moved)]
        views.append(("rows", [value[:, :, 1:] for value in numbers], after))
    for what, together, apart in views:
        for name, value, expected in zip(("log_prob", "cost"), together, apart, strict=True):
            if not close(value, expected):
                said = f"`{name}` of a draw depends on the other {what}"
                return failed(
                    f"{said}; a batch-norm layer in training mode does so: call .eval() on the module",
                    size=_apart(value, expected),
                )
    return passed(SAME)


def _numbers(problem: Problem, params: Params, z: Tensor) -> list[Tensor]:
    q: Distribution = problem.distribution(params)
    return [q.log_prob(z), problem.cost(params, z, q)]


def close(found: Tensor, expected: Tensor) -> bool:
    """Whether all numbers are the same up to rounding; infinite where infinite, NaN where NaN."""
    return found.shape == expected.shape and torch.allclose(found, expected, SAME, SAME, equal_nan=True)


def _apart(found: Tensor, expected: Tensor) -> float | None:
    if found.shape != expected.shape:
        return None
    return float((found - expected).detach().abs().nan_to_num(0.0, 0.0, 0.0).max())
