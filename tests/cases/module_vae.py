"""Bringing an nn.Module: functorch #445, #273 and #1117, pytorch #96655; per-replicate parameters by vmap.

A convolutional VAE written as nn.Modules, 20 images of 8 x 8, 3 latents. `Plain` calls the module as its author would
(functional_call, no replicate axis): which error does the user see? `Vmapped` folds the replicate axis by torch.vmap.
`Dropout` has a dropout layer in the encoder: noise that is not z's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.func import functional_call

from gradmark.estimators.core import LatentVariableModel, Params


class Encoder(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Dropout(dropout), nn.Linear(64, 6)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(3, 64), nn.ReLU(), nn.Unflatten(-1, (4, 4, 4)), nn.ConvTranspose2d(4, 1, 2, stride=2)
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z).flatten(-3)


@cache
def modules(dropout: float) -> tuple[nn.Module, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Encoder(dropout).double(), Decoder().double()


@cache
def images() -> Tensor:
    g = torch.Generator().manual_seed(1)
    return torch.rand(20, 1, 8, 8, generator=g, dtype=torch.float64)


class _Base(LatentVariableModel):
    dropout = 0.0

    def init(self) -> Params:
        e, d = modules(self.dropout)
        return {
            f"{part}.{k}": v.detach().clone() for part, m in (("enc", e), ("dec", d)) for k, v in m.state_dict().items()
        }

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return images().to(dtype=dtype, device=device).flatten(1)

    def prior(self, params: Params) -> Distribution:
        zero = torch.zeros(3).to(next(iter(params.values())))
        return Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)

    def _part(self, params: Params, part: str) -> Params:
        return {k[4:]: v for k, v in params.items() if k.startswith(part)}

    def _run(self, which: int, params: Params, x: Tensor) -> Tensor:
        raise NotImplementedError

    def distribution(self, params: Params) -> Distribution:
        x = self.observations(params)
        h = self._run(0, self._part(params, "enc"), x.unflatten(-1, (1, 8, 8)))
        return Independent(Normal(h[..., :3], (h[..., 3:] / 2).exp(), validate_args=False), 1, validate_args=False)

    def log_likelihood(self, params: Params, z: Tensor) -> Tensor:
        logits = self._run(1, self._part(params, "dec"), z)
        x = self.observations(params)
        return (x * logits - nn.functional.softplus(logits)).sum(-1)

    @property
    def no_oracle(self) -> str:
        return "the decoder is not linear in z; use LinearGaussian()"

    @property
    def footprint(self) -> int:
        return 20 * 64


@dataclass(frozen=True)
class Plain(_Base):
    def _run(self, which: int, params: Params, x: Tensor) -> Tensor:
        return functional_call(modules(self.dropout)[which], params, (x,))


@dataclass(frozen=True)
class Vmapped(_Base):
    dropout: float = 0.0

    def _run(self, which: int, params: Params, x: Tensor) -> Tensor:
        module = modules(self.dropout)[which]
        first = "net.0.bias"
        replicates = params[first].shape[:-1]
        own = 3 if which == 0 else 1  # axes of one input
        if not replicates:
            lead = x.shape[:-own]
            return functional_call(module, params, (x.reshape(-1, *x.shape[-own:]),)).unflatten(0, lead)
        flat = {k: v.flatten(0, len(replicates) - 1) for k, v in params.items()}
        rows = x.shape[-own - 1]
        shared = which == 0 and x.dim() == own + 1
        if shared:
            call = torch.vmap(lambda p: functional_call(module, p, (x,)), randomness="different")
            return call(flat).unflatten(0, replicates)
        samples = x.shape[: x.dim() - own - 1 - len(replicates)]
        count = samples.numel()
        y = (
            x.reshape(count, replicates.numel(), rows, *x.shape[-own:]).movedim(1, 0).flatten(1, 2)
        )  # [R, count rows, ...]
        out = torch.vmap(lambda p, v: functional_call(module, p, (v,)), randomness="different")(flat, y)
        return out.unflatten(1, (count, rows)).movedim(1, 0).reshape(*samples, *replicates, rows, out.shape[-1])
