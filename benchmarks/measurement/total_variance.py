"""The total variance of an estimate: its quantity, and when its interval is withheld."""

from __future__ import annotations

from typing import Any

from gradmark.benchmarks.measurement.intervals import largest_share
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.measurement.quantities import Quantity, positive, reaching, without_interval
from gradmark.benchmarks.measurement.tails import why_no_interval

NO_NOISE = 1e-26  # times the mean square norm: a variance within it is rounding
FAR = 4  # half widths between a measured and an exact variance: they contradict each other


def total_variance(moments: Moments, known: dict[str, Any] | None = None) -> Quantity:
    """The measured total variance; `known` is what the quadrature found, `{"value", "error", "reason"}`."""
    return without_interval(_measured(moments), why_withheld(moments, known))


def or_exact(measured: Quantity, exact: float | None, *errors: float | None) -> Quantity:
    """The measured total variance; where its interval is withheld the exact one, with its errors."""
    if measured.withheld is None or exact is None:
        return measured
    error = sum(each or 0.0 for each in errors)
    return Quantity(exact, error, (max(exact - error, 0.0), exact + error))


def why_withheld(moments: Moments, known: dict[str, Any] | None = None) -> str | None:
    """Why no interval of a variance of this cell can be trusted; None where it can.

    A variance of zero is believed only where the exact one is zero. A measured interval that is far from the exact
    variance is withheld: the exact one holds.
    """
    exact = None if known is None else known["value"]
    rounding = rounding_of(moments)
    none = moments.deviations.max(initial=0.0) <= rounding
    if none and exact is not None and exact <= max(rounding, known["error"] or 0.0 if known else 0.0):
        return None
    if (why := why_no_interval(moments.deviations, rounding)) is not None or exact is None:
        return why
    quantity = _measured(moments)
    if quantity.ci is None or quantity.value is None:
        return quantity.withheld
    low, high = (quantity.value + FAR * (end - quantity.value) for end in quantity.ci)
    error = (known or {}).get("error") or 0.0
    if low - error - rounding <= exact <= high + error + rounding:
        return None
    return f"the exact variance is another: {exact:.4g}"


def rounding_of(moments: Moments) -> float:
    """What a variance may be by rounding alone."""
    return NO_NOISE * float(moments.square_norms.mean()) if len(moments.square_norms) else 0.0


def _measured(moments: Moments) -> Quantity:
    return reaching(positive(moments.traces[:, 0]), largest_share(moments.deviations))
