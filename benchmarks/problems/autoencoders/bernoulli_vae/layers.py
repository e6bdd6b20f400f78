"""The encoders and decoders of auto-encoders with binary latents: affine, or with two hidden layers of tanh units."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.benchmarks.problems.autoencoders.base import check_layers, layer
from gradmark.benchmarks.problems.autoencoders.bernoulli_vae.base import BinaryAutoEncoder
from gradmark.estimators.core import Params


class AffineLayers(BinaryAutoEncoder):
    """One affine layer each, `encoder_logits` and `decoder_logits`."""

    def sizes(self, side: str, inputs: int, outputs: int) -> dict[str, tuple[int, int]]:
        return {f"{side}_logits": (outputs, inputs)}

    def logits(self, params: Params, side: str, x: Tensor) -> Tensor:
        return layer(params, f"{side}_logits", x)


@dataclass(frozen=True)
class TanhLayers(BinaryAutoEncoder):
    """Two layers of `hidden` tanh units each, `_hidden1` and `_hidden2`, before the affine one."""

    hidden: int = 200

    @property
    def widest(self) -> int:
        return self.hidden

    def validate(self) -> None:
        check_layers(self, self.data, self.rows, ["latents"], self.hidden)

    def sizes(self, side: str, inputs: int, outputs: int) -> dict[str, tuple[int, int]]:
        hidden = {f"{side}_hidden1": (self.hidden, inputs), f"{side}_hidden2": (self.hidden, self.hidden)}
        return hidden | {f"{side}_logits": (outputs, self.hidden)}

    def logits(self, params: Params, side: str, x: Tensor) -> Tensor:
        x = layer(params, f"{side}_hidden2", layer(params, f"{side}_hidden1", x).tanh()).tanh()
        return layer(params, f"{side}_logits", x)
