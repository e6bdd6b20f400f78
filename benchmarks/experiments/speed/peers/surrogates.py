"""Losses in torch whose gradients are the estimates, for one replicate: as a user writes them, without gradmark.

Parameters are tensors without a replicate axis, `noise` is what one replicate draws. The shapes are those of the
papers' formulas: draws `[K, rows, latents]`, or `[K, d]` where all rows share z.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal
from torch.func import functional_call
from torch.nn import functional

from gradmark.benchmarks.experiments.speed.convolutional import ConvolutionalVAE
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.problems import BayesianLogisticRegression, BernoulliVAE, GaussianToy, GaussianVAE
from gradmark.estimators import DisARM, LeaveOneOut, Reparameterization, ScoreFunction
from gradmark.estimators.core import Problem

Tensors = dict[str, Tensor]
Surrogate = Callable[[Tensors, Tensor], Tensor]  # of parameters and noise


class Model(NamedTuple):
    """A model of the data: q, log p(z) and log p(x|z). Without a prior, the cost is minus the latter alone."""

    q: Callable[[Tensors], Distribution]
    log_likelihood: Callable[[Tensors, Tensor], Tensor]  # of parameters and z
    log_prior: Callable[[Tensors, Tensor], Tensor] | None

    def log_joint(self, params: Tensors, z: Tensor) -> Tensor:
        """log p(x, z)."""
        likelihood = self.log_likelihood(params, z)
        return likelihood if self.log_prior is None else likelihood + self.log_prior(params, z)


def normal(loc: Tensor, scale: Tensor) -> Distribution:
    """A diagonal Gaussian."""
    return Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)


def bernoulli(logits: Tensor) -> Distribution:
    """Independent bits."""
    return Independent(Bernoulli(logits=logits, validate_args=False), 1, validate_args=False)


def standard_normal(params: Tensors, z: Tensor) -> Tensor:
    """log N(z; 0, I)."""
    return normal(torch.zeros_like(z), torch.ones_like(z)).log_prob(z)


def pixels(logits: Tensor, rows: Tensor) -> Tensor:
    """The log-likelihood of intensities in [0, 1]: minus their cross-entropy."""
    return -functional.binary_cross_entropy_with_logits(logits, rows.expand_as(logits), reduction="none").sum(-1)


def layer(params: Tensors, name: str, x: Tensor) -> Tensor:
    """An affine layer."""
    return functional.linear(x, params[f"{name}_weight"], params[f"{name}_bias"])


def toy() -> Model:
    """E[z²] under one Gaussian."""
    return Model(
        lambda params: normal(params["loc"], params["log_scale"].exp()),
        lambda params, z: -z.squeeze(-1).square(),
        None,
    )


def regression(rows: Tensor) -> Model:
    """Bayesian logistic regression on signed features, with a mean-field Gaussian."""
    return Model(
        lambda params: normal(params["loc"], params["log_scale"].exp()),
        lambda params, z: functional.logsigmoid(z @ rows.T).sum(-1),
        standard_normal,
    )


def gaussian_vae(rows: Tensor) -> Model:
    """The auto-encoder of Kingma and Welling, with one layer of tanh units on each side."""

    def q(params: Tensors) -> Distribution:
        hidden = layer(params, "encoder_hidden", rows).tanh()
        return normal(layer(params, "encoder_loc", hidden), layer(params, "encoder_log_scale", hidden).exp())

    def log_likelihood(params: Tensors, z: Tensor) -> Tensor:
        return pixels(layer(params, "decoder_logits", layer(params, "decoder_hidden", z).tanh()), rows)

    return Model(q, log_likelihood, standard_normal)


def bernoulli_vae(rows: Tensor) -> Model:
    """Affine layers and a learned prior."""
    return Model(
        lambda params: bernoulli(layer(params, "encoder_logits", rows)),
        lambda params, z: pixels(layer(params, "decoder_logits", z), rows),
        lambda params, z: bernoulli(params["prior_logits"].expand_as(z)).log_prob(z),
    )


def convolutional_vae(problem: ConvolutionalVAE, rows: Tensor) -> Model:
    """The user's own modules, called as modules are."""
    modules = {name: module.to(rows) for name, module in problem.modules().items()}

    def call(name: str, params: Tensors, x: Tensor) -> Tensor:
        own = {key.removeprefix(f"{name}."): value for key, value in params.items() if key.startswith(f"{name}.")}
        return functional_call(modules[name], own, (x,))

    def q(params: Tensors) -> Distribution:
        loc, log_scale = call("encoder", params, rows).chunk(2, -1)
        return normal(loc, log_scale.exp())

    def log_likelihood(params: Tensors, z: Tensor) -> Tensor:
        return pixels(call("decoder", params, z.flatten(0, -2)).view(*z.shape[:-1], -1), rows)

    return Model(q, log_likelihood, standard_normal)


