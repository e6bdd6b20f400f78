"""A score learned by denoising: a small network, trained on all noise levels at once."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Points
from gradmark.benchmarks.experiments.diffusion.simulation.scores import Score


class Denoiser(nn.Module):
    """D(x, v) ≈ E[x_0 | x_0 + √v ε = x], as a skip connection and a network of one input scale at every level:

        D = c²/(c² + v) x + c √v/√(c² + v) F(x/√(c² + v), ln v),    c² the data's variance

    Shapes: x `[n, d]`, v `[n, 1]`, D `[n, d]`. The data are centred first.

    Reference: karras2022
    """

    def __init__(self, dimension: int, width: int, mean: Tensor, variance: float) -> None:
        super().__init__()
        self.mean, self.variance = mean, variance
        sizes = [dimension + 3, width, width, width]
        hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.SiLU())]
        self.network = nn.Sequential(*hidden, nn.Linear(width, dimension))

    def forward(self, x: Tensor, v: Tensor) -> Tensor:
        """E[x_0 | x], as well as the network knows it."""
        whole, centred, level = self.variance + v, x - self.mean, v.log() / 4
        inputs = torch.cat([centred / whole.sqrt(), level, (2 * level).sin(), (2 * level).cos()], -1)
        kept = self.variance / whole * centred
        return self.mean + kept + (self.variance * v / whole).sqrt() * self.network(inputs)


def learn(rows: Points, levels: tuple[float, float], *, width: int, steps: int, batch: int) -> Denoiser:
    """A denoiser fitted to E[(c² + v)/(c² v) |D(x_0 + √v ε, v) − x_0|²], ln v uniform between the two levels.

    By Adam, its rate falling to 0 along a cosine. The weight makes every level's error one of F, of equal size. Draws
    from torch's own generator: call inside `gradmark.benchmarks.measurement.block.seeded`.

    Reference: vincent2011
    """
    data = torch.from_numpy(rows).float()
    variance = float(data.var(dim=0).mean())
    model = Denoiser(data.shape[1], width, data.mean(0), variance)
    adam = torch.optim.Adam(model.parameters(), lr=2e-3)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    low, high = (math.log(level) for level in levels)
    for _ in range(steps):
        clean = data[torch.randint(len(data), (batch,))]
        v = (low + (high - low) * torch.rand(batch, 1)).exp()
        missed = model(clean + v.sqrt() * torch.randn_like(clean), v) - clean
        loss = ((variance + v) / (variance * v) * missed**2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        rates.step()
    return model


def score_of(model: Denoiser) -> Score:
    """(D(x, v) − x)/v, which is the score where D is the conditional mean (Tweedie)."""

    def score(x: Points, v: float) -> Points:
        with torch.no_grad():
            inputs = torch.from_numpy(x).float()
            return ((model(inputs, torch.full((len(x), 1), v)) - inputs) / v).double().numpy()

    return score


def relative_error(found: Score, exact: Score, x: Points, v: float) -> tuple[np.ndarray, np.ndarray]:
    """|s_θ(x) − s(x)|² and |s(x)|² at draws of p_v; the ratio of their means is 0 for the score, 1 for no score."""
    truth = exact(x, v)
    return ((found(x, v) - truth) ** 2).sum(-1), (truth**2).sum(-1)
