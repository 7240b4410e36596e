from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.networks import Place, masks
from morelli.networks.masks import MaskNetwork, Masks, grid_of, stability, suppress

from .conftest import picture


def overlap(a, b):
    union = (a | b).sum()
    return (a & b).sum() / union if union else 0.0


def one_by_one(found, scores, limit):
    """As it is told in words: from the best on, each that overlaps with no better one that stays."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    kept = []
    for i in order:
        if all(overlap(found[i], found[j]) <= limit for j in kept):
            kept.append(i)
    return kept


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.sampled_from([0.1, 0.5, 0.7]))
def test_suppression_is_what_words_say(seed, count, limit):
    rng = np.random.default_rng(seed)
    base = rng.random((3, 40)) < 0.5
    found = base[rng.integers(0, 3, count)] ^ (rng.random((count, 40)) < 0.08)
    found = found.reshape(count, 40)
    scores = rng.integers(0, 4, count).astype(np.float32)  # with ties
    assert suppress(found, scores, limit).tolist() == one_by_one(found, scores, limit)


def test_suppression_by_hand():
    found = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0]], dtype=bool)
    scores = np.array([0.5, 0.9, 0.1, 0.5], dtype=np.float32)
    assert suppress(found, scores, 0.7).tolist() == [1, 0, 2]  # the last equals the first
    assert suppress(found, scores, 0.6).tolist() == [1, 2]  # two thirds in common
    assert suppress(found[:0], scores[:0], 0.7).tolist() == []


def test_stability_by_hand():
    plane = np.array([[[2.0, 0.5, -0.5, -2.0]]], dtype=np.float32)
    assert stability(plane).tolist() == [1 / 3]
    assert stability(np.full((1, 1, 3), -5, dtype=np.float32)).tolist() == [0]
    assert stability(np.full((1, 1, 3), 5, dtype=np.float32)).tolist() == [1]


def test_a_grid_lies_within_the_image():
    grid = grid_of(32, (60, 100))
    assert grid.shape == (1024, 2) and grid.dtype == np.float32
    assert grid.min() > 0 and (grid.max(axis=0) < [100, 60]).all()
    np.testing.assert_allclose(grid.mean(axis=0), [50, 30], rtol=1e-6)


def test_masks_come_in_the_size_of_the_image_without_the_padding():
    plane = np.full((1, 8, 8), -1.0, dtype=np.float32)
    plane[0, :2, :4] = 1.0  # the upper half of the 4 rows that the image fills, and the left half
    plane[0, 4:] = 9.0  # below the image
    found = list(Masks(plane[:, :4], (4.0, 8.0), (40, 80)))
    assert len(found) == 1 and found[0].shape == (40, 80) and found[0].dtype == bool
    assert found[0][:18, :38].all() and not found[0][22:].any() and not found[0][:, 42:].any()


@pytest.fixture(params=["sam", "sam2"])
def network(request, saved):
    return MaskNetwork(Place(request.param, saved(request.param)))


def test_masks_are_the_networks_own(network, monkeypatch):
    """Of one point, without thresholds: what the network gives when it is asked as its authors do."""
    import torch

    monkeypatch.setattr(masks, "STABILITY", 0.0)
    monkeypatch.setattr(masks, "OVERLAP", 1.0)
    pixels = picture(64, 64)
    (found,) = network.masks([pixels], 1)
    values = torch.from_numpy(network.inputs.prepare(pixels)[None])
    points = torch.tensor([[[[32.0, 32.0]]]])
    with torch.inference_mode():
        expected = network.model(pixel_values=values, input_points=points, multimask_output=True).pred_masks[0, 0]
    expected = [plane for plane in expected.numpy() if (plane > 0).any()]
    assert len(found) == len(expected) > 0
    areas = [int((plane > 0).sum()) for plane in found.logits]
    assert areas == sorted((int((plane > 0).sum()) for plane in expected), reverse=True)
    for plane in expected:
        assert any(np.allclose(plane, other, atol=1e-4) for other in found.logits)


def test_masks_that_nobody_is_sure_of_are_left_out(network, monkeypatch):
    monkeypatch.setattr(masks, "IOU", 99.0)
    (found,) = network.masks([picture()], 2)
    assert len(found) == 0 and list(found) == []


def test_masks_repeat_and_do_not_depend_on_company(network, monkeypatch):
    monkeypatch.setattr(masks, "STABILITY", 0.0)
    images = [picture(), picture(90, 50, 4)]
    together = network.masks(images, 3)
    for found, pixels in zip(together, images, strict=True):
        (alone,) = network.masks([pixels], 3)
        np.testing.assert_array_equal(alone.logits, found.logits)
        assert len(found) > 0 and all(mask.shape == pixels.shape[:2] for mask in found)


def test_segment_anything_2_is_read_from_its_video_form(saved, tmp_path):
    """The repositories of the authors hold the network for videos, of which the one for images is a part."""
    transformers = pytest.importorskip("transformers")
    from morelli.networks.weights import read_json

    from . import tiny

    config = read_json(saved("sam2") / "config.json")
    parts = {name: config[name] for name in ("vision_config", "prompt_encoder_config", "mask_decoder_config")}
    video = transformers.Sam2VideoConfig(
        **parts, image_size=64, memory_attention_hidden_size=32, memory_encoder_hidden_size=32,
        memory_attention_feed_forward_hidden_size=32, memory_attention_num_layers=1,
        memory_attention_num_attention_heads=1, memory_attention_rope_feat_sizes=[4, 4],
        memory_encoder_output_channels=16, mask_downsampler_embed_dim=32, memory_fuser_embed_dim=32,
        memory_fuser_intermediate_dim=32, memory_fuser_num_layers=1,
    )  # fmt: skip
    preprocessor = read_json(saved("sam2") / "preprocessor_config.json")
    folder = tiny.save(transformers.Sam2VideoModel(video), tmp_path / "video", preprocessor, tiny.SURE)
    assert read_json(folder / "config.json")["model_type"] == "sam2_video"
    network = MaskNetwork(Place("video", folder))
    assert type(network.model).__name__ == "Sam2Model"
    assert isinstance(network.masks([picture()], 1)[0], Masks)
