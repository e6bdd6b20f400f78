"""Means and variances of relaxed estimators of one bit with cost (b − t)², by quadrature over their uniforms.

Written from the definitions, u to z = φ + logit u and v to z̃ by the inverse of the truncated distribution function,
and not as the package writes them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tests.estimators.closed_forms import Answer

NODES = 64  # in each panel of a rule

Control = Callable[[Tensor], Tensor]  # the control variate c(z)


def panels(*edges: float) -> tuple[Tensor, Tensor]:
    """Gauss–Legendre nodes and weights on the panels between the edges."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    nodes = [(high - low) / 2 * x + (high + low) / 2 for low, high in itertools.pairwise(edges)]
    weights = [(high - low) / 2 * w for low, high in itertools.pairwise(edges)]
    return torch.from_numpy(np.concatenate(nodes)), torch.from_numpy(np.concatenate(weights))


def _slope(value: Tensor, logit: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(value.sum(), logit, create_graph=True)
    return found


def answer(gradient: Tensor, weight: Tensor) -> Answer:
    mean = (weight * gradient).sum()
    return mean.item(), ((weight * gradient**2).sum() - mean**2).item()


def gumbel_softmax(p: float, t: float, temperature: float, straight_through: bool) -> Answer:
    """Relaxed bits, with the cost's slope taken at the relaxed draw or at the hard one."""
    u, weight = panels(0.0, (1 - p) / 2, 1 - p, 1 - p / 2, 1.0)
    logit = torch.full_like(u, p).logit().requires_grad_()
    soft = ((logit + u.logit()) / temperature).sigmoid()
    at = (u > 1 - p).double() if straight_through else soft.detach()
    return answer(2 * (at - t) * _slope(soft, logit).detach(), weight)


def controlled(p: float, t: float, control: Control, held: bool = False) -> tuple[Tensor, Tensor]:
    """[f(b) − c(z̃)] ∂ log q(b) + ∂c(z) − ∂c(z̃) on a grid over (u, v), differentiable in what `control` holds.

    With `held`, the noise of z̃ is held constant, which p(z | b) makes depend on the logit: a mistake.
    """
    (u, first), (v, second) = panels(0.0, 1 - p, 1.0), panels(0.0, 0.5, 1.0)
    u, v = (each.flatten() for each in torch.meshgrid(u, v, indexing="ij"))
    logit = torch.full_like(u, p).logit().requires_grad_()
    prob = logit.sigmoid()
    b = (u > 1 - p).double()
    again = b * (1 - prob + v * prob) + (1 - b) * v * (1 - prob)
    tilde = logit + (again.detach() if held else again).logit()
    gradient = ((b - t) ** 2 - control(tilde.detach())) * (b - p)
    gradient = gradient + _slope(control(logit + u.logit()), logit) - _slope(control(tilde), logit)
    return gradient, torch.outer(first, second).flatten()


def rebar(p: float, t: float, eta: float, temperature: float, held: bool = False) -> Answer:
    """c(z) = eta (σ(z/temperature) − t)²."""
    gradient, weight = controlled(p, t, lambda z: eta * ((z / temperature).sigmoid() - t) ** 2, held)
    return answer(gradient.detach(), weight)


def expected_square(p: float, t: float, eta: Tensor, log_temperature: Tensor) -> Tensor:
    """E|g|² of REBAR, to be differentiated in its coefficients."""
    gradient, weight = controlled(p, t, lambda z: eta * ((z / log_temperature.exp()).sigmoid() - t) ** 2)
    return (weight * gradient**2).sum()


def relax(p: float, t: float, state: dict[str, Tensor]) -> Answer:
    """c(z) = η (σ(z/τ) − t)² + Σ_j w_j tanh(a_j z + b_j) + e, with the coefficients of one replicate."""

    def control(z: Tensor) -> Tensor:
        relaxed = ((z / state["log_temperature"].exp()).sigmoid() - t) ** 2
        units = (state["hidden_weight"].squeeze(-1) * z.unsqueeze(-1) + state["hidden_bias"]).tanh()
        return state["eta"] * relaxed + units @ state["output_weight"].squeeze(0) + state["output_bias"]

    gradient, weight = controlled(p, t, control)
    return answer(gradient.detach(), weight)
