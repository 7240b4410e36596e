"""Each family sees the traces that are its own, and is blind to those that physics hides from it.

Two models, one of which plants one trace, are told apart from the mean over regions of one family's features. Content
is different everywhere: between the models, and between training and test.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from morelli.encoders.forensic import get_family, list_families

from ._generators import BASELINES, COUNT, MODELS, pair, pictures

SEEN = 0.9
BLIND = 0.75
"""With 48 pictures in the test, a guesser has a standard deviation of 0.072: this is 3.5 of them above chance."""

SEES = {
    # Periodic gain puts energy into bins at multiples of 1/period, and sets the 8x8 patterns of that period apart.
    "grid-2": ("spectrum", "block-dct", "autocorrelation"),
    "grid-4": ("spectrum",),
    "grid-8": ("spectrum",),
    # What filters do to high frequencies is seen by all that measure them.
    "slope": ("spectrum", "block-dct", "sharpness"),
    "sharpened": ("sharpness", "block-dct"),
    "blurred": ("sharpness", "block-dct", "spectrum"),
    # Coefficients of the grid that starts at (4, 4) are multiples of the step.
    "block-quantised": ("block-dct",),
    # Noise of the same variance, of which neighbours (or pixels 16 apart) are correlated.
    "interpolated-noise": ("autocorrelation", "spectrum"),
    "echo": ("autocorrelation", "spectrum"),
    # Noise of the same spectrum with heavy tails: quantiles of local contrast.
    "sparse-noise": ("sharpness",),
    # Differences between neighbours are even.
    "even-levels": ("residual",),
    "contrast": ("sharpness",),
    "palette": ("colour", "layout"),
    "saturation": ("colour",),
    "chroma-noise": ("residual", "block-dct", "sharpness"),
    # 250 and 255 differ in one thing only: the second is at the edge of the gamut.
    "highlights-255": ("colour",),
    "composition": ("layout",),
}

# Traces in luma below one cell of the families that look at the whole: chroma is untouched to the bit, means over cells
# of 6x6 pixels hardly change, and neither do histograms with bins of 8 grey levels.
TOO_FINE = ("colour", "layout")

IS_BLIND = {
    "control": tuple(family.name for family in list_families()),
    "grid-2": TOO_FINE,
    "grid-4": TOO_FINE,
    "grid-8": TOO_FINE,
    "slope": TOO_FINE,
    "sharpened": TOO_FINE,
    "blurred": TOO_FINE,
    "block-quantised": TOO_FINE,
    "interpolated-noise": TOO_FINE,
    # Within 16x16 pixels the echo is plain white noise: 8x8 blocks and runs of three residuals never span it, and the
    # coarsest octaves of sharpness, which do, average the noise away.
    "echo": ("residual", "block-dct", "sharpness", *TOO_FINE),
    # What has the same power spectrum is the same to all that is computed from it. (Tiles have 4096 pixels, hundreds of
    # them noisy, so that by the central limit theorem the logarithm of their power does not differ either.)
    "sparse-noise": ("spectrum", "autocorrelation", *TOO_FINE),
    "even-levels": ("spectrum", "autocorrelation", *TOO_FINE),
    # A correlation is free of scale.
    "contrast": ("autocorrelation",),
    # Luma is untouched to the bit; chroma is moved by a constant, which every high-pass filter removes.
    "palette": ("spectrum", "autocorrelation", "residual", "block-dct", "sharpness"),
    # Luma is untouched to the bit.
    "saturation": ("spectrum", "autocorrelation"),
    "chroma-noise": ("spectrum", "autocorrelation", "layout"),
    # Five levels of 120 in some seventy sparks, whose number varies more than that.
    "highlights-255": ("spectrum", "block-dct", "autocorrelation", "sharpness", "layout"),
    # The ramps are below the grain, and what is measured from second differences does not know them at all.
    "composition": ("residual", "spectrum", "block-dct", "autocorrelation", "sharpness"),
}

LUMA_UNTOUCHED = ("palette", "saturation", "chroma-noise")


def _flat(table: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(model, family) for model, families in table.items() for family in families]


@cache
def _features(model: str, family: str) -> NDArray[np.float32]:
    return np.stack([get_family(family).measure(planes).mean(axis=0) for planes in pictures(model)])


def _accuracy(model: str, family: str) -> float:
    """How often a linear classifier, fitted to the first half of either model's pictures, is right about the other
    half.
    """
    sides = [_features(name, family) for name in (BASELINES.get(model, "plain"), model)]
    labels = np.repeat([0, 1], COUNT)
    # Turned into as many axes as there are pictures, the same regression takes a tenth of the time.
    classifier = make_pipeline(StandardScaler(), PCA(svd_solver="full"), LogisticRegression())
    classifier.fit(np.concatenate([side[:COUNT] for side in sides]), labels)
    return float(classifier.score(np.concatenate([side[COUNT:] for side in sides]), labels))


def test_every_trace_and_every_family_takes_part() -> None:
    assert {*SEES, "control"} == set(IS_BLIND) == set(MODELS) - {"plain", *BASELINES.values()}
    names = {family.name for family in list_families()}
    assert {name for _, name in _flat(SEES)} == {name for _, name in _flat(IS_BLIND)} == names


@pytest.mark.parametrize(("trace", "family"), _flat(SEES))
def test_family_sees_its_trace(trace: str, family: str) -> None:
    assert _accuracy(trace, family) >= SEEN


@pytest.mark.parametrize(("trace", "family"), _flat(IS_BLIND))
def test_family_does_not_see_what_is_hidden_from_it(trace: str, family: str) -> None:
    assert _accuracy(trace, family) <= BLIND


@pytest.mark.parametrize("trace", LUMA_UNTOUCHED)
@pytest.mark.parametrize("family", ["spectrum", "autocorrelation"])
def test_families_of_luma_do_not_change_by_a_bit_with_chroma(trace: str, family: str) -> None:
    for index in range(3):
        plain, planted = pair(trace, index)
        assert not np.array_equal(plain.tiles, planted.tiles)
        assert get_family(family).measure(plain).tobytes() == get_family(family).measure(planted).tobytes()


@pytest.mark.parametrize("trace", sorted(set(SEES) - {*LUMA_UNTOUCHED, "highlights-255"}))
def test_traces_in_luma_leave_chroma_as_it_is(trace: str) -> None:
    plain, planted = pair(trace, 0)
    assert not np.array_equal(plain.luma_levels, planted.luma_levels)
    np.testing.assert_array_equal(plain.blue_half, planted.blue_half)
    np.testing.assert_array_equal(plain.red_half, planted.red_half)
