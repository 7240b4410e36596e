from __future__ import annotations

import json

import numpy as np
import pytest

from morelli.errors import MorelliError, NetworkError
from morelli.networks.inputs import Inputs, back_to, read_inputs

from .conftest import picture
from .tiny import HALF, IMAGENET

SHAPES = [(80, 112), (112, 80), (64, 64), (30, 200), (13, 9)]
DPT = {
    "size": {"height": 56, "width": 56},
    "keep_aspect_ratio": True,
    "ensure_multiple_of": 14,
    "resample": 3,
    **IMAGENET,
}
SAM = {"size": {"longest_edge": 64}, "pad_size": {"height": 64, "width": 64}, "resample": 2, **IMAGENET}
STRETCH = {"size": {"height": 48, "width": 64}, "resample": 2, **IMAGENET}
CROP = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True, **HALF}
KINDS = {
    "DPTImageProcessorPil": DPT, "SamImageProcessorPil": SAM, "SegformerImageProcessorPil": STRETCH,
    "CLIPImageProcessorPil": CROP, "SiglipImageProcessorPil": {**STRETCH, **HALF, "resample": 3},
}  # fmt: skip


def inputs_of(folder, config) -> Inputs:
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    return read_inputs(folder)


@pytest.mark.parametrize("name", KINDS)
def test_inputs_are_those_of_the_networks_own_processors(name, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the deep extra")
    processor = getattr(transformers, name)(**KINDS[name])
    inputs = inputs_of(tmp_path, KINDS[name])
    for shape in SHAPES:
        if name.startswith("CLIP") and min(shape) < 30:
            continue  # the reference cuts beyond the border of very long images
        pixels = picture(*shape)
        theirs = np.asarray(processor(images=[pixels], return_tensors="np")["pixel_values"][0])
        ours = inputs.prepare(pixels)
        assert ours.dtype == np.float32 and ours.flags.c_contiguous
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_padding_is_zero_and_below_and_to_the_right(tmp_path):
    inputs = inputs_of(tmp_path, SAM)
    assert inputs.size_for(80, 112) == (46, 64)
    values = inputs.prepare(picture())
    assert values.shape == (3, 64, 64)
    assert not values[:, 46:].any() and values[:, :46].all(axis=0).any()


@pytest.mark.parametrize(
    "change",
    [
        {"rescale_factor": 1.0}, {"do_normalize": False}, {"do_resize": False}, {"image_mean": [0.5]},
        {"image_std": None}, {"image_std": [0, 1, 1]}, {"resample": 0}, {"size": {}}, {"size": "big"},
        {"size": {"height": 9999, "width": 64}}, {"do_center_crop": True},
    ],
)  # fmt: skip
def test_what_is_not_done_is_refused(tmp_path, change):
    with pytest.raises(MorelliError, match=r"preprocessor_config\.json"):
        inputs_of(tmp_path, {**STRETCH, **change})


def test_a_preparation_that_is_missing_or_damaged(tmp_path):
    with pytest.raises(MorelliError, match="cannot be read"):
        read_inputs(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("nonsense")
    with pytest.raises(MorelliError, match="is no JSON"):
        read_inputs(tmp_path)


def test_an_extreme_image_is_refused_before_it_fills_the_memory(tmp_path):
    inputs = inputs_of(tmp_path, {**CROP, "size": {"shortest_edge": 224}})
    with pytest.raises(MorelliError, match="more than 4096 a side") as caught:
        inputs.prepare(np.zeros((2, 100, 3), dtype=np.uint8))
    assert not isinstance(caught.value, NetworkError)  # the image is at fault, and others go on


def test_planes_come_back_to_the_size_of_the_image():
    plane = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(back_to(plane, 2, 3), plane)
    assert back_to(plane, 10, 20).shape == (10, 20)
