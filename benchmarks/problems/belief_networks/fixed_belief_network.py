"""A sigmoid belief network whose parameters are known: only q is learned, one for each row or by an encoder."""

from __future__ import annotations

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
from gradmark.estimators.core import Enumerated, LatentVariableModel, Params, Term, linear

MOST_LATENTS = 12  # that are enumerated
ENCODERS = ("free", "linear")


@dataclass(frozen=True)
class FixedBeliefNetwork(LatentVariableModel):
    """z_j ~ Bernoulli(σ(b_j)), x_i | z ~ Bernoulli(σ(Wz + c)_i), W, b and c known; q(z_j|x) = Bernoulli(σ(η_j(x))).

    `encoder="free"` has η as a parameter of each row, `logits` `[rows, latents]`: the best that independent bits can
    do. `encoder="linear"` amortises it, η(x) = Ex + e, `encoder_weight` `[latents, observed]` and `encoder_bias`
    `[latents]`. W is `strength`·N(0, 1): bits that explain the same pixel are dependent given it, the more, the
    stronger. b is −1, and c is such that an average z leaves every pixel undecided; the data are drawn from the model.
    Everything by enumeration of the 2^latents states. With free logits a sweep of coordinate ascent is known:

        η_j ← E_{k ≠ j}[log p(x, z with z_j = 1) − log p(x, z with z_j = 0)]

    Shapes: z `[*S, *R, rows, latents]`, cost, oracle and evidence `[*R, rows]`.

    Raises ValueError for a size out of range, an unknown encoder, a strength that is not positive or a negative seed.

    Reference: saul1996
    """

    latents: int = 6
    observed: int = 8
    rows: int = 64
    strength: float = 2.0
    encoder: str = "free"
    seed: int = 0

    def validate(self) -> None:
        check_sizes(self, "latents", "observed", "rows")
        if self.latents > MOST_LATENTS:
            raise ValueError(
                f"FixedBeliefNetwork(latents={self.latents}): 2^{self.latents} states are too many to enumerate; "
                f"use {MOST_LATENTS} or fewer"
            )
        states = 2**self.latents * max(self.observed, self.rows)
        check_sizes(self, "latents", "observed", "rows", states=states)
        if self.encoder not in ENCODERS:
            raise ValueError(f"FixedBeliefNetwork(encoder={self.encoder!r}): use {' or '.join(ENCODERS)}")
        if self.strength <= 0:
            raise ValueError(f"FixedBeliefNetwork(strength={self.strength}): it is positive; use 2.0")
        check_seed(self, self.seed)

    def init(self) -> Params:
        draw = np.random.default_rng(0)  # the start does not depend on the data's seed
        if self.encoder == "free":
            return {"logits": torch.from_numpy(draw.normal(scale=0.1, size=(self.rows, self.latents)))}
        weight = torch.from_numpy(draw.normal(scale=0.1, size=(self.latents, self.observed)))
        return {"encoder_weight": weight, "encoder_bias": torch.zeros(self.latents, dtype=torch.float64)}

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return _rows(self, dtype, device)

    @property
    def num_rows(self) -> int:
        return self.rows

    def distribution(self, params: Params) -> Distribution:
        return Independent(Bernoulli(logits=self.encoded(params), validate_args=False), 1, validate_args=False)

    def encoded(self, params: Params) -> Tensor:
        """η, the logits of q, `[*R, rows, latents]`."""
        if self.encoder == "linear":
            return linear(self.observations(params), params["encoder_weight"], params["encoder_bias"])
        index, logits = self._selected, params["logits"]
        if index is None or index.dim() == 1:
            return logits if index is None else logits[..., index.to(logits.device), :]
        return logits.take_along_dim(index.to(logits.device).unsqueeze(-1), -2)

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
        alone = logsigmoid(-lit).sum(-1) + _log_prob(torch.full((self.latents,), PRIOR).to(like), states)
        axes = like.shape[: like.dim() - 2]
        return (self.observations(params) @ lit.mT + alone).expand(*axes, -1, -1)

    def posterior(self, params: Params) -> Enumerated:
        joint = self.log_joint_of(params, 0, self.num_states)
        return Enumerated(states_of_bits(self.latents, joint), joint)

    def log_evidence(self, params: Params) -> Tensor:
        """log p(x) of each row, `[*R, rows]`; under `select` with the weight of the row, as the cost."""
        return self.log_joint_of(params, 0, self.num_states).logsumexp(-1) * self.likelihood_weight

    def exact(self, params: Params) -> Tensor:
        log_q = _log_prob(self.encoded(params), states_of_bits(self.latents, next(iter(params.values()))))
        joint = self.log_joint_of(params, 0, self.num_states)
        return (log_q.exp() * (log_q - joint)).sum(-1) * self.likelihood_weight

    @property
    def no_oracle(self) -> None:
        return None

    def coordinate(self, params: Params) -> Params | None:
        if self.encoder != "free":
            return None
        joint = self.log_joint_of(params, 0, self.num_states)
        states, logits = states_of_bits(self.latents, joint), params["logits"].clone()
        for j in range(self.latents):
            others = [k for k in range(self.latents) if k != j]
            weight = _log_prob(logits[..., others], states[:, others]).exp()
            logits[..., j] = (weight * (2 * states[:, j] - 1) * joint).sum(-1)
        return {"logits": logits}

    @property
    def footprint(self) -> int:
        return self.rows * max(self.observed, self.latents)


PRIOR = -1.0  # the logit of every bit


def _log_prob(logits: Tensor, states: Tensor) -> Tensor:
    """log of the probability of each state: logits `[*batch, latents]` to `[*batch, states]`."""
    return logits @ states.mT + logsigmoid(-logits).sum(-1, keepdim=True)


@shared
def _model(problem: FixedBeliefNetwork) -> tuple[Tensor, Tensor]:
    """W `[observed, latents]` and c `[observed]`."""
    draw = np.random.default_rng(problem.seed)
    weight = torch.from_numpy(problem.strength * draw.standard_normal((problem.observed, problem.latents)))
    return weight, -weight.sum(-1) * float(torch.tensor(PRIOR).double().sigmoid())


@shared
def _rows(problem: FixedBeliefNetwork, dtype: torch.dtype, device: torch.device) -> Tensor:
    (weight, bias), draw = _model(problem), np.random.default_rng([problem.seed, 1])
    prior = float(torch.tensor(PRIOR).double().sigmoid())
    z = torch.from_numpy((draw.random((problem.rows, problem.latents)) < prior).astype(float))
    lit = (z @ weight.mT + bias).sigmoid()
    return (torch.from_numpy(draw.random((problem.rows, problem.observed))) < lit).to(device, dtype)
