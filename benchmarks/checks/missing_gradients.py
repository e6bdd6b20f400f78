"""That every parameter which enters the cost receives its gradient: the model's, the prior's and q's."""

from __future__ import annotations

from gradmark.benchmarks.checks.cases import Case
from gradmark.benchmarks.checks.properties import modelled
from gradmark.benchmarks.checks.results import Finding, declined, failed, law, passed

REPLICATES = 16  # among which one has to differ from zero: a gradient can be zero by chance, as for bits that agree
FORGOTTEN = 1e-12  # times the target's own gradient of that parameter


@law
def cost_reaches_its_parameters(case: Case) -> Finding:
    """A parameter that the cost depends on, beside q, has a gradient that is not zero in every replicate.

    The prior's parameters are where this goes wrong: an estimator that takes log p(z) for a constant in θ trains a
    model with a learned prior as if the prior were fixed, and no loss tells. Where the target's gradient is zero
    itself, a parameter has nothing to receive.
    """
    if case.state == "warm":
        return declined("tried with a cold state, which is the same code")
    names = modelled(case)
    if not names:
        return declined("the cost depends on no parameter beside q")
    exact = case.exact()
    gradient = case.estimate(case.params((case.replicates(REPLICATES),))).gradient
    for name in names:
        due = None if exact is None else float(exact[name].abs().max())
        if float(gradient[name].abs().max()) <= FORGOTTEN * (due or 0.0) and due != 0.0:
            return failed("the cost depends on it, and no replicate has a gradient", name, due)
    return passed(FORGOTTEN)
