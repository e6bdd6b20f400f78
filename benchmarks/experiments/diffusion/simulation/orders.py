"""The order of a rule: the power of the step with which its error falls."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Real


def fitted_order(steps: Real[np.ndarray, " n"], errors: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """The p in error ≈ c · steps^(−p), by least squares on the logarithms, and its standard error.

    Raises ValueError for less than three points or an error that is not positive.
    """
    if len(steps) < 3 or errors.min() <= 0:
        raise ValueError(f"fitted_order(errors={errors}): a line needs three positive points; add numbers of steps")
    x, y = np.log(steps) - np.log(steps).mean(), np.log(errors)
    slope = x @ y / (x @ x)
    rest = y - y.mean() - slope * x
    return -float(slope), float(np.sqrt(rest @ rest / (len(x) - 2) / (x @ x)))
