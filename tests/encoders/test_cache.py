from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from morelli.encoders.cache import CacheKey, CacheRow, FeatureCache, default_cache_path
from morelli.errors import MorelliError
from morelli.images import Quality

_QUALITY = Quality(256, None, 0.25, "small/clean")
_SOURCE = str(Path(__file__).parents[2] / "src")


def key(number: int, view: str = "none", recipe: str = "0123456789abcdef") -> CacheKey:
    return CacheKey(f"{number:064x}", view, recipe)


def row(number: int, d: int = 50) -> CacheRow:
    return CacheRow(np.full((1 + number % 3, d), number, dtype=np.float32), number % 3, _QUALITY)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "deeper" / "features.sqlite")


def test_rows_are_found_by_their_whole_key(cache: FeatureCache) -> None:
    keys = [key(1), key(1, view="jpeg:75"), key(1, recipe="fedcba9876543210"), key(2)]
    cache.put_many({k: row(i) for i, k in enumerate(keys)})
    found = cache.get_many([*reversed(keys), key(3)])
    assert set(found) == set(keys)
    for i, k in enumerate(keys):
        assert found[k].vector[0, 0] == i and found[k].n_contrasts == i % 3 and found[k].quality == _QUALITY
    assert len(cache) == 4 and cache.damaged == 0
    cache.put_many({keys[0]: row(9)})
    assert cache.get_many(keys[:1])[keys[0]].vector[0, 0] == 9 and len(cache) == 4


@settings(max_examples=60, deadline=None)
@given(
    bits=hnp.arrays(np.uint32, st.tuples(st.integers(1, 9), st.integers(0, 40))),
    quality=st.builds(
        Quality,
        short_side=st.integers(1, 2**31 - 1),
        jpeg_quality=st.none() | st.integers(1, 100),
        blur=st.floats(0, 1),
        bucket=st.text(),
    ),
)
def test_round_trip_keeps_every_bit(
    tmp_path_factory: pytest.TempPathFactory, bits: np.ndarray, quality: Quality
) -> None:
    cache = FeatureCache(tmp_path_factory.getbasetemp() / "round-trip.sqlite")
    vector = bits.view(np.float32)  # NaNs with payloads, subnormal numbers, negative zeros
    cache.put_many({key(1): CacheRow(vector, len(vector) - 1, quality)})
    back = cache.get_many([key(1)])[key(1)]
    assert back.vector.dtype == np.float32 and back.vector.shape == vector.shape
    assert back.vector.tobytes() == vector.tobytes()
    assert (back.n_contrasts, back.quality) == (len(vector) - 1, quality)
    assert cache.damaged == 0


def test_no_path_keeps_nothing() -> None:
    cache = FeatureCache(None)
    cache.put_many({key(1): row(1)})
    cache.clear()
    assert cache.get_many([key(1)]) == {} and len(cache) == 0 and cache.size == 0 and cache


def test_clear_gives_the_room_back(cache: FeatureCache) -> None:
    assert cache.size == 0
    cache.put_many({key(i): row(i, 5000) for i in range(40)})
    full = cache.size
    assert full > 40 * 20_000
    cache.clear()
    assert len(cache) == 0 and cache.size < full / 10
    cache.put_many({key(1): row(1)})
    assert len(cache) == 1


def test_other_shapes_are_a_fault(cache: FeatureCache) -> None:
    for vector in (np.zeros((2, 5), np.float32), np.zeros((3, 5)), np.zeros(15, np.float32)):
        with pytest.raises(TypeError):
            cache.put_many({key(1): row(1), key(2): CacheRow(vector, 0, _QUALITY)})  # type: ignore[arg-type]
    assert len(cache) == 0


@pytest.mark.parametrize(
    "damage",
    [
        "vector = substr(vector, 1, length(vector) - 12)",
        "vector = substr(vector, 1, length(vector) - 1)",
        "vector = zeroblob(length(vector))",
        "vector = 'text'",
        "vector = x''",
        "n_contrasts = 0",
        "quality = x'7b7d'",
        "quality = x'ff'",
        "quality = 'text'",
        "checksum = checksum + 1",
    ],
)
def test_damaged_rows_are_counted_and_not_used(cache: FeatureCache, damage: str) -> None:
    cache.put_many({key(1): row(1), key(2): row(2)})
    with sqlite3.connect(str(cache.path)) as connection:
        connection.execute(f"UPDATE features SET {damage} WHERE image_id = ?", (key(1).image_id,))
    assert set(cache.get_many([key(1), key(2)])) == {key(2)}
    assert cache.damaged == 1
    cache.put_many({key(1): row(1)})
    assert set(cache.get_many([key(1), key(2)])) == {key(1), key(2)} and cache.damaged == 1


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "features.sqlite"
    path.write_bytes(b"this is not a database " * 1000)
    cache = FeatureCache(path)
    for use in (lambda: cache.get_many([key(1)]), lambda: cache.put_many({key(1): row(1)}), lambda: len(cache)):
        with pytest.raises(MorelliError, match=r"features\.sqlite is damaged.*Delete it"):
            use()


