"""Is θ* unique? Mixture components are identified only up to their order: errors are of the best assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from gradmark.benchmarks.experiments.recovery import errors as recovery
from gradmark.benchmarks.experiments.recovery.base import Errors, Recovery
from gradmark.benchmarks.measurement.block import lifted
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.problems import GaussianMixture
from gradmark.estimators.core import LatentVariableModel, Params

APART = 3.0  # the separation of the true means


@dataclass(frozen=True)
class MixtureRecovery(Recovery):
    """A Gaussian mixture on `sets` data sets of known θ*, each of several sizes, the best of `starts` starts kept.

    Every order of the components gives the same p(x): θ* is identified up to the symmetric group, and an error needs an
    optimal assignment. Compared are the components' weights, means and standard deviations, a row each. The best start
    is that of the largest log p(x), which knows nothing of θ*. The table `errors` has the error `raw` and the one
    `matched`; `rates` the slopes in sample size.

    Reference: stephens2000
    """

    title = "Is θ* unique? Orders of components"
    errors: ClassVar[Errors] = {"raw": recovery.raw, "matched": recovery.up_to_order}

    sizes: tuple[int, ...] = (60, 200, 600, 2000)
    sets: int = 8
    steps: int = 180
    starts: int = 2

    def fits(self) -> dict[str, tuple[LatentVariableModel, str]]:
        problem = GaussianMixture(rows=self.sets * max(self.sizes), separation=APART)
        return {
            "EM": (problem, "EM()"),
            "maximum likelihood, gradient": (problem, "Adam(estimator=ExactMarginalLikelihood())"),
            "softmax q, leave-one-out": (problem, "Adam(estimator=LeaveOneOut(), num_samples=2)"),
        }

    def start(self, problem: LatentVariableModel) -> Params:
        """Means at rows drawn at random, scales of the whole data."""
        count, start = self.sets * self.starts, problem.init()
        x = problem.data_rows(torch.float64, torch.device("cpu"))
        drawn = torch.rand(count, len(x), dtype=torch.float64).topk(len(start["logits"])).indices
        return {**lifted(start, count), "means": x[drawn]}

    def compared(self, params: Params) -> Array:
        weights = params["logits"].softmax(-1).unsqueeze(-1)
        return torch.cat([weights, params["means"], params["log_scales"].exp()], -1).numpy()

    def truth(self) -> Array:
        return self.compared(GaussianMixture(separation=APART).true_parameters())
