"""One Gaussian and a staircase: a cost whose derivative says nothing, and whose expectation is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from gradmark.estimators.core import Params, Problem


@dataclass(frozen=True)
class StepToy(Problem):
    """z ~ N(loc, scale²), and the cost is the number of `edges` below z: Σ_e 1[z > e].

    The expectation is smooth in the parameters though the cost is not in z: its derivative is zero wherever there is
    one, so that a pathwise gradient is zero for every draw, and wrong without a sign of it. The problem says that it is
    not `differentiable`. Parameters `loc` and `log_scale`, both `[1]`. Oracle, with Φ the normal distribution function:

        Σ_e Φ((loc − e) / scale)

    Shapes: z `[*S, *R, 1]`, cost `[*S, *R]`, oracle `[*R]`.

    Raises ValueError where there is no edge, or a scale that is not positive.

    Reference: mohamed2020 (section 5 on why the path needs a smooth cost)
    """

    edges: tuple[float, ...] = (0.0,)
    loc: float = 1.0
    scale: float = 1.0

    def validate(self) -> None:
        if not self.edges:
            raise ValueError(f"StepToy(edges={self.edges}): without a step the cost is zero; use (0.0,)")
        if self.scale <= 0:
            raise ValueError(f"StepToy(scale={self.scale}): a scale is positive; use 1.0")

    def init(self) -> Params:
        loc = torch.tensor([self.loc], dtype=torch.float64)
        return {"loc": loc, "log_scale": torch.tensor([math.log(self.scale)], dtype=torch.float64)}

    def distribution(self, params: Params) -> Distribution:
        normal = Normal(params["loc"], params["log_scale"].exp(), validate_args=False)
        return Independent(normal, 1, validate_args=False)

    def cost(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Float[Tensor, "*batch"]:
        return (z > z.new_tensor(self.edges)).to(z.dtype).sum(-1)

    def exact(self, params: Params) -> Tensor:
        edges = params["loc"].new_tensor(self.edges)
        return torch.special.ndtr((params["loc"] - edges) * (-params["log_scale"]).exp()).sum(-1)

    @property
    def no_oracle(self) -> None:
        return None

    @property
    def differentiable(self) -> bool:
        return False

    @property
    def footprint(self) -> int:
        return len(self.edges)
