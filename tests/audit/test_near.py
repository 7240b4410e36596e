from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.audit.near import find_near
from morelli.errors import CatalogError

ALL = (1 << 64) - 1
BASE = 0x0F1E2D3C4B5A6978


def flipped(value: int, *bits: int) -> int:
    for bit in bits:
        value ^= 1 << bit
    return value


def hashes(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


def test_copies_by_bytes_and_by_look():
    found = find_near(["a", "b", "a", "c", "d"], hashes(BASE, flipped(BASE, 3, 60), BASE, BASE ^ ALL, flipped(BASE, 3)))
    assert found.group.tolist() == [0, 0, 0, 1, 0]
    assert found.first.tolist() == [True, False, False, True, False]
    assert [rows.tolist() for rows in found.groups()] == [[0, 1, 2, 4]]


def test_the_largest_group_comes_first():
    other = BASE ^ ALL
    found = find_near(list("abcdef"), hashes(BASE, BASE, other, other, other, 0xFFFF))
    assert [rows.tolist() for rows in found.groups()] == [[2, 3, 4], [0, 1]]


@pytest.mark.parametrize(("radius", "together"), [(0, False), (2, False), (3, True), (4, True)])
def test_the_radius_is_a_number_of_bits(radius, together):
    found = find_near(["a", "b"], hashes(BASE, flipped(BASE, 1, 20, 40)), radius=radius)
    assert (found.group[0] == found.group[1]) == together


def test_flat_images_and_images_without_a_hash_are_like_nothing():
    found = find_near(["a", "b", None, None], hashes(0, 0, 0, 0), reference_phashes=hashes(0, BASE))
    assert found.group.tolist() == [0, 1, 2, 3]
    assert found.reference.tolist() == [-1] * 4
    assert found.groups() == []
    assert find_near(["a", "a"], hashes(0, 0)).group.tolist() == [0, 0]  # equal bytes are equal, flat or not


def test_files_that_could_not_be_read_are_not_one_file():
    found = find_near([None, None], hashes(BASE, BASE ^ ALL))
    assert found.group.tolist() == [0, 1]
    assert found.in_references.tolist() == [None, None]


def test_references_are_found_by_bytes_and_by_look():
    found = find_near(
        ["a", "b", "c", "d"],
        hashes(BASE, flipped(BASE, 0, 1), BASE ^ ALL, 0xFFFF),
        reference_ids={"d", "x"},
        reference_phashes=hashes(0x1234, flipped(BASE, 0), flipped(BASE, 0, 1, 2)),
    )
    assert found.in_references.tolist() == ["near", "near", None, "file"]
    assert found.reference.tolist() == [1, 1, -1, -1]  # the second is one bit from either: the first of the closest


def test_a_chain_of_references_does_not_join_images():
    far = flipped(BASE, *range(8))
    found = find_near(["a", "b"], hashes(BASE, far), reference_phashes=hashes(flipped(BASE, 0, 1, 2, 3)))
    assert found.group.tolist() == [0, 1]
    assert found.reference.tolist() == [0, 0]


def test_without_hashes_of_references_only_bytes_are_compared():
    found = find_near(["a", "b"], hashes(BASE, BASE), reference_ids=["b"])
    assert found.in_references.tolist() == [None, "file"]
    assert found.reference.tolist() == [-1, -1]


@pytest.mark.parametrize("n", [0, 1])
def test_few_images(n):
    found = find_near(["a"][:n], hashes(BASE)[:n])
    assert found.group.tolist() == [0][:n] and found.groups() == []


def test_nothing_in_nothing_out():
    found = find_near([], hashes(), reference_ids=["a"], reference_phashes=hashes(BASE))
    assert found.group.shape == found.reference.shape == found.in_references.shape == (0,)
    assert found.groups() == []
    assert find_near(["a"], hashes(BASE), reference_phashes=hashes()).reference.tolist() == [-1]


def test_lengths_and_radius_are_checked():
    with pytest.raises(ValueError, match="2 images have 1"):
        find_near(["a", "b"], hashes(BASE))
    with pytest.raises(CatalogError, match="radius"):
        find_near(["a"], hashes(BASE), radius=16)


@given(
    st.lists(st.integers(0, 40).map(lambda i: flipped(BASE, i % 20, i // 3)), min_size=1, max_size=25),
    st.lists(st.integers(0, 40).map(lambda i: flipped(BASE, i % 17, i // 2, 50)), max_size=10),
    st.integers(0, 5),
)
def test_it_is_what_comparing_all_pairs_finds(own, references, radius):
    found = find_near(
        [str(i) for i in range(len(own))], hashes(*own), reference_phashes=hashes(*references), radius=radius
    )
    for i, a in enumerate(own):
        apart = [(a ^ b).bit_count() for b in references]
        close = min(apart, default=99) <= radius
        assert found.reference[i] == (apart.index(min(apart)) if close else -1)
        for j, b in enumerate(own):
            if (a ^ b).bit_count() <= radius:
                assert found.group[i] == found.group[j]
    for k in range(int(found.group.max()) + 1):  # groups hold together: each image has a neighbour in its own
        rows = np.flatnonzero(found.group == k)
        for i in rows:
            assert len(rows) == 1 or any((own[i] ^ own[j]).bit_count() <= radius for j in rows if j != i)


def test_a_hundred_thousand_images_take_seconds():
    rng = np.random.default_rng(0)
    own = rng.integers(1, 1 << 63, 100_000, dtype=np.uint64)
    own[50_000:60_000] = own[0]  # ten thousand copies of one picture
    began = time.process_time()
    found = find_near([str(i) for i in range(len(own))], own, reference_phashes=own[:600] ^ np.uint64(5))
    assert time.process_time() - began < 30
    assert (found.group == found.group[0]).sum() == 10_001
    assert (found.reference[:600] == np.arange(600)).all()
