"""SIFT's keypoints on blobs whose place, size and direction are known."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.images import read_image
from morelli.sample import sample_path
from morelli.views import parse_view
from morelli.views.structure_keypoints import keypoints


def blob(x, y, sigma, shape=(120, 160), background=60, height=180):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    values = background + height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 2 / sigma**2)
    return np.repeat(np.rint(values).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)


@pytest.mark.parametrize("sigma", [3.0, 5.0, 8.0])
def test_a_blob_is_found_at_its_place_and_size(sigma):
    found = keypoints(blob(70, 50, sigma), 0.03)
    distance = np.hypot(found.x - 70, found.y - 50)
    assert len(distance) and distance.max() <= 4
    # The difference of Gaussians peaks a little below the blob's own width.
    assert 0.6 * sigma < found.sigma.min() <= found.sigma.max() < 1.3 * sigma


def test_larger_blobs_have_larger_keypoints():
    sizes = [keypoints(blob(70, 50, sigma), 0.03).sigma.max() for sigma in (2.5, 4, 7, 12)]
    assert sizes == sorted(sizes) and sizes[-1] > 3 * sizes[0]


def test_edges_and_flat_areas_have_none():
    edge = np.full((100, 100, 3), 40, dtype=np.uint8)
    assert len(keypoints(edge, 0.03).x) == 0
    edge[:, 50:] = 200
    assert len(keypoints(edge, 0.03).x) == 0
    assert not parse_view("sift")(edge).any()


def test_contrast_is_a_threshold():
    dim = blob(70, 50, 4, height=20)
    assert len(keypoints(dim, 0.03).x) == 0 and len(keypoints(dim, 0.005).x) > 0
    assert len(keypoints(np.full((11, 300, 3), 9, dtype=np.uint8), 0.001).x) == 0  # too narrow for an octave


def test_directions_turn_with_the_image():
    pixels = read_image(sample_path() / "campaign" / "02.jpg").pixels
    height, width = pixels.shape[:2]
    upright, turned = (keypoints(image, 0.01) for image in (pixels, np.ascontiguousarray(np.rot90(pixels, 2))))
    # Only the first octave keeps its grid under a half turn.
    matched = 0
    for x, y, sigma, angle in zip(upright.x, upright.y, upright.sigma, upright.angle, strict=True):
        if sigma > 3:
            continue
        same = (np.hypot(turned.x - (width - 1 - x), turned.y - (height - 1 - y)) < 0.5) & (turned.sigma == sigma)
        difference = np.angle(np.exp(1j * (turned.angle[same] - angle - np.pi)))
        matched += bool(len(difference) and np.abs(difference).min() < 0.1)
    assert matched > 0.8 * (upright.sigma <= 3).sum() > 10


def test_a_ramp_around_a_blob_gives_its_direction():
    ramp = np.repeat((np.arange(160) * 0.8)[np.newaxis, :, np.newaxis], 120, axis=0)
    pixels = np.clip(blob(80, 60, 4, background=20, height=90) + ramp, 0, 255).astype(np.uint8)
    found = keypoints(pixels, 0.03)
    near = np.hypot(found.x - 80, found.y - 60) < 4
    assert near.any() and np.abs(np.angle(np.exp(1j * found.angle[near]))).min() < 0.2


def test_circles_are_drawn_where_keypoints_are():
    result = parse_view("sift")(blob(70, 50, 5))[..., 0]
    assert set(np.unique(result)) == {0, 255}
    rows, columns = np.nonzero(result)
    assert abs(rows.mean() - 50) < 4 and abs(columns.mean() - 70) < 4
    assert 10 < np.ptp(rows) < 32
