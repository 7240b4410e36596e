from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from morelli.catalog import Catalog, build_catalog
from morelli.encoders.cache import CacheKey, CacheRow, FeatureCache
from morelli.encoders.encoder import ForensicEncoder
from morelli.encoders.extract import Extraction, extract, iter_extract
from morelli.encoders.features import Features
from morelli.encoders.forensic import Family, Planes
from morelli.encoders.forensic import _registry as registry
from morelli.errors import ImageReadError, MorelliError
from morelli.images import Limits, estimate_quality, read_image
from morelli.views import ViewStore

from .conftest import picture

SMALL = ["colour", "layout"]


def same(one: Features, other: Features) -> bool:
    return (
        one.X.tobytes() == other.X.tobytes()
        and one.within.tobytes() == other.within.tobytes()
        and one.n_contrasts.tobytes() == other.n_contrasts.tobytes()
        and one.short_side.tobytes() == other.short_side.tobytes()
        and one.jpeg_quality.tobytes() == other.jpeg_quality.tobytes()
        and one.blur.tobytes() == other.blur.tobytes()
        and all(
            getattr(one, name).tolist() == getattr(other, name).tolist() for name in ("image_id", "bucket", "error")
        )
        and (one.blocks, one.recipe_hash, one.view) == (other.blocks, other.recipe_hash, other.view)
    )


@pytest.fixture(scope="module")
def expected(catalog: Catalog) -> Features:
    return extract(catalog, ForensicEncoder(), workers=1)


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Catalog:
    """A copy of the images, to be damaged."""
    shutil.copytree(folder, tmp_path / "images")
    return build_catalog(tmp_path / "images", workers=1)


@pytest.fixture
def faulty() -> Iterator[Callable[[Callable[[Planes], NDArray[np.float32]]], ForensicEncoder]]:
    """An encoder of one family that measures as told."""

    def make(measure: Callable[[Planes], NDArray[np.float32]]) -> ForensicEncoder:
        registry._FAMILIES["faulty"] = Family("faulty", 1, "goes wrong", measure)
        return ForensicEncoder(["faulty"])

    yield make
    registry._FAMILIES.pop("faulty", None)


def test_rows_are_what_the_encoder_measures(catalog: Catalog, expected: Features) -> None:
    encoder = ForensicEncoder()
    assert len(expected) == len(catalog) == 13
    assert expected.recipe_hash == encoder.recipe_hash and expected.view == "none"
    for row in np.flatnonzero(expected.ok):
        image = read_image(catalog.paths[row])
        encoded, quality = encoder.encode(image.pixels), estimate_quality(image)
        table = np.concatenate([expected.X[row][None], expected.within[row]])
        np.testing.assert_array_equal(table[: 1 + encoded.n_contrasts], encoded.stack())
        assert not table[1 + encoded.n_contrasts :].any()
        assert expected.n_contrasts[row] == encoded.n_contrasts
        assert expected.image_id[row] == image.facts.sha256
        assert (expected.short_side[row], expected.bucket[row]) == (quality.short_side, quality.bucket)
        assert np.isnan(expected.jpeg_quality[row]) == (quality.jpeg_quality is None)


def test_rows_with_errors_stay_and_say_why(catalog: Catalog, expected: Features) -> None:
    assert np.flatnonzero(~expected.ok).tolist() == [5, 11, 12]
    failed = {catalog.paths[row].name: str(expected.error[row]) for row in np.flatnonzero(~expected.ok)}
    assert set(failed) == {"5.jpg", "broken.png"}
    assert "40x90" in failed["5.jpg"] and "64" in failed["5.jpg"]
    assert failed["broken.png"] in catalog.column("error").tolist()
    assert np.isnan(expected.X[~expected.ok]).all() and np.isnan(expected.within[~expected.ok]).all()
    assert not expected.n_contrasts[~expected.ok].any() and not expected.short_side[~expected.ok].any()


