"""The catalogue: one line a method, grouped by family. Everything that lists methods is generated from here."""

from estimators.core import Estimator

# Score function: needs the density only
from estimators.score_function.score_function import ScoreFunction as ScoreFunction
from estimators.score_function.moving_average_baseline import MovingAverageBaseline as MovingAverageBaseline
from estimators.score_function.leave_one_out import LeaveOneOut as LeaveOneOut
from estimators.score_function.var_grad import VarGrad as VarGrad

# Pathwise: needs a cost that can be differentiated, and a z that can be reparameterized
from estimators.pathwise.reparameterization import Reparameterization as Reparameterization
from estimators.pathwise.implicit_reparameterization import (
    ImplicitReparameterization as ImplicitReparameterization,
)
from estimators.pathwise.reparameterization_analytic_kl import (
    ReparameterizationAnalyticKL as ReparameterizationAnalyticKL,
)
from estimators.pathwise.sticking_the_landing import StickingTheLanding as StickingTheLanding

# Discrete
from estimators.discrete.straight_through import StraightThrough as StraightThrough
from estimators.discrete.arm import ARM as ARM
from estimators.discrete.disarm import DisARM as DisARM
from estimators.discrete.gumbel_softmax import GumbelSoftmax as GumbelSoftmax
from estimators.discrete.straight_through_gumbel_softmax import (
    StraightThroughGumbelSoftmax as StraightThroughGumbelSoftmax,
)
from estimators.discrete.rebar import REBAR as REBAR
from estimators.discrete.relax import RELAX as RELAX

# Multisample: another target, the importance-weighted bound of num_samples draws
from estimators.multisample.iwae import IWAE as IWAE
from estimators.multisample.dreg import DReG as DReG
from estimators.multisample.vimco import VIMCO as VIMCO

# Exact: knows the answer
from estimators.exact.exact_gradient import ExactGradient as ExactGradient
from estimators.exact.exact_posterior import ExactPosterior as ExactPosterior
from estimators.exact.exact_marginal_likelihood import ExactMarginalLikelihood as ExactMarginalLikelihood

_CLASSES = {name: value for name, value in globals().items() if isinstance(value, type) and value is not Estimator}
__all__ = list(_CLASSES)  # pyright: ignore[reportUnsupportedDunderAll]
