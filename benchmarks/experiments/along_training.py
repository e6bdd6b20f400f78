"""The argument for reparameterization, at the start, half-way and at the end of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.measurement.block import Setting, block_seed, seeded
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.measurement.quantities import positive, ratio, signed
from gradmark.benchmarks.measurement.replicates import moments_at
from gradmark.benchmarks.problems import GaussianVAE
from gradmark.benchmarks.training import points
from gradmark.estimators.core import Params, Problem, gradient_of_sum

OBJECTIVE = 512  # draws for the objective at a point
PARTS = ("encoder", "decoder")


@dataclass(frozen=True)
class AlongTraining(Experiment):
    """Total variances at parameters along one reference run of Adam, and their ratios to the first estimator's.

    Points are the start, the middle and the end of a run of `steps` steps (`gradmark.benchmarks.training.points`), the
    same for all estimators. The variance is split by named tensors: the encoder's are those that q depends on, whose
    gradient the score function and reparameterization find in different ways; the decoder's both differentiate alike.
    Ratios are formed group by group on the same draws. The tables: `points` with the objective there, `variances` with
    a row for each point, estimator and part, its variance and `ratio`. Raises ValueError for an odd number of steps.

    Reference: kingma2014
    """

    title = "The argument for reparameterization, along a training run"

    problem: Problem = GaussianVAE(rows=100, hidden=16)  # noqa: RUF009  # frozen
    estimators: tuple[str, ...] = (
        "Reparameterization()", "ReparameterizationAnalyticKL()", "StickingTheLanding()", "LeaveOneOut()",
        "ScoreFunction()",
    )  # fmt: skip
    steps: int = 600
    num_samples: int = 2
    replicates: int = 1024

    def validate(self) -> None:
        if self.steps < 2 or self.steps % 2:
            raise ValueError(f"AlongTraining(steps={self.steps}): half-way is a whole step; pass an even number")
        if self.replicates < 256 or not self.estimators:
            raise ValueError(
                f"AlongTraining(replicates={self.replicates}, estimators={self.estimators}): an interval takes 256 "
                "replicates, and a ratio an estimator; use replicates=1024"
            )

    def refuses(self) -> str | None:
        found = (specs.estimator(e).refuses(self.problem.seen, self.num_samples) for e in self.estimators)
        return next((reason for reason in found if reason is not None), None)

    def run(self, seed: int) -> Tables:
        tables: Tables = {"setting": [{"problem": str(self.problem), "num_samples": self.num_samples}]}
        tables |= {"points": [], "variances": []}
        for at in ("init", f"step={self.steps // 2}", f"step={self.steps}"):
            point = points.find(self.problem, at)
            assert isinstance(point, points.ParameterPoint), "these points are always found"
            tables["points"].append({"at": at, "objective": self._objective(point.params, at, seed)})
            tables["variances"] += self._rows(point.params, at, seed)
        return tables

    def _objective(self, params: Params, at: str, seed: int) -> dict[str, Any]:
        """The expected cost over all rows, from draws that no estimate sees."""
        with (
            seeded(block_seed(self.problem, OBJECTIVE, at, seed, 1, "objective"), torch.device("cpu")),
            torch.no_grad(),
        ):
            q = self.problem.distribution(params)
            cost = self.problem.cost(params, q.sample((OBJECTIVE,)), q)
        return signed(cost.reshape(OBJECTIVE, -1).sum(1).numpy()).json()

    def _rows(self, params: Params, at: str, seed: int) -> list[dict[str, Any]]:
        of_q = parameters_of_q(self.problem, params)
        columns = [[1 + i for i, name in enumerate(params) if (name in of_q) == (part == PARTS[0])] for part in PARTS]
        measured = {text: self._moments(text, params, at, seed) for text in self.estimators}
        rows = []
        for part, chosen in zip(PARTS, columns, strict=True):
            groups = {text: np.asarray(moments.traces[:, chosen].sum(1)) for text, moments in measured.items()}
            first = groups[self.estimators[0]]
            rows += [
                {"at": at, "part": part, "estimator": text, "variance": positive(each).json(),
                 "ratio": None if each is first else ratio(each, first).json()}
                for text, each in groups.items()
            ]  # fmt: skip
        return rows

    def _moments(self, text: str, params: Params, at: str, seed: int) -> Moments:
        setting = Setting(self.problem, specs.estimator(text), self.num_samples, params)
        return moments_at(setting, at, seed, self.replicates)


def parameters_of_q(problem: Problem, params: Params) -> set[str]:
    """The names of the parameters that log q(z) depends on."""
    leaves = {name: value.detach().clone().requires_grad_() for name, value in params.items()}
    with seeded(1, torch.device("cpu")):
        q = problem.distribution(leaves)
        gradient = gradient_of_sum(q.log_prob(q.sample()), leaves)
    return {name for name, value in gradient.items() if value.count_nonzero()}