def test_number_of_workers_and_cache_do_not_matter(catalog: Catalog, expected: Features, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "features.sqlite")
    encoder = ForensicEncoder()
    assert same(extract(catalog, encoder, workers=2, cache=cache), expected)
    assert len(cache) == expected.ok.sum()
    calls: list[tuple[int, int]] = []
    again = extract(catalog, encoder, workers=2, cache=cache, progress=lambda *call: calls.append(call))
    assert same(again, expected)
    assert calls == [(11, 13), (12, 13), (13, 13)]


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_row_does_not_depend_on_the_others(
    catalog: Catalog, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.integers(0, 12), max_size=6))
    encoder = ForensicEncoder(SMALL)
    cache = data.draw(st.sampled_from([None, FeatureCache(tmp_path_factory.getbasetemp() / "shared.sqlite")]))
    whole = extract(catalog, encoder, workers=1, cache=cache)
    assert same(extract(catalog.take(rows), encoder, cache=cache), whole.take(rows))


def test_progress_counts_every_row(catalog: Catalog) -> None:
    calls: list[tuple[int, int]] = []
    extract(catalog, ForensicEncoder(SMALL), progress=lambda *call: calls.append(call))
    assert calls == [(done, 13) for done in range(1, 14)]  # the unreadable row is done at the start


def test_an_empty_catalog_gives_an_empty_table(catalog: Catalog) -> None:
    features = extract(catalog.take([]), ForensicEncoder(SMALL))
    assert features.X.shape == (0, ForensicEncoder(SMALL).dim) and list(features.blocks) == SMALL


def test_cached_rows_need_no_file(own: Catalog, tmp_path: Path) -> None:
    cache, encoder = FeatureCache(tmp_path / "features.sqlite"), ForensicEncoder(SMALL)
    before = extract(own, encoder, cache=cache)
    shutil.rmtree(tmp_path / "images")
    after = extract(own, encoder, cache=cache)
    assert after.X[before.ok].tobytes() == before.X[before.ok].tobytes()
    assert (after.ok == before.ok).all()
    assert not extract(own, encoder).ok.any()


def test_damaged_rows_of_the_cache_are_measured_again(catalog: Catalog, tmp_path: Path) -> None:
    cache, encoder = FeatureCache(tmp_path / "features.sqlite"), ForensicEncoder(SMALL)
    before = extract(catalog, encoder, cache=cache)
    with sqlite3.connect(str(cache.path)) as connection:
        connection.execute("UPDATE features SET vector = substr(vector, 13) WHERE rowid <= 3")
    assert same(extract(catalog, encoder, cache=cache), before)
    assert cache.damaged == 3
    # A whole row, but as wide as another recipe's
    key = _key(cache, 4)
    row = cache.get_many([key])[key]
    cache.put_many({key: CacheRow(row.vector[:, 1:], row.n_contrasts, row.quality)})
    assert same(extract(catalog, encoder, cache=cache), before)
    assert cache.damaged == 4
    assert same(extract(catalog, encoder, cache=cache), before)
    assert cache.damaged == 4


def _key(cache: FeatureCache, number: int) -> CacheKey:
    with sqlite3.connect(str(cache.path)) as connection:
        query = "SELECT image_id, view, recipe FROM features WHERE rowid = ?"
        return CacheKey(*connection.execute(query, (number,)).fetchone())


def test_a_file_that_changed_is_an_error(own: Catalog) -> None:
    Image.fromarray(picture(77)).save(own.paths[0])
    own.paths[1].unlink()
    features = extract(own, ForensicEncoder(SMALL))
    assert "changed since the catalog was made" in features.error[0]
    assert str(own.paths[1]) in features.error[1]
    assert np.isnan(features.X[:2]).all() and features.ok[2]


