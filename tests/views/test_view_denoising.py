"""The bilateral filter and non-local means, against their definitions written as loops."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.views import parse_view


def by_loops(pixels, weight_of):
    """The weighted mean over the 7 x 7 neighbours, mirrored at the border, pixel by pixel."""
    height, width = pixels.shape[:2]
    values = pixels.astype(np.float64)
    around = np.pad(values, ((3, 3), (3, 3), (0, 0)), mode="symmetric")
    result = np.zeros_like(values)
    for y in range(height):
        for x in range(width):
            total, weights = np.zeros(3), 0.0
            for dy in range(-3, 4):
                for dx in range(-3, 4):
                    weight = weight_of(values, around, y, x, dy, dx)
                    total += weight * around[y + dy + 3, x + dx + 3]
                    weights += weight
            result[y, x] = total / weights
    return result


def test_bilateral_is_its_definition(picture):
    pixels = picture[:9, :11]

    def weight(values, around, y, x, dy, dx):
        squares = np.mean((around[y + dy + 3, x + dx + 3] - values[y, x]) ** 2)
        return np.exp(-squares / (2 * 20.0**2)) * np.exp(-(dy**2 + dx**2) / (2 * 1.5**2))

    result = parse_view("bilateral:20")(pixels)
    assert np.abs(result - by_loops(pixels, weight)).max() <= 0.51


def test_non_local_means_is_its_definition(picture):
    pixels = picture[:9, :11]
    height, width = pixels.shape[:2]

    def weight(values, around, y, x, dy, dx):
        patch = []
        for py in (-1, 0, 1):
            for px in (-1, 0, 1):
                # Outside of the image the differences are mirrored, as those of the image's own border.
                cy, cx = min(max(y + py, 0), height - 1), min(max(x + px, 0), width - 1)
                patch.append(np.mean((around[cy + dy + 3, cx + dx + 3] - values[cy, cx]) ** 2))
        return np.exp(-np.mean(patch) / 20.0**2)

    result = parse_view("nlmeans:20")(pixels)
    assert np.abs(result - by_loops(pixels, weight)).max() <= 0.51


@pytest.mark.parametrize("name", ["bilateral:20", "nlmeans:20"])
def test_noise_goes_and_edges_stay(name):
    rng = np.random.default_rng(0)
    clean = np.where(np.arange(64)[None, :, None] < 32, 60, 190) * np.ones((64, 1, 3))
    noisy = np.clip(np.rint(clean + rng.normal(0, 6, clean.shape)), 0, 255).astype(np.uint8)
    result = parse_view(name)(noisy).astype(float)
    assert (result - clean).std() < 0.5 * (noisy - clean).std()
    assert np.abs(np.diff(result.mean(axis=(0, 2))))[31] > 120
    flat = np.full((20, 20, 3), 77, dtype=np.uint8)
    assert (parse_view(name)(flat) == 77).all()
