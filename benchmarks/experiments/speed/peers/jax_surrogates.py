"""The same losses in JAX. Importing this module imports JAX, and raises `Absent` where it is not installed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from gradmark.benchmarks.experiments.speed.contenders import library
from gradmark.benchmarks.experiments.speed.convolutional import ConvolutionalVAE
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.problems import BayesianLogisticRegression, BernoulliVAE, GaussianToy, GaussianVAE
from gradmark.estimators import DisARM, LeaveOneOut, Reparameterization, ScoreFunction

jax, jnp = library("jax"), library("jax.numpy")
stop_gradient = jax.lax.stop_gradient
Arrays = dict[str, Any]
Surrogate = Callable[[Arrays, Any, Any], Any]  # of parameters, noise and rows


class Model(NamedTuple):
    """q's numbers, and log p(x, z), or minus the cost where there are no data."""

    q: Callable[[Arrays, Any], Any]  # of parameters and rows: (loc, log scale), or logits
    log_joint: Callable[[Arrays, Any, Any], Any]  # of parameters, rows and z
    is_bound: bool = True


def normal(z: Any, loc: Any, log_scale: Any) -> Any:
    """log N(z; loc, diag exp(2 log_scale))."""
    return (-0.5 * ((z - loc) * jnp.exp(-log_scale)) ** 2 - log_scale - 0.5 * math.log(2 * math.pi)).sum(-1)


def bernoulli(z: Any, logits: Any) -> Any:
    """log Bernoulli(z; σ(logits)), for intensities in [0, 1] too."""
    return (z * logits - jax.nn.softplus(logits)).sum(-1)


def layer(params: Arrays, name: str, x: Any) -> Any:
    """An affine layer."""
    return x @ params[f"{name}_weight"].T + params[f"{name}_bias"]


def _own(params: Arrays, rows: Any) -> Any:
    return params["loc"], params["log_scale"]


def _regression(params: Arrays, rows: Any, z: Any) -> Any:
    return normal(z, 0.0, 0.0) + jax.nn.log_sigmoid(z @ rows.T).sum(-1)


def _encoded(params: Arrays, rows: Any) -> Any:
    hidden = jnp.tanh(layer(params, "encoder_hidden", rows))
    return layer(params, "encoder_loc", hidden), layer(params, "encoder_log_scale", hidden)


def _decoded(params: Arrays, rows: Any, z: Any) -> Any:
    logits = layer(params, "decoder_logits", jnp.tanh(layer(params, "decoder_hidden", z)))
    return normal(z, 0.0, 0.0) + bernoulli(rows, logits)


def _bits_decoded(params: Arrays, rows: Any, z: Any) -> Any:
    return bernoulli(z, params["prior_logits"]) + bernoulli(rows, layer(params, "decoder_logits", z))


def _convolved(params: Arrays, name: str, x: Any) -> Any:
    """A convolution as torch has it: stride 2, kernel 4, padding 1."""
    out = jax.lax.conv_general_dilated(x, params[f"{name}.weight"], (2, 2), ((1, 1), (1, 1)))
    return out + params[f"{name}.bias"][:, None, None]


def _transposed(params: Arrays, name: str, x: Any) -> Any:
    """A transposed convolution as torch has it: its weight is `[inputs, outputs, 4, 4]`, and not flipped."""
    weight = jnp.flip(params[f"{name}.weight"], (2, 3)).swapaxes(0, 1)
    out = jax.lax.conv_general_dilated(x, weight, (1, 1), ((2, 2), (2, 2)), lhs_dilation=(2, 2))
    return out + params[f"{name}.bias"][:, None, None]


def _dense(params: Arrays, name: str, x: Any) -> Any:
    return x @ params[f"{name}.weight"].T + params[f"{name}.bias"]


def _convolutional_q(params: Arrays, rows: Any) -> Any:
    x = jax.nn.relu(_convolved(params, "encoder.1", rows.reshape(-1, 1, 28, 28)))
    x = jax.nn.relu(_convolved(params, "encoder.3", x))
    return jnp.split(_dense(params, "encoder.6", x.reshape(len(x), -1)), 2, -1)


def _convolutional_joint(params: Arrays, rows: Any, z: Any) -> Any:
    x = jax.nn.relu(_dense(params, "decoder.0", z.reshape(-1, z.shape[-1])))
    x = jax.nn.relu(_transposed(params, "decoder.3", x.reshape(len(x), -1, 7, 7)))
    logits = _transposed(params, "decoder.5", x).reshape(*z.shape[:-1], -1)
    return normal(z, 0.0, 0.0) + bernoulli(rows, logits)


MODELS = {
    GaussianToy: Model(_own, lambda params, rows, z: -(z[..., 0] ** 2), is_bound=False),
    BayesianLogisticRegression: Model(_own, _regression),
    GaussianVAE: Model(_encoded, _decoded),
    BernoulliVAE: Model(lambda params, rows: layer(params, "encoder_logits", rows), _bits_decoded),
    ConvolutionalVAE: Model(_convolutional_q, _convolutional_joint),
}


def surrogate_of(work: Work) -> Surrogate:
    """The loss of a work's estimator."""
    kinds = {
        Reparameterization: _reparameterization,
        ScoreFunction: _score_function,
        LeaveOneOut: _leave_one_out,
        DisARM: _disarm,
    }
    kind, model = kinds[type(work.estimator)], MODELS[type(work.problem)]
    return lambda params, noise, rows: kind(model, params, noise, rows)


def _log_q(q: Any, z: Any) -> Any:
    return normal(z, *q) if isinstance(q, tuple | list) else bernoulli(z, q)


def _cost(model: Model, params: Arrays, rows: Any, z: Any, q: Any) -> Any:
    return (_log_q(q, z) if model.is_bound else 0.0) - model.log_joint(params, rows, z)


def _reparameterization(model: Model, params: Arrays, noise: Any, rows: Any) -> Any:
    loc, log_scale = q = model.q(params, rows)
    return _cost(model, params, rows, loc + jnp.exp(log_scale) * noise, q).mean(0).sum()


def _score_function(model: Model, params: Arrays, noise: Any, rows: Any, baseline: bool = False) -> Any:
    q = model.q(params, rows)
    bits = not isinstance(q, tuple | list)
    z = stop_gradient((noise < jax.nn.sigmoid(q)).astype(noise.dtype) if bits else q[0] + jnp.exp(q[1]) * noise)
    log_q, log_joint = _log_q(q, z), model.log_joint(params, rows, z)
    cost = stop_gradient((log_q if model.is_bound else 0.0) - log_joint)
    if baseline:
        cost = cost - (cost.sum(0) - cost) / (len(cost) - 1)
    return (cost * log_q - log_joint).mean(0).sum()


def _leave_one_out(model: Model, params: Arrays, noise: Any, rows: Any) -> Any:
    return _score_function(model, params, noise, rows, baseline=True)


def _disarm(model: Model, params: Arrays, noise: Any, rows: Any) -> Any:
    logits = model.q(params, rows)
    held = stop_gradient(logits)
    p = jax.nn.sigmoid(held)
    b, paired = (noise > 1 - p).astype(noise.dtype), (noise < p).astype(noise.dtype)
    of_b, of_paired = (_cost(model, params, rows, z, held) for z in (b, paired))
    slope = (stop_gradient(of_b - of_paired)[..., None] * (b - paired)).mean(0) * jax.nn.sigmoid(jnp.abs(held)) / 2
    return (slope * logits).sum() + ((of_b + of_paired) / 2).mean(0).sum()
