"""Numbers as a scientist prints them: as many digits as the interval supports, powers of ten, units."""

from __future__ import annotations

import math

NONE = "–"  # what is not known
MOST_DIGITS = 5  # of any number, however narrow its interval
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
    shift = 0 if exponent in PLAIN else exponent
    return _fixed(value / 10.0**shift, digits - 1 - exponent + shift) + _times(shift)


def tidy(value: float | None, digits: int = 3) -> str:
    """A number that is round by nature, such as a count or a tick: without zeros that say nothing."""
    number, times, exponent = plain(value, digits).partition(" ×")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + times + exponent


def quantity(value: float | None, low: float | None, high: float | None, *, most: int = MOST_DIGITS) -> tuple[str, str]:
    """A value and its interval, as many digits as the interval supports; each with its power of ten."""
    number, interval, times = _parts(value, low, high, most)
    return number + times, interval and interval + times


def quantity_line(
    value: float | None, low: float | None, high: float | None, *, most: int = MOST_DIGITS
) -> tuple[str, str]:
    """The same for one line of text: the power of ten once, at the end."""
    number, interval, times = _parts(value, low, high, most)
    return (number, interval + times) if interval else (number + times, "")


def _parts(value: float | None, low: float | None, high: float | None, most: int) -> tuple[str, str, str]:
    """Number, interval and power of ten. The interval's half width has two digits below 36, as 0.35, else one: 0.4."""
    if value is None or low is None or high is None or not all(map(math.isfinite, (value, low, high))):
        return plain(value, 4), "", ""
    largest = max(map(abs, (value, low, high)))
    if largest == 0:
        return "0", "", ""
    exponent, half = _exponent(largest), (high - low) / 2
    decimals = MOST_DIGITS
    if half > 0:
        decimals = -_exponent(half) + (round(half * 10.0 ** (1 - _exponent(half))) < 36)
    if value:
        decimals = min(decimals, most - 1 - _exponent(value))
        decimals = max(decimals, 1 - _exponent(value)) if low * high > 0 else decimals
    shift = 0 if exponent in PLAIN else exponent
    number, *ends = (_fixed(part / 10.0**shift, decimals + shift) for part in (value, low, high))
    return number, f"[{ends[0]}, {ends[1]}]", _times(shift)


def probability(value: float | None) -> str:
    """A p value to two digits; below 10⁻⁴ only that is shown."""
    if value is None:
        return NONE
    return f"< {power(-4)}" if value < 1e-4 else f"{value:.2f}" if value > 0.095 else f"{value:.2g}"


def memory(number: float | None) -> str:
    """Bytes in the largest unit that leaves a number above one."""
    if number is None or not math.isfinite(number):
        return NONE
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    step = min(int(math.log2(max(number, 1)) // 10), len(units) - 1)
    scaled = number / 1024**step
    return f"{scaled:.0f} {units[step]}" if scaled >= 100 or step == 0 else f"{scaled:.3g} {units[step]}"


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


def _times(shift: int) -> str:
    return f" × {power(shift)}" if shift else ""


def _fixed(value: float, decimals: int) -> str:
    text = f"{round(value, decimals):.{max(decimals, 0)}f}"
    return text.replace("-", "−") if float(text) else text.replace("-", "")
