"""Wrong estimators by family, each with one bug that a check must see; beside them wrong problems, and rare outcomes.

Forty were written when the checks were finished, by two authors who had not read them: `origin` says by which, and
docs/check.md how many were rejected at first. What was missed then has had a check or a case of its own since:

* ScoreFunctionByProbabilities: no case had logits beyond ±4, and nothing looked at the values of a float32 gradient.
* StickingTheLandingByRows: no case had a minibatch of rows that share their z.
* AntitheticInTheSampleMean: a variance that halves with twice the draws says nothing of a constant factor.
* ARMInReducedPrecision: every check of the mean runs in float64, where this one is right.
* GumbelSoftmaxOfOneNoise: nothing asked whether rows have noise of their own.
* RolledLeaveOneOut: whether the order of the draws matters was tried by rolling them on, and so is this baseline.
* AnalyticKLOfMarginals: no case had a q with correlations.
* UnderflowingIWAE: nothing compared single precision with double, and no rows were far enough apart.

Two of the second author's are not repeated here: they were MirroredBetweenReplicates and MeasureValuedAtTheMean.
"""

from __future__ import annotations

import inspect

from gradmark.estimators.core import Estimator
from tests.controls.wrong import (
    antithetic,
    contract,
    control_variates,
    coupled,
    exact,
    implicit,
    learned_baselines,
    measure_valued,
    multisample,
    pathwise,
    rao_blackwell,
    relaxed,
    relaxed_control_variates,
    score_function,
    straight_through,
)

FAMILIES = (
    *(score_function, learned_baselines, control_variates, rao_blackwell),
    *(pathwise, implicit, antithetic, measure_valued),
    *(coupled, relaxed, straight_through, relaxed_control_variates, multisample, exact, contract),
)
RIGHT: tuple[type[Estimator], ...] = (  # what wrong ones are made from
    *(score_function.Weighted, learned_baselines.MovingAverage, learned_baselines.Learned, rao_blackwell.BySite),
    *(control_variates.Coefficients, control_variates.FirstOrder),
    *(pathwise.Pathwise, pathwise.Landing, implicit.Implicit, antithetic.Mirrored, measure_valued.Differences),
    *(coupled.Pairs, relaxed_control_variates.FixedControl, straight_through.InJacobians, straight_through.Gapped),
    *(multisample.Variance, multisample.Doubly, multisample.Objectives),
    rao_blackwell.SitesWithBaselines,
    rao_blackwell.EveryTermForEverySite,  # the plain score function, of which the method's point is to leave terms out
)
ORIGINS = {
    "an author who had not read the checks": (
        "ScoreFunctionByProbabilities",
        "MedianBaseline",
        "BatchBaseline",
        "SlowMovingAverage",
        "NVILOfThePaper",
        "ImplicitByMarsagliaTsang",
        "StickingTheLandingByRows",
        "AntitheticInTheSampleMean",
        "RolledNoise",
        "ARMInReducedPrecision",
        "GumbelSoftmaxOfOneNoise",
        "RELAXWithBatchNorm",
        "IWAEOfTruncatedWeights",
        "RaoBlackwellOfTheFirst",
        "MeasureValuedAtTheMean",
        "ExactPosteriorOfOneDraw",
    ),
    "another author, who knew the formulas": (
        "WarmBaselineUpdatedFirst",
        "NormalisedNVIL",
        "RolledLeaveOneOut",
        "LeaveOneOutOrRowMean",
        "PooledVarGrad",
        "RaoBlackwellOwnReads",
        "LeakyScoreFunction",
        "CommonMovingAverage",
        "StickingTheLocation",
        "AnalyticKLOfMarginals",
        "AcceptedGamma",
        "MomentMatchedAntithetic",
        "ClampedARM",
        "InterleavedDisARM",
        "LooseGumbelREBAR",
        "DetachedNetworkRELAX",
        "ReinMaxBits",
        "PriorlessSTGumbel",
        "UnderflowingIWAE",
        "WeightedRowsVIMCO",
        "DReGSquaredForAll",
        "PathOfThePosterior",
    ),
}


def origin(estimator: type[Estimator]) -> str | None:
    """Who wrote it, where that was somebody else than the author of the checks."""
    return next((author for author, names in ORIGINS.items() if estimator.__name__ in names), None)


def wrong() -> list[type[Estimator]]:
    """Every wrong estimator, and not what they are made from."""
    return [
        cls
        for family in FAMILIES
        for _, cls in inspect.getmembers(family, inspect.isclass)
        if cls.__module__ == family.__name__ and issubclass(cls, Estimator) and cls not in RIGHT
    ]
