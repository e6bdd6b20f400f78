"""The smallest case on which each slow control is rejected; on the whole suite of cases it takes seconds longer."""

from __future__ import annotations

from gradmark.benchmarks.checks import Fixture
from gradmark.benchmarks.checks.suite import Trial
from gradmark.benchmarks.problems import (
    BernoulliToy,
    BernoulliVAE,
    CategoricalToy,
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
)

BIT = Trial(Fixture(BernoulliToy(), "init"), (1, 2))
STAGES = Trial(Fixture(SigmoidBeliefNetwork(lower=2, upper=2, rows=1)), (1, 2))
ROW = LinearGaussian(latents=1, observed=2, rows=1)
ROWS = LinearGaussian(latents=2, observed=3, rows=3)
BITS = Fixture(BernoulliVAE(latents=2, rows=3))
GAUSSIAN = Fixture(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init")

OF_STAGES = (
    rao_blackwell.RaoBlackwellOwnReads,
    rao_blackwell.RaoBlackwellOfTheFirst,
    rao_blackwell.LaterStagesForgotten,
    rao_blackwell.MeanFieldBlanket,
    rao_blackwell.StagesReversed,
)
# Those that the whole suite is too slow to see, in any run: two minutes are saved
DEAR: dict[type[Estimator], list[Trial]] = {
    relaxed_control_variates.LearnsWhatItUses: [BIT],
    **{cls: [STAGES] for cls in OF_STAGES},
    multisample.WeightedRowsVIMCO: [
        Trial(Fixture(Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2)), (2,))
    ],
    relaxed_control_variates.LooseGumbelREBAR: [Trial(Fixture(CategoricalToy()), (1,))],
    measure_valued.MeasureValuedAtTheMean: [Trial(Fixture(GaussianVAE(latents=2, hidden=3, rows=3)), (2,))],
}
# Those that take a second or more there or on the whole suite; `--full` has them tried on that, too
SMALLEST: dict[type[Estimator], list[Trial]] = {
    **{cls: [Trial(STAGES.fixture, (1,), contract=False)] for cls in OF_STAGES},
    score_function.CostGradientForgotten: [Trial(Fixture(ROW), (1,), contract=False)],
    learned_baselines.StateAttached: [Trial(Fixture(ROWS), (2,), mean=False)],
    pathwise.AnalyticKLOfMarginals: [
        Trial(Fixture(LinearGaussian(latents=2, observed=3, rows=1, correlated=True)), (1,), contract=False)
    ],
    score_function.LeaveOneOutOrRowMean: [
        Trial(Fixture(GaussianToy(function="cos", k=2.0, loc=0.4, scale=0.7), "init"), (1,), contract=False)
    ],
    multisample.PooledVarGrad: [Trial(Fixture(ROWS), (2,), mean=False)],
    relaxed_control_variates.DetachedNetworkRELAX: [Trial(BIT.fixture, (1,), contract=False)],
    multisample.DReGSquaredForAll: [Trial(Fixture(ROW), (2,), contract=False)],
    relaxed_control_variates.LooseGumbelREBAR: [Trial(Fixture(CategoricalToy()), (1,), contract=False)],
    relaxed.PriorlessSTGumbel: [Trial(BITS, (2,), mean=False)],
    relaxed.ReinMaxBits: [Trial(BITS, (1,), contract=False)],
    coupled.OneUniformForAllBits: [
        Trial(Fixture(BernoulliToy(probs=(0.982, 0.018), target=0.8), "init"), (2,), contract=False)
    ],
    relaxed_control_variates.LearnsWhatItUses: [Trial(BIT.fixture, (1,), contract=False)],
    coupled.ARMInReducedPrecision: [Trial(BIT.fixture, (4,))],
    exact.ExactPosteriorOfOneDraw: [Trial(Fixture(ROW), (1,), contract=False)],
    relaxed.GumbelSoftmaxOfOneNoise: [Trial(BITS, (2,), mean=False)],
    multisample.IWAEOfTruncatedWeights: [Trial(Fixture(GammaPosterior()), (2,), contract=False)],
    implicit.ImplicitByMarsagliaTsang: [Trial(Fixture(GammaPosterior()), (1,), contract=False)],
    measure_valued.MeasureValuedAtTheMean: [
        Trial(Fixture(GaussianVAE(latents=2, hidden=3, rows=1)), (1,), contract=False)
    ],
    score_function.MedianBaseline: [Trial(BIT.fixture, (4,))],
    score_function.ScoreFunctionByProbabilities: [Trial(Fixture(BernoulliToy(probs=(0.3, 0.7)), "far"), (2,))],
    learned_baselines.SlowMovingAverage: [Trial(GAUSSIAN, (1,), contract=False)],
    measure_valued.AllCoordinatesMoved: [Trial(Fixture(ROWS), (1,), contract=False)],
    measure_valued.RayleighForMaxwell: [Trial(GAUSSIAN, (1,), contract=False)],
    multisample.MeanOverPaths: [Trial(Fixture(ROW), (2,), contract=False)],
    multisample.ModelSquared: [Trial(Fixture(ROW), (2,), contract=False)],
    multisample.ModelThroughTheVariance: [Trial(Fixture(ROW), (2,), contract=False)],
    relaxed.ForgetsTheModel: [Trial(BITS, (2,), mean=False)],
    learned_baselines.DividedByItsSpread: [Trial(Fixture(ROW), (3,), contract=False)],
    learned_baselines.LeaksIntoTheEncoder: [Trial(Fixture(ROW), (1,), contract=False)],
    learned_baselines.LearnsFromAllReplicates: [Trial(Fixture(ROWS), (2,), mean=False)],
    rao_blackwell.OwnGradientForgotten: [Trial(Fixture(ROW), (1,), contract=False)],
    rao_blackwell.OwnGradientOncePerSite: [Trial(BITS, (1,), contract=False)],
    score_function.WeightAttached: [Trial(Fixture(ROW), (1,), contract=False)],
    pathwise.StickingTheLocation: [
        Trial(Fixture(LinearGaussian(latents=1, observed=2, rows=3), "posterior"), (2,), mean=False)
    ],
    learned_baselines.WarmBaselineUpdatedFirst: [Trial(GAUSSIAN, (1,), contract=False)],
    multisample.UnderflowingIWAE: [Trial(Fixture(LinearGaussian(latents=1, observed=80, rows=3)), (2,), mean=False)],
    multisample.WeightedRowsVIMCO: [
        Trial(Fixture(Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2)), (2,), contract=False)
    ],
    pathwise.StickingTheLandingByRows: [
        Trial(Fixture(Minibatch(GammaPosterior(counts=(2, 5, 1)), size=2)), (1,), contract=False)
    ],
    multisample.WeightNotSquared: [Trial(Fixture(ROW), (2,), contract=False)],
    multisample.WeightsForModelAlone: [Trial(Fixture(ROW), (2,), contract=False)],
    multisample.WeightsForgotten: [Trial(Fixture(ROW), (2,), contract=False)],
    multisample.WrongPrecedence: [Trial(Fixture(ROW), (3,), contract=False)],
    learned_baselines.TrainedFirst: [Trial(Fixture(ROW), (1,), contract=False)],
    rao_blackwell.TermsAttached: [Trial(Fixture(ROW), (1,), contract=False)],
}
