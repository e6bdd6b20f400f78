"""Wrong estimators that were written after the referee was frozen, by one who had not read its laws.

`check` rejected eleven of the sixteen. It missed five at first, and has had a law or a fixture for each since then:

* ScoreFunctionByProbabilities: no fixture had logits beyond ±4, and no law looked at the values of a float32 gradient.
* StickingTheLandingByRows: no fixture had a minibatch of rows that share their z.
* AntitheticInTheSampleMean: a variance that halves with twice the draws says nothing of a constant factor.
* ARMInReducedPrecision: every law of the mean runs in float64, where this one is right.
* GumbelSoftmaxOfOneNoise: nothing asked whether rows have noise of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Gamma, Independent

from gradmark.estimators import (
    ARM,
    IWAE,
    NVIL,
    RELAX,
    Antithetic,
    ExactPosterior,
    GumbelSoftmax,
    ImplicitReparameterization,
    LeaveOneOut,
    MeasureValued,
    MovingAverageBaseline,
    RaoBlackwellScoreFunction,
    Reparameterization,
    ScoreFunction,
    StickingTheLanding,
)
from gradmark.estimators.core import LatentVariableModel, Params, Problem, State, detached, linear, replicate_axes
from gradmark.estimators.couplings import Relaxation, bit_logits, relaxation
from gradmark.estimators.measure_valued.base import one_at_a_time
from gradmark.estimators.relaxed_control_variates.base import Cost, relaxed_cost
from gradmark.estimators.requirements import Staged, gaussian_factors, no_gaussian_factors, staged


def rows_of_their_own(problem: Problem) -> bool:
    return isinstance(problem, LatentVariableModel) and problem.per_row


def drawn(problem: Problem, params: Params, num_samples: int) -> tuple[Distribution, Tensor, Tensor]:
    """q, the draws and their cost, with constant parameters in the cost's q."""
    q = problem.distribution(params)
    z = q.sample((num_samples,))
    return q, z, problem.cost(params, z, problem.distribution(detached(params)))


def normals(problem: Problem, params: Params) -> tuple[Tensor, Tensor]:
    return cast(tuple[Tensor, Tensor], gaussian_factors(problem.distribution(params)))


