"""storchastic: stochastic computation graphs in torch, one replicate at a time.

Importing it replaces four functions of torch and switches the validation of arguments off, for the whole process. Here
they are put back after each of its turns, so that nobody else is timed with its functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Normal

from gradmark.benchmarks.experiments.speed.contenders import Absent, Contender, library
from gradmark.benchmarks.experiments.speed.peers.replicates import one_at_a_time
from gradmark.benchmarks.experiments.speed.peers.surrogates import Model, bernoulli, cost, layer, model_of, normal
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.problems import BernoulliVAE
from gradmark.estimators import DisARM, LeaveOneOut, Reparameterization

PATCHED = ((torch, "is_tensor"), *((Tensor, name) for name in ("to", "le", "gt")), (Distribution, "_validate_args"))
_own: dict[str, Any] = {}  # what the import put there


def contender(work: Work, device: torch.device) -> Contender:
    """The contender in torch as storchastic changes it."""
    with _patched():
        storch = library("storch")
        if isinstance(work.estimator, DisARM):
            raise Absent("its DisARM (0.3.7) adds the antithetic cost instead of subtracting it")
        rows = isinstance(work.problem, BernoulliVAE)
        gradient = (_with_rows if rows else _shared)(storch, work, device)
        plain = one_at_a_time("storchastic", work.per_coordinate, gradient)

    def turn(replicates: int, seed: int) -> Array:
        with _patched():
            return plain.turn(replicates, seed)

    return Contender(plain.name, turn)


@contextmanager
def _patched() -> Iterator[None]:
    """torch with storchastic's functions, once it was imported; as it was before at the end."""
    before = {name: getattr(owner, name) for owner, name in PATCHED}
    for owner, name in PATCHED:
        if name in _own:
            setattr(owner, name, _own[name])
    try:
        yield
    finally:
        _own.update({name: getattr(owner, name) for owner, name in PATCHED})
        for owner, name in PATCHED:
            setattr(owner, name, before[name])


def _method(storch: Any, work: Work) -> Any:
    if isinstance(work.estimator, Reparameterization):
        return storch.method.Reparameterization("z", n_samples=work.num_samples)
    baseline = "batch_average" if isinstance(work.estimator, LeaveOneOut) else None
    return storch.method.ScoreFunction("z", n_samples=work.num_samples, baseline_factory=baseline)


def _backward(storch: Any, found: Any, params: Sequence[Tensor], weight: int = 1) -> list[Tensor]:
    """The gradient of the mean over draws and rows, times `weight`; the parameters' own are given back as None."""
    storch.add_cost(found, "cost")
    storch.backward()
    gradient = [torch.zeros_like(value) if value.grad is None else value.grad * weight for value in params]
    for value in params:
        value.grad = None
    return gradient


def _shared(storch: Any, work: Work, device: torch.device) -> Callable[[], Sequence[Tensor]]:
    """All of z is one draw, and the cost is summed over rows."""
    params = {name: value.requires_grad_() for name, value in work.params(device).items()}
    model = model_of(work.problem, work.rows(device))
    pathwise, single = isinstance(work.estimator, Reparameterization), work.num_samples == 1

    def gradient() -> Sequence[Tensor]:
        q = model.q(params).base_dist  # type: ignore[attr-defined]
        z = _method(storch, work)(Normal(q.mean, q.stddev))

        def costs(z: Tensor) -> Tensor:
            held = normal(q.mean, q.stddev) if pathwise else normal(q.mean.detach(), q.stddev.detach())
            found = cost(model, params, z.unsqueeze(0) if single else z, held)
            found = found.reshape(len(found), -1).sum(1)
            return found[0] if single else found

        return _backward(storch, storch.deterministic(costs)(z), list(params.values()))

    return gradient


def _with_rows(storch: Any, work: Work, device: torch.device) -> Callable[[], Sequence[Tensor]]:
    """Each row has draws of its own, so that its baseline is its own too."""
    params = {name: value.requires_grad_() for name, value in work.params(device).items()}
    rows = work.rows(device)
    assert rows is not None, "an auto-encoder has rows"
    model: Model = model_of(work.problem, rows)

    def costs(z: Tensor, logits: Tensor) -> Tensor:
        return cost(model, params, z, bernoulli(logits.detach()))

    def gradient() -> Sequence[Tensor]:
        encode = storch.deterministic(lambda x: layer(params, "encoder_logits", x))
        logits = encode(storch.denote_independent(rows, 0, "rows"))
        z = _method(storch, work)(Bernoulli(logits=logits))
        return _backward(storch, storch.deterministic(costs)(z, logits), list(params.values()), len(rows))

    return gradient
