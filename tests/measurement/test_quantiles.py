"""Quantiles and tail probabilities are scipy.stats' own numbers, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gradmark.benchmarks.measurement.quantiles import f_sf, normal_isf, normal_ppf, normal_sf, t_isf

SMALL = 10.0 ** np.random.default_rng(1).uniform(-300, 0, 50)
PROBABILITIES = [0.5, 0.975, *np.random.default_rng(0).random(100), *SMALL]
FREEDOMS = [1, 2, 3, 30, 255.5, 1e6, float("inf")]


def test_normal_quantiles() -> None:
    assert [normal_ppf(p) for p in PROBABILITIES] == stats.norm.ppf(PROBABILITIES).tolist()
    assert [normal_isf(p) for p in PROBABILITIES] == stats.norm.isf(PROBABILITIES).tolist()
    assert str(normal_isf(0.5)) == "0.0"


def test_tails_of_a_normal() -> None:
    x = np.linspace(-40, 40, 401)
    assert normal_sf(x).tolist() == stats.norm.sf(x).tolist()
    assert float(normal_sf(np.float64(2.0))) == stats.norm.sf(2.0)
    assert np.isnan(normal_sf(np.nan))


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_quantiles_of_t(freedom: float) -> None:
    assert [t_isf(p, freedom) for p in PROBABILITIES] == stats.t.isf(PROBABILITIES, freedom).tolist()


def test_tails_of_f() -> None:
    for x in (0.0, 0.1, 1.0, 7.5, 1e3, float("inf")):
        assert f_sf(x, 3, 1021) == stats.f.sf(x, 3, 1021)
    assert np.isnan(f_sf(float("nan"), 3, 1021))
    assert np.isnan(f_sf(1.0, 3, 0))