def model_of(problem: Problem, rows: Tensor | None) -> Model:
    """The model that a problem stands for."""
    if isinstance(problem, GaussianToy):
        return toy()
    assert rows is not None, "all others have data"
    if isinstance(problem, ConvolutionalVAE):
        return convolutional_vae(problem, rows)
    kinds = {BayesianLogisticRegression: regression, GaussianVAE: gaussian_vae, BernoulliVAE: bernoulli_vae}
    return kinds[type(problem)](rows)


def cost(model: Model, params: Tensors, z: Tensor, q: Distribution) -> Tensor:
    """log q − log p(x, z), or a cost without log q."""
    log_q = 0.0 if model.log_prior is None else q.log_prob(z)
    return log_q - model.log_joint(params, z)


def surrogate_of(work: Work, rows: Tensor | None) -> Surrogate:
    """The loss of a work's estimator."""
    model = model_of(work.problem, rows)
    kind = {
        Reparameterization: reparameterization,
        ScoreFunction: score_function,
        LeaveOneOut: leave_one_out,
        DisARM: disarm,
    }[type(work.estimator)]
    return lambda params, noise: kind(model, params, noise)


def reparameterization(model: Model, params: Tensors, noise: Tensor) -> Tensor:
    """The cost of a draw that can be differentiated."""
    q = model.q(params)
    assert isinstance(q, Independent), "as all are here"
    z = q.base_dist.mean + q.base_dist.stddev * noise
    return cost(model, params, z, q).mean(0).sum()


def score_function(model: Model, params: Tensors, noise: Tensor, baseline: bool = False) -> Tensor:
    """The cost times the score, and the cost's own gradient."""
    q = model.q(params)
    z = drawn(q, noise)
    log_q, log_joint = q.log_prob(z), model.log_joint(params, z)
    weight = (-log_joint if model.log_prior is None else log_q - log_joint).detach()
    if baseline:
        weight = weight - (weight.sum(0) - weight) / (len(z) - 1)
    return (weight * log_q - log_joint).mean(0).sum()  # the gradient of log q itself has mean zero and is left out


def leave_one_out(model: Model, params: Tensors, noise: Tensor) -> Tensor:
    """The same with the mean cost of the other draws as baseline."""
    return score_function(model, params, noise, baseline=True)


def disarm(model: Model, params: Tensors, noise: Tensor) -> Tensor:
    """Half the difference of the costs of an antithetic pair of bit vectors, weighed by σ(|logit|)."""
    logits = model.q(params).base_dist.logits  # type: ignore[attr-defined]
    p = logits.detach().sigmoid()
    b, paired = (noise > 1 - p).float(), (noise < p).float()
    q = bernoulli(logits.detach())
    of_b, of_paired = (cost(model, params, z, q) for z in (b, paired))
    slope = ((of_b - of_paired).detach().unsqueeze(-1) * (b - paired)).mean(0) * logits.detach().abs().sigmoid() / 2
    return (slope * logits).sum() + ((of_b + of_paired) / 2).mean(0).sum()


def drawn(q: Distribution, noise: Tensor) -> Tensor:
    """A draw as a function of noise, as a constant."""
    base = q.base_dist  # type: ignore[attr-defined]
    if isinstance(base, Bernoulli):
        return (noise < base.probs).float().detach()
    return (base.mean + base.stddev * noise).detach()


def noise_of(work: Work, count: int, device: torch.device, draw: torch.Generator) -> Tensor:
    """What `count` replicates draw, `[count, *shape]`: uniform for bits, else normal."""
    kind = torch.rand if isinstance(work.problem, BernoulliVAE) else torch.randn
    return kind(count, *work.shape_of_noise, generator=draw, device=device)
