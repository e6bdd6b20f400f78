"""The parameters that the cost alone depends on: a method may be biased for q's, and not for these."""

from __future__ import annotations

import torch

from gradmark.benchmarks.checks.cases import HOST, EstimatorCase
from gradmark.benchmarks.checks.exact_moments import compared_mean
from gradmark.benchmarks.checks.results import CheckResult, check, skipped
from gradmark.benchmarks.measurement.block import seeded


@check
def unbiased_for_the_model(case: EstimatorCase) -> CheckResult:
    """The mean is exact for the parameters that q does not depend on: true where the cost sees draws of q alone."""
    names = case.on.params.keys() - set(variational(case))
    return compared_mean(case, names) if names else skipped("q depends on every parameter")


def variational(case: EstimatorCase) -> list[str]:
    """The names of the parameters that q depends on."""
    leaves = {name: value.requires_grad_() for name, value in case.params((1,)).items()}
    with seeded(1, HOST):
        q = case.on.problem.template.distribution(leaves)
        log_q = q.log_prob(q.sample())
    found = torch.autograd.grad(log_q.sum(), list(leaves.values()), allow_unused=True)
    return [name for name, value in zip(leaves, found, strict=True) if value is not None]
