"""What a method fits, needs, costs and keeps: found by asking it on small problems, and nowhere written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import keystr, tree_flatten_with_path

from gradmark.benchmarks.checks.properties import Raised
from gradmark.benchmarks.measurement.block import HOST, Setting, lifted, seeded
from gradmark.benchmarks.measurement.evaluations import count_evaluations
from gradmark.benchmarks.measurement.quantities import NOT_COUNTED
from gradmark.benchmarks.measurement.watching import OF_STATES, watching
from gradmark.benchmarks.problems import (
    BernoulliToy,
    BernoulliVAE,
    CategoricalToy,
    DirichletPosterior,
    GammaPosterior,
    GaussianToy,
    LinearGaussian,
)
from gradmark.estimators.core import MINUS_LOG_EVIDENCE, Estimator, LatentVariableModel, Params, Problem

DRAWS = (1, 2, 3, 4)  # tried
ASKED = {  # a family of q, and small problems that have it: with a cost of any kind, and with an ELBO
    "Normal": (GaussianToy(), LinearGaussian(latents=2, observed=3, rows=3)),
    "Bernoulli": (BernoulliToy(), BernoulliVAE(latents=2, rows=3)),
    "OneHotCategorical": (CategoricalToy(),),
    "Gamma": (Raised(GammaPosterior()), GammaPosterior()),
    "Dirichlet": (Raised(DirichletPosterior()), DirichletPosterior()),
}
NEEDS = {
    "elbo": "an ELBO",
    "rows": "a z for each row",
    "terms": "a cost split into terms",
    "path": "a differentiable cost",
    "density": "density only",
    "answer": "an exact answer",
    "posterior": "an exact posterior",
}


@dataclass(frozen=True)
class Traits:
    """What is to be known of a method before it is chosen."""

    distributions: list[str]  # of z
    needs: list[str]
    draws: str  # that num_samples may be
    evaluations: dict[str, Any]  # of the cost in one estimate: forward, backward, for so many draws on this problem
    state: list[str]  # its tensors

    @property
    def per_draw(self) -> str:
        """Evaluations of the cost for each draw, forward and backward."""
        count = self.evaluations["num_samples"]
        if self.evaluations["forward"] is None:
            return NOT_COUNTED
        forward, backward = (self.evaluations[way] / count for way in ("forward", "backward"))
        return f"{forward:g} forward and {backward:g} backward for each draw on {self.evaluations['problem']}"


def traits(estimator: Estimator) -> Traits:
    """Asks `estimator`; raises LookupError where it fits none of the problems that are asked about."""
    fitting = {
        family: [problem for problem in problems if _fewest(estimator, problem) is not None]
        for family, problems in ASKED.items()
    }
    asked = [problem for problems in fitting.values() for problem in problems]
    if not asked:
        raise LookupError(f"{estimator} fits none of {', '.join(str(p) for ps in ASKED.values() for p in ps)}")
    problem = asked[0]
    counts = [count for count in DRAWS if estimator.refuses(problem, count) is None]
    setting = Setting(problem, estimator, counts[-1], problem.init())
    counted = count_evaluations(setting)
    return Traits(
        [family for family, problems in fitting.items() if problems],
        [NEEDS[need] for need in _needs(estimator, asked)],
        _counts(counts),
        {"num_samples": counts[-1], "problem": str(problem), "forward": counted.forward, "backward": counted.backward},
        _names(estimator.init(problem, problem.init())),
    )


def _fewest(estimator: Estimator, problem: Problem) -> int | None:
    """The fewest draws that it takes there, or None where it refuses all."""
    return next((count for count in DRAWS if estimator.refuses(problem, count) is None), None)


def _counts(counts: list[int]) -> str:
    if all(count % 2 == 0 for count in counts):
        return "even"
    return "any" if counts == list(DRAWS) else f"{counts[0]} or more"


def _names(state: Any) -> list[str]:
    return [keystr(path).replace("']['", ".").strip("[']") for path, _ in tree_flatten_with_path(state)[0]]


def _needs(estimator: Estimator, asked: list[Problem]) -> list[str]:
    if estimator.target is MINUS_LOG_EVIDENCE:
        return ["posterior"]
    models = [problem for problem in asked if isinstance(problem, LatentVariableModel)]
    needs = []
    if len(models) == len(asked):
        needs.append("rows" if all(model.per_row for model in models) and _not_shared(estimator) else "elbo")
    elif any(_fewest(estimator, Raised(problem)) is None for problem in asked if problem not in models):
        needs.append("terms")
    if estimator.deterministic or any(not _draws_from_q(estimator, problem) for problem in asked[:1]):
        return [*needs, "answer"]
    return [*needs, "path" if any(_takes_the_path(estimator, problem) for problem in asked) else "density"]


def _not_shared(estimator: Estimator) -> bool:
    """Whether it refuses a z that all rows share, though it takes one for each."""
    return all(_fewest(estimator, ASKED[family][1]) is None for family in ("Gamma", "Dirichlet"))


def _gradient(estimator: Estimator, problem: Problem) -> Params:
    params, count = lifted(problem.init(), 2), _fewest(estimator, problem)
    with seeded(1, HOST):
        return estimator.estimate(problem, params, estimator.init(problem, params), count or 1).gradient


def _draws_from_q(estimator: Estimator, problem: Problem) -> bool:
    """Whether it evaluates the cost at all."""
    counts = count_evaluations(Setting(problem, estimator, _fewest(estimator, problem) or 1, problem.init()))
    return bool(counts.forward)


def _takes_the_path(estimator: Estimator, problem: Problem) -> bool:
    """Whether its gradient is another one where the cost's derivative in z is held at zero."""
    before, after = _gradient(estimator, problem), _gradient(estimator, watching(problem, _without_path))
    return any(not torch.equal(before[name], after[name]) for name in before)


def _without_path(form: str, method: Callable[..., Any]) -> Callable[..., Any]:
    return method if form == OF_STATES else lambda params, z, *rest: method(params, z.detach(), *rest)
