"""Moments merge exactly, survive their archive, and tell the noises apart."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradmark.benchmarks.measurement.fold import fold, fold_coordinates
from gradmark.benchmarks.measurement.gram import fold_wide
from gradmark.benchmarks.measurement.moments import MAX_COORDINATES, Moments, merged


def gradients(seed: int, replicates: int, paired: bool = False) -> list[torch.Tensor]:
    """Skewed gradients of two named tensors; pairs share an offset."""
    draw = torch.Generator().manual_seed(seed)
    parts = [torch.randn(replicates, size, generator=draw, dtype=torch.float64).exp() for size in (2, 3)]
    shared = torch.randn(replicates // 2, 1, generator=draw, dtype=torch.float64).repeat_interleave(2, 0)
    return [part + 3 * shared for part in parts] if paired else parts


@given(seed=st.integers(0, 1000), cut=st.sampled_from([64, 128, 192]), paired=st.booleans())
@settings(max_examples=30, deadline=None)
def test_sum_of_two_folds_is_the_fold_of_both(seed: int, cut: int, paired: bool) -> None:
    parts = gradients(seed, 256, paired)
    exact = torch.arange(5.0, dtype=torch.float64)
    whole = fold(parts, exact, paired)
    halves = fold([p[:cut] for p in parts], exact, paired) + fold([p[cut:] for p in parts], exact, paired)
    for name in ("mean", "second", "third", "fourth", "within"):
        np.testing.assert_allclose(getattr(halves, name), getattr(whole, name), rtol=1e-9, atol=1e-9)
    assert (halves.units, halves.replicates) == (whole.units, whole.replicates)


def test_moments_are_those_of_numpy() -> None:
    parts = gradients(0, 512)
    g = torch.cat(parts, 1).numpy()
    moments = fold(parts, None, paired=False)
    np.testing.assert_allclose(moments.mean, g.mean(0))
    np.testing.assert_allclose(moments.second / 511, g.var(0, ddof=1))
    np.testing.assert_allclose(moments.third, ((g - g.mean(0)) ** 3).sum(0))
    np.testing.assert_allclose(moments.fourth, ((g - g.mean(0)) ** 4).sum(0))
    groups = g.reshape(16, 32, 5)
    np.testing.assert_allclose(moments.traces[:, 0], groups.var(1, ddof=1).sum(1))
    np.testing.assert_allclose(moments.traces[:, 2], groups[:, :, 2:].var(1, ddof=1).sum(1))
    np.testing.assert_allclose(moments.square_norms, (groups**2).sum(2).mean(1))


def test_errors_against_the_exact_gradient_are_those_of_numpy() -> None:
    parts = gradients(1, 256)
    exact = torch.tensor([1.0, -1.0, 0.5, 2.0, 0.0], dtype=torch.float64)
    g, e = torch.cat(parts, 1).numpy().reshape(8, 32, 5), exact.numpy()
    moments = fold(parts, exact, paired=False)
    cosine = (g @ e) / np.linalg.norm(g, axis=2) / np.linalg.norm(e)
    np.testing.assert_allclose(moments.cosines, cosine.mean(1))
    np.testing.assert_allclose(moments.squared_errors, ((g - e) ** 2).sum(2).mean(1))
    np.testing.assert_allclose(moments.wrong_signs, (np.sign(g) != np.sign(e)).mean((1, 2)))


def test_archive_returns_every_bit() -> None:
    moments = fold(gradients(2, 64, paired=True), torch.ones(5, dtype=torch.float64), paired=True)
    back = Moments.from_bytes(moments.to_bytes())
    for field in fields(Moments):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(moments, field.name))


def test_blocks_of_a_version_without_fourth_moments_are_read_and_added() -> None:
    new = fold(gradients(7, 64), None, paired=False)
    header, _, numbers = new.to_bytes().partition(b"\n")
    names = {name: size for name, size in json.loads(header).items() if name not in ("fourth", "undirected")}
    old = Moments.from_bytes(json.dumps(names).encode() + b"\n" + numbers[: -8 * len(new.fourth)])
    np.testing.assert_array_equal(old.deviations, new.deviations)
    for moments in (old, old + new, new + old, merged([old, new, new])):
        assert len(moments.fourth) == 0
        assert moments.undirected == 0


def test_a_gradient_of_zero_has_no_cosine_and_is_counted() -> None:
    exact = torch.ones(5, dtype=torch.float64)
    parts = gradients(8, 256)
    for part in parts:
        part[:40] = 0.0
    moments, g = fold(parts, exact, paired=False), torch.cat(parts, 1).numpy()[64:].reshape(6, 32, 5)
    assert moments.undirected == 40
    assert np.isfinite(moments.cosines).all()
    assert len(moments.cosines) == 7  # of 8 groups of 32; the first has no direction at all
    cosine = g.sum(2) / np.linalg.norm(g, axis=2) / 5**0.5
    np.testing.assert_allclose(moments.cosines[1:], cosine.mean(1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nonfinite_replicates_are_counted_and_left_out(bad: float) -> None:
    parts = gradients(3, 64)
    clean = [torch.cat([part[:10], part[11:]]) for part in parts]
    parts[0][10, 1] = bad
    moments, expected = fold(parts, None, paired=False), fold(clean, None, paired=False)
    assert (moments.replicates, moments.nonfinite, moments.units) == (64, 1, 63)
    np.testing.assert_array_equal(moments.mean, expected.mean)
    assert np.isfinite(moments.traces).all()


def test_a_pair_with_one_bad_replicate_is_left_out_whole() -> None:
    parts = gradients(4, 64, paired=True)
    parts[1][9, 0] = float("nan")
    moments = fold(parts, None, paired=True)
    assert (moments.nonfinite, moments.units) == (1, 31)


def test_all_replicates_bad_leaves_nothing_but_the_count() -> None:
    moments = fold([torch.full((64, 2), float("nan"))], None, paired=False)
    assert (moments.nonfinite, moments.units, len(moments.traces)) == (64, 0, 0)
    assert (moments + fold(gradients(5, 64)[:1], None, paired=False)).units == 64


def test_within_and_between_pairs_add_up() -> None:
    """Estimator noise 1 and row noise 9 on each of 5 coordinates; 5 standard errors of a mean of 512 groups."""
    draw = torch.Generator().manual_seed(6)
    own = torch.randn(2**14, 5, generator=draw, dtype=torch.float64)
    rows = 3 * torch.randn(2**13, 5, generator=draw, dtype=torch.float64).repeat_interleave(2, 0)
    moments = fold([own + rows], None, paired=True)
    total, within = moments.traces[:, 0], moments.within_traces[:, 0]
    for groups, truth in ((total, 50.0), (within, 5.0), (total - within, 45.0)):
        assert abs(groups.mean() - truth) < 5 * groups.std() / len(groups) ** 0.5
    count = moments.units
    variance = moments.second / (count - 1) + moments.within / count / 2
    assert np.abs(variance - 10).max() < 5 * 10 * (2 / count) ** 0.5


def test_merging_many_is_merging_one_by_one() -> None:
    blocks = [fold(gradients(seed, 64), None, paired=False) for seed in range(7)]
    step = blocks[0]
    for block in blocks[1:]:
        step = step + block
    np.testing.assert_allclose(merged(blocks).third, step.third, rtol=1e-10)
    np.testing.assert_array_equal(merged(blocks).traces, step.traces)


PER_COORDINATE = ("mean", "second", "third", "fourth", "within")


def wide(seed: int, replicates: int, offset: float) -> list[torch.Tensor]:
    """Gradients in float32 of tensors that fill no whole number of steps, around a mean of one size in each tensor."""
    draw = torch.Generator().manual_seed(seed)
    return [
        offset * (-1) ** i + torch.randn(replicates, size, generator=draw) for i, size in enumerate((700, 3, 20000))
    ]


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("replicates", [8, 64])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("each_coordinate", [False, True])
@pytest.mark.parametrize("case", ["ordinary", "far from zero", "zeros", "not finite"])
def test_inner_products_give_the_moments_of_the_coordinates(
    paired: bool, replicates: int, known: bool, each_coordinate: bool, case: str
) -> None:
    """The two ways to fold a block, to rounding: sums of 20 703 terms, and 1e-12 is 4 500 spacings of float64."""
    parts = wide(replicates, replicates, 1e3 if case == "far from zero" else 0.0)
    if case == "zeros":
        for part in parts:
            part[:3] = 0
    if case == "not finite":
        parts[1][5, 1] = float("nan")
    exact = torch.linspace(-1, 1, 20703, dtype=torch.float64) + parts[0].mean() if known else None
    expected, moments = fold_coordinates(parts, exact, paired), fold_wide(parts, exact, paired, each_coordinate)
    assert moments.undirected == (3 if case == "zeros" else 0)
    for name in (field.name for field in fields(Moments)):
        value = np.asarray(getattr(moments, name))
        if name in PER_COORDINATE and not each_coordinate:
            assert value.size == 0
        else:
            wanted = np.asarray(getattr(expected, name))
            scale = np.abs(wanted).max(initial=0.0) if name in PER_COORDINATE else 0.0  # third moments cancel
            np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-12 * scale, err_msg=name)


def test_the_comparison_of_the_two_ways_can_fail() -> None:
    parts = wide(0, 8, 0.0)
    expected = fold_coordinates(parts, None, paired=False)
    parts[0][0, 0] += 1e-3  # of 20 703 coordinates
    moments = fold_wide(parts, None, paired=False)
    assert np.abs(moments.traces / expected.traces - 1).max() > 1e-12


def test_what_does_not_vary_has_no_variance_however_large_it_is() -> None:
    parts = [value[:1].expand(8, -1) for value in wide(1, 1, 1e6)]
    moments = fold(parts, None, paired=True)
    assert sum(part.shape[1] for part in parts) > MAX_COORDINATES
    assert (moments.traces == 0).all()
    assert (moments.deviations == 0).all()


def test_all_replicates_of_many_coordinates_bad() -> None:
    bad, exact = [torch.full((8, 5000), float("inf"))], torch.ones(5000)
    moments = fold(bad, exact, paired=True)
    assert (moments.nonfinite, moments.units, len(moments.traces), moments.undirected) == (8, 0, 0, 0)
    expected, found = fold_coordinates(bad, exact, True), fold_wide(bad, exact, True, each_coordinate=True)
    for name in PER_COORDINATE:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
