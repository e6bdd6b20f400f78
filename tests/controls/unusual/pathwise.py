"""Right but unusual estimators of continuous draws: control variates, quasi-random numbers, quadrature."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators import Reparameterization
from gradmark.estimators.core import (
    Estimate,
    Estimator,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
    gradient_of_sum,
    replicate_axes,
)
from gradmark.estimators.requirements import DifferentiableCost, GaussianFactors, MinSamples, Reparameterizable
from tests.controls.unusual.base import distribution_of, over_axes


@dataclass(frozen=True)
class CrossFitted(SurrogateEstimator):
    """The score function of a Gaussian q with the best baseline for each coordinate, each half's fitted on the other.

    With s_i the score of μ_i or log σ_i, draws in two halves, and ā_i = Σ cost s_i² / Σ s_i² over the *other* half:

        g_i = 1/K Σ_k (cost(z_k) − ā_i) s_i(z_k),   chained to the parameters, + 1/K Σ_k ∂cost(z_k)/∂params

    Unbiased: ā is independent of the draws it meets, whose scores have mean zero. Odd K have halves of unequal size.

    Reference: Variational Bayesian Inference with Stochastic Search, John Paisley, David M. Blei, Michael I. Jordan,
    2012.
    """

    requires = (GaussianFactors(), MinSamples(2, "the others are needed"))

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        factors = GaussianFactors().of(problem.distribution(params))
        loc, scale = factors
        noise = torch.randn(num_samples, *loc.shape, dtype=loc.dtype, device=loc.device)
        z = loc.detach() + scale.detach() * noise
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        score = torch.stack([noise, noise**2 - 1], -1)
        f, half = cost.detach()[..., None, None], num_samples // 2
        folds = [(f[:half], score[:half]), (f[half:], score[half:])]
        best = [(f * s**2).sum(0) / (s**2).sum(0).clamp_min(torch.finfo(s.dtype).tiny) for f, s in folds]
        sums = [((f - other) * s).sum(0) for (f, s), other in zip(folds, best[::-1], strict=True)]
        of_loc, of_log_scale = ((sums[0] + sums[1]) / num_samples).unbind(-1)
        return (of_loc * loc / scale.detach() + of_log_scale * scale.log()).sum(-1) + cost.mean(0), state


@dataclass(frozen=True)
class TaylorControlVariate(SurrogateEstimator):
    """Reparameterize, minus the same for the cost's quadratic at the mean, plus the latter's mean; RV-RGE.

    With G = cost′(μ), H = cost″(μ) by Hessian-vector products, z = μ + σ ε, and path gradients ∂_μ, ∂_σ:

        g_μ = mean[cost′(z) − Hσε],   g_σ = mean[cost′(z) ε − (G + Hσε) ε] + diag(H) σ

    Unbiased: E[Hσε] = 0, E[G ε] = 0 and E[(Hσε)_j ε_j] = H_jj σ_j. The diagonal takes d second derivatives.

    Reference: Reducing Reparameterization Gradient Variance, Andrew C. Miller, Nicholas J. Foti, Alexander D'Amour,
    Ryan P. Adams, 2017.
    """

    requires = (DifferentiableCost(), Reparameterizable(), GaussianFactors())

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        factors, held = GaussianFactors().of(problem.distribution(params)), detached(params)
        (loc, scale), fixed = factors, problem.distribution(held)
        noise = torch.randn(num_samples, *loc.shape, dtype=loc.dtype, device=loc.device)
        loss = problem.cost(params, loc + scale * noise, fixed).mean(0)

        def slope(at: Tensor) -> Tensor:
            return torch.autograd.grad(problem.cost(held, at, fixed).sum(), [at], create_graph=True)[0]

        many = loc.detach().expand(noise.shape).clone().requires_grad_()
        first = slope(many)
        (bent,) = torch.autograd.grad((first * scale.detach() * noise).sum(), [many], materialize_grads=True)
        one = loc.detach().clone().requires_grad_()
        columns = slope(one).unbind(-1)
        curves = [
            torch.autograd.grad(c.sum(), [one], retain_graph=True, materialize_grads=True)[0][..., j]
            for j, c in enumerate(columns)
        ]
        spread = (first.detach() + bent) * noise - torch.stack(curves, -1) * scale.detach()
        return loss - (bent.mean(0) * loc + spread.mean(0) * scale).sum(-1), state


@dataclass(frozen=True)
class RandomisedSobol(Reparameterization):
    """Reparameterize a Gaussian at Sobol points, with a digital shift of its own for every replicate, row and estimate.

    With x_k the k-th Sobol point in 30 bits, Δ ~ U{0 … 2³⁰ − 1}^d and v_k ~ U(0, 1)^d: u_k = ((x_k xor Δ) + v_k)/2³⁰,

        g = 1/K Σ_k d cost(params, μ + σ Φ⁻¹(u_k), q)/d params        (the total derivative)

    Unbiased for every K: x xor Δ is uniform on the integers whatever x is, so each u_k is uniform on the cube. The
    draws of one estimate are dependent; those of two estimates, or of two replicates, are not.

    Reference: Quasi-Monte Carlo Variational Inference, Alexander Buchholz, Florian Wenzel, Stephan Mandt, 2018.
    """

    properties = ()

    requires = (DifferentiableCost(), Reparameterizable(), GaussianFactors())

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        factors = GaussianFactors().of(q)
        loc, scale = factors
        points = torch.quasirandom.SobolEngine(loc.shape[-1]).draw(num_samples, dtype=torch.float64)
        x = (points * 2**30).long().to(loc.device).reshape(num_samples, *[1] * (loc.dim() - 1), -1)
        shift = torch.randint(2**30, loc.shape, device=loc.device)
        v = torch.rand(num_samples, *loc.shape, dtype=torch.float64, device=loc.device)
        u = (((x ^ shift) + v) / 2**30).clamp(1e-300, 1 - 2**-53)
        return problem.cost(params, loc + scale * torch.special.ndtri(u).to(loc), q).mean(0), state


@dataclass(frozen=True)
class LAX(SurrogateEstimator):
    """The score function of a Gaussian with a learned quadratic c(z) as control variate, whose mean is reparameterized.

    With c(z) = w_0 + Σ_j [w_j z_j + w_{d+j} z_j²], w of earlier estimates, and z_k = μ + σ ε_k:

        g = 1/K Σ_k { [cost(z_k) − c(z_k)] s(z_k) + dc(z_k)/dparams + ∂cost(z_k)/∂params }

    Unbiased for every w that does not depend on these draws: E[c s] = ∇E[c] = E[dc(z)/dparams]. The cost is not
    differentiated in z, and may have steps. w takes a normalised least-mean-squares step, by each replicate for itself.

    Reference: Backpropagation through the Void: Optimizing control variates for black-box gradient estimation,
    Will Grathwohl, Dami Choi, Yuhuai Wu, Geoffrey Roeder, David Duvenaud, 2018 (LAX; there c is a network).
    """

    rate: float = 0.5

    requires = (GaussianFactors(),)

    def init(self, problem: Problem, params: Params) -> State:
        d = distribution_of(problem).event_shape[0]
        return next(iter(params.values())).new_zeros(*replicate_axes(problem, params), 1 + 2 * d)

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        path = q.rsample((num_samples,))
        z = path.detach()
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        axes = state.dim() - 1
        weight = state.reshape(*state.shape[:-1], *[1] * (cost.dim() - 1 - axes), -1)
        ones = torch.ones_like(z[..., :1])
        control = (weight * torch.cat([ones, path, path**2], -1)).sum(-1)
        rest, x = cost.detach() - control.detach(), torch.cat([ones, z, z**2], -1)
        loss = (rest * q.log_prob(z) + control + cost).mean(0)
        batch = (num_samples, *state.shape[:-1], -1, x.shape[-1])
        step = (rest.unsqueeze(-1) * x).reshape(batch).mean((0, -2))
        size = x.square().reshape(batch).mean((0, -2)).sum(-1, keepdim=True)
        return loss, state + self.rate * step / size


@dataclass(frozen=True)
class RandomisedQuadrature(Estimator):
    """A quadrature rule whose fineness is random: the coarse rule, and one randomly chosen refinement, reweighed.

    With Q_j the trapezoidal rule of step 2^{1−j} for E[cost(params, μ + σ x, q)], x ~ N(0, 1), over |x| ≤ 10, and
    J_k geometric, P(j) = (15/16) 16^{−j}:

        g = ∇Q_0 + 1/K Σ_k ∇[Q_{J_k+1} − Q_{J_k}] / P(J_k)

    Unbiased: the mean telescopes to lim ∇Q_j, which for a smooth cost of no more than exponential growth is the exact
    gradient but for the tails beyond 10σ, 1e-22. No draw of z is made. Gradients add up over a few nodes at a time.

    Reference: Unbiased Estimation with Square Root Convergence for SDE Models, Chang-Han Rhee, Peter W. Glynn, 2015.
    """

    requires = (DifferentiableCost(), Reparameterizable(), GaussianFactors())

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        reason = super().refuses(problem, num_samples)
        if reason is None and tuple(distribution_of(problem).event_shape) != (1,):
            reason = "z has more than one coordinate; use Reparameterization()"
        return reason

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        like, axes = next(iter(params.values())), replicate_axes(problem, params)
        u = torch.rand(num_samples, *axes, dtype=torch.float64, device=like.device).clamp_min(1e-300)
        level = (u.log() / -math.log(16)).floor()
        weights = {0: torch.ones(axes, dtype=torch.float64, device=like.device)}  # of Q_j, for each replicate
        for j in (int(each) for each in level.unique().tolist()):
            share = (level == j).double().mean(0) / (15 / 16 * 16.0**-j)
            weights[j + 1] = weights.get(j + 1, 0.0) + share
            weights[j] = weights.get(j, 0.0) - share
        total = {name: torch.zeros_like(value) for name, value in params.items()}
        for j, weight in weights.items():
            step = 2.0 ** (1 - j)
            for x in (torch.arange(-round(10 / step), round(10 / step) + 1) * step).to(like).split(16):
                part = self._part(problem, params, x, step, weight.to(like))
                total = {name: value + part[name] for name, value in total.items()}
        return Estimate(total, state)

    def _part(self, problem: Problem, params: Params, x: Tensor, step: float, weight: Tensor) -> Params:
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        with torch.enable_grad():
            q = problem.distribution(leaves)
            loc, scale = GaussianFactors().of(q)
            nodes = x.reshape(-1, *[1] * loc.dim())
            cost = problem.cost(leaves, loc + scale * nodes, q)
            density = torch.exp(-(nodes[..., 0] ** 2) / 2) * step / math.sqrt(2 * math.pi)
            return gradient_of_sum(over_axes(weight, cost.dim() - 1 - weight.dim()) * density * cost, leaves)
