"""Right but unusual estimators of bits, most of them published."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Categorical
from torch.nn.functional import logsigmoid, one_hot

from gradmark.estimators.core import (
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
)
from gradmark.estimators.couplings import GumbelOneHot, relaxation
from gradmark.estimators.requirements import Bits, BitsOrCategories, DifferentiableCost, MinSamples
from tests.controls.unusual.base import bits, distribution_of, refusal, scored


@dataclass(frozen=True)
class MuProp(SurrogateEstimator):
    """The score function with the cost's first-order Taylor expansion at the mean μ of q as control variate.

        g = 1/K Σ_k [(cost(b_k) − cost(μ) − cost′(μ)ᵀ(b_k − μ)) s(b_k) + ∂cost(b_k)/∂params] + cost′(μ)ᵀ ∂μ/∂params

    Unbiased: μ is not a draw, E[cost(μ) s] = 0, and E[cost′(μ)ᵀ(b − μ) s] = cost′(μ)ᵀ ∂E[b]/∂params is what is added.

    Reference: MuProp: Unbiased Backpropagation for Stochastic Neural Networks, Shixiang Gu, Sergey Levine,
    Ilya Sutskever, Andriy Mnih, 2016.
    """

    requires = (BitsOrCategories(), DifferentiableCost())

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, held = problem.distribution(params), detached(params)
        fixed, event = problem.distribution(held), tuple(range(-len(q.event_shape), 0))
        centre = q.mean.detach().requires_grad_()
        at = problem.cost(held, centre, fixed)
        (slope,) = torch.autograd.grad(at.sum(), [centre])
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, fixed)
        rest = cost.detach() - at.detach() - (slope * (z - centre.detach())).sum(event)
        return (rest * q.log_prob(z) + cost).mean(0) + (slope * q.mean).sum(event), state


@dataclass(frozen=True)
class LocalExpectation(SurrogateEstimator):
    """Each site of z summed out exactly, given draws of the others; with one site, everything is.

        g = 1/K Σ_k Σ_i Σ_c [∂q_i(c)/∂params cost(z_k[i ← c]) + q_i(c)/d ∂cost(z_k[i ← c])/∂params]

    Unbiased: sites are independent, so ∂E[cost] = Σ_i E_{−i} Σ_c ∂q_i(c) cost; z_k[i ← c] with weights q_i(c) is a draw
    of q, so each of the d sums estimates E[∂cost], and their mean does. With d = 1 there is no noise in it.

    Reference: Local Expectation Gradients for Black Box Variational Inference, Michalis K. Titsias,
    Miguel Lázaro-Gredilla, 2015.
    """

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        q, found = distribution_of(problem), relaxation(distribution_of(problem))
        if found is None or len(q.event_shape) != (2 if isinstance(found, GumbelOneHot) else 1):
            return refusal(self, problem, "z is neither independent bits nor one-hot categories; use LeaveOneOut()")
        return None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, fixed = problem.distribution(params), problem.distribution(detached(params))
        mean, z = q.mean, q.sample((num_samples,))
        weights = mean if len(q.event_shape) == 2 else torch.stack([1 - mean, mean], -1)
        values = torch.eye(mean.shape[-1]).to(z) if len(q.event_shape) == 2 else torch.arange(2).to(z)
        loss, sites = torch.zeros_like(weights[..., 0, 0]), q.event_shape[0]
        for i in range(sites):
            for c, value in enumerate(values):
                moved = z.clone()
                moved.movedim(-len(q.event_shape), 0)[i] = value
                cost, weight = problem.cost(params, moved, fixed).mean(0), weights[..., i, c]
                loss = loss + weight * cost.detach() + weight.detach() * cost / sites
        return loss, state


@dataclass(frozen=True)
class BitFlip(SurrogateEstimator):
    """One bit for each draw, chosen by a defensive mixture, is set to 1 and to 0; the others stay.

    With bit i chosen with the chance π_i = ½ [1/d + v_i / Σ_j v_j], v = p(1 − p), and b_k the other bits:

        g = 1/K Σ_k v_i/π_i [cost(b_k[i ← 1]) − cost(b_k[i ← 0])] ∂logit_i/∂params + E_{b_i}[∂cost(b_k)/∂params]

    Unbiased: i is drawn independently of b, and Σ_i π_i v_i/π_i E[Δ_i] e_i is the gradient. For d = 1 without noise.

    Reference: Gradient Estimation for Binary Latent Variables via Gradient Variance Clipping, Russell Z. Kunes,
    Mingzhang Yin, Max Land, Doron Haviv, Dana Pe'er, Simon Tavaré, 2023.
    """

    requires = (Bits(),)

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        logits = Bits().of(q)
        p, spread = logits.detach().sigmoid(), logits.detach().sigmoid() * (-logits.detach()).sigmoid()
        d = logits.shape[-1]
        chance = (1 / d + spread / spread.sum(-1, keepdim=True).clamp_min(torch.finfo(p.dtype).tiny)) / 2
        which = Categorical(probs=chance, validate_args=False).sample(torch.Size((num_samples,)))
        chosen, z = one_hot(which, d).to(p), q.sample((num_samples,))
        flips = torch.cat([z * (1 - chosen) + chosen, z * (1 - chosen)])
        up, down = problem.cost(params, flips, problem.distribution(detached(params))).chunk(2)
        slope = ((up - down).detach().unsqueeze(-1) * chosen * (spread / chance)).mean(0)
        own = (chosen * p).sum(-1)
        return (slope * logits).sum(-1) + (own * up + (1 - own) * down).mean(0), state


@dataclass(frozen=True)
class ARMS(SurrogateEstimator):
    """K mutually antithetic bit vectors from a Dirichlet copula, their sample covariance with the cost, debiased.

    For each bit D ~ Dirichlet(1, …, 1) over the K draws, b_k = 1[D_k < t], t = 1 − (1 − p)^{1/(K−1)}:
    D_k ~ Beta(1, K−1), so b_k ~ Bernoulli(p), and of two of them
    P(1, 0) = (1 − p) − max(0, 2(1 − p)^{1/(K−1)} − 1)^{K−1}. With c̄ the mean cost:

        g = Σ_i p_i(1 − p_i)/P_i(1, 0) · 1/(K−1) Σ_k (cost(b_k) − c̄) b_ki ∂logit_i/∂params + 1/K Σ_k ∂cost(b_k)/∂params

    Unbiased: the covariance is the mean over pairs of ½ (cost_k − cost_l)(b_ki − b_li), nonzero where the two bits
    differ only; bit i is independent of the other bits, so a pair's mean is P_i(1, 0) E[cost(b_i=1) − cost(b_i=0)].

    Reference: ARMS: Antithetic-REINFORCE-Multi-Sample Gradient for Binary Variables, Aleksandar Dimitriev,
    Mingyuan Zhou, 2021.
    """

    requires = (Bits(), MinSamples(2, "the others are needed"))

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        logits, n = Bits().of(problem.distribution(params)), num_samples - 1
        wide = logits.detach().double()
        log_zero = logsigmoid(-wide)  # log(1 − p)
        root = torch.expm1(log_zero / n)  # (1 − p)^{1/n} − 1
        e = torch.empty(num_samples, *wide.shape, dtype=wide.dtype, device=wide.device).exponential_()
        b = (e / e.sum(0) < -root).to(logits)
        both = n * torch.log1p((2 * root).clamp_min(-1.0))
        debias = wide.sigmoid() / -torch.expm1(both - log_zero)  # p(1 − p) / P(1, 0)
        cost = problem.cost(params, b, problem.distribution(detached(params)))
        above = (cost - cost.mean(0)).detach().unsqueeze(-1)
        slope = (above * b).sum(0) / n * debias.to(logits)
        return (slope * logits).sum(-1) + cost.mean(0), state


@dataclass(frozen=True)
class RotatedBits(SurrogateEstimator):
    """The draws of each bit are made from one uniform number, turned by a K-th of the circle from draw to draw."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None if bits(problem) else "made for bits"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        probs = problem.distribution(params).mean.detach()
        turn = torch.arange(num_samples, dtype=probs.dtype).view(-1, *[1] * probs.dim()) / num_samples
        z = ((torch.rand_like(probs) + turn) % 1.0 < probs).to(probs.dtype)
        return scored(problem, params, z).mean(0), state


@dataclass(frozen=True)
class OneSiteAtATime(SurrogateEstimator):
    """The score of one bit only, chosen at random for each draw, times their number."""

    refuses = RotatedBits.refuses

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        chosen = torch.nn.functional.one_hot(torch.randint(z.shape[-1], z.shape[:-1]), z.shape[-1])
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        score = (q.base_dist.log_prob(z) * chosen).sum(-1) * z.shape[-1]  # pyright: ignore[reportAttributeAccessIssue]
        return (cost.detach() * score + cost).mean(0), state
