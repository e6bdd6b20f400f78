"""Draws whose order does not matter: each multiset of their outcomes once, with the number of its orders."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

MOST_SITES = 60  # bits of a node's number


def number_of_multisets(outcomes: int, samples: int) -> int:
    """How many multisets of `samples` outcomes there are."""
    return math.comb(outcomes + samples - 1, samples)


@lru_cache(maxsize=8)
def multisets(outcomes: int, samples: int) -> tuple[Tensor, Tensor]:
    """Every multiset as a row of ascending numbers, `[multisets, samples]`, and how many orders each has."""
    rows = itertools.chain.from_iterable(itertools.combinations_with_replacement(range(outcomes), samples))
    found = np.fromiter(rows, np.int64).reshape(-1, samples)
    run, repeated = np.ones(len(found)), np.ones(len(found))
    for index in range(1, samples):  # the product of the positions within each run of equals is its factorial
        run = np.where(found[:, index] == found[:, index - 1], run + 1, 1)
        repeated *= run
    return torch.from_numpy(found), torch.from_numpy(math.factorial(samples) / repeated)
