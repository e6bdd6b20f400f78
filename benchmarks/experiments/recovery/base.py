"""Fits on data sets of several sizes, and how fast their errors fall, as they are and modulo the model's symmetries."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.experiments.recovery import errors as recovery
from gradmark.benchmarks.measurement.block import block_seed, seeded
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.training.solvers import Adam, Solver
from gradmark.estimators.core import LatentVariableModel, Params

MOST_ROWS = 2**17  # of all data sets together
RATES = (0.1, 0.01)  # of Adam, the second for the last third of its steps
Errors = dict[str, Callable[[Array, Array], float]]


class Recovery(Experiment):
    """What both share: data sets side by side as replicates, each on rows of its own; fits; and the fitted rates."""

    sizes: tuple[int, ...]
    sets: int
    steps: int
    reference: ClassVar[str]
    errors: ClassVar[Errors]

    def validate(self) -> None:
        call = f"{type(self).__name__}(sizes={self.sizes}, sets={self.sets}, steps={self.steps})"
        if len(self.sizes) < 2 or min(self.sizes) < 10 or self.sets < 2 or self.steps < 3:
            raise ValueError(
                f"{call}: two sizes of 10 rows or more, two sets, three steps; use sizes=(100, 300), sets=8"
            )
        if max(self.sizes) * self.sets > MOST_ROWS:
            raise ValueError(f"{call}: {max(self.sizes) * self.sets} rows are more than {MOST_ROWS}; use fewer")

    @abstractmethod
    def fits(self) -> dict[str, tuple[LatentVariableModel, str]]:
        """Each way to fit: the problem and the solver's text, by the name that figures have."""

    @abstractmethod
    def start(self, problem: LatentVariableModel) -> Params:
        """Where the fits start, `[R, …]`, the starts of each data set behind one another."""

    @abstractmethod
    def compared(self, params: Params) -> Array:
        """What is compared with the truth."""

    @abstractmethod
    def truth(self) -> Array:
        """θ*, in the same form."""

    def run(self, seed: int) -> Tables:
        found = [
            {"fit": name, "size": size, **row}
            for name in self.fits()
            for size in self.sizes
            for row in self.fitted(name, size, seed)
        ]
        return {"errors": found, "rates": [self._rates(name, found) for name in self.fits()]}

    def fitted(self, name: str, size: int, seed: int) -> list[dict[str, Any]]:
        """The errors of one way to fit on `size` rows of each data set."""
        problem, text = self.fits()[name]
        first = torch.arange(self.sets) * max(self.sizes)
        index = first.unsqueeze(1) + torch.arange(size)
        with seeded(block_seed(problem, 0, "recovery", seed, self.sets, size), torch.device("cpu")):
            start = self.start(problem)
            count = len(next(iter(start.values())))
            view = problem.select(index.repeat_interleave(count // self.sets, 0))
            end = trained(view, specs.solver(text), start, self.steps)
        evidence = view.log_evidence(end)
        assert evidence is not None, "a problem of this experiment knows log p(x)"
        best = evidence.sum(-1).view(self.sets, -1).argmax(-1) + torch.arange(self.sets) * (count // self.sets)
        true = self.truth()
        each = [self.compared({name: value[i] for name, value in end.items()}) for i in best]
        return [
            {"set": i, **{name: error(found, true) for name, error in self.errors.items()}}
            for i, found in enumerate(each)
        ]

    def _rates(self, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        def table(error: str) -> Array:
            these = [row[error] for row in rows if row["fit"] == name]
            return np.array(these).reshape(len(self.sizes), self.sets).T

        return {"fit": name, **{e: recovery.rate(np.array(self.sizes), table(e)).json() for e in self.errors}}


def trained(problem: LatentVariableModel, solver: Solver, params: Params, steps: int) -> Params:
    """The parameters after `steps` steps; a solver with a rate slows down for the last third of them."""
    parts = [(solver, steps)]
    if isinstance(solver, Adam):
        slow = steps // 3
        parts = [(replace(solver, rate=RATES[0]), steps - slow), (replace(solver, rate=RATES[1]), slow)]
    for each, count in parts:
        state = each.init(problem, params)
        for _ in range(count):
            params, state = each.step(problem, params, state)
    return params
