"""Colours depend on a method's name alone; numbers have the digits that their intervals support."""

from __future__ import annotations

import pytest

from gradmark.reports.layout import numbers
from gradmark.reports.layout.axes import tick_label, ticks
from gradmark.reports.layout.style import PALETTE, breakable, looks

NAMES = [f"Method(k={k})" for k in range(2 * len(PALETTE) + 3)]


def test_looks_do_not_depend_on_order():
    assert looks(NAMES) == looks(reversed(NAMES)) == looks([*NAMES, *NAMES])


def test_looks_are_all_different():
    found = looks(NAMES)
    assert len({(look.colour, look.marker, look.dashes) for look in found.values()}) == len(NAMES)
    assert len({look.colour for look in looks(NAMES[: len(PALETTE)]).values()}) == len(PALETTE)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ((1896.295, 1737.0, 2071.0), ("1900", "[1740, 2070]")),
        ((76.464, 74.3, 78.7), ("76.5", "[74.3, 78.7]")),
        ((0.5872, 0.5826, 0.5929), ("0.587", "[0.583, 0.593]")),
        ((120370.0, 119640.0, 121100.0), ("1.204 × 10⁵", "[1.196, 1.211] × 10⁵")),
        ((1.872e-4, 1.839e-4, 1.906e-4), ("1.872 × 10⁻⁴", "[1.839, 1.906] × 10⁻⁴")),
        ((-2.5e-5, -0.00133, 0.00128), ("0.0000", "[−0.0013, 0.0013]")),
        ((178.302155, 178.302154, 178.302156), ("178.30", "[178.30, 178.30]")),
        ((0.0, 0.0, 0.0), ("0", "")),
        ((None, None, None), ("–", "")),
        ((3.14159, None, None), ("3.142", "")),
    ],
)
def test_quantities_have_the_digits_of_their_interval(quantity, expected):
    assert numbers.quantity(*quantity) == expected


def test_one_line_has_its_power_of_ten_once():
    assert numbers.quantity_line(120370.0, 119640.0, 121100.0) == ("1.204", "[1.196, 1.211] × 10⁵")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (50.0, "50"), (0.001, "0.001"), (2e-4, "2 × 10⁻⁴"), (None, "–"), (1e6, "1 × 10⁶")],
)
def test_tidy_numbers(value, expected):
    assert numbers.tidy(value) == expected


def test_small_things():
    assert [numbers.memory(n) for n in (80, 2048, 5 * 2**20, None)] == ["80 B", "2 KiB", "5 MiB", "–"]
    assert [numbers.probability(p) for p in (0.5, 0.012, 1e-9, None)] == ["0.50", "0.012", "< 10⁻⁴", "–"]
    assert numbers.time_unit([2e-3, 5e-5, 0.0]) == ("µs", 1e6)
    assert [numbers.count(1, "cell"), numbers.count(12345, "cell")] == ["1 cell", "12\u202f345 cells"]


@pytest.mark.parametrize(("low", "high"), [(1e-9, 1e12), (0.9, 1.2), (3.0, 30.0), (5.0, 10.0), (1e-300, 1e300)])
def test_ticks_are_few_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(low * 0.98 <= tick <= high * 1.02 for tick in found)
    assert len({tick_label(tick) for tick in found}) == len(found)


def test_long_words_can_be_broken_and_short_ones_are_not():
    assert breakable("LeaveOneOut()") == "LeaveOneOut()"
    assert "\u200b" in breakable("my.very.long.package.and_module:Plugged(rate=0.1)")
    assert breakable("ReparameterizationAnalyticKL()").replace("\u200b", "") == "ReparameterizationAnalyticKL()"
