"""Two gaps, measured apart: the limit of the family of q, and the error of its encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.measurement.block import block_seed, lifted, seeded
from gradmark.benchmarks.problems import AmortisedFixedBeliefNetwork, FixedBeliefNetwork, LinearGaussian
from gradmark.benchmarks.training.lbfgs import fitted
from gradmark.benchmarks.training.solvers import CAVI
from gradmark.estimators.core import LatentVariableModel, Params

OF_Q = ("encoder_weight", "encoder_bias", "log_scale")


@dataclass(frozen=True)
class AmortisationGap(Experiment):
    """log p(x) − L(encoder) = [log p(x) − L(best q of the row)] + [L(best q of the row) − L(encoder)], model known.

    The encoder is linear and its parameters minimise the exact cost (L-BFGS, from `starts` starts). The best q of each
    row is where coordinate ascent ends, from as many starts and from the encoder's q, so that no part is negative. On
    belief networks of growing `strengths`, and on linear Gaussian models of growing precision 1/noise, where the best
    means are affine in x. The table `gaps` has both parts in nats a row.
    Raises ValueError for no start, row or sweep.

    Reference: cremer2018
    """

    title = "The family's gap, and the encoder's"

    strengths: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0, 4.0)
    noises: tuple[float, ...] = (2.0, 1.0, 0.5, 0.25)
    rows: int = 64
    starts: int = 4
    sweeps: int = 60

    def validate(self) -> None:
        if min(self.starts, self.sweeps, self.rows) < 1:
            raise ValueError(
                f"AmortisationGap(rows={self.rows}, starts={self.starts}, sweeps={self.sweeps}): each is at least 1; "
                "use rows=64, starts=4, sweeps=60"
            )

    def run(self, seed: int) -> Tables:
        networks = [AmortisedFixedBeliefNetwork(rows=self.rows, strength=s) for s in self.strengths]
        gaussians = [LinearGaussian(latents=3, rows=self.rows, noise=noise) for noise in self.noises]
        found = [self._network(problem, seed) for problem in networks]
        return {"gaps": found + [self._gaussian(problem, seed) for problem in gaussians]}

    def _network(self, problem: AmortisedFixedBeliefNetwork, seed: int) -> dict[str, Any]:
        params = self._encoder(problem, problem.init(), seed)
        free = FixedBeliefNetwork(rows=problem.rows, strength=problem.strength)
        logits = torch.stack([problem.encoded(params), *_drawn(free, free.init(), self.starts, seed)["logits"]])
        at: Params = {"logits": logits}
        for _ in range(self.sweeps):
            at, _ = CAVI().step(free, at, ())
        return _row(problem, problem.strength, params, -free.exact(at).amin(0))

    def _gaussian(self, problem: LinearGaussian, seed: int) -> dict[str, Any]:
        """The best q of a row is known without an encoder: it lacks ½ [Σ log A_jj − log det A], whatever the row."""
        params = self._encoder(problem, {**problem.init(), **problem.true_parameters()}, seed)
        precision = problem.posterior(params).precision_matrix
        gap = (precision.diagonal(dim1=-2, dim2=-1).log().sum(-1) - precision.logdet()) / 2
        return _row(problem, 1 / problem.noise, params, problem.log_evidence(params) - gap)

    def _encoder(self, problem: LatentVariableModel, params: Params, seed: int) -> Params:
        """The best of the fits from `starts` starts."""
        names = [name for name in OF_Q if name in params]
        starts = _drawn(problem, {name: params[name] for name in names}, self.starts, seed)
        fits = [
            fitted(problem, {**params, **{name: starts[name][i] for name in names}}, names) for i in range(self.starts)
        ]
        return min(fits, key=lambda fit: float(_exact(problem, fit).sum()))


def _drawn(problem: LatentVariableModel, params: Params, count: int, seed: int) -> Params:
    """`count` starts around `params`."""
    with seeded(block_seed(problem, 0, "amortisation", seed, count, 0), torch.device("cpu")):
        return {name: value + torch.randn_like(value) for name, value in lifted(params, count).items()}


def _exact(problem: LatentVariableModel, params: Params) -> Tensor:
    exact = problem.exact(params)
    assert exact is not None, "both kinds of problem have an oracle"
    return exact


def _row(problem: LatentVariableModel, level: float, params: Params, best: Tensor) -> dict[str, Any]:
    evidence, encoded = problem.log_evidence(params), -_exact(problem, params)
    assert evidence is not None, "both kinds of problem know log p(x)"
    return {
        "problem": str(problem),
        "level": level,
        "log_evidence": float(evidence.mean()),
        "family": float((evidence - best).mean()),
        "amortisation": float((best - encoded).mean()),
    }
