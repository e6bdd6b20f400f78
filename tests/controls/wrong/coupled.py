"""Wrong pairs of coupled bits; `Pairs` is right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators import (
    ARM,
    DisARM,
)
from gradmark.estimators.core import (
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
)
from gradmark.estimators.couplings import (
    antithetic_bits,
    relaxation,
    uniform,
)
from gradmark.estimators.requirements import Bits, EvenSamples
from tests.controls.wrong.base import Loss


@dataclass(frozen=True)
class Pairs(SurrogateEstimator):
    """A right ARM, with hooks for what may go wrong."""

    requires = (Bits(), EvenSamples())

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
class ARMInReducedPrecision(ARM):
    """Draws its uniforms in bfloat16 where the parameters are float32."""

    # uniforms are multiples of 1/256: a bit of probability .3 is one with .2969, and one below 1/256 never on one side
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        logits = Bits().of(problem.distribution(params))
        dtype = torch.bfloat16 if logits.dtype == torch.float32 else logits.dtype
        u = torch.rand(num_samples // 2, *logits.shape, dtype=dtype, device=logits.device).to(logits)
        b, paired = ((u > (-logits).sigmoid()).to(logits), (u < logits.sigmoid()).to(logits))
        cost = problem.cost(params, torch.cat([b, paired]), problem.distribution(detached(params)))
        slope = ((cost.detach().chunk(2)[0] - cost.detach().chunk(2)[1]).unsqueeze(-1) * (u - 0.5)).mean(0)
        return (slope * logits).sum(-1) + cost.mean(0), state


@dataclass(frozen=True)
class ClampedARM(ARM):
    """Uniforms are kept within [0.01, 0.99] "for stability"."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        logits = Bits().of(problem.distribution(params))
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
        logits = Bits().of(problem.distribution(params))
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
