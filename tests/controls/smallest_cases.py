"""The smallest case on which each slow control is rejected; on the whole suite of cases it takes seconds longer."""

from __future__ import annotations

from dataclasses import replace

from gradmark.benchmarks.checks import Case
from gradmark.benchmarks.problems import (
    BernoulliToy,
    BernoulliVAE,
    CategoricalToy,
    CorrelatedLinearGaussian,
    GammaPosterior,
    GaussianToy,
    GaussianVAE,
    LinearGaussian,
    Minibatch,
    SigmoidBeliefNetwork,
)
from gradmark.estimators.core import Estimator
from tests.controls.wrong import (
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

BIT = Case(BernoulliToy(), "init", num_samples=(1, 2))
STAGES = Case(SigmoidBeliefNetwork(lower=2, upper=2, rows=1), num_samples=(1, 2))
ROW = LinearGaussian(latents=1, observed=2, rows=1)
ROWS = LinearGaussian(latents=2, observed=3, rows=3)
BITS = Case(BernoulliVAE(latents=2, rows=3))
GAUSSIAN = Case(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init")

OF_STAGES = (
    rao_blackwell.RaoBlackwellOwnReads,
    rao_blackwell.RaoBlackwellOfTheFirst,
    rao_blackwell.LaterStagesForgotten,
    rao_blackwell.MeanFieldBlanket,
    rao_blackwell.StagesReversed,
)
# Those that the whole suite is too slow to see, in any run: two minutes are saved
DEAR: dict[type[Estimator], list[Case]] = {
    relaxed_control_variates.LearnsWhatItUses: [BIT],
    **{cls: [STAGES] for cls in OF_STAGES},
    multisample.WeightedRowsVIMCO: [
        Case(Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2), num_samples=(2,))
    ],
    relaxed_control_variates.LooseGumbelREBAR: [Case(CategoricalToy(), num_samples=(1,))],
    measure_valued.MeasureValuedAtTheMean: [Case(GaussianVAE(latents=2, hidden=3, rows=3), num_samples=(2,))],
}
# Those that take a second or more there or on the whole suite; `--full` has them tried on that, too
SMALLEST: dict[type[Estimator], list[Case]] = {
    **{cls: [replace(STAGES, num_samples=(1,), contract=False)] for cls in OF_STAGES},
    score_function.CostGradientForgotten: [Case(ROW, num_samples=(1,), contract=False)],
    learned_baselines.StateAttached: [Case(ROWS, num_samples=(2,), mean=False)],
    pathwise.AnalyticKLOfMarginals: [
        Case(CorrelatedLinearGaussian(latents=2, observed=3, rows=1), num_samples=(1,), contract=False)
    ],
    score_function.LeaveOneOutOrRowMean: [
        Case(GaussianToy(function="cos", k=2.0, loc=0.4, scale=0.7), "init", num_samples=(1,), contract=False)
    ],
    multisample.PooledVarGrad: [Case(ROWS, num_samples=(2,), mean=False)],
    relaxed_control_variates.DetachedNetworkRELAX: [replace(BIT, num_samples=(1,), contract=False)],
    multisample.DReGSquaredForAll: [Case(ROW, num_samples=(2,), contract=False)],
    relaxed_control_variates.LooseGumbelREBAR: [Case(CategoricalToy(), num_samples=(1,), contract=False)],
    relaxed.PriorlessSTGumbel: [replace(BITS, num_samples=(2,), mean=False)],
    **{
        cls: [Case(BernoulliVAE(latents=1, rows=2), num_samples=(2,), mean=False, contract=False)]
        for cls in (
            straight_through.DrawnAtTheTemperature,
            straight_through.LikeliestState,
            straight_through.CostBetweenStates,
        )
    },
    implicit.AcceptedGamma: [Case(GammaPosterior(), num_samples=(1,), contract=False)],
    relaxed.ReinMaxBits: [replace(BITS, num_samples=(1,), contract=False)],
    coupled.OneUniformForAllBits: [
        Case(BernoulliToy(probs=(0.982, 0.018), target=0.8), "init", num_samples=(2,), contract=False)
    ],
    relaxed_control_variates.LearnsWhatItUses: [replace(BIT, num_samples=(1,), contract=False)],
    coupled.ARMInReducedPrecision: [replace(BIT, num_samples=(4,))],
    exact.ExactPosteriorOfOneDraw: [Case(ROW, num_samples=(1,), contract=False)],
    relaxed.GumbelSoftmaxOfOneNoise: [replace(BITS, num_samples=(2,), mean=False)],
    multisample.IWAEOfTruncatedWeights: [Case(GammaPosterior(), num_samples=(2,), contract=False)],
    implicit.ImplicitByMarsagliaTsang: [Case(GammaPosterior(), num_samples=(1,), contract=False)],
    measure_valued.MeasureValuedAtTheMean: [
        Case(GaussianVAE(latents=2, hidden=3, rows=1), num_samples=(1,), contract=False)
    ],
    score_function.MedianBaseline: [replace(BIT, num_samples=(4,))],
    score_function.ScoreFunctionByProbabilities: [Case(BernoulliToy(probs=(0.3, 0.7)), "far", num_samples=(2,))],
    learned_baselines.SlowMovingAverage: [replace(GAUSSIAN, num_samples=(1,), contract=False)],
    measure_valued.AllCoordinatesMoved: [
        Case(LinearGaussian(latents=2, observed=2, rows=1), num_samples=(1,), contract=False)
    ],
    measure_valued.RayleighForMaxwell: [replace(GAUSSIAN, num_samples=(1,), contract=False)],
    multisample.MeanOverPaths: [Case(ROW, num_samples=(2,), contract=False)],
    multisample.ModelSquared: [Case(ROW, num_samples=(2,), contract=False)],
    multisample.ModelThroughTheVariance: [Case(ROW, num_samples=(2,), contract=False)],
    relaxed.ForgetsTheModel: [replace(BITS, num_samples=(2,), mean=False)],
    learned_baselines.DividedByItsSpread: [Case(ROW, num_samples=(2,), contract=False)],
    learned_baselines.LeaksIntoTheEncoder: [Case(ROW, num_samples=(1,), contract=False)],
    learned_baselines.LearnsFromAllReplicates: [Case(ROWS, num_samples=(2,), mean=False)],
    rao_blackwell.OwnGradientForgotten: [Case(ROW, num_samples=(1,), contract=False)],
    rao_blackwell.OwnGradientOncePerSite: [replace(BITS, num_samples=(1,), contract=False)],
    score_function.WeightAttached: [Case(ROW, num_samples=(1,), contract=False)],
    pathwise.StickingTheLocation: [
        Case(LinearGaussian(latents=1, observed=2, rows=3), "posterior", num_samples=(2,), mean=False)
    ],
    learned_baselines.WarmBaselineUpdatedFirst: [replace(GAUSSIAN, num_samples=(1,), contract=False)],
    multisample.UnderflowingIWAE: [Case(LinearGaussian(latents=1, observed=80, rows=3), num_samples=(2,), mean=False)],
    multisample.WeightedRowsVIMCO: [
        Case(Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2), num_samples=(2,), contract=False)
    ],
    pathwise.StickingTheLandingByRows: [
        Case(Minibatch(GammaPosterior(counts=(2, 5, 1)), size=2), num_samples=(1,), contract=False)
    ],
    multisample.WeightNotSquared: [Case(ROW, num_samples=(2,), contract=False)],
    multisample.WeightsForModelAlone: [Case(ROW, num_samples=(2,), contract=False)],
    multisample.WeightsForgotten: [Case(ROW, num_samples=(2,), contract=False)],
    multisample.WrongPrecedence: [Case(ROW, num_samples=(3,), contract=False)],
    learned_baselines.TrainedFirst: [Case(ROW, num_samples=(1,), contract=False)],
    rao_blackwell.TermsAttached: [Case(ROW, num_samples=(1,), contract=False)],
}
