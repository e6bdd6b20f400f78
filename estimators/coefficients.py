"""Coefficients of control variates: a ratio of moving averages over earlier estimates."""

from __future__ import annotations

import torch
from torch import Tensor

SEEN = 0.5  # of the weight of an average that goes on for ever: with less, a ratio has heavy tails


def check_decay(method: str, decay: float) -> None:
    """Raise ValueError where the averages would be over too few estimates."""
    if not 0.9 <= decay < 1.0:
        reason = "with less, the coefficient is that of too few draws"
        raise ValueError(f"{method}(decay={decay}): decay must be in [0.9, 1), {reason}; try 0.98")


def moved(old: Tensor, latest: Tensor | float, decay: float) -> Tensor:
    """The moving average after one more estimate."""
    return decay * old + (1 - decay) * latest


def ratio(product: Tensor, square: Tensor, weight: Tensor) -> Tensor:
    """The coefficient, `[*R, …]`: zero where too little has been seen (`weight`, `[*R]`), or where `square` is zero."""
    return torch.where((over(weight, square) >= SEEN) & (square > 0), product / square, 0.0)


def over(number: Tensor, value: Tensor) -> Tensor:
    """One number for each replicate, `[*R]`, broadcast against a value `[*R, …]`."""
    return number.reshape((*number.shape, *[1] * (value.dim() - number.dim())))
