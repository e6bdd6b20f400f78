"""How long a step of training takes: many seeds at once, against one run after another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.experiments.speed.agreement import agreement, disagreement
from gradmark.benchmarks.experiments.speed.contenders import Contender, with_total
from gradmark.benchmarks.experiments.speed.cores import cores
from gradmark.benchmarks.experiments.speed.peers.surrogates import noise_of, surrogate_of
from gradmark.benchmarks.experiments.speed.rounds import interleaved
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.measurement.block import block_seed, lifted, seeded
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.measurement.timing_rounds import bootstrap_median
from gradmark.benchmarks.problems import GaussianVAE
from gradmark.benchmarks.training.solvers import Adam
from gradmark.estimators import Reparameterization

HOST = torch.device("cpu")


@dataclass(frozen=True)
class TrainingSpeed(Experiment):
    """Seconds of one step of one training run: `seeds` at once for each rate, against runs one after another.

    A Gaussian VAE on all `rows` rows of digits, trained by Adam from a reparameterized sample: by gradmark, with an
    axis of seeds, and by a loop of `torch.optim.Adam`. Both take turns of `steps` steps in each of `rounds` rounds, and
    ratios are formed within a round. The loop trains one seed for each rate in a turn: its time is that of one run's
    step. Every step costs the same, so that the ratio holds for any number of steps. The mean bound after `steps` steps
    must agree at every rate; where it does not, the experiment fails.

    Raises ValueError for numbers out of range.
    """

    title = "Speed of training, against one run after another"

    seeds: int = 16
    rates: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)
    steps: int = 25
    rows: int = 100
    rounds: int = 15

    def validate(self) -> None:
        if self.seeds < 2 or self.rounds < 2 or self.steps < 1 or not self.rates:
            raise ValueError(f"{self}: use two seeds and two rounds or more, a step or more and a rate or more")

    def run(self, seed: int) -> Tables:
        work = Work(GaussianVAE(rows=self.rows), Reparameterization(), 1)
        with cores(torch.get_num_threads()):
            # a turn is as long as its steps take
            session = interleaved([_at_once(self, work), _one_by_one(self, work)], self.rounds, 0.0, seed)
        ours, loop = session.timed
        fault = disagreement(loop, ours, [f"rate {rate}" for rate in self.rates], "bound")
        if fault is not None:
            raise ArithmeticError(fault)
        busy = [share for share in session.busy if share is not None]
        row = {
            "problem": str(work.problem),
            "runs_at_once": self.seeds,
            "rates": len(self.rates),
            "steps_of_a_turn": self.steps,
            "step_seconds": bootstrap_median(ours.seconds).json(),
            "loop_step_seconds": bootstrap_median(loop.seconds).json(),
            "loop_over_gradmark": bootstrap_median(loop.seconds / ours.seconds).json(),
            "bound_over_gradmark": agreement(loop, ours).json(),
            "rounds": self.rounds,
            "threads": torch.get_num_threads(),
            "busy": float(np.median(busy)) if busy else None,
        }
        return {"training": [row]}


def _at_once(asked: TrainingSpeed, work: Work) -> Contender:
    """All seeds of a rate in one pass, as a study trains them. A replicate is one step of one run."""
    problem, start, seeds = work.problem, work.params(HOST), asked.seeds

    def trained(rate: float, seed: int) -> float:
        solver, params = Adam(work.estimator, rate, work.num_samples), lifted(start, seeds)
        state = solver.init(problem, params)
        for step in range(asked.steps):
            with seeded(block_seed(problem, 0, "training", seed, seeds, step), HOST):
                params, state = solver.step(problem.draw(seeds, sharing=1), params, state)
        with torch.no_grad(), seeded(seed, HOST):
            q = problem.distribution(params)
            return float(problem.cost(params, q.sample((1,)), q).sum()) / seeds

    def turn(replicates: int, seed: int) -> Array:
        return with_total(np.array([trained(rate, seed) for rate in asked.rates]))

    return Contender("gradmark", turn, seeds * len(asked.rates) * asked.steps)


def _one_by_one(asked: TrainingSpeed, work: Work) -> Contender:
    """One seed of each rate, one after another: what a run costs does not depend on how many there are."""
    surrogate, start = surrogate_of(work, work.rows(HOST)), work.params(HOST)

    def trained(rate: float, draw: torch.Generator) -> float:
        params = {name: value.clone().requires_grad_() for name, value in start.items()}
        optimiser = torch.optim.Adam(list(params.values()), lr=rate)
        for _ in range(asked.steps):
            optimiser.zero_grad()
            surrogate(params, noise_of(work, 1, HOST, draw)[0]).backward()
            optimiser.step()
        with torch.no_grad():
            return float(surrogate(params, noise_of(work, 1, HOST, draw)[0]))

    def turn(replicates: int, seed: int) -> Array:
        draw = torch.Generator().manual_seed(seed)
        return with_total(np.array([trained(rate, draw) for rate in asked.rates]))

    return Contender("loop", turn, len(asked.rates) * asked.steps)
