from __future__ import annotations

import numpy as np
import pytest
import scipy.fft

from morelli.encoders.forensic.block_dct import THRESHOLDS, block_coefficients, coefficient_statistics

from ._generators import block_quantised


@pytest.mark.parametrize("offset", [0, 4])
@pytest.mark.parametrize("shape", [(64, 64), (32, 32), (40, 24)])
def test_coefficients_are_those_of_scipy_block_by_block(offset: int, shape: tuple[int, int]) -> None:
    planes = np.random.default_rng(0).uniform(0, 255, (2, *shape)).astype(np.float32)
    measured = block_coefficients(planes, offset)
    rows, columns = (shape[0] - offset) // 8, (shape[1] - offset) // 8
    assert measured.shape == (2, rows * columns, 63)
    for plane in range(2):
        for row in range(rows):
            for column in range(columns):
                y, x = offset + 8 * row, offset + 8 * column
                expected = scipy.fft.dctn(planes[plane, y : y + 8, x : x + 8].astype(np.float64), norm="ortho")
                np.testing.assert_allclose(measured[plane, row * columns + column], expected.ravel()[1:], atol=1e-3)


def test_statistics_of_known_coefficients() -> None:
    coefficients = np.zeros((2, 10, 63), dtype=np.float32)
    coefficients[:, :, 5] = 3
    coefficients[:, ::2, 6] = -2
    mean, square, *shares = coefficient_statistics(coefficients).reshape(2 + len(THRESHOLDS), 63)
    np.testing.assert_allclose(mean[[0, 5, 6]], np.log([0.05, 3.05, 1.05]), rtol=1e-5)
    np.testing.assert_allclose(square[[0, 5, 6]], np.log([0.05, 9.05, 2.05]), rtol=1e-5)
    for threshold, share in zip(THRESHOLDS, shares, strict=True):
        assert share[0] == 1
        assert share[5] == (threshold > 3)
        assert share[6] == (1 if threshold > 2 else 0.5)


def test_statistics_pool_regions_apart_and_keep_shares_of_full_planes() -> None:
    coefficients = np.random.default_rng(0).laplace(0, 3, (6, 255, 63)).astype(np.float32)
    together = coefficient_statistics(coefficients, regions=3)
    alone = np.concatenate([coefficient_statistics(coefficients[i : i + 2]) for i in (0, 2, 4)])
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    shares = together.reshape(3, -1, 63)[:, 2:]
    expected = [(abs(coefficients.reshape(3, -1, 63)) < t).mean(axis=1) for t in THRESHOLDS]
    np.testing.assert_allclose(shares, np.stack(expected, axis=1), atol=1e-6)
    assert coefficient_statistics(coefficients, thresholds=()).shape == (1, 2 * 63)


@pytest.mark.parametrize("offset", [0, 4])
def test_quantisation_shows_on_its_own_grid_only(offset: int) -> None:
    luma = 128 + np.random.default_rng(0).normal(0, 8, (64, 64))
    planes = block_quantised(luma, step=12.0, offset=offset).astype(np.float32)[None]
    own, other = block_coefficients(planes, offset), block_coefficients(planes, 4 - offset)
    np.testing.assert_allclose(own, 12 * np.rint(own / 12), atol=1e-2)
    assert np.abs(other / 12 - np.rint(other / 12)).mean() > 0.15