@dataclass(frozen=True)
class ScoreFunctionByProbabilities(ScoreFunction):
    """log q of bits from p instead of the logit."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None if bit_logits(problem.distribution(problem.init())) is not None else "made for independent bits"

    # beyond a logit of 17 in float32, 37 in float64, 1 − p is zero: 0 · log 0 and its slope 0/0 are not finite
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, z, cost = drawn(problem, params, num_samples)
        p = cast(Bernoulli, cast(Independent, q).base_dist).logits.sigmoid()
        log_q = (z * p.log() + (1 - z) * (1 - p).log()).sum(-1)
        return (cost.detach() * log_q + cost).mean(0), state


@dataclass(frozen=True)
class MedianBaseline(LeaveOneOut):
    """From three draws on the baseline is the median cost of all of them, one's own included."""

    # the median is a function of z_k's cost too: E[median · s(z_k)] is not zero (of 3, a third of the draws weigh 0)
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        if num_samples < 3:
            return super().surrogate(problem, params, state, num_samples)
        q, z, cost = drawn(problem, params, num_samples)
        return ((cost - cost.median(0).values).detach() * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class BatchBaseline(ScoreFunction):
    """The baseline of each row is the mean cost of all rows and draws, one's own included."""

    claims = ("order_changes_nothing",)

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None if rows_of_their_own(problem) else "made for rows that have a z each"

    # one's own cost is 1/(K B) of the mean: the gradient in q's parameters is (1 − 1/(K B)) of what it should be
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, z, cost = drawn(problem, params, num_samples)
        baseline = cost.detach().mean((0, -1), keepdim=True)
        return ((cost.detach() - baseline) * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class SlowMovingAverage(MovingAverageBaseline):
    """Starts at the first cost, and from the second estimate on moves the average before it is subtracted."""

    decay: float = 0.97

    # the average holds (1 − decay)/K of one's own cost: from the second estimate on 1 − .03/K of the gradient
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, z, cost = drawn(problem, params, num_samples)
        replicates, warm = state["average"].shape, state["weight"] > 0
        latest = cost.detach().mean(0).reshape((*replicates, -1)).mean(-1)
        average = torch.where(warm, self.decay * state["average"] + (1 - self.decay) * latest, latest)
        baseline = torch.where(warm, average, 0).reshape((*replicates, *[1] * (cost.dim() - 1 - len(replicates))))
        loss = ((cost.detach() - baseline) * q.log_prob(z) + cost).mean(0)
        return loss, {"average": average, "weight": torch.ones_like(average)}


@dataclass(frozen=True)
class NVILOfThePaper(NVIL):
    """Divides what is left of the cost by max(1, its running standard deviation)."""

    def init(self, problem: Problem, params: Params) -> State:
        like = next(iter(params.values()))
        return super().init(problem, params) | {"variance": like.new_zeros(replicate_axes(problem, params))}

    # where residuals spread by more than 1, the gradient in q's parameters is divided by that, after the first estimate
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        x = cast(LatentVariableModel, problem).observations(params)
        q, z, cost = drawn(problem, params, num_samples)
        above = cost.detach() - (x @ state["slope"].unsqueeze(-1)).squeeze(-1)
        average = state["average"] / state["weight"].clamp_min(torch.finfo(cost.dtype).tiny)
        residual = above - average.unsqueeze(-1)
        scale = state["variance"].sqrt().clamp_min(1).unsqueeze(-1)
        step = (residual.mean(0).unsqueeze(-1) * x).mean(-2) / (1 + x.square().sum(-1)).mean(-1, keepdim=True)
        latest = {"average": above.mean((0, -1)), "weight": 1, "variance": residual.square().mean((0, -1))}
        running = {name: self.decay * state[name] + (1 - self.decay) * value for name, value in latest.items()}
        loss = (residual / scale * q.log_prob(z) + cost).mean(0)
        return loss, running | {"slope": state["slope"] + self.rate * step}


@dataclass(frozen=True)
class ImplicitByMarsagliaTsang(ImplicitReparameterization):
    """Differentiates the proposal of Marsaglia and Tsang's sampler at the accepted noise, as if none were rejected."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        q = problem.distribution(problem.init())
        return None if isinstance(q, Independent) and isinstance(q.base_dist, Gamma) else "made for Gamma z"

    # the accepted noise is no longer normal: its density depends on the shape, whose score is left out
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        gamma = cast(Gamma, cast(Independent, q).base_dist)
        shape = gamma.concentration + 1 - 1 / 3  # one more than wanted, so that small ones are accepted as well
        accepted = Gamma(gamma.concentration.detach() + 1, torch.ones_like(shape), validate_args=False)
        with torch.no_grad():
            noise = ((accepted.sample((num_samples,)) / shape) ** (1 / 3) - 1) * (9 * shape).sqrt()
            u = torch.rand_like(noise).clamp_min(torch.finfo(noise.dtype).tiny)
        z = shape * (1 + noise / (9 * shape).sqrt()) ** 3 * u ** (1 / gamma.concentration) / gamma.rate
        return problem.cost(params, z, q).mean(0), state


@dataclass(frozen=True)
class StickingTheLandingByRows(StickingTheLanding):
    """Weighs log q and log p(z) as the likelihood of the rows, also where all rows share one z."""

    # of a minibatch of `size` rows that share z the divergence counts rows/size times instead of once
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        model = cast(LatentVariableModel, problem)
        z = model.distribution(params).rsample((num_samples,))
        log_ratio = model.distribution(detached(params)).log_prob(z) - model.prior(params).log_prob(z)
        return (log_ratio - model.log_likelihood(params, z)).mean(0) * model.likelihood_weight, state


@dataclass(frozen=True)
class AntitheticInTheSampleMean(Antithetic):
    """Mirrors the draws in their own mean instead of q's."""

    # 2 ε̄ − ε is N(0, 1), so that the mean is right; but of one pair it is ε, of two the other one's: half is wasted
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.rsample((num_samples // 2,))
        return problem.cost(params, torch.cat([z, 2 * z.mean(0) - z]), q).mean(0), state


@dataclass(frozen=True)
class RolledNoise(Reparameterization):
    """Takes the noise of every second draw from the neighbour in the row axis, which may be the replicates'."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return no_gaussian_factors(problem) or super().refuses(problem, num_samples)

    # without rows replicates r and r + 1 share half of their noise; with rows the covariance of neighbours is not zero
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        loc, scale = normals(problem, params)
        noise = torch.randn((num_samples + 1) // 2, *loc.shape, dtype=loc.dtype, device=loc.device)
        noise = torch.cat([noise, noise.roll(1, -2)])[:num_samples]
        return problem.cost(params, loc + scale * noise, problem.distribution(params)).mean(0), state


@dataclass(frozen=True)
class ARMInReducedPrecision(ARM):
    """Draws its uniforms in bfloat16 where the parameters are float32."""

    # uniforms are multiples of 1/256: a bit of probability .3 is one with .2969, and one below 1/256 never on one side
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        logits = cast(Tensor, bit_logits(problem.distribution(params)))
        dtype = torch.bfloat16 if logits.dtype == torch.float32 else logits.dtype
        u = torch.rand(num_samples // 2, *logits.shape, dtype=dtype, device=logits.device).to(logits)
        b, paired = ((u > (-logits).sigmoid()).to(logits), (u < logits.sigmoid()).to(logits))
        cost = problem.cost(params, torch.cat([b, paired]), problem.distribution(detached(params)))
        slope = ((cost.detach().chunk(2)[0] - cost.detach().chunk(2)[1]).unsqueeze(-1) * (u - 0.5)).mean(0)
        return (slope * logits).sum(-1) + cost.mean(0), state


@dataclass(frozen=True)
class GumbelSoftmaxOfOneNoise(GumbelSoftmax):
    """Draws one noise for all rows of data."""

    # rows are independent given the data, and here are not: their covariances add to the variance of the sum
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        relaxed = cast(Relaxation, relaxation(q))
        noise = (relaxed.noisy(num_samples) - relaxed.logits).detach()
        if rows_of_their_own(problem):
            noise = noise.narrow(-1 - len(q.event_shape), 0, 1)
        z = relaxed.soft(relaxed.logits + noise, self.temperature)
        return problem.cost(params, z, problem.distribution(detached(params))).mean(0), state


@dataclass(frozen=True)
class RELAXWithBatchNorm(RELAX):
    """Standardises what the network sees over draws, replicates and rows."""

    # c then depends on the draws that it is applied to, and on those of other replicates, once the network is not zero
    def control(self, cost: Cost, relaxed: Relaxation, z: Tensor, coefficients: Params) -> Tensor:
        found, weight = relaxed_cost(cost, relaxed, z, coefficients), coefficients["hidden_weight"]
        x = z.reshape(*z.shape[: 1 + coefficients["eta"].dim()], -1, weight.shape[-1])
        batch = tuple(range(x.dim() - 1))
        x = (x - x.mean(batch)) / (x.var(batch, correction=0) + 1e-5).sqrt()
        units = linear(x, weight, coefficients["hidden_bias"]).tanh()
        return found + linear(units, coefficients["output_weight"], coefficients["output_bias"]).reshape(found.shape)


@dataclass(frozen=True)
class IWAEOfTruncatedWeights(IWAE):
    """Truncates the weights at √K times their mean, as is done to tame importance sampling."""

    # where one weight is more than 1/√K of the sum its path is cut: another bound, and not that of the target
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        row = cast(LatentVariableModel, problem).latent_weight
        log_w = -problem.cost(params, q.rsample((num_samples,)), q) / row
        most = log_w.detach().logsumexp(0) - math.log(num_samples) / 2
        log_w = torch.where(log_w > most, most, log_w)
        return row * (math.log(num_samples) - log_w.logsumexp(0)), state


@dataclass(frozen=True)
class RaoBlackwellOfTheFirst(RaoBlackwellScoreFunction):
    """Looks for the stage of a term at the first coordinate it reads instead of the last."""

    # log p(z_i | z²) reads z_i and z², and z² is drawn given the z_j of i's layer: its mean against s_j is not zero
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        sites = cast(Staged, staged(q))
        z, stages = q.sample((num_samples,)), sites.stages
        terms = problem.terms(params, z, problem.distribution(detached(params)))
        reached = [
            [i in term.coordinates or stage < stages[term.coordinates[0]] for i, stage in enumerate(stages)]
            for term in terms
        ]
        values = torch.stack([term.value for term in terms], -1)
        weights = values.detach() @ torch.tensor(reached).to(values)
        return ((weights * sites.log_prob_by_site(z)).sum(-1) + values.sum(-1)).mean(0), state


@dataclass(frozen=True)
class MeasureValuedAtTheMean(MeasureValued):
    """Leaves the other coordinates at their means instead of at the draw."""

    # E[cost] over the others is not the cost at their mean: right where the cost is quadratic or a sum, and only there
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        factors, held = normals(problem, params), detached(params)
        q, (loc, scale) = problem.distribution(held), (each.detach() for each in factors)
        noise = torch.randn(num_samples, *loc.shape, dtype=loc.dtype, device=loc.device)
        ends = [loc + scale * end for end in (*self.ends(noise), noise)]
        moved = torch.cat([one_at_a_time(loc.expand_as(noise), end) for end in ends])
        above, below, spread, normal = problem.cost(held, moved.flatten(0, 1), q).unflatten(0, moved.shape[:2]).chunk(4)
        slopes = ((above - below) / math.sqrt(2 * math.pi), spread - normal)
        by_coordinate = (slope.mean(1).movedim(0, -1) / scale for slope in slopes)
        paths = torch.stack([slope * factor for slope, factor in zip(by_coordinate, factors, strict=True)])
        return paths.sum((0, -1)) + problem.cost(params, loc + scale * noise, q).mean(0), state


@dataclass(frozen=True)
class ExactPosteriorOfOneDraw(ExactPosterior):
    """Draws once from the posterior, and repeats the draw."""

    # the mean is right, and the variance that of one draw, however many are paid for
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        model = cast(LatentVariableModel, problem)
        posterior = cast(Distribution, model.posterior(detached(params)))
        z = posterior.sample((1,)).expand(num_samples, *posterior.batch_shape, *posterior.event_shape)
        return -model.log_joint(params, z).mean(0), state
