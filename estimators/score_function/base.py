"""What methods that split the cost by site share: which terms the draw of a site can change."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradmark.estimators.core import Term


def downstream(terms: Sequence[Term], stages: tuple[int, ...]) -> Tensor:
    """Whether each term can be changed by the draw of each site: `[T, d]`."""
    last = [max((stages[i] for i in term.coordinates), default=-1) for term in terms]
    return torch.tensor(
        [
            [i in term.coordinates or stage < latest for i, stage in enumerate(stages)]
            for term, latest in zip(terms, last, strict=True)
        ]
    )
