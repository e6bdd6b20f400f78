"""Quantiles and tail probabilities of the normal, Student's t and F distributions, from scipy.special.

They are scipy.stats' own numbers to the bit. Importing scipy.stats takes as long as everything else that a command
needs beside torch, and scipy.special a fifth of that.
"""

from __future__ import annotations

from scipy import special

from gradmark.benchmarks.measurement.moments import Array


def normal_ppf(probability: float) -> float:
    """The x that a standard normal number is below with this probability."""
    return float(special.ndtri(probability))


def normal_isf(probability: float) -> float:
    """The x that a standard normal number is above with this probability."""
    return 0.0 - float(special.ndtri(probability))  # zero is +0.0, as scipy.stats has it


def normal_sf(x: float | Array) -> Array:
    """The probability that a standard normal number is above `x`, a number or an array of them."""
    return special.ndtr(-x)


def t_isf(probability: float, freedom: float) -> float:
    """The x that Student's t with `freedom` degrees of freedom is above with this probability."""
    return 0.0 - float(special.stdtrit(freedom, probability))


def f_sf(x: float, freedom: int, freedom_below: int) -> float:
    """The probability that a number of the F distribution is above `x`."""
    return float(special.fdtrc(freedom, freedom_below, x))
