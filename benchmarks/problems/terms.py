"""How the cost of a model splits, where q and the prior are independent in the coordinates of z."""

from __future__ import annotations

from typing import cast

from torch import Tensor
from torch.distributions import Distribution, Independent

from gradmark.estimators.core import LatentVariableModel, Params, Term


def by_coordinate(model: LatentVariableModel, params: Params, z: Tensor, q: Distribution) -> list[Term]:
    """log q(z_i|x) − log p(z_i) for each coordinate, and −log p(x|z), which reads all: with the rows' weights."""
    sites = cast(Independent, q).base_dist.log_prob(z) - cast(Independent, model.prior(params)).base_dist.log_prob(z)
    likelihood = -model.log_likelihood(params, z) * model.likelihood_weight
    divergence = [Term(value, (i,)) for i, value in enumerate((sites * model.latent_weight).unbind(-1))]
    return [*divergence, Term(likelihood, tuple(range(len(divergence))))]
