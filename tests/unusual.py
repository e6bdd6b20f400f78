"""Right but unusual: unbiased estimators that nobody would write so, and that the referee must not reject."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategorical

from gradmark.estimators import ExactGradient, LeaveOneOut, Reparameterization, ScoreFunction
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
from tests.unusual_bits import ARMS, BitFlip, DoubleControlVariate, LocalExpectation, MuProp
from tests.unusual_loops import ChunkedWide, ForwardGradient, RejectionReparameterization
from tests.unusual_normals import BoxMuller, InverseDistribution, RandomSign, SumOfTwo, normal
from tests.unusual_paths import LAX, CrossFitted, RandomisedQuadrature, RandomisedSobol, TaylorControlVariate
from tests.unusual_sets import Alternating, AuxiliaryBaseline, DefensiveImportance, SumAndSample, UnorderedSet


def bits(problem: Problem) -> bool:
    q = problem.distribution(problem.init())
    return isinstance(q, Independent) and isinstance(q.base_dist, Bernoulli)


def by_replicate(weight: Tensor, value: Tensor) -> Tensor:
    """One number for each replicate, in as many axes as `value`."""
    return weight.reshape((*weight.shape, *[1] * (value.dim() - weight.dim())))


def scored(problem: Problem, params: Params, z: Tensor, baseline: Tensor | float = 0.0) -> Tensor:
    """The score function's loss for given draws, `[K, *R, *B]`."""
    cost = problem.cost(params, z, problem.distribution(detached(params)))
    return (cost.detach() - baseline) * problem.distribution(params).log_prob(z) + cost


@dataclass(frozen=True)
class ImportanceSampled(SurrogateEstimator):
    """z from a wider normal, weighted: the score function off its distribution."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return "made for normal z" if normal(problem) is None else None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        wider = Independent(Normal(q.mean.detach(), 1.2 * q.stddev.detach()), 1)
        z = wider.sample((num_samples,))
        weight = (q.log_prob(z).detach() - wider.log_prob(z)).exp()
        return (weight * scored(problem, params, z)).mean(0), state


@dataclass(frozen=True)
class RandomBaseline(SurrogateEstimator):
    """Its baseline is a normal number that has nothing to do with anything."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).sample((num_samples,))
        shape = problem.distribution(params).log_prob(z).shape
        return scored(problem, params, z, torch.randn(shape, dtype=z.dtype)).mean(0), state


@dataclass(frozen=True)
class OtherHalf(SurrogateEstimator):
    """The mean cost of each half of the draws is the other half's baseline."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return "made for even num_samples" if num_samples % 2 else None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(params)).detach()
        halves = cost.unflatten(0, (2, -1)).mean(1).flip(0)
        baseline = halves.repeat_interleave(num_samples // 2, 0)
        return scored(problem, params, z, baseline).mean(0), state


@dataclass(frozen=True)
class MedianOfOthers(SurrogateEstimator):
    """Each draw's baseline is a median of the other draws' costs."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return "made for two draws or more" if num_samples < 2 else None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(params)).detach()
        others = [torch.cat([cost[:k], cost[k + 1 :]]).median(0).values for k in range(num_samples)]
        return scored(problem, params, z, torch.stack(others)).mean(0), state


@dataclass(frozen=True)
class RescaledMean(SurrogateEstimator):
    """The mean of all draws as a baseline, its own included, and K/(K − 1) to make up for it."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return "made for two draws or more" if num_samples < 2 else None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        weight = (cost - cost.mean(0)).detach() * num_samples / (num_samples - 1)
        return (weight * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class ConstantControl(SurrogateEstimator):
    """A third of the score is taken off, whatever the cost."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).sample((num_samples,))
        return scored(problem, params, z, 1 / 3).mean(0), state


