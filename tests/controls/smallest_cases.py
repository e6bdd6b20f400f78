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
from tests import (
    broken,
    broken_blind,
    broken_blind_discrete,
    broken_discrete,
    broken_late,
    broken_measure,
    broken_multisample,
    broken_sharing,
    broken_state,
    broken_terms,
)

BIT = Trial(Fixture(BernoulliToy(), "init"), (1, 2))
STAGES = Trial(Fixture(SigmoidBeliefNetwork(lower=2, upper=2, rows=1)), (1, 2))
ROW = LinearGaussian(latents=1, observed=2, rows=1)
ROWS = LinearGaussian(latents=2, observed=3, rows=3)
BITS = Fixture(BernoulliVAE(latents=2, rows=3))
GAUSSIAN = Fixture(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init")

OF_STAGES = (
    broken_blind.RaoBlackwellOwnReads,
    broken_late.RaoBlackwellOfTheFirst,
    broken_terms.LaterStagesForgotten,
    broken_terms.MeanFieldBlanket,
    broken_terms.StagesReversed,
)
# Those that the whole suite is too slow to see, in any run: two minutes are saved
DEAR: dict[type[Estimator], list[Trial]] = {
    broken_discrete.LearnsWhatItUses: [BIT],
    **{cls: [STAGES] for cls in OF_STAGES},
    broken_blind_discrete.WeightedRowsVIMCO: [
        Trial(Fixture(Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2)), (2,))
    ],
    broken_blind_discrete.LooseGumbelREBAR: [Trial(Fixture(CategoricalToy()), (1,))],
    broken_late.MeasureValuedAtTheMean: [Trial(Fixture(GaussianVAE(latents=2, hidden=3, rows=3)), (2,))],
}
# Those that take a second or more there or on the whole suite; `--full` has them tried on that, too
SMALLEST: dict[type[Estimator], list[Trial]] = {
    **{cls: [Trial(STAGES.fixture, (1,), contract=False)] for cls in OF_STAGES},
    broken.CostGradientForgotten: [Trial(Fixture(ROW), (1,), contract=False)],
    broken.StateAttached: [Trial(Fixture(ROWS), (2,), mean=False)],
    broken_blind.AnalyticKLOfMarginals: [
        Trial(Fixture(LinearGaussian(latents=2, observed=3, rows=1, correlated=True)), (1,), contract=False)
    ],
    broken_blind.LeaveOneOutOrRowMean: [
        Trial(Fixture(GaussianToy(function="cos", k=2.0, loc=0.4, scale=0.7), "init"), (1,), contract=False)
    ],
    broken_blind.PooledVarGrad: [Trial(Fixture(ROWS), (2,), mean=False)],
    broken_blind_discrete.DetachedNetworkRELAX: [Trial(BIT.fixture, (1,), contract=False)],
    broken_blind_discrete.DReGSquaredForAll: [Trial(Fixture(ROW), (2,), contract=False)],
    broken_blind_discrete.LooseGumbelREBAR: [Trial(Fixture(CategoricalToy()), (1,), contract=False)],
    broken_blind_discrete.PriorlessSTGumbel: [Trial(BITS, (2,), mean=False)],
    broken_blind_discrete.ReinMaxBits: [Trial(BITS, (1,), contract=False)],
    broken_discrete.OneUniformForAllBits: [
        Trial(Fixture(BernoulliToy(probs=(0.982, 0.018), target=0.8), "init"), (2,), contract=False)
    ],
    broken_discrete.LearnsWhatItUses: [Trial(BIT.fixture, (1,), contract=False)],
    broken_late.ARMInReducedPrecision: [Trial(BIT.fixture, (4,))],
    broken_late.ExactPosteriorOfOneDraw: [Trial(Fixture(ROW), (1,), contract=False)],
    broken_late.GumbelSoftmaxOfOneNoise: [Trial(BITS, (2,), mean=False)],
    broken_late.IWAEOfTruncatedWeights: [Trial(Fixture(GammaPosterior()), (2,), contract=False)],
    broken_late.ImplicitByMarsagliaTsang: [Trial(Fixture(GammaPosterior()), (1,), contract=False)],
    broken_late.MeasureValuedAtTheMean: [
        Trial(Fixture(GaussianVAE(latents=2, hidden=3, rows=1)), (1,), contract=False)
    ],
    broken_late.MedianBaseline: [Trial(BIT.fixture, (4,))],
    broken_late.ScoreFunctionByProbabilities: [Trial(Fixture(BernoulliToy(probs=(0.3, 0.7)), "far"), (2,))],
    broken_late.SlowMovingAverage: [Trial(GAUSSIAN, (1,), contract=False)],
    broken_measure.AllCoordinatesMoved: [Trial(Fixture(ROWS), (1,), contract=False)],
    broken_measure.RayleighForMaxwell: [Trial(GAUSSIAN, (1,), contract=False)],
    broken_multisample.MeanOverPaths: [Trial(Fixture(ROW), (2,), contract=False)],
    broken_multisample.ModelSquared: [Trial(Fixture(ROW), (2,), contract=False)],
    broken_multisample.ModelThroughTheVariance: [Trial(Fixture(ROW), (2,), contract=False)],
    broken_sharing.ForgetsTheModel: [Trial(BITS, (2,), mean=False)],
    broken_state.DividedByItsSpread: [Trial(Fixture(ROW), (3,), contract=False)],
    broken_state.LeaksIntoTheEncoder: [Trial(Fixture(ROW), (1,), contract=False)],
    broken_state.LearnsFromAllReplicates: [Trial(Fixture(ROWS), (2,), mean=False)],
    broken_terms.OwnGradientForgotten: [Trial(Fixture(ROW), (1,), contract=False)],
    broken_terms.OwnGradientOncePerSite: [Trial(BITS, (1,), contract=False)],
    broken.WeightAttached: [Trial(Fixture(ROW), (1,), contract=False)],
    broken_blind.StickingTheLocation: [
        Trial(Fixture(LinearGaussian(latents=1, observed=2, rows=3), "posterior"), (2,), mean=False)
    ],
    broken_blind.WarmBaselineUpdatedFirst: [Trial(GAUSSIAN, (1,), contract=False)],
    broken_blind_discrete.UnderflowingIWAE: [
        Trial(Fixture(LinearGaussian(latents=1, observed=80, rows=3)), (2,), mean=False)
    ],
    broken_blind_discrete.WeightedRowsVIMCO: [
        Trial(Fixture(Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2)), (2,), contract=False)
    ],
    broken_late.StickingTheLandingByRows: [
        Trial(Fixture(Minibatch(GammaPosterior(counts=(2, 5, 1)), size=2)), (1,), contract=False)
    ],
    broken_multisample.WeightNotSquared: [Trial(Fixture(ROW), (2,), contract=False)],
    broken_multisample.WeightsForModelAlone: [Trial(Fixture(ROW), (2,), contract=False)],
    broken_multisample.WeightsForgotten: [Trial(Fixture(ROW), (2,), contract=False)],
    broken_multisample.WrongPrecedence: [Trial(Fixture(ROW), (3,), contract=False)],
    broken_state.TrainedFirst: [Trial(Fixture(ROW), (1,), contract=False)],
    broken_terms.TermsAttached: [Trial(Fixture(ROW), (1,), contract=False)],
}
