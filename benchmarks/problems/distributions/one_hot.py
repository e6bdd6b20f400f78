"""One-hot categoricals that validate nothing, and one whose log probability has a value between the states."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, OneHotCategorical


class UnvalidatedOneHot(OneHotCategorical):
    """A one-hot categorical whose constructor looks at no value.

    torch's own makes a Categorical that validates its arguments, whatever `validate_args` says: on a GPU the host waits
    for that at each call.
    """

    def __init__(self, logits: Tensor) -> None:
        """`logits` `[*batch, C]`."""
        self._categorical = Categorical(logits=logits, validate_args=False)
        shape = self._categorical.param_shape
        Distribution.__init__(self, self._categorical.batch_shape, shape[-1:], validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with a larger batch."""
        return super().expand(batch_shape, _instance or type(self).__new__(type(self)))


class OneHot(UnvalidatedOneHot):
    """A one-hot categorical with log p(z) = Σ_c z_c log p_c: relaxed methods differentiate a cost with log q(z) in it.

    torch's own takes the largest entry of z for its state, which makes a step of every softened vector.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_c z_c log p_c, the log probability of a vector that is one-hot."""
        return (value * self.logits).sum(-1)


def one_hot_vectors(logits: Tensor) -> Distribution:
    """Independent one-hot vectors: logits `[*batch, d, C]`, event (d, C)."""
    return Independent(OneHot(logits), 1, validate_args=False)
