"""Check that every parameter of the cost receives a gradient: the model's, the prior's and q's."""

from __future__ import annotations

from gradmark.benchmarks.checks.cases import EstimatorCase
from gradmark.benchmarks.checks.properties import modelled
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped

REPLICATES = 16  # one of them must differ from zero; a single gradient may be zero by chance, as for equal bits
FORGOTTEN = 1e-12  # times the exact gradient of that parameter


@check
def cost_reaches_its_parameters(case: EstimatorCase) -> CheckResult:
    """A parameter that the cost depends on directly has a gradient that is not zero in every replicate.

    This goes wrong for a learned prior: an estimator that treats log p(z) as constant trains the model as if its prior
    were fixed, and no loss shows it. A parameter whose exact gradient is zero passes.
    """
    if case.state == "warm":
        return skipped("checked with a cold state, which runs the same code")
    names = modelled(case)
    if not names:
        return skipped("the cost depends on parameters through q only")
    exact = case.exact()
    gradient = case.estimate(case.params((case.replicates(REPLICATES),))).gradient
    for name in names:
        due = None if exact is None else float(exact[name].abs().max())
        if float(gradient[name].abs().max()) <= FORGOTTEN * (due or 0.0) and due != 0.0:
            return failed("the cost depends on it, and its gradient is zero in every replicate", name, due)
    return passed(FORGOTTEN)
