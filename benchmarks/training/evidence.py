"""log p(x) in two parts, KL(q ‖ p(z|x)) and the bound L(q), each computed by itself; and what is left over."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, kl_divergence

from gradmark.estimators.core import Enumerated, LatentVariableModel, Params, Problem


@dataclass(frozen=True)
class Decomposition:
    """The three terms of log p(x) = KL(q ‖ p(z|x)) + L(q), `[*R, *B]` each, found without one another."""

    log_evidence: Tensor
    divergence: Tensor
    bound: Tensor

    @property
    def residual(self) -> Tensor:
        """log p(x) − KL − L(q): rounding, and nothing else."""
        return self.log_evidence - self.divergence - self.bound

    @property
    def rounding(self) -> Tensor:
        """The unit in which a residual is judged: eps (1 + |log p(x)| + KL + |L(q)|)."""
        size = 1 + self.log_evidence.abs() + self.divergence.abs() + self.bound.abs()
        return torch.finfo(size.dtype).eps * size


def decompose(problem: Problem, params: Params, q: Distribution | None = None) -> Decomposition | None:
    """The decomposition at the problem's own q, or at any q over the states of an enumerated posterior.

    log p(x) is the problem's evidence. The bound is minus its oracle, or Σ_z q(z) [log p(x, z) − log q(z)]. The
    divergence is the closed form of KL between q and the posterior, or Σ_z q(z) [log q(z) − log p(z|x)]. None where the
    problem lacks one of these.
    """
    if not isinstance(problem, LatentVariableModel):
        return None
    evidence, posterior = problem.log_evidence(params), problem.posterior(params)
    if evidence is None or posterior is None:
        return None
    bound = problem.exact(params) if q is None else _expected_cost(problem, params, q, posterior)
    if bound is None:
        return None
    gap = divergence(problem.distribution(params) if q is None else q, posterior)
    return Decomposition(evidence, gap * problem.latent_weight, -bound)


def divergence(q: Distribution, p: Distribution) -> Tensor:
    """KL(q ‖ p), also of a diagonal Gaussian to one with a full covariance, which torch does not know."""
    if isinstance(p, MultivariateNormal) and isinstance(q, Independent) and isinstance(q.base_dist, Normal):
        spread = torch.diag_embed(q.base_dist.scale)
        shape = torch.broadcast_shapes(q.batch_shape, p.batch_shape)
        q = MultivariateNormal(q.mean, scale_tril=spread, validate_args=False).expand(shape)
        p = p.expand(shape)
    return kl_divergence(q, p)


def _expected_cost(problem: LatentVariableModel, params: Params, q: Distribution, posterior: Distribution) -> Tensor:
    if not isinstance(posterior, Enumerated):
        raise ValueError(
            f"decompose({problem}, q={q}): E_q[log p(x, z)] is summed over states, and p(z|x) is a "
            f"{type(posterior).__name__}; leave q out, and set the parameters of the problem's own q"
        )
    joint = problem.log_joint(params, posterior.enumerate_support(expand=True)).movedim(0, -1)
    over = Enumerated.table(q, posterior.states)
    return over.expect(over.logits * problem.latent_weight - joint)
