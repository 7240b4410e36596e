from __future__ import annotations

import numpy as np
import pytest

from _small import Small, build_small
from morelli.encoders import FeatureCache, extract, get_encoder, join_encoders
from morelli.encoders.missing import missing_rows
from morelli.errors import MorelliError

COLOUR, SHARPNESS = "forensic[colour]", "forensic[sharpness]"


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Small:
    """8 images, the third of which cannot be read."""
    folder = tmp_path_factory.mktemp("missing")
    (folder / "broken é.png").write_bytes(b"no image")
    return build_small(folder, lambda rows: rows[2].update(path="broken é.png"), prompts=2)


@pytest.fixture
def cache(tmp_path) -> FeatureCache:
    return FeatureCache(tmp_path / "features.sqlite")


READABLE = [0, 1, 3, 4, 5, 6, 7]


def test_without_a_cache_all_that_can_be_read_is_missing(small):
    assert missing_rows(small.catalog, get_encoder(COLOUR)).tolist() == READABLE


def test_what_was_measured_is_there(small, cache):
    encoder = get_encoder(COLOUR)
    assert missing_rows(small.catalog, encoder, cache=cache).tolist() == READABLE
    extract(small.catalog.take([1, 2, 4]), encoder, cache=cache, workers=1)
    missing = missing_rows(small.catalog, encoder, cache=cache)
    assert missing.tolist() == [0, 3, 5, 6, 7]
    assert missing.dtype == np.int64
    assert missing_rows(small.catalog, get_encoder(SHARPNESS), cache=cache).tolist() == READABLE
    assert missing_rows(small.catalog, encoder, view="jpeg:50", cache=cache).tolist() == READABLE
    extract(small.catalog, encoder, cache=cache, workers=1)
    assert missing_rows(small.catalog, encoder, cache=cache).tolist() == []
    assert missing_rows(small.catalog, encoder, view=" none", cache=cache).tolist() == []


def test_extract_measures_just_these(small, cache, monkeypatch):
    encoder = get_encoder(COLOUR)
    extract(small.catalog.take([0, 5]), encoder, view="jpeg:50", cache=cache, workers=1)
    missing = missing_rows(small.catalog, encoder, view="jpeg:50", cache=cache)
    seen: list[str] = []
    import sys

    from morelli.encoders import extract as module
    from morelli.images import read_image

    monkeypatch.setattr(
        sys.modules[module.__module__], "read_image", lambda path, **more: seen.append(path) or read_image(path, **more)
    )
    extract(small.catalog, encoder, view="jpeg:50", cache=cache, workers=1)
    assert seen == [str(small.catalog.paths[row]) for row in missing]


def test_a_joint_encoder_needs_all_its_parts(small, cache):
    joint = join_encoders(f"{COLOUR}+{SHARPNESS}")
    extract(small.catalog.take([0, 1, 3, 4]), get_encoder(COLOUR), cache=cache, workers=1)
    extract(small.catalog.take([1, 4, 5]), get_encoder(SHARPNESS), cache=cache, workers=1)
    assert missing_rows(small.catalog, joint, cache=cache).tolist() == [0, 3, 5, 6, 7]


def test_a_file_that_is_listed_twice(small, cache):
    twice = small.catalog.take([0, 0, 1])
    encoder = get_encoder(COLOUR)
    assert missing_rows(twice, encoder, cache=cache).tolist() == [0, 1, 2]
    extract(small.catalog.take([0]), encoder, cache=cache, workers=1)
    assert missing_rows(twice, encoder, cache=cache).tolist() == [2]


def test_nothing(small, cache):
    assert missing_rows(small.catalog.take([]), get_encoder(COLOUR), cache=cache).tolist() == []
    assert missing_rows(small.catalog.take([2]), get_encoder(COLOUR), cache=cache).tolist() == []
    with pytest.raises(MorelliError, match="tea"):
        missing_rows(small.catalog, get_encoder(COLOUR), view="tea", cache=cache)
