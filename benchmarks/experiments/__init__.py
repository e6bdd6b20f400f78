"""The experiments: one line each. Everything that lists experiments is generated from here."""

from benchmarks.experiment import Experiment

# The note's preliminary: log p(x), its bound and the gap between them
from benchmarks.experiments.decomposition import Decomposition as Decomposition

# Direct maximum likelihood, by enumeration
from benchmarks.experiments.scaling import Scaling as Scaling

# Mean field and coordinate ascent
from benchmarks.experiments.mean_field_gap import MeanFieldGap as MeanFieldGap
from benchmarks.experiments.amortisation_gap import AmortisationGap as AmortisationGap

# Is θ* unique? Recovery modulo symmetries
from benchmarks.experiments.subspace_recovery import SubspaceRecovery as SubspaceRecovery
from benchmarks.experiments.mixture_recovery import MixtureRecovery as MixtureRecovery

# A prior that is learned, and one that is fixed
from benchmarks.experiments.fixed_prior import FixedPrior as FixedPrior

# Is this the same with policy gradient?
from benchmarks.experiments.policy_gradient import PolicyGradient as PolicyGradient
from benchmarks.experiments.normalised_advantages import NormalisedAdvantages as NormalisedAdvantages

# L samples, and the variance of the naive gradient
from benchmarks.experiments.sample_size import SampleSize as SampleSize
from benchmarks.experiments.along_training import AlongTraining as AlongTraining

# Diffusion: the path and its reverse
from benchmarks.experiments.reverse_path import ReversePath as ReversePath
from benchmarks.experiments.reverse_error import ReverseError as ReverseError
from benchmarks.experiments.reverse_test import ReverseTest as ReverseTest
from benchmarks.experiments.white_noise import WhiteNoise as WhiteNoise

# Diffusion: a learned score
from benchmarks.experiments.learned_score import LearnedScore as LearnedScore

# Diffusion: its bound, and the estimators of that
from benchmarks.experiments.diffusion_bound import DiffusionBound as DiffusionBound
from benchmarks.experiments.time_sampling import TimeSampling as TimeSampling

_CLASSES = {name: value for name, value in globals().items() if isinstance(value, type) and value is not Experiment}
__all__ = list(_CLASSES)  # pyright: ignore[reportUnsupportedDunderAll]
