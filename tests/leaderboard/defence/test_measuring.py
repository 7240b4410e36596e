from __future__ import annotations

import numpy as np
import pytest

from morelli.encoders import FeatureCache, extract
from morelli.errors import MorelliError
from morelli.images import read_image
from morelli.leaderboard.defence import Measurer
from morelli.views import parse_view

from ._leaderboard import encoder, tinted


def test_rows_are_what_extract_gives(catalog, tmp_path):
    cache = FeatureCache(tmp_path / "cache.sqlite")
    measurer = Measurer(catalog, encoder(), cache=cache, workers=1)
    rows = np.array([7, 3, 3, 50])
    found = measurer.rows(rows, "jpeg@2")
    expected = extract(catalog, encoder(), view="jpeg:75", workers=1).X
    np.testing.assert_array_equal(found, expected[rows])
    assert found.dtype == np.float32


def test_what_is_known_is_not_measured_again(catalog, monkeypatch):
    measurer = Measurer(catalog, encoder(), workers=1)
    first = measurer.rows(np.arange(4))
    monkeypatch.setattr("morelli.leaderboard.defence.measuring.extract", None)
    np.testing.assert_array_equal(measurer.rows(np.array([2, 0])), first[[2, 0]])


def test_pixels_are_measured_through_each_view(catalog):
    images = [tinted(0, seed, "blue") for seed in range(3)]
    calls = []
    measurer = Measurer(catalog, encoder(), workers=1, progress=lambda *state: calls.append(state))
    found = measurer.pixels(iter(images), 3, ["none", "blur:2"], "x")
    for name, X in found.items():
        for pixels, x in zip(images, X, strict=True):
            np.testing.assert_array_equal(x, encoder().encode(parse_view(name)(pixels)).mean["colour"])
    assert calls == [("x", 1, 3), ("x", 2, 3), ("x", 3, 3)]


@pytest.mark.parametrize("workers", [1, 2])
def test_pixels_come_from_the_cache_in_any_mixture(catalog, tmp_path, workers):
    images = [tinted(p, seed, "blue") for p in range(2) for seed in range(3)]
    fresh = Measurer(catalog, encoder(), workers=1).pixels(iter(images), 6, ["none", "noise:5"])
    cache = FeatureCache(tmp_path / "cache.sqlite")
    first = Measurer(catalog, encoder(), cache=cache, workers=1)
    first.pixels(iter(images[1:4]), 3, ["noise:5"])
    first.pixels(iter(images[3:]), 3, ["none"])
    for _ in range(2):
        again = Measurer(catalog, encoder(), cache=cache, workers=workers).pixels(iter(images), 6, ["none", "noise:5"])
        for name, X in fresh.items():
            np.testing.assert_array_equal(again[name], X)


def test_the_hash_of_pixels_tells_shapes_apart(catalog, tmp_path):
    flat = np.arange(64 * 80 * 3, dtype=np.uint32).astype(np.uint8)
    cache = FeatureCache(tmp_path / "cache.sqlite")
    measurer = Measurer(catalog, encoder(), cache=cache, workers=1)
    one = measurer.pixels(iter([flat.reshape(64, 80, 3)]), 1, ["none"])["none"]
    two = measurer.pixels(iter([flat.reshape(80, 64, 3)]), 1, ["none"])["none"]
    assert not np.array_equal(one, two)


def test_what_cannot_be_measured(catalog):
    measurer = Measurer(catalog, encoder(), workers=1)
    with pytest.raises(MorelliError, match="cannot be measured through resize:8"):
        measurer.rows(np.array([0]), "resize:8")
    with pytest.raises(MorelliError, match="not all of them came"):
        measurer.pixels(iter([tinted(0, 0, "blue")]), 2, ["none"])
    with pytest.raises(MorelliError, match="at least one worker"):
        Measurer(catalog, encoder(), workers=0)
    missing = catalog.with_column("uri", ["gone.png", *catalog.text("uri")[1:]])
    with pytest.raises(MorelliError, match=r"gone\.png cannot be measured"):
        Measurer(missing, encoder(), workers=1).rows(np.array([0]))
    assert read_image(catalog.paths[0]).pixels.shape == (96, 96, 3)
