"""Numbers as a scientist prints them: as many digits as the interval supports, a common power of ten, units."""

from __future__ import annotations

import math

NONE = "–"  # what is not known
MOST_DIGITS = 6  # of any number: an interval narrower than that is rounding
PLAIN = range(-3, 5)  # decimal exponents that are written without a power of ten

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(exponent: int) -> str:
    """A power of ten: 3 gives 10³."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def plain(value: float | None, digits: int = 3) -> str:
    """A number alone, to `digits` significant digits."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    exponent = _exponent(float(f"{value:.{digits - 1}e}"))
    return _written(value, digits - 1 - exponent, exponent)


def reading(value: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    """A value and its interval, both to the decimals at which the half width has two digits."""
    known = [bound for bound in (low, high) if bound is not None and math.isfinite(bound)]
    if value is None or not math.isfinite(value) or len(known) < 2:
        return plain(value, 4), ""
    largest = max(abs(value), *map(abs, known))
    if largest == 0:
        return "0", "exact"
    exponent, half = _exponent(largest), (known[1] - known[0]) / 2
    decimals = 1 - _exponent(half) if half > 0 else MOST_DIGITS
    decimals = min(decimals, MOST_DIGITS - 1 - exponent)
    if value:
        decimals = max(decimals, 1 - _exponent(value))
    shift = 0 if exponent in PLAIN else exponent
    parts = [_fixed(part / 10.0**shift, decimals + shift) for part in (value, *known)]
    times = f" × {power(shift)}" if shift else ""
    return parts[0] + times, f"[{parts[1]}, {parts[2]}]" + (f" × {power(shift)}" if shift else "")


def probability(value: float | None) -> str:
    """A p value to two digits; what is below 10⁻⁴ is only said to be."""
    if value is None:
        return NONE
    return f"< {power(-4)}" if value < 1e-4 else f"{value:.2g}" if value < 0.995 else "1.0"


def memory(count: float | None) -> str:
    """Bytes in the largest unit that leaves a number above one."""
    if count is None or not math.isfinite(count):
        return NONE
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    step = min(int(math.log2(max(count, 1)) // 10), len(units) - 1)
    return (
        f"{count / 1024**step:.3g} {units[step]}"
        if count < 1024 or count / 1024**step < 999.5
        else f"{count / 1024**step:.0f} {units[step]}"
    )


def time_unit(seconds: list[float]) -> tuple[str, float]:
    """The unit in which the smallest of these times is above one, and how many of it a second has."""
    smallest = min((value for value in seconds if value > 0), default=1.0)
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if smallest * scale >= 1:
            return unit, scale
    return "ns", 1e9


def count(number: int, noun: str) -> str:
    """`1 cell`, `2 cells`, `12 345 cells`."""
    ending = "" if number == 1 else "es" if noun.endswith(("s", "x")) else "s"
    return f"{grouped(number)} {noun}{ending}"


def grouped(number: int) -> str:
    """An integer with narrow spaces between its thousands, from five digits on."""
    return f"{number:,}".replace(",", "\u202f") if abs(number) >= 10000 else str(number)


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _written(value: float, decimals: int, exponent: int) -> str:
    if exponent in PLAIN:
        return _fixed(value, decimals)
    return f"{_fixed(value / 10.0**exponent, decimals + exponent)} × {power(exponent)}"


def _fixed(value: float, decimals: int) -> str:
    text = f"{round(value, decimals):.{max(decimals, 0)}f}"
    return text.replace("-", "−") if float(text) else text.replace("-", "")
