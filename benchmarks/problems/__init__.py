"""The problems: one line each. Everything that lists problems is generated from here."""

from gradmark.estimators.core import Problem

# Toys: every moment is known
from gradmark.benchmarks.problems.toys.gaussian_toy import GaussianToy as GaussianToy
from gradmark.benchmarks.problems.toys.bernoulli_toy import BernoulliToy as BernoulliToy
from gradmark.benchmarks.problems.toys.categorical_toy import CategoricalToy as CategoricalToy
from gradmark.benchmarks.problems.toys.step_toy import StepToy as StepToy

# Bayesian models: the bound in closed form or by quadrature
from gradmark.benchmarks.problems.conjugate.linear_gaussian.linear_gaussian import LinearGaussian as LinearGaussian
from gradmark.benchmarks.problems.conjugate.linear_gaussian.correlated_linear_gaussian import (
    CorrelatedLinearGaussian as CorrelatedLinearGaussian,
)
from gradmark.benchmarks.problems.regression.bayesian_logistic_regression import (
    BayesianLogisticRegression as BayesianLogisticRegression,
)

# Mixtures and chains: the posterior is a table or a chain, and EM has a step
from gradmark.benchmarks.problems.mixtures.gaussian_mixture import GaussianMixture as GaussianMixture
from gradmark.benchmarks.problems.mixtures.categorical_mixture import CategoricalMixture as CategoricalMixture
from gradmark.benchmarks.problems.mixtures.hidden_markov_model import HiddenMarkovModel as HiddenMarkovModel

# Mean field: coordinate ascent has a sweep
from gradmark.benchmarks.problems.mixtures.bayesian_gaussian_mixture import (
    BayesianGaussianMixture as BayesianGaussianMixture,
)
from gradmark.benchmarks.problems.belief_networks.fixed_belief_network.fixed_belief_network import (
    FixedBeliefNetwork as FixedBeliefNetwork,
)
from gradmark.benchmarks.problems.belief_networks.fixed_belief_network.amortised_fixed_belief_network import (
    AmortisedFixedBeliefNetwork as AmortisedFixedBeliefNetwork,
)

# Conjugate models whose z is neither a location and a scale nor discrete
from gradmark.benchmarks.problems.conjugate.gamma_posterior import GammaPosterior as GammaPosterior
from gradmark.benchmarks.problems.conjugate.dirichlet_posterior import DirichletPosterior as DirichletPosterior

# Auto-encoders of images
from gradmark.benchmarks.problems.autoencoders.gaussian_vae import GaussianVAE as GaussianVAE
from gradmark.benchmarks.problems.autoencoders.bernoulli_vae.bernoulli_vae import (
    BernoulliVAE as BernoulliVAE,
)
from gradmark.benchmarks.problems.autoencoders.bernoulli_vae.nonlinear_bernoulli_vae import (
    NonlinearBernoulliVAE as NonlinearBernoulliVAE,
)
from gradmark.benchmarks.problems.autoencoders.bernoulli_vae.fixed_prior_bernoulli_vae import (
    FixedPriorBernoulliVAE as FixedPriorBernoulliVAE,
)
from gradmark.benchmarks.problems.autoencoders.bernoulli_vae.nonlinear_fixed_prior_bernoulli_vae import (
    NonlinearFixedPriorBernoulliVAE as NonlinearFixedPriorBernoulliVAE,
)
from gradmark.benchmarks.problems.belief_networks.sigmoid_belief_network import (
    SigmoidBeliefNetwork as SigmoidBeliefNetwork,
)

# Decisions: z is a trajectory, and its distribution a policy's in an environment
from gradmark.benchmarks.problems.decisions.contextual_bandit import ContextualBandit as ContextualBandit
from gradmark.benchmarks.problems.decisions.tabular_mdp import TabularMDP as TabularMDP
from gradmark.benchmarks.problems.decisions.value_baseline import ValueBaseline as ValueBaseline

# Sources of problems: each replicate sees its own rows
from gradmark.benchmarks.problems.minibatch import Minibatch as Minibatch

_CLASSES = {name: value for name, value in globals().items() if isinstance(value, type) and value is not Problem}
__all__ = list(_CLASSES)  # pyright: ignore[reportUnsupportedDunderAll]
