"""Right but unusual estimators that draw without replacement, alternate, or draw a random number of draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Independent, Normal
from torch.nn.functional import one_hot

from gradmark.estimators import LeaveOneOut, Reparameterization, ScoreFunction
from gradmark.estimators.core import Params, Problem, State, SurrogateEstimator, detached, replicate_axes
from gradmark.estimators.couplings import bit_logits, relaxation, uniform
from gradmark.estimators.requirements import gaussian_factors, implicit, no_gaussian_factors, no_path
from tests.unusual_shared import no_bits, one_category, over_axes, refusal, too_few


@dataclass(frozen=True)
class UnorderedSet(SurrogateEstimator):
    """K different categories, drawn without replacement and taken as a set; without a baseline.

    With S the set of the K largest of log p + Gumbel noise, p(S) its probability and R(S, s) = p(S ∖ s | s first)/p(S):

        g = Σ_{s ∈ S} R(S, s) [∂p(s)/∂params cost(s) + p(s) ∂cost(s)/∂params]

    Unbiased: p(s) R(S, s) = P(s was first | S), so Σ_s p(s) R(S, s) h(s) = E[h(first) | S]. K = C is the exact sum.
    p(S) is summed over all K! orders, the mass left computed from what is left.

    Reference: Estimating Gradients for Discrete Random Variables by Sampling without Replacement, Wouter Kool,
    Herke van Hoof, Max Welling, 2020.
    """

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        size = one_category(problem)
        if size is None:
            return refusal(self, problem, "z is not a single one-hot vector; use LeaveOneOut()")
        if num_samples > min(size, 4):
            return f"UnorderedSet.estimate(num_samples={num_samples}): {size} categories; pass {min(size, 4)} or fewer"
        return None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        found = relaxation(problem.distribution(params))
        assert found is not None
        log_p = found.logits.squeeze(-2)
        keys = log_p.detach() - (-uniform(log_p.detach(), 1)[0].log()).log()
        chosen = one_hot(keys.topk(num_samples).indices, log_p.shape[-1]).movedim(-2, 0)  # [K, *R, *B, C]
        p = log_p.detach().double().exp().clamp_min(1e-290)
        each = [(p * s).sum(-1) for s in chosen]

        def chance(left: tuple[int, ...], taken: Tensor) -> Tensor:
            mass, total = (p * (1 - taken)).sum(-1), torch.zeros_like(each[0])
            for s in left:
                total = total + each[s] / mass * chance(tuple(t for t in left if t != s), taken + chosen[s])
            return total if left else torch.ones_like(mass)

        every = tuple(range(num_samples))
        whole = chance(every, torch.zeros_like(chosen[0]))
        ratio = torch.stack([chance(every[:s] + every[s + 1 :], chosen[s]) / whole for s in every]).to(log_p)
        cost = problem.cost(params, chosen.to(log_p).unsqueeze(-2), problem.distribution(detached(params)))
        prob = (log_p.exp() * chosen).sum(-1)
        return (ratio * (prob * cost.detach() + prob.detach() * cost)).sum(0), state


@dataclass(frozen=True)
class SumAndSample(SurrogateEstimator):
    """All but one of the draws, without replacement, are summed exactly; the last stands for all that is left.

    With s_1 … s_m drawn one after another without replacement, m = min(K, C), and w_i = p(s_i) for i < m,
    w_m = 1 − Σ_{i<m} p(s_i):

        g = Σ_i w_i [cost(s_i) s(s_i) + ∂cost(s_i)/∂params]

    Unbiased, given s_1 … s_{m−1}: s_m ~ p/w_m over the rest, so w_m h(s_m) has the mean Σ_rest p(s) h(s). From K = C on
    there is no noise; K = 1 is the score function.

    Reference: Rao-Blackwellized Stochastic Gradients for Discrete Distributions, Runjing Liu, Jeffrey Regier,
    Nilesh Tripuraneni, Michael I. Jordan, Jon McAuliffe, 2019.
    """

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        if one_category(problem) is None:
            return refusal(self, problem, "z is not a single one-hot vector; use LeaveOneOut()")
        return None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        found = relaxation(problem.distribution(params))
        assert found is not None
        log_p = found.logits.squeeze(-2)
        taken, p, draws, weights = torch.zeros_like(log_p), log_p.detach().exp(), [], []
        for i in range(last := min(num_samples, log_p.shape[-1])):
            left = log_p.detach().masked_fill(taken > 0, -torch.inf)
            s = one_hot(Categorical(logits=left, validate_args=False).sample(), log_p.shape[-1]).to(log_p)
            weights.append((p * s).sum(-1) if i < last - 1 else (p * (1 - taken)).sum(-1))
            draws.append(s)
            taken = taken + s
        z, w = torch.stack(draws), torch.stack(weights)
        cost = problem.cost(params, z.unsqueeze(-2), problem.distribution(detached(params)))
        log_prob = (z * log_p).sum(-1)
        return (w * (cost.detach() * log_prob + cost)).sum(0), state


@dataclass(frozen=True)
class AuxiliaryBaseline(ScoreFunction):
    """The score function with the mean cost of a *random number* of extra draws as baseline, zero where there is none.

    With N ~ Poisson(mean) for each replicate, z′_1 … z′_N ~ q, and b = 1/max(N, 1) Σ_{n ≤ N} cost(z′_n):

        g = 1/K Σ_k [(cost(z_k) − b) s(z_k) + ∂cost(z_k)/∂params]

    Unbiased: N and z′ are independent of z_k. As many extra draws are made as the largest N asks for, and each
    replicate uses its first N: N does not depend on them.

    Reference: Variational Inference for Monte Carlo Objectives, Andriy Mnih, Danilo J. Rezende, 2016 (on baselines of
    other draws).
    """

    claims = ()
    mean: float = 2.0

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, held = problem.distribution(params), detached(params)
        fixed = problem.distribution(held)
        like = next(iter(params.values()))
        count = torch.poisson(like.new_full(replicate_axes(problem, params), self.mean))
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, fixed)
        count, baseline = over_axes(count, cost.dim() - 1 - count.dim()), torch.zeros_like(cost[0])
        if most := int(count.max()):
            extra = problem.cost(held, q.sample((most,)), fixed).detach()
            index = torch.arange(most, device=cost.device).reshape(most, *[1] * (cost.dim() - 1))
            baseline = torch.where(index < count, extra, 0.0).sum(0) / count.clamp_min(1)
        return ((cost - baseline).detach() * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class DefensiveImportance(SurrogateEstimator):
    """The score function at draws of a mixture of q and a wider r, weighed back.

    With r a Gaussian of twice the scale, or bits of half the logits, m = ½ q + ½ r, z_k ~ m and w = q/m ≤ 2:

        g = 1/K Σ_k w(z_k) [cost(z_k) s(z_k) + ∂cost(z_k)/∂params]

    Unbiased: m is positive wherever q is, so E_m[w h] = E_q[h]; weights are constants, and not normalised.

    Reference: Weighted Average Importance Sampling and Defensive Mixture Distributions, Tim Hesterberg, 1995.
    """

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        if no_bits(problem) is None or no_gaussian_factors(problem) is None:
            return None
        return refusal(self, problem, "z is neither independent Gaussians nor bits; use ScoreFunction()")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, fixed = problem.distribution(params), problem.distribution(detached(params))
        factors, logits = gaussian_factors(fixed), bit_logits(fixed)
        wide = (
            Normal(factors[0], 2 * factors[1], validate_args=False)
            if factors is not None
            else Bernoulli(logits=cast(Tensor, logits) / 2, validate_args=False)
        )
        r, size = Independent(wide, 1, validate_args=False), torch.Size((num_samples,))
        here, there = fixed.sample(size), r.sample(size)
        coin = torch.rand(here.shape[:-1], dtype=here.dtype, device=here.device) < 0.5
        z = torch.where(coin.unsqueeze(-1), here, there)
        log_q = q.log_prob(z)
        log_m = torch.logaddexp(log_q.detach(), r.log_prob(z)) - math.log(2)
        weight = (log_q.detach() - log_m).exp()
        cost = problem.cost(params, z, fixed)
        return (weight * (cost.detach() * log_q + cost)).mean(0), state


@dataclass(frozen=True)
class Alternating(SurrogateEstimator):
    """Every other estimate is leave-one-out; those between are pathwise or leave-one-out, by a coin for each replicate.

    With n the number of earlier estimates and coin ~ Bernoulli(½):

        g = g_path where n is odd and the coin is 1, else g_leave-one-out

    Unbiased at each n: n is no random number, the coin is independent of the draws, and each of the two is unbiased.

    Reference: Monte Carlo Gradient Estimation in Machine Learning, Shakir Mohamed, Mihaela Rosca, Michael Figurnov,
    Andriy Mnih, 2020 (on each of the two).
    """

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        reason = no_path(problem) or ("z is drawn by rejection; use LeaveOneOut()" if implicit(problem) else None)
        return refusal(self, problem, reason) or too_few(self, num_samples, 2)

    def init(self, problem: Problem, params: Params) -> State:
        like = next(iter(params.values()))
        return {"count": torch.zeros(replicate_axes(problem, params), dtype=torch.int64, device=like.device)}

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        by_score, _ = LeaveOneOut().surrogate(problem, params, (), num_samples)
        by_path, _ = Reparameterization().surrogate(problem, params, (), num_samples)
        count = state["count"]
        coin = torch.rand(count.shape, device=count.device) < 0.5
        path = over_axes((count % 2 == 1) & coin, by_path.dim() - count.dim())
        return torch.where(path, by_path, by_score), {"count": count + 1}
