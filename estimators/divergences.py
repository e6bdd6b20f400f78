"""The closed-form KL divergence of two distributions, with a word on what to do where torch has none."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution, Independent, kl_divergence


class NoClosedForm(NotImplementedError):
    """torch has no closed-form KL of these two kinds of distributions."""


def closed_form_kl(q: Distribution, p: Distribution) -> Tensor:
    """KL(q ‖ p), `[*R, *B]`; NoClosedForm, which names both kinds and the remedy, where torch has none."""
    try:
        return kl_divergence(q, p)
    except NotImplementedError:  # also from within: of two Independent, when those inside have none
        raise NoClosedForm(
            f"torch has no closed-form KL of {kind(q)} to {kind(p)}; write both as the same kind, or add theirs with "
            "torch.distributions.kl.register_kl"
        ) from None


def kind(q: Distribution) -> str:
    """The name of a distribution's class, with that of what is inside: `Independent(Normal)`."""
    return f"Independent({kind(q.base_dist)})" if isinstance(q, Independent) else type(q).__name__
