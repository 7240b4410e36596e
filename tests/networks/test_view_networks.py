"""The views that need a network, with tiny ones: through the same code as the real ones."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from morelli.errors import NetworkError
from morelli.images import read_image
from morelli.networks import TASKS, add_name, list_networks, masks, opening
from morelli.sample import sample_path
from morelli.studies.presence_by_text import DEFAULT_MODEL
from morelli.views import ViewStore, list_views, parse_view
from morelli.views._painting import PALETTE, grey_of, outlines_of, paint_areas, paint_classes
from morelli.views.shipping import install_views, views_used

from . import tiny
from .conftest import picture

KINDS = {
    "depth": "depth", "segmentation": "sam", "contours": "sam2", "salient": "mask", "semantic": "upernet", "vae": "vae",
}  # fmt: skip


@pytest.fixture
def spec(saved, monkeypatch):
    """Return how a view is written with a tiny network."""
    monkeypatch.setattr(masks, "STABILITY", 0.0)  # masks of random networks hang on their threshold

    def write(name):
        if name == "recaption":
            return f"recaption:{saved('blip')}+{saved('painter')},2"
        return f"{name}:{saved(KINDS[name])}" + (",3" if name in ("segmentation", "contours") else "")

    return write


@pytest.mark.parametrize("name", [*KINDS, "recaption"])
def test_every_view_gives_pixels_that_repeat_alone_and_together(name, spec):
    view = parse_view(spec(name))
    images = [picture(), picture(30, 41, 1), picture(64, 64, 2)]
    before = [pixels.copy() for pixels in images]
    for pixels in images:
        pixels.flags.writeable = False
    results = view.many(images, [1, 2, 3])
    for seed, (pixels, result, old) in enumerate(zip(images, results, before, strict=True), 1):
        assert result.dtype == np.uint8 and result.ndim == 3 and result.shape[2] == 3 and result.flags.c_contiguous
        assert name == "recaption" or result.shape == pixels.shape
        np.testing.assert_array_equal(view(pixels, seed), result)
        np.testing.assert_array_equal(pixels, old)
    assert any(result.std() > 0 for result in results)
    assert view.costly and view.batched and view.seeded == (name == "recaption")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (60, 1), (7, 5)])
def test_every_view_has_a_result_for_every_shape(name, shape, spec):
    pixels = picture(*shape)
    assert parse_view(spec(name))(pixels).shape == pixels.shape


def test_a_view_painted_anew_depends_on_the_seed_and_has_the_painters_size(spec):
    view = parse_view(spec("recaption"))
    first, second = view(picture(), 1), view(picture(), 2)
    assert first.shape == (16, 16, 3)
    assert np.any(first != second)


def test_views_chain_with_others(spec):
    pixels = picture()
    expected = parse_view("flip")(parse_view(spec("depth"))(parse_view("resize:48")(pixels)))
    np.testing.assert_array_equal(parse_view(f"resize:48|{spec('depth')}|flip")(pixels), expected)


def test_depth_goes_from_black_to_white(spec):
    result = parse_view(spec("depth"))(picture())
    assert result.min() == 0 and result.max() == 255
    assert (result[:, :, 0] == result[:, :, 1]).all() and (result[:, :, 0] == result[:, :, 2]).all()


def test_a_missing_network_is_told_where_the_view_is_used(weights):
    for info in list_views():
        if info.recipe is not None:
            view = parse_view(info.name)
            assert view.name == info.name
            with pytest.raises(NetworkError, match="morelli networks fetch"):
                _ = view.key
            with pytest.raises(NetworkError, match="morelli networks fetch"):
                view(picture(), 1)


def test_the_first_network_for_a_view_is_its_default(weights):
    firsts = {list_networks(task)[0].name for task in TASKS}
    views = [info for info in list_views() if info.recipe is not None]
    named = {name for info in views for name in str(info.parameters[0].default).split("+")}
    assert firsts - named == {DEFAULT_MODEL} and named <= firsts


@pytest.mark.parametrize(("view", "library"), [("depth", "torch"), ("vae", "diffusers"), ("salient", None)])
def test_a_library_that_is_missing_too_is_told_with_the_network(weights, monkeypatch, view, library):
    monkeypatch.setattr(opening, "find_spec", lambda name: None if name == library else object())
    with pytest.raises(NetworkError, match="morelli networks fetch") as caught:
        parse_view(view)(picture(), 1)
    assert (f'It needs {library} too, of the "deep" extra' in str(caught.value)) == (library is not None)
    assert ("deep" in str(caught.value)) == (library is not None)


def test_keys_are_of_the_weights_and_names_are_not(saved, tmp_path, weights):
    one = shutil.copytree(saved("mask"), tmp_path / "one")
    name = f"salient:{one}"
    before = parse_view(name)
    old = before.key
    tiny.mask_onnx(one, mean=[0] * 3)
    after = parse_view(name)
    assert after.key != old
    assert before == after and before.name == after.name == name
    other = shutil.copytree(one, tmp_path / "two")
    add_name("mine", other)
    keys = [parse_view(f"salient:{text}").key.partition("[")[2] for text in (one, other, "mine")]
    assert len(set(keys)) == 1
    assert parse_view("flip").key == "flip"
    assert parse_view(f"flip|{name}|flip").key == f"flip|{name}|flip [{keys[0]}"


def test_a_store_keeps_networks_apart(saved, tmp_path, weights):
    image = read_image(sample_path() / "campaign" / "02.jpg")
    folder = shutil.copytree(saved("mask"), tmp_path / "mask")
    store = ViewStore(tmp_path / "views")

    def kept() -> np.ndarray:
        view = parse_view(f"salient:{folder}")
        assert store.get(image.facts.sha256, view) is None
        store.put(image.facts.sha256, view, view.apply(image))
        return store.apply(image, view)

    first = kept()
    tiny.mask_onnx(folder, mean=[0] * 3)
    assert np.any(first != kept())
    assert len(list(store.folder.rglob("*.png"))) == 2


def test_the_device_is_part_of_the_key(saved, monkeypatch):
    view = f"depth:{saved('depth')}"
    cpu = parse_view(view).key
    assert cpu.endswith("cpu, float32]")
    monkeypatch.setenv("MORELLI_DEVICE", "cuda")
    assert parse_view(view).key.endswith("cuda, float16]")


def test_other_processes_need_neither_the_network_nor_its_libraries(saved, monkeypatch):
    view = parse_view(f"depth:{saved('depth')}")
    shipped = views_used([view, parse_view("flip")])
    assert shipped.keys == {view.name: view.key, "flip": "flip"}
    monkeypatch.setattr("morelli.views.registry._KEYS", {})
    monkeypatch.setattr("morelli.views.shipping._KEYS", keys := {})
    monkeypatch.setattr("morelli.views.registry._KEYS", keys)
    install_views(shipped)
    monkeypatch.setattr("morelli.networks.opening.find_network", lambda *_: pytest.fail("looked for"))
    assert parse_view(view.name).key == view.key


# -- painting ----------------------------------------------------------------------------------------------------------


def test_the_palette_is_that_of_pascal_voc():
    assert PALETTE.shape == (256, 3) and len(np.unique(PALETTE, axis=0)) == 256
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128), 8: (64, 0, 0),
             15: (192, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192)}  # fmt: skip
    assert {number: tuple(PALETTE[number].tolist()) for number in known} == known


def test_classes_are_painted_alike_in_all_images():
    labels = np.array([[0, 1], [149, 254]])
    np.testing.assert_array_equal(paint_classes(labels), PALETTE[[[1, 2], [150, 255]]])


def test_small_areas_lie_on_large_ones():
    large, small = np.zeros((2, 3), dtype=bool), np.zeros((2, 3), dtype=bool)
    large[:, :2], small[0, 1] = True, True
    expected = PALETTE[[[1, 2, 0], [1, 1, 0]]]
    np.testing.assert_array_equal(paint_areas([large, small], 2, 3), expected)
    assert not paint_areas([], 2, 3).any()


def test_outlines_by_hand():
    mask = np.zeros((5, 6), dtype=bool)
    mask[1:4, 1:] = True  # it touches the right border, which is no outline
    expected = np.array(["000000", "011111", "010000", "011111", "000000"])
    found = outlines_of([mask], 5, 6)
    assert ["".join("1" if level else "0" for level in row) for row in found[:, :, 0]] == expected.tolist()
    assert set(np.unique(found)) == {0, 255} and (found[:, :, 0] == found[:, :, 2]).all()
    assert not outlines_of([np.ones((3, 3), dtype=bool)], 3, 3).any()
    assert not outlines_of([], 2, 2).any()


def test_grey_levels_by_hand():
    plane = np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)
    assert grey_of(plane, stretch=True)[0, :, 0].tolist() == [0, 128, 255]
    assert grey_of(plane, stretch=False)[0, :, 1].tolist() == [0, 0, 255]
    assert not grey_of(np.full((2, 2), 7, dtype=np.float32), stretch=True).any()
