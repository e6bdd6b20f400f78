"""How far fitted parameters are from the true ones, modulo symmetries of the likelihood; all in numpy, one fit each.

Each group of symmetries has its own error, which is zero for parameters that the group takes to the true ones:

    O(k), rotations of z                W and WR:  principal angles of the spans, and WWᵀ
    signs and orders of the columns     W and WPD: the canonical W, whose columns are orthogonal
    orders of the components            θ_k and θ_π(k)
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.linalg import subspace_angles
from scipy.optimize import linear_sum_assignment

from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.measurement.quantities import Quantity, signed


def canonical(weight: Float[Array, "observed latents"]) -> Float[Array, "observed latents"]:
    """W rotated so that its columns are orthogonal, the longest first: what a q of diagonal covariance identifies.

    W = USVᵀ becomes WV = US. Two singular values that are equal leave their columns undecided.
    """
    left, sizes, _ = np.linalg.svd(weight, full_matrices=False)
    return left * sizes


def span(weight: Float[Array, "observed latents"], true: Float[Array, "observed latents"]) -> float:
    """The largest principal angle between the spans of the columns, in radians."""
    return float(subspace_angles(weight, true)[0])


def gram(weight: Float[Array, "observed latents"], true: Float[Array, "observed latents"]) -> float:
    """‖WWᵀ − W*W*ᵀ‖ / ‖W*W*ᵀ‖: zero for W = W*R, whatever rotation R is."""
    expected = true @ true.T
    return float(np.linalg.norm(weight @ weight.T - expected) / np.linalg.norm(expected))


def raw(found: Array, true: Array) -> float:
    """‖θ − θ*‖ / ‖θ*‖, as they come."""
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def up_to_sign_and_order(weight: Float[Array, "observed latents"], true: Float[Array, "observed latents"]) -> float:
    """‖WPD − W*‖ / ‖W*‖ for the best order P and signs D of the columns."""
    away = [[min(np.sum((a - b) ** 2), np.sum((a + b) ** 2)) for b in true.T] for a in weight.T]
    return float(np.sqrt(_best(np.array(away))) / np.linalg.norm(true))


def up_to_order(found: Float[Array, "components size"], true: Float[Array, "components size"]) -> float:
    """‖θ_π(k) − θ*_k‖ / ‖θ*‖ for the best order π of the components: an optimal assignment."""
    away = ((found[:, None] - true[None]) ** 2).sum(-1)
    return float(np.sqrt(_best(away)) / np.linalg.norm(true))


def rate(sizes: Float[Array, " n"], errors: Float[Array, "sets n"]) -> Quantity:
    """The slope of log error on log sample size, one for each data set, and Student's t over these.

    −½ where θ* is identified, 0 where it is not. The sizes of one data set share rows; data sets share none.
    """
    x = np.log(sizes) - np.log(sizes).mean()
    return signed(np.log(errors) @ x / (x @ x))


def _best(away: Float[Array, "n n"]) -> float:
    return float(away[linear_sum_assignment(away)].sum())
