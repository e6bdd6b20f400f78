"""The experiments: one line each. Everything that lists experiments is generated from here."""

from gradmark.benchmarks.experiment import Experiment

# The note's preliminary: log p(x), its bound and the gap between them
from gradmark.benchmarks.experiments.decomposition import Decomposition as Decomposition

# Direct maximum likelihood, by enumeration
from gradmark.benchmarks.experiments.scaling import Scaling as Scaling

# Mean field and coordinate ascent
from gradmark.benchmarks.experiments.mean_field_gap import MeanFieldGap as MeanFieldGap
from gradmark.benchmarks.experiments.amortisation_gap import AmortisationGap as AmortisationGap

# Is θ* unique? Recovery modulo symmetries
from gradmark.benchmarks.experiments.recovery.subspace_recovery import SubspaceRecovery as SubspaceRecovery
from gradmark.benchmarks.experiments.recovery.mixture_recovery import MixtureRecovery as MixtureRecovery

# A prior that is learned, and one that is fixed
from gradmark.benchmarks.experiments.fixed_prior import FixedPrior as FixedPrior

# Is this the same with policy gradient?
from gradmark.benchmarks.experiments.policy_gradient.policy_gradient import PolicyGradient as PolicyGradient
from gradmark.benchmarks.experiments.policy_gradient.normalised_advantages import (
    NormalisedAdvantages as NormalisedAdvantages,
)

# L samples, and the variance of the naive gradient
from gradmark.benchmarks.experiments.sample_size import SampleSize as SampleSize
from gradmark.benchmarks.experiments.along_training import AlongTraining as AlongTraining

# Diffusion: the path and its reverse
from gradmark.benchmarks.experiments.diffusion.reverse_path import ReversePath as ReversePath
from gradmark.benchmarks.experiments.diffusion.reverse_error import ReverseError as ReverseError
from gradmark.benchmarks.experiments.diffusion.reverse_test import ReverseTest as ReverseTest
from gradmark.benchmarks.experiments.diffusion.white_noise import WhiteNoise as WhiteNoise

# Diffusion: a learned score
from gradmark.benchmarks.experiments.diffusion.learned_score import LearnedScore as LearnedScore

# Diffusion: its bound, and the estimators of that
from gradmark.benchmarks.experiments.diffusion.diffusion_bound import DiffusionBound as DiffusionBound
from gradmark.benchmarks.experiments.diffusion.time_sampling import TimeSampling as TimeSampling

# gradmark itself, against a loop and other libraries
from gradmark.benchmarks.experiments.speed.speed import Speed as Speed
from gradmark.benchmarks.experiments.speed.training_speed import TrainingSpeed as TrainingSpeed

_CLASSES = {name: value for name, value in globals().items() if isinstance(value, type) and value is not Experiment}
__all__ = list(_CLASSES)  # pyright: ignore[reportUnsupportedDunderAll]