def test_a_database_with_a_hole_is_named(cache: FeatureCache) -> None:
    cache.put_many({key(i): row(i, 5000) for i in range(40)})
    cache.close()
    assert cache.path is not None
    content = bytearray(cache.path.read_bytes())
    content[16_384:-16_384] = os.urandom(len(content) - 32_768)
    cache.path.write_bytes(content)
    with pytest.raises(MorelliError, match=r"features\.sqlite is damaged.*Delete it"):
        cache.get_many([key(i) for i in range(40)])


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    before = path.read_bytes()
    with pytest.raises(MorelliError, match="another program"):
        FeatureCache(path).put_many({key(1): row(1)})
    assert path.read_bytes() == before


def test_layouts_of_other_times(cache: FeatureCache) -> None:
    cache.put_many({key(1): row(1)})
    cache.close()
    with sqlite3.connect(str(cache.path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(MorelliError, match="newer Morelli"):
        len(cache)
    with sqlite3.connect(str(cache.path)) as connection:
        connection.execute("PRAGMA user_version = 0")
    assert len(cache) == 0
    cache.put_many({key(1): row(1)})
    assert len(cache) == 1


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MorelliError, match=r"cannot be made.*MORELLI_CACHE"):
        FeatureCache(tmp_path / "file" / "features.sqlite").put_many({key(1): row(1)})
    with pytest.raises(MorelliError, match="cannot be used"):
        FeatureCache(tmp_path).put_many({key(1): row(1)})


def test_threads_have_connections_of_their_own(cache: FeatureCache) -> None:
    failures: list[BaseException] = []

    def write(start: int) -> None:
        try:
            for number in range(start, start + 10):
                cache.put_many({key(number): row(number)})
                assert cache.get_many([key(number)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(100 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(cache) == 40


_WRITER = """
    import sys
    from encoders.test_cache import FeatureCache, key, row
    start, chunks, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    cache = FeatureCache(path)
    for chunk in range(chunks):
        cache.put_many({key(n): row(n, 3000) for n in range(start + 8 * chunk, start + 8 * chunk + 8)})
        print(chunk, flush=True)
"""


def _writer(start: int, chunks: int, path: Path) -> subprocess.Popen[str]:
    search = os.pathsep.join([_SOURCE, str(Path(__file__).parents[1])])
    command = [sys.executable, "-c", textwrap.dedent(_WRITER), str(start), str(chunks), str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": search})


def test_processes_write_at_once_and_a_killed_one_leaves_whole_rows(cache: FeatureCache) -> None:
    assert cache.path is not None
    victim = _writer(1_000_000, 100_000, cache.path)
    writers = [_writer(1000 * i, 20, cache.path) for i in range(2)]
    assert victim.stdout is not None
    lines = [victim.stdout.readline() for _ in range(5)]
    time.sleep(0.02)
    victim.kill()
    said = lines + victim.stdout.readlines()
    assert victim.wait() == -signal.SIGKILL
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    # All chunks that were reported are there; the one that was being written is there as a whole, or not at all.
    victims = cache.get_many([key(n) for n in range(1_000_000, 1_000_000 + 8 * (len(said) + 1))])
    assert len(victims) in (8 * len(said), 8 * (len(said) + 1))
    others = cache.get_many([key(n) for i in range(2) for n in range(1000 * i, 1000 * i + 160)])
    assert len(others) == 320
    assert all((r.vector == int(k.image_id, 16)).all() for k, r in {**victims, **others}.items())
    assert len(cache) == len(victims) + len(others) and cache.damaged == 0
    cache.put_many({key(5): row(5)})
    with sqlite3.connect(str(cache.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_connection_does_not_cross_a_fork(cache: FeatureCache) -> None:
    cache.put_many({key(1): row(1)})
    parent = cache._local.connection
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def child() -> None:
        cache.put_many({key(2): row(2)})
        cache.close()
        sender.send((len(cache), cache._local.connection is parent))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    assert receiver.poll(10) and receiver.recv() == (2, False)
    process.join()
    assert len(cache) == 2 and cache._local.connection is parent


def test_pickled_cache_is_the_same_file(cache: FeatureCache) -> None:
    cache.put_many({key(1): row(1)})
    assert len(pickle.loads(pickle.dumps(cache))) == 1


def test_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MORELLI_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for platform, folder in {
        "linux": ".cache/morelli",
        "darwin": "Library/Caches/morelli",
        "win32": "AppData/Local/morelli/Cache",
    }.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert default_cache_path() == tmp_path / folder / "features.sqlite"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_path() == tmp_path / "xdg" / "morelli" / "features.sqlite"
    monkeypatch.setenv("MORELLI_CACHE", str(tmp_path / "own"))
    assert default_cache_path() == tmp_path / "own" / "features.sqlite"
