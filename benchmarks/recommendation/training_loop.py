"""The lines of Python that train with the recommended estimator: what is imported and made, then a loop of five."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from gradmark.benchmarks import specs
from gradmark.estimators.core import Estimator, Problem, SurrogateEstimator
from gradmark.estimators.spec import Spec

WIDTH = 100  # of a line, beyond which the making of the two objects is split

WITH_A_LOSS = """\
for step in range(1000):
    loss, state = estimator.surrogate({problem}, params, state, num_samples={num_samples})
    optimizer.zero_grad()
    loss.sum().backward()
    optimizer.step()
"""
WITH_A_GRADIENT = """\
for step in range(1000):
    gradient, state = estimator.estimate({problem}, params, state, num_samples={num_samples})
    for name, value in params.items():
        value.grad = gradient[name]
    optimizer.step()
"""


def training_loop(problem: Problem, estimator: Estimator, num_samples: int, device: str, dtype: str) -> str:
    """Lines that run as they are, where the classes can be imported; one replicate is trained."""
    moved = "" if (device, dtype) == ("cpu", "float64") else f'.to("{device}", torch.{dtype})'
    making = f"problem, estimator = {_spelled(problem)}, {_spelled(estimator)}"
    if len(making) > WIDTH:
        making = f"problem = {_spelled(problem)}\nestimator = {_spelled(estimator)}"
    loop = WITH_A_LOSS if isinstance(estimator, SurrogateEstimator) else WITH_A_GRADIENT
    source = problem.template is not problem  # of minibatches: each step has rows of its own
    lines = [
        "import torch",
        *sorted({*_imports(problem), *_imports(estimator)}),
        "",
        making,
        f"params = {{name: value[None]{moved}.requires_grad_() for name, value in problem.init().items()}}",
        f"state = estimator.init({'problem.draw(1)' if source else 'problem'}, params)",
        "optimizer = torch.optim.Adam(params.values(), lr=0.01)",
        loop.format(problem="problem.draw(1)" if source else "problem", num_samples=num_samples),
    ]
    return "\n".join(lines)


def _imports(spec: Spec) -> Iterator[str]:
    """One import for each class of a spec and of its fields; none for a class of the program that runs."""
    for each in _within(spec):
        cls = type(each)
        catalogue = next((specs.CATALOGUES[kind] for kind in specs.LISTED if _is_listed(kind, cls)), cls.__module__)
        if catalogue != "__main__":
            yield f"from {catalogue} import {cls.__qualname__.partition('.')[0]}"


def _is_listed(kind: str, cls: type) -> bool:
    return cls.__module__.startswith("gradmark.") and cls.__name__ in specs.names(kind)


def _within(value: Any) -> Iterator[Spec]:
    if isinstance(value, tuple):
        for each in value:
            yield from _within(each)
    elif isinstance(value, Spec):
        yield value
        for field in dataclasses.fields(value):  # type: ignore[arg-type]
            yield from _within(getattr(value, field.name))


def _spelled(value: Any) -> str:
    """The text of an object with its class by name alone, as it was imported."""
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_spelled, value)) + ("," if len(value) == 1 else "") + ")"
    if not isinstance(value, Spec):
        return repr(value)
    fields = [f for f in dataclasses.fields(value) if getattr(value, f.name) != f.default]  # type: ignore[arg-type]
    arguments = ", ".join(f"{f.name}={_spelled(getattr(value, f.name))}" for f in fields)
    return f"{type(value).__qualname__}({arguments})"
