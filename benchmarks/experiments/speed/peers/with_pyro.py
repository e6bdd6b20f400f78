"""Pyro: a model, a guide and `Trace_ELBO`, one replicate at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gradmark.benchmarks.experiments.speed.contenders import Absent, Contender, library
from gradmark.benchmarks.experiments.speed.peers.replicates import one_at_a_time
from gradmark.benchmarks.experiments.speed.peers.surrogates import Tensors, model_of
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.estimators import Reparameterization, ScoreFunction


def contender(work: Work, device: torch.device) -> Contender:
    """What Pyro's own estimators reach: paths and scores."""
    pyro = library("pyro")
    fakes = library("pyro.distributions.testing.fakes")
    if not isinstance(work.estimator, Reparameterization | ScoreFunction):
        raise Absent(f"it has no {type(work.estimator).__name__}")
    pathwise = isinstance(work.estimator, Reparameterization)
    if pathwise and model_of(work.problem, work.rows(device)).log_prior is None:
        raise Absent("its cost is a bound: the path of another cost comes with a score of mean zero")
    params = {name: value.requires_grad_() for name, value in work.params(device).items()}
    model, guide = _programs(
        work, params, pyro, pyro.distributions.Normal if pathwise else fakes.NonreparameterizedNormal
    )
    several = work.num_samples > 1
    elbo = pyro.infer.Trace_ELBO(num_particles=work.num_samples, vectorize_particles=several, max_plate_nesting=0)

    def gradient() -> Sequence[Tensor]:
        with pyro.validation_enabled(False):
            return torch.autograd.grad(elbo.differentiable_loss(model, guide), list(params.values()))

    return one_at_a_time("Pyro", work.per_coordinate, gradient)


def _programs(work: Work, params: Tensors, pyro: Any, normal: Any) -> tuple[Callable[[], None], Callable[[], None]]:
    """The model, and the guide, which draws from `normal`."""
    parts = model_of(work.problem, work.rows(next(iter(params.values())).device))
    several = work.num_samples > 1

    def base() -> tuple[Tensor, Tensor]:
        q = parts.q(params).base_dist  # type: ignore[attr-defined]
        return q.mean, q.stddev

    def guide() -> None:
        loc, scale = base()
        pyro.sample("z", normal(loc, scale, validate_args=False).to_event(loc.dim()))

    def model() -> None:
        loc, scale = base()  # of the prior: without one, q as a constant cancels log q from the cost
        if parts.log_prior is not None:
            loc, scale = torch.zeros_like(loc), torch.ones_like(scale)
        prior = pyro.distributions.Normal(loc.detach(), scale.detach(), validate_args=False)
        z = pyro.sample("z", prior.to_event(loc.dim()))
        of_rows = parts.log_likelihood(params, z if several else z.unsqueeze(0))
        likelihood = of_rows.flatten(1).sum(1) if of_rows.dim() > 1 else of_rows
        pyro.factor("likelihood", likelihood if several else likelihood[0])

    return model, guide
