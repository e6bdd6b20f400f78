"""One-hot vectors whose log probability is linear in them, and so has a value between the states."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution, Independent, OneHotCategorical


class OneHot(OneHotCategorical):
    """A one-hot categorical with log p(z) = Σ_c z_c log p_c: relaxed methods differentiate a cost with log q(z) in it.

    torch's own takes the largest entry of z for its state, which makes a step of every softened vector.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """Σ_c z_c log p_c, the log probability of a vector that is one-hot."""
        return (value * self.logits).sum(-1)


def one_hot_vectors(logits: Tensor) -> Distribution:
    """Independent one-hot vectors: logits `[*batch, d, C]`, event (d, C)."""
    return Independent(OneHot(logits=logits, validate_args=False), 1, validate_args=False)
