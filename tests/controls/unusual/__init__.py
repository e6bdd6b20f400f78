"""Right but unusual: unbiased estimators written in an unusual way, which no check may reject."""

from __future__ import annotations

from gradmark.estimators.core import Estimator
from tests.controls.unusual.bits import (
    ARMS,
    BitFlip,
    LocalExpectation,
    MuProp,
    OneSiteAtATime,
    RotatedBits,
)
from tests.controls.unusual.categories import FlattenedIndices, GumbelArgmax, IndexDrawn, SumAndSample, UnorderedSet
from tests.controls.unusual.combinations import Alternating, Both, NoisyTruth, Roulette, TossedCoin
from tests.controls.unusual.loops import ChunkedWide, ForwardGradient, RejectionReparameterization
from tests.controls.unusual.normals import BoxMuller, Flattened, InverseDistribution, RandomSign, SumOfTwo
from tests.controls.unusual.pathwise import (
    LAX,
    CrossFitted,
    RandomisedQuadrature,
    RandomisedSobol,
    TaylorControlVariate,
)
from tests.controls.unusual.score_function import (
    AuxiliaryBaseline,
    DefensiveImportance,
    Delayed,
    ImportanceSampled,
    MedianOfOthers,
    OtherHalf,
    RandomBaseline,
    RandomWeight,
    RescaledMean,
)


def unusual() -> list[Estimator]:
    """All of them: the last eighteen are by an author who had not read the checks, which took nine of them for wrong.

    A method that is exact on a problem seemed to draw nothing; more draws were asked for than there are categories;
    draws made in chunks or once more seemed to be shared by replicates, noise that rows share to be a bug, and a coin
    tossed in single precision to be coarse.
    """
    return [
        cls()
        for cls in (
            InverseDistribution, BoxMuller, Flattened, SumOfTwo, RandomSign, ImportanceSampled, RandomBaseline,
            OtherHalf, MedianOfOthers, RescaledMean, Delayed, GumbelArgmax, IndexDrawn,
            FlattenedIndices, RotatedBits,
            OneSiteAtATime, Both, TossedCoin, Roulette, NoisyTruth, RandomWeight,
            MuProp, LocalExpectation, BitFlip, ARMS, UnorderedSet, SumAndSample,
            AuxiliaryBaseline, DefensiveImportance, Alternating, CrossFitted, TaylorControlVariate, RandomisedSobol,
            LAX, RandomisedQuadrature, RejectionReparameterization, ForwardGradient, ChunkedWide,
        )
    ]  # fmt: skip
