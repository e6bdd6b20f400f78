"""The catalogue: one line a method, grouped by family. Everything that lists methods is generated from here."""

from gradmark.estimators.core import Estimator

# Score function: needs the density only
from gradmark.estimators.score_function.score_function import ScoreFunction as ScoreFunction
from gradmark.estimators.score_function.constant_baseline import ConstantBaseline as ConstantBaseline
from gradmark.estimators.score_function.moving_average_baseline import MovingAverageBaseline as MovingAverageBaseline
from gradmark.estimators.score_function.optimal_control_variate import OptimalControlVariate as OptimalControlVariate
from gradmark.estimators.score_function.nvil import NVIL as NVIL
from gradmark.estimators.score_function.leave_one_out import LeaveOneOut as LeaveOneOut
from gradmark.estimators.score_function.var_grad import VarGrad as VarGrad
from gradmark.estimators.score_function.rao_blackwell_score_function import (
    RaoBlackwellScoreFunction as RaoBlackwellScoreFunction,
)
from gradmark.estimators.score_function.rao_blackwell_leave_one_out import (
    RaoBlackwellLeaveOneOut as RaoBlackwellLeaveOneOut,
)
from gradmark.estimators.score_function.double_control_variate import DoubleControlVariate as DoubleControlVariate

# Pathwise: needs a cost that can be differentiated, and a z that can be reparameterized
from gradmark.estimators.pathwise.reparameterization import Reparameterization as Reparameterization
from gradmark.estimators.pathwise.implicit_reparameterization import (
    ImplicitReparameterization as ImplicitReparameterization,
)
from gradmark.estimators.pathwise.reparameterization_analytic_kl import (
    ReparameterizationAnalyticKL as ReparameterizationAnalyticKL,
)
from gradmark.estimators.pathwise.sticking_the_landing import StickingTheLanding as StickingTheLanding
from gradmark.estimators.pathwise.antithetic import Antithetic as Antithetic

# Measure-valued: needs a Gaussian q, and evaluations for each of its coordinates; the cost may have steps
from gradmark.estimators.measure_valued.measure_valued import MeasureValued as MeasureValued
from gradmark.estimators.measure_valued.measure_valued_independent import (
    MeasureValuedIndependent as MeasureValuedIndependent,
)

# Discrete
from gradmark.estimators.relaxed.straight_through import StraightThrough as StraightThrough
from gradmark.estimators.coupled.arm import ARM as ARM
from gradmark.estimators.coupled.disarm import DisARM as DisARM
from gradmark.estimators.relaxed.gumbel_softmax import GumbelSoftmax as GumbelSoftmax
from gradmark.estimators.relaxed.straight_through_gumbel_softmax import (
    StraightThroughGumbelSoftmax as StraightThroughGumbelSoftmax,
)
from gradmark.estimators.relaxed.gapped_straight_through import GappedStraightThrough as GappedStraightThrough
from gradmark.estimators.relaxed.gumbel_rao import GumbelRao as GumbelRao
from gradmark.estimators.relaxed.rein_max import ReinMax as ReinMax
from gradmark.estimators.relaxed_control_variates.rebar import REBAR as REBAR
from gradmark.estimators.relaxed_control_variates.relax import RELAX as RELAX

# Multisample: another target, the importance-weighted bound of num_samples draws
from gradmark.estimators.multisample.iwae import IWAE as IWAE
from gradmark.estimators.multisample.dreg import DReG as DReG
from gradmark.estimators.multisample.vimco import VIMCO as VIMCO

# Exact: knows the answer
from gradmark.estimators.exact.exact_gradient import ExactGradient as ExactGradient
from gradmark.estimators.exact.exact_posterior import ExactPosterior as ExactPosterior
from gradmark.estimators.exact.exact_marginal_likelihood import ExactMarginalLikelihood as ExactMarginalLikelihood

_CLASSES = {name: value for name, value in globals().items() if isinstance(value, type) and value is not Estimator}
__all__ = list(_CLASSES)  # pyright: ignore[reportUnsupportedDunderAll]
