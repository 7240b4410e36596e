from __future__ import annotations

import hashlib
import multiprocessing
import sqlite3
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError
from morelli.images import hamming
from morelli.provenance.lineage import DEFAULT_DISTANCE, Entry, Hashes, Registry, is_telling
from morelli.provenance.lineage.bands import MAX_INDEXED, bands_of, probes_of


def sha(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


def telling(n: int, seed: int = 0) -> np.ndarray:
    """Return hashes as pictures have them: 31 of 63 bits set."""
    order = np.argsort(np.random.default_rng(seed).random((n, 63)), axis=1)
    bits = np.zeros((n, 64), dtype=bool)
    np.put_along_axis(bits, order[:, :31] + 1, True, axis=1)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def moved(phash: int, swaps: int, seed: int = 0) -> int:
    """Return a hash with as many bits set, 2 * swaps bits away."""
    rng = np.random.default_rng(seed)
    places = [bit for bit in range(63) if phash >> bit & 1], [bit for bit in range(63) if not phash >> bit & 1]
    for where in places:
        for bit in rng.choice(where, swaps, replace=False):
            phash ^= 1 << int(bit)
    return phash


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "our images é.sqlite", create=True)


def test_the_same_file_comes_first(registry):
    (phash,) = telling(1).tolist()
    near = moved(phash, 1)
    registry.add(
        [Entry(sha("copy"), near, "b"), Entry(sha("it"), phash, "a", "a fox", "2026-05-17T09:30:00Z", "spring")]
    )
    found = registry.find(Hashes(sha("it"), phash))
    assert [(match.entry.model, match.distance) for match in found] == [("a", None), ("b", 2)]
    assert found[0].entry == Entry(sha("it"), phash, "a", "a fox", "2026-05-17T09:30:00Z", "spring")
    assert registry.find(Hashes(sha("other"), telling(1, 9).tolist()[0])) == []


def test_the_same_entry_twice_is_one_and_conflicts_are_kept(registry):
    entry = Entry(sha(1), None, "a")
    assert registry.add([entry, entry]) == (1, 2)
    assert registry.add([entry, Entry(sha(1), None, "b"), Entry(sha(2), None, "b")]) == (2, 3)
    assert len(registry) == 3 and registry.counts() == {"a": 1, "b": 2}
    assert registry.conflicts() == [sha(1)]
    assert {match.entry.model for match in registry.find(Hashes(sha(1)))} == {"a", "b"}


@pytest.mark.parametrize("distance", [0, 1, 2, 3, 4, 5, 7, 8, 15])
def test_search_is_exact(registry, distance):
    hashes = telling(400)
    centre = int(hashes[0])
    near = [moved(centre, swaps, seed) for swaps in range(1, 9) for seed in range(6)]
    every = [*hashes.tolist(), *near]
    registry.add(Entry(sha(i), phash, "m") for i, phash in enumerate(every))
    found = registry.find(Hashes(sha("query"), centre), distance)
    expected = sorted(int(d) for d in hamming(np.array(every, dtype=np.uint64), np.uint64(centre)) if d <= distance)
    assert [match.distance for match in found] == expected


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=MAX_INDEXED))
def test_some_band_of_a_near_hash_is_among_the_probes(phash, bits):
    other = phash ^ sum(1 << bit for bit in bits)
    bands = bands_of(np.array([other], dtype=np.uint64))[0]
    assert any(band in probes for band, probes in zip(bands, probes_of(phash, len(bits)), strict=True))


@settings(max_examples=50)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=30))
def test_bands_hold_all_bits(hashes):
    values = np.array(hashes, dtype=np.uint64)
    bands = bands_of(values)
    assert bands.min() >= 0 and bands.max() < 1 << 16
    counted = np.bitwise_count(bands.astype(np.uint64)).sum(axis=1)
    assert counted.tolist() == [phash.bit_count() for phash in hashes]


def test_hashes_that_tell_nothing_match_nothing(registry):
    assert not is_telling(None) and not is_telling(0) and not is_telling(0b111)
    registry.add([Entry(sha("flat"), 0, "a"), Entry(sha("ramp"), 1 << 62, "a")])
    assert registry.find(Hashes(sha("flat too"), 0), 15) == []
    assert registry.find(Hashes(sha("ramp too"), 1 << 62), 15) == []
    assert len(registry.find(Hashes(sha("flat"), 0))) == 1


def test_scans_see_what_others_have_written(registry):
    (phash,) = telling(1).tolist()
    far = moved(phash, 5)
    assert registry.find(Hashes(sha("q"), phash), 12) == []
    Registry(registry.path).add([Entry(sha(1), far, "theirs")])
    assert len(registry.find(Hashes(sha("q"), phash), 12)) == 1
    registry.add([Entry(sha(2), far, "ours")])
    assert len(registry.find(Hashes(sha("q"), phash), 12)) == 2
    assert registry.remove(model="theirs") == 1
    assert len(registry.find(Hashes(sha("q"), phash), 12)) == 1


