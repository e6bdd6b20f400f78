"""Wrong estimators of discrete draws, of several draws, and of the posterior: see `broken_blind`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Distribution

from gradmark.estimators import (
    ARM,
    IWAE,
    REBAR,
    RELAX,
    VIMCO,
    DisARM,
    DReG,
    ExactPosterior,
    StraightThroughGumbelSoftmax,
)
from gradmark.estimators.core import LatentVariableModel, Params, Problem, State, SurrogateEstimator, detached, linear
from gradmark.estimators.couplings import GumbelOneHot, Relaxation, antithetic_bits, bit_logits, relaxation, uniform
from gradmark.estimators.multisample.vimco import _bounds_of_the_others
from gradmark.estimators.relaxed_control_variates.base import Cost, relaxed_cost

Loss = tuple[Tensor, State]


@dataclass(frozen=True)
class ClampedARM(ARM):
    """Uniforms are kept within [0.01, 0.99] "for stability"."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        logits = cast(Tensor, bit_logits(problem.distribution(params)))
        held = logits.detach()
        # The mean is off, extreme logits only (|φ| > 4.6). For p < .01 neither u > 1 − p nor u < p ever happens: the
        # bits are stuck at 0 (at 1 for p > .99), both of the pair, and the gradient of that coordinate is 0 where it
        # should be p(1 − p) Δ. Elsewhere only (u − ½) at the edges is touched: 1e-4 Δ.
        u = uniform(held, num_samples // 2).clamp(0.01, 0.99)
        b, paired = (u > (-held).sigmoid()).to(held), (u < held.sigmoid()).to(held)
        cost = problem.cost(params, torch.cat([b, paired]), problem.distribution(detached(params)))
        of_b, of_paired = cost.detach().chunk(2)
        slope = ((of_b - of_paired).unsqueeze(-1) * (u - 0.5)).mean(0)
        return (slope * logits).sum(-1) + cost.mean(0), state


@dataclass(frozen=True)
class InterleavedDisARM(DisARM):
    """The pairs are evaluated interleaved, b_1 b̃_1 b_2 b̃_2 …, and taken apart as if they were one after another."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        logits = cast(Tensor, bit_logits(problem.distribution(params)))
        _, b, paired = antithetic_bits(logits, num_samples // 2)
        both = torch.stack([b, paired], 1).flatten(0, 1)
        cost = problem.cost(params, both, problem.distribution(detached(params)))
        # The mean is off, K >= 4 only (for K = 2 both orders are the same). Chunks are the first and the second half:
        # for K = 4 (b_1, b̃_1) less (b_2, b̃_2), so that b_1 − b̃_1 meets cost(b_1) − cost(b_2), of which the second is
        # independent of it, and b_2 − b̃_2 meets cost(b̃_1) − cost(b̃_2), likewise: half is left for K = 4, and 2/K in
        # general.
        of_b, of_paired = cost.detach().chunk(2)
        differences = ((of_b - of_paired).unsqueeze(-1) * (b - paired)).mean(0)
        return (differences * logits.detach().abs().sigmoid() / 2 * logits).sum(-1) + cost.mean(0), state


class _LooseGumbel(GumbelOneHot):
    """`given` with the maximum at log p_b + Gumbel."""

    def given(self, b: Tensor) -> Tensor:
        """z̃ of the chosen category at log p_b + Gumbel, of the others truncated at that."""
        late = (-uniform(self.logits, len(b)).log()).log() - self.logits
        # The mean is off, categories only. The maximum of log p_i + Gumbel_i is Gumbel(log Σ p_i) = Gumbel(0),
        # whichever category it is; here it is Gumbel(log p_b). z̃ is then not of p(z | b), and E[∇c(z)] − E[∇c(z̃) +
        # c(z̃) s] is not zero.
        chosen = (late * b).sum(-1, keepdim=True)
        return torch.where(b > 0, -chosen, -torch.logaddexp(late, chosen))


@dataclass(frozen=True)
class LooseGumbelREBAR(REBAR):
    """Given the category, the largest noisy logit is drawn as if it had that category's own location."""

    def relaxation(self, q: Distribution) -> Relaxation | None:
        found = super().relaxation(q)
        return _LooseGumbel(found.logits) if isinstance(found, GumbelOneHot) else found


@dataclass(frozen=True)
class DetachedNetworkRELAX(RELAX):
    """The network of the control variate sees a detached z, so that its own path gradient is missing."""

    def control(self, cost: Cost, relaxed: Relaxation, z: Tensor, coefficients: Params) -> Tensor:
        found = relaxed_cost(cost, relaxed, z, coefficients)
        replicates = coefficients["eta"].dim()
        weight = coefficients["hidden_weight"]
        # The mean is off, after steps of learning only. r(z̃) still multiplies the score, with the mean E[r(z̃) s], but
        # ∇r(z) − ∇r(z̃) that makes up for it is lost. At the start the output weights are 0, r is 0 and g is REBAR's.
        # They learn by descending |g|², which is now no variance: the mean of g depends on r, and shrinking it is
        # "progress".
        x = z.detach().reshape(*z.shape[: 1 + replicates], -1, weight.shape[-1])
        units = linear(x, weight, coefficients["hidden_bias"]).tanh()
        return found + linear(units, coefficients["output_weight"], coefficients["output_bias"]).reshape(found.shape)


@dataclass(frozen=True)
class ReinMaxBits(SurrogateEstimator):
    """A second-order straight-through (ReinMax) that is said to be unbiased because it is so on a quadratic."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        if not problem.differentiable or bit_logits(problem.distribution(problem.init())) is None:
            return f"ReinMaxBits.estimate(problem={problem}): needs independent bits and a cost with a derivative"
        return None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        logits = cast(Tensor, bit_logits(q))
        b, p = q.sample((num_samples,)), logits.detach().sigmoid()
        # The mean is off, costs that are not quadratic in a bit. E over b_i of |b_i − p_i|/2 · f'(b_i) is p(1 − p)
        # (f'(0) + f'(1))/2: the trapezoidal rule for f(1) − f(0), with the error −(1/12) f''' between the states. Both
        # toys are quadratic; a sigmoid decoder is not, the less so the larger its weights. `unbiased` should be False.
        slope = (b * (1 - p) + (1 - b) * p) / 2
        z = b + slope * (logits - logits.detach())
        return problem.cost(params, z, problem.distribution(detached(params))).mean(0), state


@dataclass(frozen=True)
class PriorlessSTGumbel(StraightThroughGumbelSoftmax):
    """On top of its declared bias in q, the prior is evaluated at detached parameters."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        if not isinstance(problem, LatentVariableModel):
            return super().surrogate(problem, params, state, num_samples)
        relaxed, held = relaxation(problem.distribution(params)), detached(params)
        assert relaxed is not None
        noisy = relaxed.noisy(num_samples)
        soft = relaxed.soft(noisy, self.temperature)
        z = relaxed.hard(noisy) + (soft - soft.detach())
        # The mean is off, the prior's parameters only. The declared bias is q's, for the soft slope; the model sees
        # hard draws, and the method says that its gradient has no bias: but −E[∂ log p(z)/∂params] is lost, the prior
        # is never learned.
        fixed = problem.distribution(held).log_prob(z) - problem.prior(held).log_prob(z)
        likelihood = problem.log_likelihood(params, z) * problem.likelihood_weight
        return (fixed * problem.latent_weight - likelihood).mean(0), state


@dataclass(frozen=True)
class UnderflowingIWAE(IWAE):
    """Before exp, log w is shifted by its maximum over draws *and rows*, and `tiny` guards the logarithm."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        model, q = cast(LatentVariableModel, problem), problem.distribution(params)
        log_w = -problem.cost(params, q.rsample((num_samples,)), q) / model.latent_weight
        # The mean is off, float32 and rows that cost some 87 nats more than the best row (float64: 708). There exp(log
        # w − shift) underflows below `tiny`, and the slope exp(…)/(mean + tiny) goes to 0: the row's gradient is lost,
        # without a NaN. Where rows are alike, where they share z, and nearly always in float64, it is IWAE to the last
        # bits.
        shift = log_w.detach().amax((0, -1) if model.per_row else 0, keepdim=True)
        mean = (log_w - shift).exp().mean(0) + torch.finfo(log_w.dtype).tiny
        return -model.latent_weight * (mean.log() + shift.squeeze(0)), state


@dataclass(frozen=True)
class WeightedRowsVIMCO(VIMCO):
    """A minibatch's factor rows/size stays inside the logarithm: the weights are raised to its power."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        # The mean is off, a minibatch only. The cost of a row that stands for c rows is c times as large, and the bound
        # wanted is c log 1/K Σ w_k; this one is log 1/K Σ w_k^c, which is more by Jensen, and closer to c max_k log
        # w_k. With all rows c = 1 and it is right; for K = 1 it would be, too.
        log_w = -problem.cost(params, z, q)
        bound = log_w.logsumexp(0) - math.log(num_samples)
        added = bound.detach() - _bounds_of_the_others(log_w.detach())
        return -((added * q.log_prob(z)).sum(0) + bound), state


@dataclass(frozen=True)
class DReGSquaredForAll(DReG):
    """The squared weights are put on log w itself, and so on the model's gradient as well."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        row = cast(LatentVariableModel, problem).latent_weight
        z = problem.distribution(params).rsample((num_samples,))
        log_w = -problem.cost(params, z, problem.distribution(detached(params))) / row
        # The mean is off, the model's parameters, K >= 2. The square belongs to the path of q (the score,
        # reparameterized once more); at fixed z the gradient of log 1/K Σ w is Σ w̄ ∂ log p, and Σ w̄² < 1 shrinks it,
        # towards 1/K for even weights. q's parameters are right, and so is K = 1.
        squared = log_w.detach().softmax(0).square()
        return -row * (squared * log_w).sum(0), state


@dataclass(frozen=True)
class PathOfThePosterior(ExactPosterior):
    """The exact posterior is drawn with rsample and live parameters, so that z carries a gradient."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        model = cast(LatentVariableModel, problem)
        posterior = model.posterior(params)
        assert posterior is not None
        # The mean is off, a posterior with rsample only (LinearGaussian; tables of states have none). Fisher's identity
        # holds z fixed. The path adds −∇ E_{p(z|x; θ')}[log p(x, z; θ)] in θ' at θ' = θ, which is the gradient of the
        # posterior's entropy: d log σ_post for the weights and the noise; nothing for the bias, which moves the mean
        # alone.
        size = (num_samples,)
        z = posterior.rsample(size) if posterior.has_rsample else posterior.sample(size)
        return -model.log_joint(params, z).mean(0), state
