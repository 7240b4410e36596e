"""Making a view of many images once: in batches, going on after an interrupt, and with errors as rows."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from morelli.catalog import build_catalog
from morelli.encoders import FeatureCache, extract, get_encoder, iter_extract
from morelli.errors import MissingExtraError, MorelliError, NetworkError
from morelli.images import Limits, read_image
from morelli.sample import sample_path
from morelli.views import ViewStore, materialise, parse_view, register_view
from morelli.views.registry import _VIEWS

ENCODER = "forensic[colour]"


@pytest.fixture
def jobs():
    paths = sorted((sample_path() / "campaign").iterdir())[:7]
    return [(path, read_image(path).facts.sha256) for path in paths]


@pytest.fixture
def toy(monkeypatch):
    """A view that makes negatives in batches, and fails where it is told to."""
    monkeypatch.setattr("morelli.views.registry._VIEWS", dict(_VIEWS))
    state = {"batches": [], "fail": None, "bad": set()}

    def batch(images):
        state["batches"].append(len(images))
        if state["fail"] is not None and len(state["batches"]) == state["fail"][0]:
            raise state["fail"][1]
        if any(int(pixels.sum()) in state["bad"] for pixels in images):
            raise MorelliError("the network fails on this image")
        return [255 - pixels for pixels in images]

    register_view("toy", "x", costly=True, batch=batch, recipe=lambda: "1")(lambda pixels: batch([pixels])[0])
    return state


def run(jobs, store, **more):
    return materialise(jobs, parse_view("toy"), store, limits=Limits(), **more)


def test_all_are_made_in_bounded_batches_and_kept(jobs, toy, tmp_path, monkeypatch):
    monkeypatch.setattr("morelli.views.materialising.BATCH", 3)
    store, steps = ViewStore(tmp_path), []
    assert run(jobs, store, progress=lambda *step: steps.append(step)) == {}
    assert toy["batches"] == [3, 3, 1]
    assert steps[-1] == (7, 7) and [done for done, _ in steps] == sorted(done for done, _ in steps)
    for path, image_id in jobs:
        np.testing.assert_array_equal(store.get(image_id, parse_view("toy")), 255 - read_image(path).pixels)
    assert run(jobs, store) == {} and toy["batches"] == [3, 3, 1]  # nothing is left to do


def test_large_images_do_not_wait_together(jobs, toy, tmp_path, monkeypatch):
    area = max(np.prod(read_image(path).pixels.shape[:2]) for path, _ in jobs)
    monkeypatch.setattr("morelli.views.materialising._PIXELS", int(area))
    assert run(jobs, ViewStore(tmp_path)) == {}
    assert max(toy["batches"]) == 1 and sum(toy["batches"]) == 7


def test_an_interrupt_costs_one_batch(jobs, toy, tmp_path, monkeypatch):
    monkeypatch.setattr("morelli.views.materialising.BATCH", 2)
    toy["fail"] = (3, KeyboardInterrupt())
    store = ViewStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(jobs, store)
    assert sum(store.has(image_id, parse_view("toy")) for _, image_id in jobs) == 4
    toy["batches"].clear()
    toy["fail"] = None
    assert run(jobs, store) == {}
    assert sum(toy["batches"]) == 3


def test_images_that_fail_are_found_one_by_one(jobs, toy, tmp_path):
    toy["bad"] = {int(read_image(jobs[2][0]).pixels.sum())}
    store = ViewStore(tmp_path)
    failed = run(jobs, store)
    assert list(failed) == [2] and "fails on this image" in str(failed[2])
    assert [store.has(image_id, parse_view("toy")) for _, image_id in jobs].count(True) == 6


@pytest.mark.parametrize("error", [NetworkError("no weights"), MissingExtraError("A network", "deep")])
def test_what_no_image_can_be_put_through_ends_it(jobs, toy, tmp_path, error):
    toy["fail"] = (1, error)
    with pytest.raises(type(error)):
        run(jobs, ViewStore(tmp_path))
    assert toy["batches"] == [7]


def test_files_that_are_gone_or_others_are_errors(jobs, toy, tmp_path):
    copies = [(tmp_path / path.name, image_id) for path, image_id in jobs[:3]]
    for (copy, _), (path, _) in zip(copies, jobs, strict=False):
        shutil.copy(path, copy)
    copies[1][0].unlink()
    shutil.copy(jobs[5][0], copies[2][0])
    failed = run(copies, ViewStore(tmp_path / "views"))
    assert sorted(failed) == [1, 2] and "changed since" in str(failed[2])


# -- in the measuring of catalogs --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for path in sorted((sample_path() / "campaign").iterdir())[:5]:
        (folder / "model").mkdir(exist_ok=True)
        shutil.copy(path, folder / "model")
    return build_catalog(folder, workers=1)


def test_features_are_those_of_the_view(catalog, toy, tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite")
    steps = []
    table = extract(
        catalog, get_encoder(ENCODER), view="toy", cache=cache, workers=1, progress=lambda *step: steps.append(step)
    )
    assert table.ok.all() and table.view == "toy"
    for row, path in enumerate(catalog.paths):
        expected = get_encoder(ENCODER).encode(255 - read_image(path).pixels)
        np.testing.assert_array_equal(table.X[row], expected.stack()[0])
    assert steps[-1] == (10, 10) and [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert len(list((tmp_path / "views").rglob("*.png"))) == 5
    toy["batches"].clear()
    again = extract(catalog, get_encoder(ENCODER), view="toy", cache=cache, workers=1)
    assert toy["batches"] == [] and np.array_equal(again.X, table.X)
    other = extract(catalog, get_encoder("forensic[sharpness]"), view="toy", cache=cache, workers=1)
    assert toy["batches"] == [] and other.ok.all()  # from the store


def test_a_row_on_which_the_view_fails_has_its_error(catalog, toy, tmp_path):
    toy["bad"] = {int(read_image(catalog.paths[1]).pixels.sum())}
    table = extract(catalog, get_encoder(ENCODER), view="toy", workers=1)
    assert table.ok.tolist() == [True, False, True, True, True]
    assert "fails on this image" in table.error[1]


def test_without_a_cache_nothing_stays_behind(catalog, toy, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert extract(catalog, get_encoder(ENCODER), view="toy", workers=1).ok.all()
    assert list(tmp_path.iterdir()) == []


def test_processes_that_measure_read_from_the_store_and_hold_no_network(catalog, saved, tmp_path):
    """They would find none: the folder is gone when they begin."""
    folder = shutil.copytree(saved("mask"), tmp_path / "mask")
    view, store = parse_view(f"salient:{folder}"), ViewStore(tmp_path / "views")
    jobs = [(path, image_id) for path, image_id in zip(catalog.paths, catalog.column("image_id"), strict=True)]
    assert materialise(jobs, view, store, limits=Limits()) == {}
    shutil.rmtree(folder)
    table = extract(catalog, get_encoder(ENCODER), view=view, view_store=store, workers=2)
    assert table.ok.all() and len(np.unique(table.X, axis=0)) == 5


def test_a_process_that_finds_a_view_damaged_loads_no_network(catalog, toy, tmp_path):
    view, store = parse_view("toy"), ViewStore(tmp_path / "views")
    jobs = [(path, image_id) for path, image_id in zip(catalog.paths, catalog.column("image_id"), strict=True)]
    materialise(jobs, view, store, limits=Limits())
    store.path(jobs[1][1], view).write_bytes(b"no picture")
    toy["batches"].clear()
    table = extract(catalog, get_encoder(ENCODER), view=view, view_store=store, workers=1)
    assert toy["batches"] == []
    assert table.ok.tolist() == [True, False, True, True, True]
    assert "is damaged, and was removed: run this again" in table.error[1]
    assert extract(catalog, get_encoder(ENCODER), view=view, view_store=store, workers=1).ok.all()
    assert toy["batches"] == [1]


def test_a_network_that_is_not_here_is_told_before_anything_is_measured(catalog, weights, tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite")
    with pytest.raises(NetworkError, match="morelli networks fetch"):
        extract(catalog, get_encoder(ENCODER), view="depth", cache=cache, workers=1)
    with pytest.raises(MorelliError, match="made for a whole catalog"):
        iter_extract(catalog.paths, get_encoder(ENCODER), view="depth")
