"""Is θ* unique? A rotation of z changes W and not p(x): what can be recovered of it, and from which q."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from gradmark.benchmarks.experiments.recovery import errors as recovery
from gradmark.benchmarks.experiments.recovery.base import Errors, Recovery
from gradmark.benchmarks.measurement.block import lifted
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.problems import CorrelatedLinearGaussian, LinearGaussian
from gradmark.estimators.core import LatentVariableModel, Params

SEED = 6  # of data whose W has singular values well apart


@dataclass(frozen=True)
class SubspaceRecovery(Recovery):
    """Probabilistic PCA and linear auto-encoders on `sets` data sets of known W*, each of several sizes.

    W R gives the same p(x) as W for every rotation R, so that maximum likelihood, EM and a q of full covariance can
    find the span and WWᵀ alone. A q of *diagonal* covariance has no gap only where WᵀW is diagonal, and so its bound
    prefers the canonical W = US, up to the signs and the order of its columns. The table `errors` has the error `raw`
    against the canonical W*, its `span` (radians), `gram` of WWᵀ, and `canonical`; `rates` the slopes in sample size.

    Reference: lucas2019
    """

    title = "Is θ* unique? Rotations of z"
    errors: ClassVar[Errors] = {
        "raw": recovery.raw,
        "span": recovery.span,
        "gram": recovery.gram,
        "canonical": recovery.up_to_sign_and_order,
    }

    sizes: tuple[int, ...] = (60, 200, 600, 2000)
    sets: int = 8
    steps: int = 600

    def fits(self) -> dict[str, tuple[LatentVariableModel, str]]:
        diagonal = LinearGaussian(rows=self.sets * max(self.sizes), seed=SEED)
        full = CorrelatedLinearGaussian(rows=diagonal.rows, seed=SEED)
        return {
            "EM": (diagonal, "EM()"),
            "maximum likelihood, gradient": (diagonal, "Adam(estimator=ExactMarginalLikelihood())"),
            "full q, reparameterization": (full, "Adam(estimator=Reparameterization())"),
            "diagonal q, exact bound": (diagonal, "Adam(estimator=ExactGradient())"),
            "diagonal q, reparameterization": (diagonal, "Adam(estimator=Reparameterization())"),
        }

    def start(self, problem: LatentVariableModel) -> Params:
        return {
            name: value + 0.5 * torch.randn_like(value) for name, value in lifted(problem.init(), self.sets).items()
        }

    def compared(self, params: Params) -> Array:
        return params["weight"].numpy()

    def truth(self) -> Array:
        return recovery.canonical(LinearGaussian(seed=SEED).true_parameters()["weight"].numpy())
