"""A sigmoid belief network whose parameters are known: only q is learned."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent
from torch.nn.functional import logsigmoid

from gradmark.benchmarks.problems.distributions.bits import states_of_bits
from gradmark.benchmarks.problems.sizes import check_seed, check_sizes
from gradmark.benchmarks.problems.terms import by_coordinate
from gradmark.benchmarks.shared_data import shared
from gradmark.estimators.core import Enumerated, LatentVariableModel, Params, Term

MOST_LATENTS = 12  # that are enumerated


@dataclass(frozen=True)
class KnownNetwork(LatentVariableModel):
    """z_j ~ Bernoulli(σ(b_j)), x_i | z ~ Bernoulli(σ(Wz + c)_i), W, b and c known; q(z_j|x) = Bernoulli(σ(η_j(x))).

    W is `strength`·N(0, 1), b is −1, and c is such that an average z leaves every pixel undecided; the data are drawn
    from the model. Everything by enumeration of the 2^latents states. A subclass says what η is made of.
    """

    latents: int = 6
    observed: int = 8
    rows: int = 64
    strength: float = 2.0
    seed: int = 0

    @abstractmethod
    def encoded(self, params: Params) -> Tensor:
        """η, the logits of q, `[*R, rows, latents]`."""

    def validate(self) -> None:
        check_sizes(self, "latents", "observed", "rows")
        if self.latents > MOST_LATENTS:
            raise ValueError(
                f"{type(self).__name__}(latents={self.latents}): 2^{self.latents} states are too many to enumerate; "
                f"use {MOST_LATENTS} or fewer"
            )
        states = 2**self.latents * max(self.observed, self.rows)
        check_sizes(self, "latents", "observed", "rows", states=states)
        if self.strength <= 0:
            raise ValueError(f"{type(self).__name__}(strength={self.strength}): it must be positive; use 2.0")
        check_seed(self, self.seed)

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return _rows(self, dtype, device)

    @property
    def num_rows(self) -> int:
        return self.rows

    def distribution(self, params: Params) -> Distribution:
        return Independent(Bernoulli(logits=self.encoded(params), validate_args=False), 1, validate_args=False)

    def prior(self, params: Params) -> Distribution:
        logits = torch.full_like(self.encoded(params), PRIOR)
        return Independent(Bernoulli(logits=logits, validate_args=False), 1, validate_args=False)

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        weight, bias = _model(self)
        lit = z @ weight.to(z).mT + bias.to(z)
        return (self.observations(params) * lit + logsigmoid(-lit)).sum(-1)

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> list[Term]:
        return by_coordinate(self, params, z, q)

    @property
    def num_states(self) -> int:
        return 2**self.latents

    def log_joint_of(self, params: Params, first: int, last: int) -> Float[Tensor, "*batch states"]:
        like = next(iter(params.values()))
        states, (weight, bias) = states_of_bits(self.latents, like)[first:last], _model(self)
        lit = states @ weight.to(like).mT + bias.to(like)
        alone = logsigmoid(-lit).sum(-1) + log_prob_of_states(torch.full((self.latents,), PRIOR).to(like), states)
        axes = like.shape[: like.dim() - 2]
        return (self.observations(params) @ lit.mT + alone).expand(*axes, -1, -1)

    def posterior(self, params: Params) -> Enumerated:
        joint = self.log_joint_of(params, 0, self.num_states)
        return Enumerated(states_of_bits(self.latents, joint), joint)

    def log_evidence(self, params: Params) -> Tensor:
        """log p(x) of each row, `[*R, rows]`; under `select` with the weight of the row, as the cost."""
        return self.log_joint_of(params, 0, self.num_states).logsumexp(-1) * self.likelihood_weight

    def exact(self, params: Params) -> Tensor:
        log_q = log_prob_of_states(self.encoded(params), states_of_bits(self.latents, next(iter(params.values()))))
        joint = self.log_joint_of(params, 0, self.num_states)
        return (log_q.exp() * (log_q - joint)).sum(-1) * self.likelihood_weight

    @property
    def no_oracle(self) -> None:
        return None

    @property
    def footprint(self) -> int:
        return self.rows * max(self.observed, self.latents)


PRIOR = -1.0  # the logit of every bit


def log_prob_of_states(logits: Tensor, states: Tensor) -> Tensor:
    """log of the probability of each state: logits `[*batch, latents]` to `[*batch, states]`."""
    return logits @ states.mT + logsigmoid(-logits).sum(-1, keepdim=True)


@shared
def _model(problem: KnownNetwork) -> tuple[Tensor, Tensor]:
    """W `[observed, latents]` and c `[observed]`."""
    draw = np.random.default_rng(problem.seed)
    weight = torch.from_numpy(problem.strength * draw.standard_normal((problem.observed, problem.latents)))
    return weight, -weight.sum(-1) * float(torch.tensor(PRIOR).double().sigmoid())


@shared
def _rows(problem: KnownNetwork, dtype: torch.dtype, device: torch.device) -> Tensor:
    (weight, bias), draw = _model(problem), np.random.default_rng([problem.seed, 1])
    prior = float(torch.tensor(PRIOR).double().sigmoid())
    z = torch.from_numpy((draw.random((problem.rows, problem.latents)) < prior).astype(float))
    lit = (z @ weight.mT + bias).sigmoid()
    return (torch.from_numpy(draw.random((problem.rows, problem.observed))) < lit).to(device, dtype)