@dataclass(frozen=True)
class Delayed(SurrogateEstimator):
    """The baseline is the mean cost of the estimate before the last one."""

    def init(self, problem: Problem, params: Params) -> State:
        like = next(iter(params.values()))
        none = like.new_zeros(replicate_axes(problem, params))
        return {"last": none, "before": none.clone()}

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(params)).detach().mean(0)
        before = by_replicate(state["before"], cost)
        mean = cost.reshape((*state["before"].shape, -1)).mean(-1)
        return scored(problem, params, z, before).mean(0), {"last": mean, "before": state["last"]}


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


@dataclass(frozen=True)
class Both(Estimator):
    """A third of the score function and two thirds of the path."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return Reparameterization().refuses(problem, num_samples)

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        score = ScoreFunction().estimate(problem, params, (), num_samples).gradient
        path = Reparameterization().estimate(problem, params, (), num_samples).gradient
        return Estimate({name: score[name] / 3 + 2 * path[name] / 3 for name in params}, state)


@dataclass(frozen=True)
class TossedCoin(Estimator):
    """The score function or the path, whatever a coin says, with a coin for each replicate."""

    refuses = Both.refuses

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        score = ScoreFunction().estimate(problem, params, (), num_samples).gradient
        path = Reparameterization().estimate(problem, params, (), num_samples).gradient
        coin = torch.bernoulli(torch.full(replicate_axes(problem, params), 0.5, dtype=torch.float64))
        heads = {name: by_replicate(coin, value) > 0 for name, value in params.items()}
        return Estimate({name: torch.where(heads[name], score[name], path[name]) for name in params}, state)


@dataclass(frozen=True)
class Roulette(Estimator):
    """Three times leave-one-out's gradient, and mostly nothing at all."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return LeaveOneOut().refuses(problem, num_samples)

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        gradient = LeaveOneOut().estimate(problem, params, (), num_samples).gradient
        spins = torch.full((num_samples, *replicate_axes(problem, params)), 1 / 3, dtype=torch.float64)
        weight = 3 * torch.bernoulli(spins).mean(0)
        weighted = {name: (by_replicate(weight, value) * value).to(value.dtype) for name, value in gradient.items()}
        return Estimate(weighted, state)


@dataclass(frozen=True)
class NoisyTruth(Estimator):
    """The exact gradient, and a normal number in each coordinate that no draw of z has to do with."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return ExactGradient().refuses(problem, num_samples)

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        gradient = ExactGradient().estimate(problem, params, (), num_samples).gradient
        for name, value in params.items():
            gradient[name] = gradient[name] + torch.randn((num_samples, *value.shape), dtype=value.dtype).mean(0)
        return Estimate(gradient, state)


@dataclass(frozen=True)
class RandomWeight(SurrogateEstimator):
    """Each draw's loss is weighted by a log-normal number of mean one."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).sample((num_samples,))
        loss = scored(problem, params, z)
        weight = torch.empty(loss.shape, dtype=loss.dtype).log_normal_(-0.02, 0.2)
        return (weight * loss).mean(0), state


def unusual() -> list[Estimator]:
    """All of them: the last eighteen are by one who had not read the referee, which took nine of them for wrong.

    A method that is exact on a problem seemed to draw nothing; more draws were asked for than there are categories;
    draws made in chunks or once more seemed to be shared by replicates, noise that rows share to be a bug, and a coin
    tossed in single precision to be coarse.
    """
    return [
        cls()
        for cls in (
            InverseDistribution, BoxMuller, SumOfTwo, RandomSign, ImportanceSampled, RandomBaseline, OtherHalf,
            MedianOfOthers, RescaledMean, ConstantControl, Delayed, GumbelArgmax, IndexDrawn, RotatedBits,
            OneSiteAtATime, Both, TossedCoin, Roulette, NoisyTruth, RandomWeight,
            MuProp, LocalExpectation, BitFlip, ARMS, DoubleControlVariate, UnorderedSet, SumAndSample,
            AuxiliaryBaseline, DefensiveImportance, Alternating, CrossFitted, TaylorControlVariate, RandomisedSobol,
            LAX, RandomisedQuadrature, RejectionReparameterization, ForwardGradient, ChunkedWide,
        )
    ]  # fmt: skip