def test_views_are_measured_and_kept_apart(catalog: Catalog, expected: Features, tmp_path: Path) -> None:
    cache, encoder = FeatureCache(tmp_path / "features.sqlite"), ForensicEncoder()
    blurred = extract(catalog, encoder, view=" blur:2 ", cache=cache)
    assert blurred.view == "blur:2"
    assert (blurred.blur[blurred.ok] > expected.blur[blurred.ok]).all()
    assert same(extract(catalog, encoder, cache=cache), expected)
    assert same(extract(catalog, encoder, view="blur:2", cache=cache), blurred)
    assert len(cache) == 2 * expected.ok.sum()
    tiny = extract(catalog, encoder, view="resize:32", cache=cache)
    assert not tiny.ok.any() and "x32" in tiny.error[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_costly_views_are_kept_for_the_next_encoder(catalog: Catalog, tmp_path: Path, workers: int) -> None:
    store = ViewStore(tmp_path / "views")
    plain = extract(catalog, ForensicEncoder(SMALL), view="canny", workers=1)
    assert same(extract(catalog, ForensicEncoder(SMALL), view="canny", workers=workers, view_store=store), plain)
    kept = sorted(store.folder.rglob("*.png"))
    readable = {
        one for one, error in zip(catalog.column("image_id"), catalog.column("error"), strict=True) if not error
    }
    assert len(kept) == len(readable)
    # What is there is used: black edges measure otherwise.
    for path in kept:
        with Image.open(path) as image:
            size = image.size
        Image.new("RGB", size).save(path)
    again = extract(catalog, ForensicEncoder(["layout"]), view="canny", workers=workers, view_store=store)
    black = extract(catalog, ForensicEncoder(["layout"]), view="brightness:0", workers=1)
    assert again.X.tobytes() == black.X.tobytes()


def test_damaged_and_missing_entries_of_the_view_store_are_made_again(catalog: Catalog, tmp_path: Path) -> None:
    store, encoder = ViewStore(tmp_path / "views"), ForensicEncoder(SMALL)
    plain = extract(catalog, encoder, view="canny", workers=1, view_store=store)
    first, second, *_ = sorted(store.folder.rglob("*.png"))
    whole = first.read_bytes()
    first.write_bytes(whole[:50])
    second.unlink()
    assert same(extract(catalog, encoder, view="canny", workers=1, view_store=store), plain)
    assert store.damaged == 1 and first.read_bytes() == whole and second.exists()
    extract(catalog, encoder, view="flip", workers=1, view_store=store)
    assert len(list(store.folder.rglob("*.png"))) == plain.ok.sum() + 2  # two are too small to be measured


def test_a_view_store_that_cannot_be_written_is_no_row_with_an_error(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "views").write_text("a file")
    with pytest.raises(OSError, match="views"):
        extract(catalog, ForensicEncoder(SMALL), view="canny", workers=1, view_store=ViewStore(tmp_path / "views"))


def test_limits_are_kept(catalog: Catalog) -> None:
    features = extract(catalog, ForensicEncoder(SMALL), limits=Limits(max_side=150))
    assert any("150" in str(error) for error in features.error)


@pytest.mark.parametrize("workers", [1, 2])
def test_faults_are_not_swallowed(catalog: Catalog, faulty: Callable[..., ForensicEncoder], workers: int) -> None:
    def measure(planes: Planes) -> NDArray[np.float32]:
        if planes.pixels[0, 0, 0] >= 0 and planes.pixels.shape[:2] == (64, 144):
            raise ZeroDivisionError("a fault in a family")
        return np.ones((1, 2), dtype=np.float32)

    with pytest.raises(ZeroDivisionError, match="a fault in a family"):
        extract(catalog, faulty(measure), workers=workers)


def test_values_that_are_not_finite_are_error_rows(catalog: Catalog, faulty: Callable[..., ForensicEncoder]) -> None:
    def measure(planes: Planes) -> NDArray[np.float32]:
        return np.full((1, 2), np.inf if planes.pixels.shape[:2] == (64, 144) else 1, dtype=np.float32)

    features = extract(catalog, faulty(measure))
    assert ["not finite" in str(error) for error in features.error].count(True) == 2


def test_a_worker_that_dies_is_an_error(folder: Path, faulty: Callable[..., ForensicEncoder]) -> None:
    parent = os.getpid()

    def measure(planes: Planes) -> NDArray[np.float32]:
        if os.getpid() != parent:
            os._exit(9)
        return np.ones((1, 2), dtype=np.float32)

    with pytest.raises(MorelliError, match=r"has died.*workers=1"):
        list(iter_extract(sorted(folder.rglob("*.png")), faulty(measure), workers=2))


def test_no_workers_and_no_such_view_are_refused_at_once(folder: Path) -> None:
    with pytest.raises(MorelliError, match="at least one worker"):
        iter_extract([], ForensicEncoder(SMALL), workers=0)
    with pytest.raises(MorelliError, match="no view"):
        iter_extract([], ForensicEncoder(SMALL), view="no-such")


def _facts(result: Extraction) -> tuple[object, ...]:
    values = None if result.encoded is None else result.encoded.stack().tobytes()
    return result.path, result.facts, values, result.quality, str(result.error), type(result.error)


def test_iteration_keeps_the_order_and_reads_little_ahead(folder: Path) -> None:
    paths = [*sorted(folder.rglob("*.*")), folder / "not-there.png"]
    encoder = ForensicEncoder(SMALL)
    alone = list(iter_extract(paths, encoder, workers=1))
    assert [result.path for result in alone] == [str(path) for path in paths]
    kinds = [error.kind for error in (result.error for result in alone) if isinstance(error, ImageReadError)]
    assert sorted(kinds) == ["corrupt", "missing", "too-small", "too-small"]
    small = next(result for result in alone if result.path.endswith("5.jpg"))
    assert small.facts is not None and small.facts.width == 40 and small.encoded is None

    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        for path in itertools.cycle(paths):
            taken += 1
            yield path

    stream = iter_extract(endless(), encoder, workers=2)
    for number, result in enumerate(itertools.islice(stream, 60)):
        assert _facts(result) == _facts(alone[number % len(alone)])
        assert taken <= number + 1 + 8
    begin = time.monotonic()
    stream.close()  # type: ignore[attr-defined]
    assert time.monotonic() - begin < 5


@pytest.mark.skipif(sys.platform != "linux", reason="such names are not allowed elsewhere")
def test_errors_of_odd_names_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (8, 8)).save(path)
    (result,) = iter_extract([path], ForensicEncoder(SMALL), workers=1)
    assert isinstance(result.error, ImageReadError) and result.error.kind == "too-small"
    str(result.error).encode("utf-8")


