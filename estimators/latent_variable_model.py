"""A latent-variable model: a problem whose cost is minus the evidence lower bound."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from gradmark.estimators.divergences import closed_form_kl
from gradmark.estimators.problem import Params, Problem


class LatentVariableModel(Problem):
    """Minus the evidence lower bound: cost = log q(z|x) − log p(z) − log p(x|z), for rows x of data.

    `per_row` latents have one z for each row (`*B` are the rows); a shared z (Bayesian regression) has `*B = ()` and a
    likelihood that sums over rows. Under `select` a part of the rows stands for all of them, reweighted.

    Examples:
        >>> from gradmark.benchmarks.problems import LinearGaussian
        >>> model = LinearGaussian(observed=3, rows=4)
        >>> params = model.init()
        >>> bool((model.exact(params) >= -model.log_evidence(params)).all())  # the bound is below the evidence
        True
    """

    per_row: ClassVar[bool] = True

    @abstractmethod
    def prior(self, params: Params) -> Distribution:
        """p(z; params): batch broadcastable to `(*R, *B)`, event `(d,)`."""

    @abstractmethod
    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        """log p(x|z): z `[*S, *R, *B, d]` to `[*S, *R, *B]`; summed over the observed rows where z is shared."""

    @abstractmethod
    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """All rows of data, `[rows, D]`; cached by the loader, so that the call is cheap."""

    def posterior(self, params: Params) -> Distribution | None:
        """The exact p(z|x), batch `(*R, *B)`, where there is one."""
        return None

    def log_evidence(self, params: Params) -> Tensor | None:
        """The exact log p(x), `[*R, *B]`, where there is one."""
        return None

    @property
    def num_states(self) -> int | None:
        """How many values a row's z has, all of which `log_joint_of` goes through; None where they are not finite."""
        return None

    def log_joint_of(self, params: Params, first: int, last: int) -> Float[Tensor, "*batch states"]:
        """log p(x, z) of the states number `first` to `last` − 1, `[*R, rows, states]`, without weights of rows."""
        raise NotImplementedError(f"{self}.log_joint_of: z has no finite number of states; ask num_states first")

    def exact_bound(self, params: Params, num_samples: int) -> Tensor | None:
        """The exact importance-weighted bound E[log 1/K Σ_k p(x, z_k)/q(z_k|x)] of K draws, `[*R, *B]`, if known."""
        return None

    def observations(self, params: Params) -> Tensor:
        """The data that this problem sees, in the parameters' dtype and device: `[rows, D]`, or `[*R, size, D]`."""
        like = next(iter(params.values()))
        rows, selected = self.data_rows(like.dtype, like.device), self._selected
        return rows if selected is None else rows[selected.to(like.device)]

    @property
    def num_rows(self) -> int:
        """How many rows the whole data set has. A hook: fill it where the number is known without loading the data."""
        return self.data_rows(torch.float64, torch.device("cpu")).shape[0]

    def select(self, index: Tensor) -> LatentVariableModel:
        """The same problem on the rows `index`, `[size]` or `[*R, size]`, reweighted by rows/size."""
        view = copy.copy(self)
        object.__setattr__(view, "_selection", index)  # not a field: a view has the identity of its problem
        return view

    @property
    def partial(self) -> bool:
        return self._selected is not None

    @property
    def _selected(self) -> Tensor | None:
        return getattr(self, "_selection", None)

    @property
    def likelihood_weight(self) -> float:
        """rows/size under `select`, else 1: the factor that makes a part of the rows stand for all."""
        return 1.0 if self._selected is None else self.num_rows / self._selected.shape[-1]

    @property
    def latent_weight(self) -> float:
        """The factor of log q(z) and log p(z): a shared z is counted once, however many rows are seen."""
        return self.likelihood_weight if self.per_row else 1.0

    def log_joint(self, params: Params, z: Tensor) -> Tensor:
        """log p(x, z) with the weights of the selected rows: z `[*S, *R, *B, d]` to `[*S, *R, *B]`."""
        prior = self.prior(params).log_prob(z) * self.latent_weight
        return prior + self.log_likelihood(params, z) * self.likelihood_weight

    def cost(self, params: Params, z: Float[Tensor, "*draws"], q: Distribution) -> Float[Tensor, "*batch"]:
        return q.log_prob(z) * self.latent_weight - self.log_joint(params, z)

    def cost_analytic_kl(self, params: Params, z: Float[Tensor, "*draws"], q: Distribution) -> Float[Tensor, "*batch"]:
        """The cost with log q(z) − log p(z) replaced by its mean, KL(q ‖ p(z)) in closed form."""
        divergence = closed_form_kl(q, self.prior(params)) * self.latent_weight
        return divergence - self.log_likelihood(params, z) * self.likelihood_weight
