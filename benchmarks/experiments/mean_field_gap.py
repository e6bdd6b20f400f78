"""What independence costs: the best factorised q's gap against the posterior's correlation, and its closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.problems import LinearGaussian
from gradmark.benchmarks.training.evidence import decompose
from gradmark.benchmarks.training.solvers import CAVI
from gradmark.estimators.core import Params

ROWS = 8
NEAR = 1e-6  # nats of a row that a sweep may be short of the closed form, to have arrived
MOST_SWEEPS = 20000
ROOM = 1.1  # by which the precision is kept above the prior's


@dataclass(frozen=True)
class MeanFieldGap(Experiment):
    """The gap of coordinate ascent on a linear Gaussian model whose posterior has equal correlations ρ.

    With R = (1 − ρ) I + ρ 11ᵀ the posterior precision is A = κ R⁻¹, κ so large that A − I = WᵀW is positive. For each
    number of latents and correlation the table `gaps` has the gap KL(q ‖ p(z|x)) of a row after the last sweep, its
    closed form ½ [Σ log A_jj − log det A], the largest difference of a row over its rounding, the sweeps until a row
    was within 1e-6 nats of it, and the ratio of q's variance to the posterior's, 1/(A_jj (A⁻¹)_jj).
    Raises ValueError for fewer than two latents and correlations outside [0, 1).

    Reference: bishop2006 (section 10.1.2)
    """

    title = "Mean field: what independence costs"

    latents: tuple[int, ...] = (2, 4, 8)
    correlations: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)

    def validate(self) -> None:
        if not self.latents or min(self.latents) < 2:
            raise ValueError(f"MeanFieldGap(latents={self.latents}): two latents or more can correlate; use (2, 4)")
        if not self.correlations or min(self.correlations) < 0 or max(self.correlations) >= 1:
            raise ValueError(f"MeanFieldGap(correlations={self.correlations}): in [0, 1); use (0.0, 0.5, 0.9)")

    def run(self, seed: int) -> Tables:
        gaps = [self._gap(latents, rho, seed) for latents in self.latents for rho in self.correlations]
        return {"gaps": gaps}

    def _gap(self, latents: int, correlation: float, seed: int) -> dict[str, Any]:
        problem = LinearGaussian(latents=latents, observed=latents, rows=ROWS, seed=seed)
        precision = posterior_precision(latents, correlation)
        params = {**problem.init(), "weight": torch.linalg.cholesky(precision - torch.eye(latents).double()).mT}
        params["log_noise"] = torch.zeros_like(params["log_noise"])
        closed = float((precision.diagonal().log().sum() - precision.logdet()) / 2)
        sweeps, params = _swept(problem, params, closed)
        split = decompose(problem, params)
        assert split is not None, "a linear Gaussian model has all three terms"
        return {
            "latents": latents,
            "correlation": correlation,
            "gap": float(split.divergence.mean()),
            "closed_form": closed,
            "error_over_rounding": float(((split.divergence - closed).abs() / split.rounding).max()),
            "sweeps": sweeps,
            "variance_ratio": float(1 / (precision[0, 0] * precision.inverse()[0, 0])),
        }


def posterior_precision(latents: int, correlation: float) -> Tensor:
    """κ R⁻¹ for equal correlations, with a smallest eigenvalue of `ROOM`: a prior of precision I leaves room for it."""
    equal = torch.full((latents, latents), correlation, dtype=torch.float64)
    equal = equal + (1 - correlation) * torch.eye(latents, dtype=torch.float64)
    return ROOM * torch.linalg.eigvalsh(equal).max() * equal.inverse()


def _swept(problem: LinearGaussian, params: Params, closed: float) -> tuple[int, Params]:
    """Sweeps until every row is near the closed form, and parameters after three times as many more."""
    solver, arrived = CAVI(), 0
    for sweep in range(MOST_SWEEPS):
        split = decompose(problem, params)
        if not arrived and bool((cast(Any, split).divergence - closed).max() < NEAR):
            arrived = sweep
        if arrived and sweep >= 4 * arrived + 4:
            break
        params, _ = solver.step(problem, params, ())
    return arrived, params
