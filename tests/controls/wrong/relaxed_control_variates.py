"""Wrong control variates made of relaxed draws; `FixedControl` is right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution

from gradmark.estimators import (
    REBAR,
    RELAX,
)
from gradmark.estimators.core import (
    Estimate,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
    linear,
)
from gradmark.estimators.couplings import (
    GumbelOneHot,
    Relaxation,
    relaxation,
    uniform,
)
from gradmark.estimators.relaxed_control_variates.base import Cost, relaxed_cost
from gradmark.estimators.requirements import BitsOrCategories


@dataclass(frozen=True)
class FixedControl(SurrogateEstimator):
    """A right REBAR with η = 1 and temperature ½, with hooks for what may go wrong."""

    requires = (BitsOrCategories(),)

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

    def relaxation(self, q: Distribution) -> Relaxation:
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
