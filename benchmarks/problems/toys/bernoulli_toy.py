"""Independent bits and a cost whose every expectation is known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent

from gradmark.benchmarks.problems.sizes import MOST_COORDINATES, check_at_most
from gradmark.estimators.core import Params, Problem, Term


@dataclass(frozen=True)
class BernoulliToy(Problem):
    """b_i ~ Bernoulli(p_i), independent, with cost Σ_i (b_i − target)².

    Parameters `logits` `[d]`, one for each of `probs`. Oracle by enumeration, which the sum lets one do bit by bit:

        Σ_i [p_i (1 − target)² + (1 − p_i) target²]

    Shapes: z `[*S, *R, d]`, cost `[*S, *R]`, oracle `[*R]`.

    Raises ValueError where `probs` is empty or holds a number outside (0, 1).

    Reference: tucker2017 (section 5.1)
    """

    probs: tuple[float, ...] = (0.3,)
    target: float = 0.45

    def validate(self) -> None:
        why = "bits are taken apart one by one"
        check_at_most(self, MOST_COORDINATES, why, **{"number of probs": len(self.probs)})
        if not self.probs or not all(0 < prob < 1 for prob in self.probs):
            raise ValueError(f"BernoulliToy(probs={self.probs}): logits are finite inside (0, 1) only; use (0.3,)")

    def init(self) -> Params:
        return {"logits": torch.tensor(self.probs, dtype=torch.float64).logit()}

    def distribution(self, params: Params) -> Distribution:
        return Independent(Bernoulli(logits=params["logits"], validate_args=False), 1, validate_args=False)

    def cost(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Float[Tensor, "*batch"]:
        return ((z - self.target) ** 2).sum(-1)

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> list[Term]:
        return [Term(value, (i,)) for i, value in enumerate(((z - self.target) ** 2).unbind(-1))]

    def exact(self, params: Params) -> Tensor:
        prob = params["logits"].sigmoid()
        return (prob * (1 - self.target) ** 2 + (1 - prob) * self.target**2).sum(-1)

    @property
    def no_oracle(self) -> None:
        return None

    @property
    def footprint(self) -> int:
        return len(self.probs)
