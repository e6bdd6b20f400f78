"""Right but unusual estimators of categories: other ways to draw one, and draws without replacement."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Categorical, OneHotCategorical
from torch.nn.functional import one_hot

from gradmark.estimators.core import (
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
)
from gradmark.estimators.couplings import relaxation, uniform
from tests.controls.unusual.base import one_category, refusal, scored


@dataclass(frozen=True)
class GumbelArgmax(SurrogateEstimator):
    """Categories drawn as the largest of perturbed logits."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        base = getattr(problem.distribution(problem.init()), "base_dist", None)
        return None if isinstance(base, OneHotCategorical) else "made for categories"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        logits = problem.distribution(params).base_dist.logits.detach()  # pyright: ignore[reportAttributeAccessIssue]
        noise = -torch.empty((num_samples, *logits.shape), dtype=logits.dtype).exponential_().log()
        z = torch.nn.functional.one_hot((logits + noise).argmax(-1), logits.shape[-1]).to(logits.dtype)
        return scored(problem, params, z).mean(0), state


@dataclass(frozen=True)
class IndexDrawn(SurrogateEstimator):
    """Categories drawn as indices, through another distribution than the problem's."""

    refuses = GumbelArgmax.refuses

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        logits = problem.distribution(params).base_dist.logits.detach()  # pyright: ignore[reportAttributeAccessIssue]
        drawn = Categorical(logits=logits).sample((num_samples,))
        z = torch.nn.functional.one_hot(drawn, logits.shape[-1]).to(logits.dtype)
        return scored(problem, params, z).mean(0), state


@dataclass(frozen=True)
class FlattenedIndices(SurrogateEstimator):
    """Indices drawn from one long matrix of probabilities, of samples, replicates and rows together."""

    refuses = GumbelArgmax.refuses

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        probs = problem.distribution(params).base_dist.probs.detach()  # pyright: ignore[reportAttributeAccessIssue]
        every = probs.expand(num_samples, *probs.shape)
        drawn = torch.multinomial(every.reshape(-1, probs.shape[-1]), 1).reshape(every.shape[:-1])
        z = torch.nn.functional.one_hot(drawn, probs.shape[-1]).to(probs.dtype)
        return scored(problem, params, z).mean(0), state


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
