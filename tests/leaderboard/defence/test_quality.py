from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError
from morelli.leaderboard.defence import gmsd, psnr, ssim
from morelli.views import parse_view

from ._leaderboard import tinted

ONE = tinted(0, 0, "amber")


def test_equal_images_lose_nothing():
    assert psnr(ONE, ONE) == float("inf") and ssim(ONE, ONE) == pytest.approx(1.0) and gmsd(ONE, ONE) == 0


def test_psnr_of_a_shift_is_known():
    flat = np.full((8, 9, 3), 100, dtype=np.uint8)
    assert psnr(flat, flat + np.uint8(10)) == pytest.approx(20 * np.log10(255 / 10))


@pytest.mark.parametrize("view", ["jpeg:30", "blur:1", "noise:12", "brightness:1.2"])
@pytest.mark.parametrize("shape", [(96, 96), (40, 71)])
def test_ssim_and_psnr_are_those_of_scikit_image(view, shape):
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is a test dependency")
    pixels = np.ascontiguousarray(ONE[: shape[0], : shape[1]])
    grey = np.repeat(pixels.mean(axis=2).astype(np.uint8)[:, :, None], 3, axis=2)
    other = parse_view(f"{view}|gray")(grey, 1)
    expected = metrics.structural_similarity(
        grey[:, :, 0], other[:, :, 0], gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(grey, other) == pytest.approx(expected, abs=1e-6)
    assert psnr(grey, other) == pytest.approx(metrics.peak_signal_noise_ratio(grey, other), abs=1e-9)


def test_gmsd_is_its_definition():
    """Against loops over pixels, after Xue et al. 2014, with the gradients of the authors' own kernels."""
    other = parse_view("jpeg:30")(ONE)

    def similarity_map():
        magnitudes = []
        for image in (ONE, other):
            luma = image.astype(float) @ [0.299, 0.587, 0.114]
            small = luma.reshape(48, 2, 48, 2).mean(axis=(1, 3))
            padded = np.pad(small, 1)
            magnitude = np.zeros((48, 48))
            for y in range(48):
                for x in range(48):
                    around = padded[y : y + 3, x : x + 3]
                    across = (around[:, 0] - around[:, 2]).sum() / 3
                    down = (around[0] - around[2]).sum() / 3
                    magnitude[y, x] = np.sqrt(across**2 + down**2)
            magnitudes.append(magnitude)
        one, two = magnitudes
        return (2 * one * two + 170) / (one**2 + two**2 + 170)

    assert gmsd(ONE, other) == pytest.approx(similarity_map().std(), abs=1e-9)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_worse_is_worse(measure):
    values = [measure(ONE, parse_view(f"jpeg@{level}")(ONE)) for level in range(1, 6)]
    assert values == sorted(values, reverse=True) and values[0] > values[-1]
    deviations = [gmsd(ONE, parse_view(f"jpeg@{level}")(ONE)) for level in range(1, 6)]
    assert deviations == sorted(deviations)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), height=st.integers(11, 30), width=st.integers(11, 30))
def test_measures_are_symmetric_and_bounded(seed, height, width):
    one, two = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    for measure in (psnr, ssim, gmsd):
        assert measure(one, two) == pytest.approx(measure(two, one))
    assert -1 <= ssim(one, two) < 1 and 0 < gmsd(one, two) <= 0.5


def test_what_cannot_be_measured():
    small = np.zeros((3, 3, 3), dtype=np.uint8)
    assert np.isnan(ssim(small, small)) and np.isnan(gmsd(small, small))
    for measure in (psnr, ssim, gmsd):
        with pytest.raises(MorelliError, match="same size"):
            measure(ONE, ONE[:50])
