from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelli.attributors.pixels import PixelStore
from morelli.attributors.pixels import store as module
from morelli.catalog import Catalog, build_catalog
from morelli.encoders import NativePatches, Thumbnail
from morelli.errors import MorelliError

N = 9


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Nine pictures of noise, the last too small for patches, and one file that is no image."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "bïlder 図" / "model"
    folder.mkdir(parents=True)
    for number in range(N):
        size = (40, 44) if number == N - 1 else (80, 100)
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    (folder / "z.png").write_bytes(b"no image")
    return build_catalog(folder.parent, workers=1)


def pixels_of(catalog: Catalog, row: int) -> np.ndarray:
    return np.asarray(Image.open(catalog.paths[row]).convert("RGB"))


def test_the_pictures_are_those_of_the_encoders(catalog, tmp_path):
    seen: list[tuple[int, int]] = []
    for layout, encoder in (("thumbnail-48", Thumbnail(48)), ("patches-64x4", NativePatches(64, 4))):
        store = PixelStore.build(
            catalog, layout, tmp_path / "größe" / layout, workers=1, progress=lambda *state: seen.append(state)
        )
        assert store.pixels.shape == (N + 1, encoder.patches, encoder.side, encoder.side, 3)
        assert seen[-1] == (N + 1, N + 1)
        for row in np.flatnonzero(store.ok):
            assert (store.pixels[row] == encoder.cut(pixels_of(catalog, int(row)))).all()
        assert store.layout == layout
        assert list(store.image_ids) == catalog.column("image_id").tolist()
        assert isinstance(store.pixels, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            store.pixels[0] = 0


def test_what_cannot_be_read_is_a_row_with_its_error(catalog, tmp_path):
    store = PixelStore.build(catalog, "patches-64x4", tmp_path / "pixels.bin", workers=1)
    assert store.ok.sum() == N - 1
    errors = [error for error in store.errors if error is not None]
    assert any("patches-64x4 needs 64 on each side" in error for error in errors)
    assert any("not an image" in error for error in errors)
    assert not store.pixels[~store.ok].any()


def test_processes_make_the_same_file(catalog, tmp_path):
    for workers in (1, 2):
        PixelStore.build(catalog, "thumbnail-32", tmp_path / str(workers), workers=workers)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


class Killed(BaseException):
    """What no code can see to, as a kill."""


def test_a_killed_build_goes_on(catalog, tmp_path, monkeypatch):
    whole = PixelStore.build(catalog, "thumbnail-32", tmp_path / "whole", workers=1)
    monkeypatch.setattr(module, "_CHUNK", 2)
    real, count = module._cut, []

    def dying(job):
        count.append(job)
        if len(count) == 6:
            raise Killed
        return real(job)

    monkeypatch.setattr(module, "_cut", dying)
    with pytest.raises(Killed):
        PixelStore.build(catalog, "thumbnail-32", tmp_path / "part", workers=1)
    assert not (tmp_path / "part").exists()
    # A kill may also cut the journal off in the middle of a line, and lose the rows behind the last promise.
    journal = tmp_path / "part.journal"
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join(lines[:4]) + "[3, nu", encoding="utf-8")
    count.clear()
    monkeypatch.setattr(module, "_cut", lambda job: (count.append(job), real(job))[1])
    resumed = PixelStore.build(catalog, "thumbnail-32", tmp_path / "part", workers=1)
    assert len(count) == N - 3, "three were promised"
    assert (resumed.pixels == whole.pixels).all()
    assert resumed.errors == whole.errors
    assert sorted(path.name for path in tmp_path.glob("part*")) == ["part", "part.json"]
    count.clear()
    PixelStore.build(catalog, "thumbnail-32", tmp_path / "part", workers=1)
    assert not count, "nothing is decoded twice"


def test_a_journal_of_other_images_is_no_beginning(catalog, tmp_path):
    (tmp_path / "pixels.part").write_bytes(b"\x07" * ((N + 1) * 32 * 32 * 3))
    rows = "".join(f"[{row}, null]\n" for row in range(N))
    (tmp_path / "pixels.journal").write_text('"another"\n' + rows, encoding="utf-8")
    store = PixelStore.build(catalog, "thumbnail-32", tmp_path / "pixels", workers=1)
    assert (store.pixels[0] == Thumbnail(32).cut(pixels_of(catalog, 0))).all()


def test_other_images_and_layouts_are_refused(catalog, tmp_path):
    path = tmp_path / "pixels.bin"
    PixelStore.build(catalog, "thumbnail-32", path, workers=1)
    for other, layout in ((catalog.take(np.arange(4)), "thumbnail-32"), (catalog, "thumbnail-33")):
        with pytest.raises(MorelliError, match="pictures of other images, or cut or decoded otherwise"):
            PixelStore.build(other, layout, path, workers=1)


def test_damaged_files_are_refused(catalog, tmp_path):
    path = tmp_path / "pixels.bin"
    PixelStore.build(catalog, "thumbnail-32", path, workers=1)
    whole, beside = path.read_bytes(), path.with_name("pixels.bin.json")
    path.write_bytes(whole[:-1])
    with pytest.raises(MorelliError, match=rf"has {len(whole) - 1} bytes instead of {len(whole)}; delete it"):
        PixelStore.open(path)
    path.unlink()
    with pytest.raises(MorelliError, match="is missing"):
        PixelStore.open(path)
    path.write_bytes(whole)
    header = json.loads(beside.read_text(encoding="utf-8"))
    for wrong in ({"format": "other/1"}, {"errors": []}, {"shape": [1, 2]}, {"shape": [N + 1, 1, 32, 31, 3]}):
        beside.write_text(json.dumps(header | wrong), encoding="utf-8")
        with pytest.raises(MorelliError, match=r"damaged|does not describe"):
            PixelStore.open(path)
    beside.write_text("{", encoding="utf-8")
    with pytest.raises(MorelliError, match="missing or damaged"):
        PixelStore.open(path)


def test_a_file_that_changed_since(catalog, tmp_path):
    Image.new("RGB", (80, 100)).save(catalog.paths[0])
    store = PixelStore.build(catalog, "thumbnail-32", tmp_path / "pixels.bin", workers=1)
    assert "has changed since the catalog was made" in str(store.errors[0])


def test_no_images_at_all(catalog, tmp_path):
    store = PixelStore.build(catalog.take([]), "thumbnail-32", tmp_path / "pixels.bin", workers=1)
    assert store.pixels.shape == (0, 1, 32, 32, 3)