def test_removing(registry):
    registry.add(Entry(sha(i % 3), None, f"m{i % 2}") for i in range(6))
    assert registry.remove(sha256=sha(0), model="m1") == 1
    assert registry.remove(sha256=sha(0)) == 1
    assert registry.remove(model="m1") == 2
    assert registry.remove(model="nobody") == 0
    with pytest.raises(MorelliError, match="what to remove"):
        registry.remove()


def test_listing_in_parts(registry, monkeypatch):
    monkeypatch.setattr("morelli.provenance.lineage.registry._CHUNK", 7)
    registry.add(Entry(sha(i), None, f"m{i % 2}") for i in range(30))
    assert [entry.sha256 for entry, _ in registry.entries()] == [sha(i) for i in range(30)]
    assert [entry.sha256 for entry, _ in registry.entries(limit=10)] == [sha(i) for i in range(10)]
    assert len(list(registry.entries(model="m1", limit=9))) == 9
    assert list(registry.entries(limit=0)) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("abc", None, "m"), "no sha256"),
        (("A" * 64, None, "m"), "no sha256"),
        ((sha(1), 1 << 64, "m"), "perceptual hash"),
        ((sha(1), -1, "m"), "perceptual hash"),
        ((sha(1), None, " "), "names a model"),
        ((sha(1), None, "m" * 301), "at most 300"),
        ((sha(1), None, "m", "p" * 20_001), "at most 20000"),
        ((sha(1), None, "m", "", "yesterday"), "ISO 8601"),
    ],
)
def test_wrong_entries_are_refused(values, said):
    with pytest.raises(MorelliError, match=said):
        Entry(*values)


def test_texts_of_strangers_are_kept_as_text(registry):
    registry.add([Entry(sha(1), None, "m'; DROP TABLE entries; --", "\ud800 \0 ünï\x1b[31m", note="a\nb")])
    ((entry, _),) = registry.entries()
    assert entry.model == "m'; DROP TABLE entries; --" and entry.prompt == "?  ünï\x1b[31m" and entry.note == "a\nb"


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(MorelliError, match="There is no registry"):
        Registry(tmp_path / "nowhere.sqlite")
    with pytest.raises(MorelliError, match="is a folder"):
        Registry(tmp_path, create=True)
    text = tmp_path / "text.sqlite"
    text.write_text("not a database, " * 100)
    with pytest.raises(MorelliError, match="no database or is damaged"):
        Registry(text, create=True)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(MorelliError, match="another program"):
        Registry(other, create=True)
    assert text.read_text().startswith("not a database")


def test_a_newer_layout_is_named(registry):
    with sqlite3.connect(registry.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(MorelliError, match="newer Morelli"):
        Registry(registry.path)


def test_a_damaged_registry_is_named(registry):
    registry.add(Entry(sha(i), None, "m") for i in range(2000))
    registry.close()
    data = bytearray(registry.path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    registry.path.write_bytes(data)
    with pytest.raises(MorelliError, match="damaged"):
        Registry(registry.path).find(Hashes(sha(1)))


def test_distances_have_bounds(registry):
    for distance in (-1, 16):
        with pytest.raises(MorelliError, match="between 0 and 15"):
            registry.find(Hashes(sha(1), 1), distance)
    assert DEFAULT_DISTANCE <= MAX_INDEXED


def _write(path: Path, first: int) -> None:
    registry = Registry(path, create=True)
    for start in range(first, first + 200, 20):
        registry.add(Entry(sha(i), None, "m") for i in range(start, start + 20))


def test_processes_and_threads_write_at_the_same_time(tmp_path):
    path = tmp_path / "shared.sqlite"
    context = multiprocessing.get_context("spawn")
    workers: list = [context.Process(target=_write, args=(path, 1000 * n)) for n in range(2)]
    workers += [threading.Thread(target=_write, args=(path, 1000 * n)) for n in range(2, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(Registry(path)) == 1000


def test_a_hundred_thousand_are_quick(tmp_path):
    hashes = telling(100_000).tolist()
    entries = [Entry(f"{i:064x}", phash, f"m{i % 9}") for i, phash in enumerate(hashes)]
    registry = Registry(tmp_path / "large.sqlite", create=True)
    start = time.process_time()
    registry.add(entries)
    assert time.process_time() - start < 20
    start = time.process_time()
    for i in range(0, 100_000, 1000):
        found = registry.find(Hashes(sha(i), moved(hashes[i], 1)))
        assert any(match.entry.sha256 == f"{i:064x}" for match in found)
    assert time.process_time() - start < 5
