"""Right but unusual estimators that loop: until nothing is rejected, over chunks of replicates, under `torch.func`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Dirichlet, Gamma, Independent

from gradmark.estimators import LeaveOneOut
from gradmark.estimators.core import (
    Estimate,
    Estimator,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
    replicate_axes,
)
from gradmark.estimators.couplings import uniform
from gradmark.estimators.requirements import DifferentiableCost, GaussianFactors, Reparameterizable
from tests.controls.unusual.base import distribution_of, over_axes, refusal


@dataclass(frozen=True)
class RejectionReparameterization(SurrogateEstimator):
    """Gammas by Marsaglia and Tsang's rejection, differentiated through the accepted noise, whose density is corrected.

    With a = α + 1 (one step of shape augmentation), ε the accepted noise, h(ε, a) = (a − ⅓)(1 + ε/√(9a − 3))³ ~
    Gamma(a), u ~ U(0, 1) and the Gamma(α) draw h u^{1/α}; a Dirichlet is such draws normalised:

        g = 1/K Σ_k [cost(z_k) d log π(ε_k)/dparams + d cost(params, z_k)/dparams],   π(ε) = Gamma(h(ε, a); a) ∂h/∂ε

    Unbiased: π is the density of accepted noise, and E_π[cost(z(ε, u; params))] is differentiated by the product rule.
    The loop draws again for what was rejected only, until nothing is: each entry's proposals are its
    own.

    Reference: Reparameterization Gradients through Acceptance-Rejection Sampling Algorithms, Christian A. Naesseth,
    Francisco J. R. Ruiz, Scott W. Linderman, David M. Blei, 2017.
    """

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        q = distribution_of(problem)
        gammas = isinstance(q, Independent) and isinstance(q.base_dist, Gamma) and len(q.event_shape) == 1
        if gammas or isinstance(q, Dirichlet):
            return refusal(self, problem, DifferentiableCost().unmet(problem, num_samples))
        return refusal(self, problem, "z is made of neither Gammas nor a Dirichlet; use Reparameterization()")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        base = q if isinstance(q, Dirichlet) else cast(Gamma, cast(Independent, q).base_dist)
        alpha = base.concentration
        a = alpha + 1
        noise = _accepted(a.detach().expand(num_samples, *a.shape))
        third, slope = a - 1 / 3, (9 * a - 3).rsqrt()
        h = third * (1 + slope * noise) ** 3
        log_pi = Gamma(a, torch.ones_like(a), validate_args=False).log_prob(h)
        log_pi = log_pi + (3 * third * slope).log() + 2 * (1 + slope * noise).log()
        z = h * uniform(a.detach(), num_samples) ** (1 / alpha)
        z = z / (base.rate if isinstance(base, Gamma) else z.sum(-1, keepdim=True))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        return (cost.detach() * log_pi.sum(-1) + cost).mean(0), state


def _accepted(a: Tensor) -> Tensor:
    """The accepted noise for Gammas of shape a ≥ 1."""
    third, pending = (a - 1 / 3).flatten(), torch.arange(a.numel(), device=a.device)
    found = torch.zeros_like(third)
    while len(pending):
        d = third[pending]
        noise, u = torch.randn_like(d), torch.rand_like(d)
        v = (1 + noise / (9 * d).sqrt()) ** 3
        good = (v > 0) & (u.log() < noise**2 / 2 + d - d * v + d * v.clamp_min(1e-30).log())
        found[pending[good]] = noise[good]
        pending = pending[~good]
    return found.reshape(a.shape)


@dataclass(frozen=True)
class ForwardGradient(Estimator):
    """The derivative of each reparameterized cost in one random direction of the parameters, times that direction.

    With z_k = μ + σ ε_k and signs v_k ∈ {−1, 1}^P, drawn for each draw and replicate, and ∂_v by forward-mode:

        g = 1/K Σ_k [∂_{v_k} cost(params, z(ε_k; params), q)] v_k        (the total derivative)

    Unbiased: E[v vᵀ] = I and v is independent of ε, so E[(v · d cost) v] = E[d cost]. No backward pass is made.

    Reference: Gradients without Backpropagation, Atılım Güneş Baydin, Barak A. Pearlmutter, Don Syme, Frank Wood,
    Philip Torr, 2022.
    """

    requires = (DifferentiableCost(), Reparameterizable(), GaussianFactors())

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        held, axes = detached(params), len(replicate_axes(problem, params))
        loc, _ = GaussianFactors().of(problem.distribution(held)) or (None, None)
        noise = torch.randn(num_samples, *loc.shape, dtype=loc.dtype, device=loc.device)
        signs = {n: 2.0 * torch.randint(2, (num_samples, *v.shape), device=v.device).to(v) - 1 for n, v in held.items()}

        def cost(at: Params, eps: Tensor) -> Tensor:
            q = problem.distribution(at)
            loc, scale = GaussianFactors().of(q)
            value = problem.cost(at, loc + scale * eps, q)
            return value.sum(tuple(range(axes, value.dim()))) if value.dim() > axes else value

        def one(eps: Tensor, v: Params) -> Params:
            slope = torch.func.jvp(lambda at: cost(at, eps), (held,), (v,))[1]
            return {name: over_axes(slope, each.dim() - slope.dim()) * each for name, each in v.items()}

        each = torch.func.vmap(one)(noise, signs)
        return Estimate({n: g.mean(0).to(held[n]) for n, g in each.items()}, state)  # torch widens some scalars


@dataclass(frozen=True)
class ChunkedWide(Estimator):
    """Leave-one-out in double precision, a few replicates at a time, rounded to the parameters' type at the end.

        g = 1/K Σ_k [(cost(z_k) − mean_{j≠k} cost(z_j)) s(z_k) + ∂cost(z_k)/∂params]

    Unbiased as `LeaveOneOut` is: replicates are independent, so that any part of them may be computed by itself. Where
    each replicate has rows of data of its own, a part takes its rows along.

    Reference: Buy 4 REINFORCE Samples, Get a Baseline for Free!, Wouter Kool, Herke van Hoof, Max Welling, 2019.
    """

    chunk: int = 16

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return LeaveOneOut().refuses(problem, num_samples)

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        wide, axes = {n: v.detach().double() for n, v in params.items()}, replicate_axes(problem, params)
        if not axes:
            return Estimate(_narrow(LeaveOneOut().estimate(problem, wide, (), num_samples).gradient, params), state)
        index, parts = getattr(problem, "_selection", None), []
        for first in range(0, axes[0], self.chunk):
            some = slice(first, first + self.chunk)
            view = problem.select(index[some]) if index is not None and index.dim() > 1 else problem  # type: ignore
            parts.append(LeaveOneOut().estimate(view, {n: v[some] for n, v in wide.items()}, (), num_samples).gradient)
        return Estimate(_narrow({n: torch.cat([part[n] for part in parts]) for n in wide}, params), state)


def _narrow(gradient: Params, like: Params) -> Params:
    return {name: value.to(like[name].dtype) for name, value in gradient.items()}
