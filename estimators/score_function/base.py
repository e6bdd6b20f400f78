"""What methods of the family share: the cost split by site, and the mean over the other draws."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradmark.estimators.core import Params, Problem, Term, detached
from gradmark.estimators.requirements import Stages


def of_others(x: Tensor) -> Tensor:
    """The mean over the other draws, for each draw."""
    return (x.sum(0) - x) / (len(x) - 1)


def split_cost(problem: Problem, params: Params, num_samples: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draws of z as log q of each site and the sum of the terms downstream of it, detached, and the terms themselves.

    Shapes: log q and weights `[K, *R, *B, d]`, terms `[K, *R, *B, T]`.
    """
    q = problem.distribution(params)
    sites = Stages().of(q)
    z = q.sample((num_samples,))
    terms = problem.terms(params, z, problem.distribution(detached(params)))
    values = torch.stack([term.value for term in terms], -1)
    weights = values.detach() @ downstream(terms, sites.stages).to(values)
    return sites.log_prob_by_site(z), weights, values


def downstream(terms: Sequence[Term], stages: tuple[int, ...]) -> Tensor:
    """Whether each term can be changed by the draw of each site: `[T, d]`."""
    last = [max((stages[i] for i in term.coordinates), default=-1) for term in terms]
    return torch.tensor(
        [
            [i in term.coordinates or stage < latest for i, stage in enumerate(stages)]
            for term, latest in zip(terms, last, strict=True)
        ]
    )
