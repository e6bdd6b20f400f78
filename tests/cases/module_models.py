"""Models made of modules, as their authors write them: convolutions, norms, an embedding, a recurrent network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.nn.functional import softplus

from gradmark.estimators.core import ModuleModel, Params


@cache
def images() -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.rand(6, 64, generator=draw, dtype=torch.float64)


class Recurrent(nn.Module):
    """A GRU over the rows of an image, and a linear layer on its last state."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(8, 5, batch_first=True)
        self.last = nn.Linear(5, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.recurrent(x.unflatten(-1, (8, 8)))[0][:, -1])


class Embedded(nn.Module):
    """The sum of an embedding of each pixel's grey value, in four classes."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.embedding((x * 4).long()).mean(1)


class Decides(nn.Module):
    """A layer that looks at a value to decide what it does: nothing that `torch.vmap` can batch."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(64, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return y if bool(y.abs().max() < 1e9) else y.clamp(-1e9, 1e9)


def encoder(kind: str, outputs: int) -> nn.Module:
    """An encoder of 64 pixels of one kind."""
    image = nn.Unflatten(1, (1, 8, 8))
    kinds = {
        "convolution": lambda: nn.Sequential(
            image, nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, outputs)
        ),
        "layer norm": lambda: nn.Sequential(nn.Linear(64, 7), nn.LayerNorm(7), nn.Tanh(), nn.Linear(7, outputs)),
        "batch norm": lambda: nn.Sequential(nn.Linear(64, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, outputs)),
        "group norm": lambda: nn.Sequential(
            image, nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(144, outputs)
        ),
        "recurrent": lambda: Recurrent(outputs),
        "embedding": lambda: Embedded(outputs),
        "decides": lambda: Decides(outputs),
        "dropout": lambda: nn.Sequential(nn.Linear(64, 7), nn.Dropout(0.2), nn.Linear(7, outputs)),
        "recurrent dropout": lambda: nn.Sequential(nn.GRU(64, 5, num_layers=2, dropout=0.3)),
        "attention dropout": lambda: nn.Sequential(nn.TransformerEncoderLayer(64, 2, 8)),
        "lazy": lambda: nn.LazyLinear(outputs),
        "two outputs": lambda: nn.LSTM(64, outputs),
        "no averages": lambda: nn.Sequential(nn.Linear(64, 7), nn.BatchNorm1d(7, track_running_stats=False)),
    }
    return kinds[kind]()


@dataclass(frozen=True)
class Images(ModuleModel):
    """A VAE of six images of 8 x 8 with the encoder of one kind."""

    kind: str = "convolution"
    latents: int = 3

    def modules(self) -> Mapping[str, nn.Module]:
        decoder = nn.Sequential(
            nn.Linear(self.latents, 64), nn.ReLU(), nn.Unflatten(-1, (4, 4, 4)), nn.ConvTranspose2d(4, 1, 2, stride=2)
        )
        return {"encoder": encoder(self.kind, 2 * self.latents), "decoder": decoder}

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return images().to(device, dtype)

    def distribution(self, params: Params) -> Distribution:
        loc, log_scale = self.apply("encoder", params, self.observations(params)).chunk(2, -1)
        return Independent(Normal(loc, log_scale.exp(), validate_args=False), 1, validate_args=False)

    def prior(self, params: Params) -> Distribution:
        zero = next(iter(params.values())).new_zeros(self.latents)
        return Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)

    def log_likelihood(self, params: Params, z: Tensor) -> Tensor:
        logits = self.apply("decoder", params, z).flatten(-3)
        return (self.observations(params) * logits - softplus(logits)).sum(-1)


class Centred(nn.Module):
    """A decoder that subtracts the mean over all rows, and so over all draws."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.layer = nn.Linear(latents, 64)

    def forward(self, z: Tensor) -> Tensor:
        logits = self.layer(z)
        return (logits - logits.mean(0)).unflatten(-1, (1, 8, 8))


@dataclass(frozen=True)
class Mixing(Images):
    """A model whose draws depend on one another."""

    def modules(self) -> Mapping[str, nn.Module]:
        return {"encoder": nn.Linear(64, 2 * self.latents), "decoder": Centred(self.latents)}


@dataclass(frozen=True)
class Shared(Images):
    """Two modules with one parameter."""

    def modules(self) -> Mapping[str, nn.Module]:
        layer = nn.Linear(64, 6)
        return {"encoder": layer, "decoder": nn.Sequential(nn.Linear(3, 64), layer)}


@dataclass(frozen=True)
class Frozen(Images):
    """Modules without a parameter to learn."""

    def modules(self) -> Mapping[str, nn.Module]:
        return {"encoder": nn.Linear(64, 6).requires_grad_(False)}
