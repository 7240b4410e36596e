"""The store gives back what was kept, and makes again what is gone or damaged."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from morelli.images import read_image
from morelli.sample import sample_path
from morelli.views import ViewStore, list_views, parse_view
from morelli.views import store as module

COSTLY, CHEAP = parse_view("canny"), parse_view("flip")


@pytest.fixture
def store(tmp_path):
    return ViewStore(tmp_path / "views of ümläuts")


@pytest.fixture(scope="module")
def image():
    return read_image(sample_path() / "campaign" / "02.jpg")


def files(store):
    return sorted(path for path in store.folder.rglob("*") if path.is_file())


def test_costly_views_are_kept_and_come_back_alike(store, image, monkeypatch):
    made = store.apply(image, COSTLY)
    np.testing.assert_array_equal(made, COSTLY.apply(image))
    assert len(files(store)) == 1
    monkeypatch.setattr("morelli.views.registry.View.apply", lambda *_: pytest.fail("made again"))
    kept = ViewStore(store.folder).apply(image, COSTLY)
    np.testing.assert_array_equal(kept, made)
    assert kept.dtype == np.uint8 and kept.flags.c_contiguous


def test_cheap_views_are_not_kept_and_chains_with_a_costly_step_are(store, image):
    np.testing.assert_array_equal(store.apply(image, CHEAP), CHEAP.apply(image))
    store.apply(image, parse_view("none"))
    assert files(store) == [] and not store.folder.exists()
    store.apply(image, parse_view("flip|canny"))
    assert len(files(store)) == 1


def test_every_costly_view_is_kept_without_loss(store, picture):
    for number, info in enumerate(list_views()):
        if info.costly and info.recipe is None:
            view = parse_view(info.example)
            pixels = view(picture, number)
            store.put("a" * 64, view, pixels)
            np.testing.assert_array_equal(store.get("a" * 64, view), pixels)
    store.put("b" * 64, COSTLY, np.zeros((1, 1, 3), dtype=np.uint8))
    assert store.get("b" * 64, COSTLY).shape == (1, 1, 3)
    assert store.damaged == 0


def test_keys_are_image_view_and_versions(store, picture, monkeypatch):
    store.put("a" * 64, COSTLY, picture)
    assert store.get("b" * 64, COSTLY) is None
    assert store.get("a" * 64, parse_view("canny:2")) is None
    assert store.get("a" * 64, parse_view("canny:1.4,8")) is not None  # another way to write the same
    monkeypatch.setattr(module, "__version__", "99")
    assert store.get("a" * 64, COSTLY) is None
    monkeypatch.undo()
    monkeypatch.setattr(module.PIL, "__version__", "99")
    assert store.get("a" * 64, COSTLY) is None


def test_what_is_damaged_is_made_again(store, image):
    expected = store.apply(image, COSTLY)
    (path,) = files(store)
    whole = path.read_bytes()
    damaged = [b"", b"no image", whole[: len(whole) // 2], whole[:-30]]
    for place in (20, len(whole) // 3, len(whole) // 2, len(whole) - 20):
        flipped = bytearray(whole)
        flipped[place] ^= 0x40
        damaged.append(bytes(flipped))
    for number, content in enumerate(damaged, 1):
        path.write_bytes(content)
        np.testing.assert_array_equal(store.apply(image, COSTLY), expected)
        assert store.damaged == number
        assert path.read_bytes() == whole


def test_a_failure_to_write_leaves_nothing(store, picture, monkeypatch):
    def fail(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr("PIL.Image.Image.save", fail)
    with pytest.raises(OSError, match="full"):
        store.put("a" * 64, COSTLY, picture)
    assert files(store) == []


def test_a_folder_that_is_a_file_is_an_error(tmp_path, picture):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="file"):
        ViewStore(tmp_path / "file").put("a" * 64, COSTLY, picture)


def test_a_store_travels_to_other_processes(store, picture):
    store.put("a" * 64, COSTLY, picture)
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(again.get("a" * 64, COSTLY), picture)


def test_relative_folders_stay_where_they_were(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = ViewStore("views")
    monkeypatch.chdir(Path(tmp_path.anchor))
    assert store.folder == tmp_path / "views"
