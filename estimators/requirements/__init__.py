"""What methods need, declared in their `requires`: of the path, of q, of the model, and of `num_samples`.

An own requirement is a subclass of `Requirement`, where none of these says what a method needs.
"""

from gradmark.estimators.requirements.base import Requirement as Requirement

# Of num_samples
from gradmark.estimators.requirements.num_samples import EvenSamples as EvenSamples
from gradmark.estimators.requirements.num_samples import MinSamples as MinSamples

# Of the path from the parameters to the cost
from gradmark.estimators.requirements.paths import DifferentiableCost as DifferentiableCost
from gradmark.estimators.requirements.paths import ExplicitDraws as ExplicitDraws
from gradmark.estimators.requirements.paths import ImplicitDraws as ImplicitDraws
from gradmark.estimators.requirements.paths import NotReparameterizable as NotReparameterizable
from gradmark.estimators.requirements.paths import Reparameterizable as Reparameterizable

# Of q
from gradmark.estimators.requirements.distributions import Bits as Bits
from gradmark.estimators.requirements.distributions import BitsOrCategories as BitsOrCategories
from gradmark.estimators.requirements.distributions import GaussianFactors as GaussianFactors
from gradmark.estimators.requirements.distributions import KnownMean as KnownMean
from gradmark.estimators.requirements.distributions import OfDistribution as OfDistribution
from gradmark.estimators.requirements.distributions import Staged as Staged
from gradmark.estimators.requirements.distributions import Stages as Stages

# Of the model
from gradmark.estimators.requirements.models import ClosedFormKL as ClosedFormKL
from gradmark.estimators.requirements.models import CostInTerms as CostInTerms
from gradmark.estimators.requirements.models import ELBO as ELBO
from gradmark.estimators.requirements.models import LogEvidence as LogEvidence
from gradmark.estimators.requirements.models import Oracle as Oracle
from gradmark.estimators.requirements.models import Posterior as Posterior
from gradmark.estimators.requirements.models import RowLatents as RowLatents
