"""The problems: one line each. Everything that lists problems is generated from here."""

from estimators.core import Problem

# Toys: every moment is known
from benchmarks.problems.gaussian_toy import GaussianToy as GaussianToy
from benchmarks.problems.bernoulli_toy import BernoulliToy as BernoulliToy
from benchmarks.problems.categorical_toy import CategoricalToy as CategoricalToy
from benchmarks.problems.step_toy import StepToy as StepToy

# Bayesian models: the bound in closed form or by quadrature
from benchmarks.problems.linear_gaussian import LinearGaussian as LinearGaussian
from benchmarks.problems.bayesian_logistic_regression import BayesianLogisticRegression as BayesianLogisticRegression

# Mixtures and chains: the posterior is a table or a chain, and EM has a step
from benchmarks.problems.gaussian_mixture import GaussianMixture as GaussianMixture
from benchmarks.problems.categorical_mixture import CategoricalMixture as CategoricalMixture
from benchmarks.problems.hidden_markov_model import HiddenMarkovModel as HiddenMarkovModel

# Mean field: coordinate ascent has a sweep
from benchmarks.problems.bayesian_gaussian_mixture import BayesianGaussianMixture as BayesianGaussianMixture
from benchmarks.problems.fixed_belief_network import FixedBeliefNetwork as FixedBeliefNetwork

# Conjugate models whose z is neither a location and a scale nor discrete
from benchmarks.problems.gamma_posterior import GammaPosterior as GammaPosterior
from benchmarks.problems.dirichlet_posterior import DirichletPosterior as DirichletPosterior

# Auto-encoders of images
from benchmarks.problems.gaussian_vae import GaussianVAE as GaussianVAE
from benchmarks.problems.bernoulli_vae import BernoulliVAE as BernoulliVAE
from benchmarks.problems.sigmoid_belief_network import SigmoidBeliefNetwork as SigmoidBeliefNetwork

# Decisions: z is a trajectory, and its distribution a policy's in an environment
from benchmarks.problems.contextual_bandit import ContextualBandit as ContextualBandit
from benchmarks.problems.tabular_mdp import TabularMDP as TabularMDP

# Sources of problems: each replicate sees its own rows
from benchmarks.problems.minibatch import Minibatch as Minibatch

_CLASSES = {name: value for name, value in globals().items() if isinstance(value, type) and value is not Problem}
__all__ = list(_CLASSES)  # pyright: ignore[reportUnsupportedDunderAll]
