from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from morelli.catalog import build_catalog, cluster_ids, near_duplicate_clusters, near_duplicate_pairs
from morelli.errors import CatalogError
from morelli.images import hamming


def brute_force(hashes, radius):
    near = hamming(hashes[:, None], hashes[None, :]) <= radius
    return np.argwhere(np.triu(near, 1))


@st.composite
def crowded(draw):
    """Hashes around a few centres, so that all distances up to a dozen bits occur."""
    centres = draw(hnp.arrays(np.uint64, draw(st.integers(1, 4))))
    count = draw(st.integers(0, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    hashes = rng.choice(centres, count)
    for _ in range(draw(st.integers(0, 6))):
        hashes = hashes ^ (rng.integers(0, 2, count, dtype=np.uint64) << rng.integers(0, 64, count, dtype=np.uint64))
    return hashes


@settings(max_examples=150, deadline=None)
@given(crowded(), st.integers(0, 9))
def test_pairs_equal_brute_force(hashes, radius):
    np.testing.assert_array_equal(near_duplicate_pairs(hashes, radius), brute_force(hashes, radius))


@settings(max_examples=60, deadline=None)
@given(crowded(), st.integers(0, 6))
def test_clusters_are_the_components_of_pairs(hashes, radius):
    clusters = near_duplicate_clusters(hashes, radius)
    pairs = brute_force(hashes, radius)
    assert (clusters[pairs[:, 0]] == clusters[pairs[:, 1]]).all()
    parent = list(range(len(hashes)))

    def root(node):
        while parent[node] != node:
            node = parent[node]
        return node

    for a, b in pairs:
        parent[root(a)] = root(b)
    assert len({root(node) for node in range(len(hashes))}) == len(set(clusters.tolist()))
    first = [clusters.tolist().index(cluster) for cluster in range(len(set(clusters.tolist())))]
    assert first == sorted(first)


def test_radius_is_checked():
    with pytest.raises(CatalogError, match="between 0 and 15"):
        near_duplicate_pairs([1, 2], 16)
    assert near_duplicate_pairs([], 4).shape == (0, 2)


def test_many_hashes_in_reasonable_time():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 40_000, dtype=np.uint64)
    hashes[20_000:30_000] = 5  # ten thousand equal ones must not become fifty million pairs
    start = time.perf_counter()
    clusters = near_duplicate_clusters(hashes)
    assert time.perf_counter() - start < 5
    assert clusters.max() + 1 == 30_001


def test_re_encoded_images_are_found(tmp_path, save):
    for seed in range(6):
        save(tmp_path / "a" / f"{seed}.png", seed, (256, 256))
    save(tmp_path / "b" / "copy.jpg", 2, (256, 256), quality=60)
    save(tmp_path / "b" / "half.webp", 4, (128, 128))
    clusters = cluster_ids(build_catalog(tmp_path))
    assert clusters.tolist() == [0, 1, 2, 3, 4, 5, 2, 4]


def test_flat_images_are_no_copies_of_each_other(table_of):
    same = ["x", "y", "z", "x"]
    assert cluster_ids(table_of(4, phash=[0, 0, 1, 0], image_id=same)).tolist() == [0, 1, 2, 0]


def test_unreadable_rows_are_alone(table_of):
    catalog = table_of(4, phash=[None, None, 5, 5], error=["e", "e", None, None], image_id=[None, None, "x", "y"])
    assert cluster_ids(catalog).tolist() == [0, 1, 2, 2]
