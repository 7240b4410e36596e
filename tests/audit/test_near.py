from __future__ import annotations

import time

import numpy as np
import pytest

from morelli.audit.near import find_near

RNG = np.random.default_rng(0)


def hashes(n):
    return RNG.integers(0, 2**63, size=n, dtype=np.uint64)


def flipped(value, bits):
    for bit in range(bits):
        value = int(value) ^ (1 << (7 * bit))
    return np.uint64(value)


def test_files_that_are_the_same_and_pictures_that_nearly_are():
    base = hashes(3)
    phashes = [base[0], base[1], base[0], flipped(base[1], 2), base[2]]
    found = find_near(["a", "b", "a", "c", "d"], phashes)
    assert found.group.tolist() == [0, 1, 0, 1, 2]
    assert found.first.tolist() == [True, True, False, False, True]
    assert found.same_file.tolist() == [False, False, True, False, False]
    assert [rows.tolist() for rows in found.groups()] == [[0, 2], [1, 3]]
    assert found.in_references.tolist() == [None] * 5 and (found.reference == -1).all()


def test_images_among_references():
    base = hashes(3)
    found = find_near(
        ["a", "b", "c"],
        np.array([base[0], flipped(base[1], 1), base[2]]),
        reference_ids={"a", "z"},
        reference_phashes=np.array([flipped(base[2], 9), base[1]]),
    )
    assert found.in_references.tolist() == ["file", "near", None]
    assert found.reference[1] == 1 and found.reference[2] == -1


@pytest.mark.parametrize("n", [0, 1])
def test_few_images(n):
    found = find_near(["a"][:n], hashes(1)[:n])
    assert found.group.tolist() == [0][:n] and found.groups() == []


def test_many_images_take_seconds():
    n = 100_000
    phashes = hashes(n)
    phashes[-1] = flipped(phashes[0], 2)
    start = time.process_time()
    found = find_near([str(i) for i in range(n)], phashes)
    assert found.group[-1] == found.group[0]
    assert found.group.max() >= n - 20  # chance alone makes hardly any
    # A generous bound: pairs by pairs would take hours.
    assert time.process_time() - start < 120
