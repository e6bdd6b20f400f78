"""The smallest case on which each slow control is rejected; on the whole suite of cases it takes seconds longer."""

from __future__ import annotations

from gradmark.benchmarks.checks import Fixture
from gradmark.benchmarks.checks.suite import SuiteCase
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
)

BIT = SuiteCase(Fixture(BernoulliToy(), "init"), (1, 2))
STAGES = SuiteCase(Fixture(SigmoidBeliefNetwork(lower=2, upper=2, rows=1)), (1, 2))
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
DEAR: dict[type[Estimator], list[SuiteCase]] = {
    relaxed_control_variates.LearnsWhatItUses: [BIT],
    **{cls: [STAGES] for cls in OF_STAGES},
    multisample.WeightedRowsVIMCO: [
        SuiteCase(Fixture(Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2)), (2,))
    ],
    relaxed_control_variates.LooseGumbelREBAR: [SuiteCase(Fixture(CategoricalToy()), (1,))],
    measure_valued.MeasureValuedAtTheMean: [SuiteCase(Fixture(GaussianVAE(latents=2, hidden=3, rows=3)), (2,))],
}
# Those that take a second or more there or on the whole suite; `--full` has them tried on that, too
SMALLEST: dict[type[Estimator], list[SuiteCase]] = {
    **{cls: [SuiteCase(STAGES.fixture, (1,), contract=False)] for cls in OF_STAGES},
    score_function.CostGradientForgotten: [SuiteCase(Fixture(ROW), (1,), contract=False)],
    learned_baselines.StateAttached: [SuiteCase(Fixture(ROWS), (2,), mean=False)],
    pathwise.AnalyticKLOfMarginals: [
        SuiteCase(Fixture(CorrelatedLinearGaussian(latents=2, observed=3, rows=1)), (1,), contract=False)
    ],
    score_function.LeaveOneOutOrRowMean: [
        SuiteCase(Fixture(GaussianToy(function="cos", k=2.0, loc=0.4, scale=0.7), "init"), (1,), contract=False)
    ],
    multisample.PooledVarGrad: [SuiteCase(Fixture(ROWS), (2,), mean=False)],
    relaxed_control_variates.DetachedNetworkRELAX: [SuiteCase(BIT.fixture, (1,), contract=False)],
    multisample.DReGSquaredForAll: [SuiteCase(Fixture(ROW), (2,), contract=False)],
    relaxed_control_variates.LooseGumbelREBAR: [SuiteCase(Fixture(CategoricalToy()), (1,), contract=False)],
    relaxed.PriorlessSTGumbel: [SuiteCase(BITS, (2,), mean=False)],
    relaxed.ReinMaxBits: [SuiteCase(BITS, (1,), contract=False)],
    coupled.OneUniformForAllBits: [
        SuiteCase(Fixture(BernoulliToy(probs=(0.982, 0.018), target=0.8), "init"), (2,), contract=False)
    ],
    relaxed_control_variates.LearnsWhatItUses: [SuiteCase(BIT.fixture, (1,), contract=False)],
    coupled.ARMInReducedPrecision: [SuiteCase(BIT.fixture, (4,))],
    exact.ExactPosteriorOfOneDraw: [SuiteCase(Fixture(ROW), (1,), contract=False)],
    relaxed.GumbelSoftmaxOfOneNoise: [SuiteCase(BITS, (2,), mean=False)],
    multisample.IWAEOfTruncatedWeights: [SuiteCase(Fixture(GammaPosterior()), (2,), contract=False)],
    implicit.ImplicitByMarsagliaTsang: [SuiteCase(Fixture(GammaPosterior()), (1,), contract=False)],
    measure_valued.MeasureValuedAtTheMean: [
        SuiteCase(Fixture(GaussianVAE(latents=2, hidden=3, rows=1)), (1,), contract=False)
    ],
    score_function.MedianBaseline: [SuiteCase(BIT.fixture, (4,))],
    score_function.ScoreFunctionByProbabilities: [SuiteCase(Fixture(BernoulliToy(probs=(0.3, 0.7)), "far"), (2,))],
    learned_baselines.SlowMovingAverage: [SuiteCase(GAUSSIAN, (1,), contract=False)],
    measure_valued.AllCoordinatesMoved: [SuiteCase(Fixture(ROWS), (1,), contract=False)],
    measure_valued.RayleighForMaxwell: [SuiteCase(GAUSSIAN, (1,), contract=False)],
    multisample.MeanOverPaths: [SuiteCase(Fixture(ROW), (2,), contract=False)],
    multisample.ModelSquared: [SuiteCase(Fixture(ROW), (2,), contract=False)],
    multisample.ModelThroughTheVariance: [SuiteCase(Fixture(ROW), (2,), contract=False)],
    relaxed.ForgetsTheModel: [SuiteCase(BITS, (2,), mean=False)],
    learned_baselines.DividedByItsSpread: [SuiteCase(Fixture(ROW), (3,), contract=False)],
    learned_baselines.LeaksIntoTheEncoder: [SuiteCase(Fixture(ROW), (1,), contract=False)],
    learned_baselines.LearnsFromAllReplicates: [SuiteCase(Fixture(ROWS), (2,), mean=False)],
    rao_blackwell.OwnGradientForgotten: [SuiteCase(Fixture(ROW), (1,), contract=False)],
    rao_blackwell.OwnGradientOncePerSite: [SuiteCase(BITS, (1,), contract=False)],
    score_function.WeightAttached: [SuiteCase(Fixture(ROW), (1,), contract=False)],
    pathwise.StickingTheLocation: [
        SuiteCase(Fixture(LinearGaussian(latents=1, observed=2, rows=3), "posterior"), (2,), mean=False)
    ],
    learned_baselines.WarmBaselineUpdatedFirst: [SuiteCase(GAUSSIAN, (1,), contract=False)],
    multisample.UnderflowingIWAE: [
        SuiteCase(Fixture(LinearGaussian(latents=1, observed=80, rows=3)), (2,), mean=False)
    ],
    multisample.WeightedRowsVIMCO: [
        SuiteCase(Fixture(Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2)), (2,), contract=False)
    ],
    pathwise.StickingTheLandingByRows: [
        SuiteCase(Fixture(Minibatch(GammaPosterior(counts=(2, 5, 1)), size=2)), (1,), contract=False)
    ],
    multisample.WeightNotSquared: [SuiteCase(Fixture(ROW), (2,), contract=False)],
    multisample.WeightsForModelAlone: [SuiteCase(Fixture(ROW), (2,), contract=False)],
    multisample.WeightsForgotten: [SuiteCase(Fixture(ROW), (2,), contract=False)],
    multisample.WrongPrecedence: [SuiteCase(Fixture(ROW), (3,), contract=False)],
    learned_baselines.TrainedFirst: [SuiteCase(Fixture(ROW), (1,), contract=False)],
    rao_blackwell.TermsAttached: [SuiteCase(Fixture(ROW), (1,), contract=False)],
}
