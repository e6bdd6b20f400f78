"""The note's first equation, at random q: three terms computed independently, and the residual."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.measurement.block import block_seed, seeded
from gradmark.benchmarks.problems import LinearGaussian
from gradmark.benchmarks.training.evidence import decompose
from gradmark.estimators.core import Enumerated, LatentVariableModel, Params, Problem

OWN, ANY = "the problem's family", "any over the states"


@dataclass(frozen=True)
class Decomposition(Experiment):
    """log p(x) = KL(q ‖ p(z|x)) + L(q) at `draws` random parameters of model and q, `spread` around the start.

    Where the posterior is enumerated, also at q that no family holds: independent Gaussian logits for every state. The
    table `draws` has the three terms summed over rows of data, and the largest residual of a row over its rounding.

    Reference: wainwright2008
    """

    title = "For any q: log p(x) is a gap and a bound"

    problem: Problem = LinearGaussian()  # noqa: RUF009  # frozen
    draws: int = 200
    spread: float = 0.5

    def validate(self) -> None:
        if self.draws < 1 or self.spread < 0:
            raise ValueError(
                f"Decomposition(draws={self.draws}, spread={self.spread}): one draw or more, and a spread that is not "
                "negative; use draws=200, spread=0.5"
            )

    def refuses(self) -> str | None:
        if decompose(self.problem, self.problem.init()) is not None:
            return None
        return (
            f"Decomposition(problem={self.problem}): p(z|x), log p(x) or the expected cost is not known there; "
            "use LinearGaussian() or BernoulliVAE(latents=8)"
        )

    def run(self, seed: int) -> Tables:
        rows = []
        with seeded(block_seed(self.problem, 0, "decomposition", seed, self.draws, 0), torch.device("cpu")):
            for _ in range(self.draws):
                params = {
                    name: value + self.spread * torch.randn_like(value) for name, value in self.problem.init().items()
                }
                rows += [self._row(params, q) for q in (OWN, *([ANY] if _enumerated(self.problem, params) else []))]
        return {"draws": rows}

    def _row(self, params: Params, which: str) -> dict[str, float | str]:
        posterior = _enumerated(self.problem, params)
        free = None
        if which == ANY and posterior is not None:
            free = Enumerated(posterior.states, torch.randn_like(posterior.logits))
        split = decompose(self.problem, params, free)
        assert split is not None, "refuses() has looked"
        parts = {"log_evidence": split.log_evidence, "divergence": split.divergence, "bound": split.bound}
        worst = float((split.residual.abs() / split.rounding).max())
        return {
            "q": which,
            **{name: float(part.sum()) for name, part in parts.items()},
            "residual_over_rounding": worst,
        }


def _enumerated(problem: Problem, params: Params) -> Enumerated | None:
    posterior = problem.posterior(params) if isinstance(problem, LatentVariableModel) else None
    return posterior if isinstance(posterior, Enumerated) else None
