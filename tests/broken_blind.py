"""Wrong score functions and paths, by one who knew the formulas and neither the referee nor its tests.

Of twenty-four such estimators, here and in `broken_blind_discrete`, `check` missed three at first:

* RolledLeaveOneOut: the claim that order is of no matter was tried by rolling the draws on, and so is this baseline.
* AnalyticKLOfMarginals: no trial had a q with correlations.
* UnderflowingIWAE: nothing compared single precision with double, and no rows were far enough apart.

Two are not repeated here: they were the same as MirroredBetweenReplicates and MeasureValuedAtTheMean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Gamma, Independent, MultivariateNormal, Normal, kl_divergence

from gradmark.estimators import (
    NVIL,
    Antithetic,
    ImplicitReparameterization,
    LeaveOneOut,
    MovingAverageBaseline,
    RaoBlackwellScoreFunction,
    ReparameterizationAnalyticKL,
    ScoreFunction,
    StickingTheLanding,
    VarGrad,
)
from gradmark.estimators.core import LatentVariableModel, Params, Problem, State, detached, replicate_axes
from gradmark.estimators.couplings import uniform
from gradmark.estimators.requirements import gaussian_factors, no_gaussian_factors, staged

Loss = tuple[Tensor, State]


@dataclass(frozen=True)
class WarmBaselineUpdatedFirst(MovingAverageBaseline):
    """A moving average that is used after ten estimates of warm-up, and then updated before it is subtracted."""

    claims = ()

    def init(self, problem: Problem, params: Params) -> State:
        return {**super().init(problem, params), "count": torch.zeros(replicate_axes(problem, params))}

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        replicates = state["average"].shape
        latest = cost.detach().mean(0).reshape((*replicates, -1)).mean(-1)
        average = self.decay * state["average"] + (1 - self.decay) * latest
        weight = self.decay * state["weight"] + (1 - self.decay)
        # The mean is off, from the 11th estimate on. `average` holds this estimate's own costs with the weight a/(K B),
        # a = (1 − decay)/weight: E[(f_kb − average) s_kb] = G_b (1 − a/(K B)), a gradient of q that tends to .9 of the
        # truth for K = 1 without rows (.88 after 15). Cold (and for ten steps) it is the plain score function, and
        # right.
        baseline = torch.where(state["count"] >= 10, average / weight, torch.zeros_like(average))
        baseline = baseline.reshape((*replicates, *[1] * (cost.dim() - 1 - len(replicates))))
        loss = ((cost.detach() - baseline) * q.log_prob(z) + cost).mean(0)
        return loss, {"average": average, "weight": weight, "count": state["count"] + 1}


@dataclass(frozen=True)
class NormalisedNVIL(NVIL):
    """The learning signal is divided by max(1, running sd), as in the paper, and still said to be unbiased."""

    claims = ()

    def init(self, problem: Problem, params: Params) -> State:
        state = super().init(problem, params)
        return {**state, "square": torch.zeros_like(state["average"])}

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        x, q = cast(LatentVariableModel, problem).observations(params), problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        above = cost.detach() - (x @ state["slope"].unsqueeze(-1)).squeeze(-1)
        known = state["weight"].clamp_min(torch.finfo(cost.dtype).tiny)
        residual = above - (state["average"] / known).unsqueeze(-1)
        # The mean is off, warm only, and only where the residual's sd is above 1: the state is of earlier draws, so
        # that the mean is G/sd exactly. Cold, `square` is 0 and the divisor 1. The model's parameters are right.
        sd = (state["square"] / known).sqrt().clamp_min(1.0)
        loss = (residual / sd.unsqueeze(-1) * q.log_prob(z) + cost).mean(0)
        step = (residual.mean(0).unsqueeze(-1) * x).mean(-2) / (1 + x.square().sum(-1)).mean(-1, keepdim=True)
        ema = {"average": above.mean((0, -1)), "square": residual.square().mean((0, -1)), "weight": 1.0}
        moved = {name: self.decay * state[name] + (1 - self.decay) * value for name, value in ema.items()}
        return loss, {"slope": state["slope"] + self.rate * step, **moved}


@dataclass(frozen=True)
class RolledLeaveOneOut(LeaveOneOut):
    """The baseline of a draw is the cost of the one draw before it, not the mean of all others (K >= 3)."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        # The variance, K >= 3. Unbiased: the draw before is independent. But the baseline's own variance is Var f
        # instead of Var f/(K − 1), so that the score's noise is about 2 Var f Var s/K where it should be Var f Var s/(K
        # − 1); and the order of the draws, which the claim says is of no matter, changes the estimate. For K = 2 it is
        # right.
        others = cost.roll(1, 0)
        return ((cost - others).detach() * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class LeaveOneOutOrRowMean(LeaveOneOut):
    """For one draw, where there are no others, the baseline falls back to the rows' mean cost, own row included."""

    claims = ()

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        if num_samples > 1:
            return super().surrogate(problem, params, state, num_samples)
        q = problem.distribution(params)
        z = q.sample((1,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        has_rows = cost.dim() > 1 + len(replicate_axes(problem, params))
        # The mean is off, K = 1 with rows only. E[(f_i − 1/B Σ_j f_j) s_i] = G_i − G_i/B: q's gradient is (1 − 1/B) of
        # the truth. Rows of a minibatch have a small B. K >= 2 is leave-one-out; without rows it is the plain score
        # function.
        baseline = cost.mean(-1, keepdim=True) if has_rows else torch.zeros_like(cost)
        return ((cost - baseline).detach() * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class PooledVarGrad(VarGrad):
    """The variance is taken over draws and rows together instead of for each row."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        model = cast(LatentVariableModel, problem)
        q = model.distribution(params)
        z = q.sample((num_samples,))
        joint = model.log_joint(params, z)
        f = q.log_prob(z) * model.latent_weight - joint.detach()
        # The variance, more than one row. With N = KB numbers Σ (f − f̄)² B/(2(N − 1)) has the mean gradient Σ_b G_b
        # (the factor 1 − 1/N of one's own f cancels): unbiased. But rows have different −log p(x), which are now part
        # of the "variance": where q is the posterior, f is constant within each row only, and the gradient is not zero.
        axes = (0, -1) if model.per_row else (0,)
        rows = f.shape[-1] if model.per_row else 1
        pooled = (f - f.mean(axes, keepdim=True)).square().sum(0) * rows / (2 * (num_samples * rows - 1))
        return pooled / model.latent_weight - joint.mean(0), state


@dataclass(frozen=True)
class RaoBlackwellOwnReads(RaoBlackwellScoreFunction):
    """A term counts as downstream of a site only if it reads that site, not if it reads a later stage."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        sites = staged(q)
        assert sites is not None
        z = q.sample((num_samples,))
        terms = problem.terms(params, z, problem.distribution(detached(params)))
        values = torch.stack([term.value for term in terms], -1)
        # The mean is off, staged q only. −log p(z²) and −log p(z¹_j | z²) are functions of z², which was drawn given
        # z¹_i: against the score of z¹_i they have a mean, and are left out. In a decision process the rewards to come
        # are left out: the policy is greedy. Where all coordinates are of one stage (mean field) the mask is the right
        # one.
        reads = torch.tensor([[i in term.coordinates for i in range(len(sites.stages))] for term in terms])
        weights = values.detach() @ reads.to(values)
        return ((weights * sites.log_prob_by_site(z)).sum(-1) + values.sum(-1)).mean(0), state


@dataclass(frozen=True)
class LeakyScoreFunction(ScoreFunction):
    """Z is drawn with rsample where q has one, so that the score's log q is differentiated through z as well."""

    claims = ()

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        # The mean is off, continuous q, and for a location and scale only the scale. log q(μ + σε) = −log σ + const:
        # its total derivative is 0 in μ and −1 in each log σ, and the cost now has its path as well. The location is
        # therefore a right pathwise gradient, and log σ is off by −E[cost]: nothing where the mean cost is 0, much with
        # an offset.
        z = q.rsample((num_samples,)) if q.has_rsample else q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        return (cost.detach() * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class CommonMovingAverage(MovingAverageBaseline):
    """The moving average is fed with the mean cost of all replicates, and so is one baseline for all of them."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        loss, moved = super().surrogate(problem, params, state, num_samples)
        # The contract: replicates are independent. The average of one replicate moves the baseline of all others, from
        # the second estimate on; one estimate at a given state shows nothing, and the mean is right. The warm variance
        # is flattered as well: the baseline is R times less noisy than one that a single training run would have.
        return loss, {**moved, "average": moved["average"].mean().expand_as(moved["average"]).clone()}


@dataclass(frozen=True)
class StickingTheLocation(StickingTheLanding):
    """Inside log q the location is detached, but the scale is forgotten."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return super().refuses(problem, num_samples) or no_gaussian_factors(problem)

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        loc, scale = cast(tuple[Tensor, Tensor], gaussian_factors(q))
        # The variance, the scale's parameters only. What is left in is ∂ log q(z)/∂ log σ = ε² − 1 at fixed z: of mean
        # zero, and so unbiased, but with variance 2 for each row and draw: at q = posterior, where the claim is a
        # gradient of zero, log σ has all of that noise. The location is as it should be.
        fixed = Independent(Normal(loc.detach(), scale, validate_args=False), 1, validate_args=False)
        return problem.cost(params, q.rsample((num_samples,)), fixed).mean(0), state


@dataclass(frozen=True)
class AnalyticKLOfMarginals(ReparameterizationAnalyticKL):
    """The closed-form KL is the sum of those of the coordinates, from q's mean and standard deviations."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        reason = super().refuses(problem, num_samples)
        if reason is None and not isinstance(problem.distribution(problem.init()), MultivariateNormal):
            reason = no_gaussian_factors(problem)
        return reason

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        model, q = cast(LatentVariableModel, problem), problem.distribution(params)
        z, p = q.rsample((num_samples,)), model.prior(params)
        # The mean is off, a q with correlations only. KL(q ‖ N(0, I)) = Σ_j KL(q_j ‖ p_j) + (−½ log det of q's
        # correlations), and the second part is missing: the gradient of `lower` (and of log_scale) lacks what keeps q
        # from being singular.
        divergence = kl_divergence(Normal(q.mean, q.stddev), Normal(p.mean, p.stddev)).sum(-1)
        likelihood = model.log_likelihood(params, z) * model.likelihood_weight
        return (divergence * model.latent_weight - likelihood).mean(0), state


@dataclass(frozen=True)
class AcceptedGamma(ImplicitReparameterization):
    """The path of an accepted Marsaglia-Tsang proposal, without the correction for having been accepted."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        q = problem.distribution(problem.init())
        gamma = isinstance(q, Independent) and isinstance(q.base_dist, Gamma)
        return super().refuses(problem, num_samples) or (None if gamma else "z is no vector of Gammas")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        alpha, rate = cast(Gamma, cast(Independent, q).base_dist).concentration, q.base_dist.rate  # type: ignore
        boosted = torch.where(alpha < 1, alpha + 1, alpha)
        x = Gamma(boosted.detach(), torch.ones_like(rate)).sample((num_samples,))
        d = boosted - 1 / 3
        # The mean is off, small shapes (29 % of log α's gradient at 1.5, not seen at 16.5; boosted below 1: 1 % at .6).
        # z = d (1 + ε/√(9d))³ has the right law, but the accepted ε is not N(0, 1): its density depends on α, and by
        # the chain rule g lacks E[cost ∂ log p(ε; α)/∂α] (Naesseth et al., 2017, the g_corr of their equation 8). The
        # rate is a scale, and right.
        noise = ((x / d).pow(1 / 3) - 1).mul((9 * d).sqrt()).detach()
        unit = d * (1 + noise / (9 * d).sqrt()) ** 3
        power = torch.where(alpha < 1, uniform(alpha.detach(), num_samples).pow(1 / alpha), torch.ones_like(alpha))
        return problem.cost(params, unit * power / rate, q).mean(0), state


@dataclass(frozen=True)
class MomentMatchedAntithetic(Antithetic):
    """The pairs' noise is rescaled to have the second moment 1 exactly, which gives it another law."""

    claims = ()

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        loc, scale = cast(tuple[Tensor, Tensor], gaussian_factors(q))
        noise = torch.randn(num_samples // 2, *loc.shape, dtype=loc.dtype, device=loc.device)
        # The mean is off, costs that are not quadratic, the more the fewer pairs. Divided by its own root mean square
        # the noise is no normal: with one pair it is ±1. First and second moments are exact (in each coordinate, and
        # signs make the mixed ones 0), so that a quadratic cost has the right mean, and no noise; E[ε⁴] = 3n/(n + 2)
        # for n pairs, not 3.
        noise = noise / noise.square().mean(0, keepdim=True).sqrt()
        z = torch.cat([loc + scale * noise, loc - scale * noise])
        return problem.cost(params, z, q).mean(0), state
