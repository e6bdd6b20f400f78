"""What the pathwise methods for the importance-weighted bound need: weights, and paths to differentiate them along."""

from gradmark.estimators.requirements import ELBO, DifferentiableCost, Reparameterizable

_INSTEAD = "use VIMCO() with two draws or more"
WEIGHTED_PATH = (ELBO("there are no importance weights"), DifferentiableCost(_INSTEAD), Reparameterizable(_INSTEAD))
