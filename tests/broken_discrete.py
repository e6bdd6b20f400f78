"""Negative controls among the discrete methods: each with one bug that the mean shows.

(A bug that leaves the mean as it is, such as noise tied where it may be free, is for the tests of variances.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators import RELAX
from gradmark.estimators.core import Estimate, Params, Problem, State, SurrogateEstimator, detached
from gradmark.estimators.couplings import LogisticBits, Relaxation, antithetic_bits, relaxation, uniform


@dataclass(frozen=True)
class Pairs(SurrogateEstimator):
    """A right ARM, with hooks for what may go wrong."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        fits = isinstance(relaxation(problem.distribution(problem.init())), LogisticBits) and num_samples % 2 == 0
        return None if fits else "needs bits, and an even number of draws"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        relaxed = relaxation(problem.distribution(params))
        assert relaxed is not None
        u, b, paired = self.draw(relaxed.logits, num_samples // 2)
        cost = problem.cost(params, torch.cat([b, paired]), problem.distribution(detached(params)))
        of_b, of_paired = cost.detach().chunk(2)
        step = self.step(u, b, paired, relaxed.logits.detach())
        slope = ((of_b - of_paired).unsqueeze(-1) * step).mean(0)
        return (slope * relaxed.logits).sum(-1) + cost.mean(0), state

    def draw(self, logits: Tensor, pairs: int) -> tuple[Tensor, Tensor, Tensor]:
        """u, b and b̃."""
        return antithetic_bits(logits, pairs)

    def step(self, u: Tensor, b: Tensor, paired: Tensor, logits: Tensor) -> Tensor:
        """What the difference of the costs is multiplied by."""
        return u - 0.5


class TwoUniforms(Pairs):
    """The second bits come from uniforms of their own: half the gradient."""

    def draw(self, logits: Tensor, pairs: int) -> tuple[Tensor, Tensor, Tensor]:
        u, b, _ = antithetic_bits(logits, pairs)
        return u, b, antithetic_bits(logits, pairs)[2]


class OneUniformForAllBits(Pairs):
    """The bits of a vector share one uniform: right for one bit; of more, each one's slope has the others' in it."""

    def draw(self, logits: Tensor, pairs: int) -> tuple[Tensor, Tensor, Tensor]:
        u = uniform(logits[..., :1], pairs).expand(pairs, *logits.shape)
        return u, (u > (-logits).sigmoid()).to(logits).detach(), (u < logits.sigmoid()).to(logits).detach()


class SignlessLogit(Pairs):
    """DisARM with σ(φ) for σ(|φ|): right for positive logits only."""

    def step(self, u: Tensor, b: Tensor, paired: Tensor, logits: Tensor) -> Tensor:
        return (b - paired) * logits.sigmoid() / 2


class HalfForgotten(Pairs):
    """DisARM without its ½: twice the gradient."""

    def step(self, u: Tensor, b: Tensor, paired: Tensor, logits: Tensor) -> Tensor:
        return (b - paired) * logits.abs().sigmoid()


@dataclass(frozen=True)
class FixedControl(SurrogateEstimator):
    """A right REBAR with η = 1 and temperature ½, with hooks for what may go wrong."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None if relaxation(problem.distribution(problem.init())) else "needs bits or categories"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, held = problem.distribution(params), detached(params)
        fixed, relaxed = problem.distribution(held), relaxation(q)
        assert relaxed is not None
        z = relaxed.noisy(num_samples)
        b = relaxed.hard(z)
        cost = problem.cost(params, b, fixed)
        first, again = (problem.cost(held, relaxed.soft(each, 0.5), fixed) for each in (z, self.again(relaxed, z, b)))
        return (self.score(cost, again) * q.log_prob(b) + cost + self.path(first, again)).mean(0), state

    def again(self, relaxed: Relaxation, z: Tensor, b: Tensor) -> Tensor:
        """z̃."""
        return relaxed.given(b)

    def score(self, cost: Tensor, again: Tensor) -> Tensor:
        """What the score is weighed by."""
        return (cost - again).detach()

    def path(self, first: Tensor, again: Tensor) -> Tensor:
        """What is reparameterized."""
        return first - again


class ConditionalHeld(FixedControl):
    """z̃ is drawn from p(z | b) at constant parameters: its path is lost."""

    def again(self, relaxed: Relaxation, z: Tensor, b: Tensor) -> Tensor:
        return type(relaxed)(relaxed.logits.detach()).given(b)


class ConditionalThroughLocationAlone(FixedControl):
    """z̃ = φ + noise given b, whose truncation is held constant: .0150 for .021 at p = .3, t = .45."""

    def again(self, relaxed: Relaxation, z: Tensor, b: Tensor) -> Tensor:
        tilde = super().again(relaxed, z, b).detach()
        return tilde + relaxed.logits - relaxed.logits.detach()


class NoiseUnconditioned(FixedControl):
    """Given the category, the other Gumbels are left as they fall instead of being cut off below the chosen one."""

    def again(self, relaxed: Relaxation, z: Tensor, b: Tensor) -> Tensor:
        return torch.where(b > 0, relaxed.given(b), relaxed.noisy(len(b)))


class ControlAttached(FixedControl):
    """The control variate in the score's weight is not detached: log q times its slope comes on top."""

    def score(self, cost: Tensor, again: Tensor) -> Tensor:
        return cost.detach() - again


class CorrectionReversed(FixedControl):
    """∇c(z̃) − ∇c(z): the sign of the cost where a loss was taken for a bound."""

    def path(self, first: Tensor, again: Tensor) -> Tensor:
        return again - first


class CorrectionForgotten(FixedControl):
    """The mean of the control variate is not put back."""

    def path(self, first: Tensor, again: Tensor) -> Tensor:
        return torch.zeros_like(first)


class NoiseReused(FixedControl):
    """z̃ is made from the noise of z: given b, that is no longer uniform."""

    def again(self, relaxed: Relaxation, z: Tensor, b: Tensor) -> Tensor:
        sign, u = 2 * b - 1, (z - relaxed.logits).sigmoid()
        p = relaxed.logits.sigmoid()
        return relaxed.logits + torch.where(sign > 0, 1 - p + u.detach() * p, u.detach() * (1 - p)).logit()


class NormaliserForgotten(FixedControl):
    """Logits that are not normalised where their probabilities are wanted: z̃ of other odds than z."""

    def again(self, relaxed: Relaxation, z: Tensor, b: Tensor) -> Tensor:
        return type(relaxed)(relaxed.logits + 0.7).given(b)


@dataclass(frozen=True)
class LearnsWhatItUses(RELAX):
    """Weighs the score by the control variate after it has learned from these very draws."""

    rate: float = 0.1

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        before = torch.get_rng_state()
        state = super().estimate(problem, params, state, num_samples).state
        torch.set_rng_state(before)
        return super().estimate(problem, params, state, num_samples)
