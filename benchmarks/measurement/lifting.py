"""Replicates as a leading axis of every tensor."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._pytree import tree_map


def lifted(tree: Any, replicates: int) -> Any:
    """A copy of every tensor of a pytree with a leading axis of equal replicates, which may be written to."""
    return tree_map(
        lambda value: value.expand(replicates, *value.shape).clone(memory_format=torch.contiguous_format), tree
    )