_SCRIPT = """
    import signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have told its background jobs to ignore it
    import numpy as np
    from morelli.catalog import Catalog, build_catalog
    from morelli.encoders.cache import FeatureCache
    from morelli.encoders.encoder import ForensicEncoder
    from morelli.encoders.extract import extract
    from morelli.encoders.forensic import register_family
    from morelli.views import register_view

    @register_family("own", version=1, summary="of this script")
    def own(planes):
        return np.array([[planes.pixels.max()]], dtype=np.float32)

    @register_view("own-black", "of this script")
    def black(pixels):
        return np.zeros_like(pixels)

    catalog = build_catalog(sys.argv[1], workers=1)
    catalog = catalog.take(np.tile(np.arange(len(catalog)), int(sys.argv[2])))
    print("begin", flush=True)
    features = extract(
        catalog, ForensicEncoder(["own", "colour"]), view="own-black", workers=2, cache=FeatureCache(sys.argv[3]),
        progress=lambda done, total: print(done, flush=True),
    )
    assert (features.family("own")[features.ok] == 0).all()
    print("end", features.ok.sum(), len(features))
"""


def _script(folder: Path, repeat: int, cache: Path) -> subprocess.Popen[str]:
    source = str(Path(__file__).parents[2] / "src")
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_SCRIPT), str(folder), str(repeat), str(cache)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
        start_new_session=True,
    )


def test_a_script_needs_no_guard_and_its_own_families_and_views_work(folder: Path, tmp_path: Path) -> None:
    process = _script(folder, 1, tmp_path / "features.sqlite")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.count("begin") == 1 and out.endswith("end 10 13\n")


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_stops_soon_and_keeps_what_is_done(folder: Path, tmp_path: Path) -> None:
    process = _script(folder, 2000, tmp_path / "features.sqlite")
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().isdigit() and int(line) >= 2100:  # 2000 rows are unreadable from the start
            break
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - begin < 8
    assert process.returncode != 0 and err.rstrip().endswith("KeyboardInterrupt")
    assert err.count("Traceback") == 1  # no complaints of workers
    cache = FeatureCache(tmp_path / "features.sqlite")
    assert len(cache) == 10 and cache.damaged == 0
