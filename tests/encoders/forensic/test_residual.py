from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from morelli.encoders.forensic import Planes
from morelli.encoders.forensic.residual import (
    KINDS,
    LEVELS,
    ORDER,
    SCALE,
    TRUNCATION,
    _fixed_point,
    _symmetry_classes,
    cooccurrences,
)

Run = tuple[int, ...]
Ints = NDArray[np.int64]


def _levels(shape: tuple[int, ...], spread: float, seed: int = 0) -> NDArray[np.int16]:
    return np.rint(np.random.default_rng(seed).normal(100, spread, shape)).astype(np.int16)


def _class_of(run: Run) -> Run:
    """The smallest of a run of residuals, its reverse, and both with changed signs."""
    negative = tuple(-r for r in run)
    return min(run, run[::-1], negative, negative[::-1])


def _brute(plane: Ints, kind: str, step: int) -> dict[Run, float]:
    """One histogram by the definition, run by run, from places where a run fits in both directions."""
    across, down = plane, plane
    order = 2 if kind.startswith("square") else int(kind.split("-")[1])
    for _ in range(order):
        across, down = np.diff(across, axis=1), np.diff(down, axis=0)
    if kind == "square":
        across = down = np.diff(np.diff(across, axis=0), axis=0)
        order = 4
    quantised = [np.clip((r + order * step // 2) // (order * step), -TRUNCATION, TRUNCATION) for r in (across, down)]
    if kind.endswith("-across"):
        quantised.reverse()
    horizontal, vertical = quantised
    height = min(horizontal.shape[0], vertical.shape[0] - ORDER + 1)
    width = min(horizontal.shape[1] - ORDER + 1, vertical.shape[1])
    counts: dict[Run, float] = {}
    for y in range(height):
        for x in range(width):
            for run in (horizontal[y, x : x + ORDER], vertical[y : y + ORDER, x]):
                key = _class_of(tuple(int(r) for r in run))
                counts[key] = counts.get(key, 0) + 1 / (2 * height * width)
    return counts


def test_symmetry_leaves_39_of_125_classes() -> None:
    count, members = _symmetry_classes()
    assert (count, members.shape) == (39, (LEVELS**ORDER,))
    runs = [tuple(int(d) - TRUNCATION for d in digits) for digits in np.ndindex((LEVELS,) * ORDER)]
    first = {}
    for run, member in zip(runs, members, strict=True):
        assert first.setdefault(_class_of(run), member) == member
    assert len(first) == len(set(first.values())) == 39


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [1, 4, SCALE])
def test_cooccurrences_are_those_of_a_double_loop(kind: str, step: int) -> None:
    plane = _levels((1, 15, 19), 2.0 * step)
    share = _brute(plane[0].astype(np.int64), kind, step)
    measured = cooccurrences(plane, step, (kind,))[0] ** 2
    _, members = _symmetry_classes()
    runs = (tuple(int(d) - TRUNCATION for d in digits) for digits in np.ndindex((LEVELS,) * ORDER))
    expected = np.zeros(39)
    for run, member in zip(runs, members, strict=True):
        expected[member] = share.get(_class_of(run), 0)
    np.testing.assert_allclose(measured, expected, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_arithmetic_of_16_bits_is_enough_for_the_largest_contrasts(kind: str) -> None:
    board = np.indices((12, 12)).sum(axis=0) % 2
    corners = np.random.default_rng(0).integers(0, 2, (12, 12))
    for low, high in ((0, 255 * SCALE), (-130 * SCALE, 130 * SCALE)):
        for plane in (board, corners):
            levels = np.where(plane == 1, high, low)
            share = sorted(_brute(levels, kind, SCALE).values())
            measured = cooccurrences(levels.astype(np.int16)[None], SCALE, (kind,))[0] ** 2
            np.testing.assert_allclose(sorted(measured[measured > 0]), share, atol=1e-12)


def test_histograms_are_square_roots_of_shares() -> None:
    histograms = cooccurrences(_levels((8, 32, 32), 3), 1, KINDS, regions=4).reshape(4, len(KINDS), -1)
    assert histograms.shape[-1] == 39
    np.testing.assert_allclose((histograms**2).sum(axis=-1), 1, rtol=1e-12)


def test_kinds_come_in_their_own_order_and_regions_are_pooled_apart() -> None:
    levels = _levels((6, 24, 24), 3)
    together = cooccurrences(levels, 1, KINDS[::-1], regions=3)
    for i, kind in enumerate(KINDS):
        np.testing.assert_array_equal(together[:, 39 * i : 39 * (i + 1)], cooccurrences(levels, 1, (kind,), regions=3))
    for region in range(3):
        alone = cooccurrences(levels[2 * region : 2 * region + 2], 1, KINDS)
        np.testing.assert_array_equal(together[region : region + 1], alone)


@pytest.mark.parametrize("kind", KINDS)
def test_transposing_and_brightening_change_nothing(kind: str) -> None:
    levels = _levels((3, 20, 20), 2)
    expected = cooccurrences(levels, 1, (kind,))
    np.testing.assert_array_equal(cooccurrences(levels.transpose(0, 2, 1), 1, (kind,)), expected)
    np.testing.assert_array_equal(cooccurrences(levels + np.int16(50), 1, (kind,)), expected)


def test_mirroring_and_the_negative_change_nothing_where_rounding_has_no_ties() -> None:
    levels = _levels((3, 20, 20), 2)
    expected = cooccurrences(levels, 1, ("difference-1",))
    # Runs of the same places: what mirroring moves across the edge of the common window is cut off before.
    np.testing.assert_array_equal(cooccurrences(-levels, 1, ("difference-1",)), expected)
    inner = cooccurrences(levels[:, ::-1, ::-1], 1, ("difference-1",))
    assert np.abs(inner**2 - expected**2).max() < 0.05


def test_a_flat_plane_has_one_class_only() -> None:
    histogram = cooccurrences(np.full((1, 16, 16), 77, dtype=np.int16), 1, KINDS).reshape(len(KINDS), -1)
    assert (np.sort(histogram, axis=1)[:, -2:] == [0, 1]).all()
    assert len(set(histogram.argmax(axis=1))) == 1


def test_fixed_point_keeps_eighths_of_a_level() -> None:
    planes = Planes(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for plane in (planes.luma_half, planes.blue_half, planes.red_half):
        fixed = _fixed_point(plane)
        assert fixed.dtype == np.int16 and np.abs(fixed).max() <= 255 * SCALE
        np.testing.assert_allclose(fixed / SCALE, plane, atol=0.5 / SCALE + 1e-4)
