"""What each network makes of an image, against the library's own result, and in half precision."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError, NetworkError
from morelli.networks import Place
from morelli.networks.autoencoder import Autoencoder
from morelli.networks.captions import CaptionNetwork, Painter
from morelli.networks.depth import DepthNetwork
from morelli.networks.masks import MaskNetwork
from morelli.networks.semantic import SemanticNetwork
from morelli.networks.similarity import SimilarityNetwork

from . import tiny
from .conftest import picture

for library in ("torch", "transformers", "diffusers"):
    pytest.importorskip(library, reason="needs the deep extra")

IMAGES = [picture(), picture(50, 112, 1), picture(80, 112, 2), picture(33, 41, 3)]


def opened(kind, network, saved):
    return network(Place(kind, saved(kind)))


def test_depth_is_the_networks_own(saved):
    import torch

    network = opened("depth", DepthNetwork, saved)
    pixels = picture(56, 56)  # the size of the network's input: nothing is resized
    with torch.inference_mode():
        expected = network.model(torch.from_numpy(network.inputs.prepare(pixels)[None])).predicted_depth[0].numpy()
    np.testing.assert_array_equal(network.nearness([pixels])[0], expected)
    assert expected.std() > 0


def test_other_transformers_give_depth_too(tmp_path):
    import torch

    network = DepthNetwork(Place("dpt", tiny.dpt(tmp_path / "dpt")))
    pixels = picture(64, 64)
    with torch.inference_mode():
        expected = network.model(torch.from_numpy(network.inputs.prepare(pixels)[None])).predicted_depth[0].numpy()
    np.testing.assert_array_equal(network.nearness([pixels])[0], expected)
    assert expected.std() > 0


def test_networks_for_metres_give_distances_and_not_nearness(saved, tmp_path):
    metric = tiny.depth(tmp_path / "depth", depth_estimation_type="metric", max_depth=20)
    network = DepthNetwork(Place("metric", metric))
    nearness = network.nearness([picture()])[0]
    assert (nearness <= 0).all() and (nearness >= -20).all() and nearness.std() > 0


def test_images_of_all_sizes_come_back_in_their_order_and_size(saved):
    network = opened("depth", DepthNetwork, saved)
    together = network.nearness(IMAGES)
    for plane, pixels in zip(together, IMAGES, strict=True):
        assert plane.shape == pixels.shape[:2]
        np.testing.assert_array_equal(plane, network.nearness([pixels])[0])
    assert network.nearness([]) == []


def test_batches_hold_images_of_one_size(saved, monkeypatch):
    network = opened("depth", DepthNetwork, saved)
    shapes = []
    forward = network._forward
    monkeypatch.setattr(
        network, "_forward", lambda some, values: (shapes.append(values.shape), forward(some, values))[1]
    )
    monkeypatch.setattr(DepthNetwork, "batch", 2)
    images = [*IMAGES, picture(80, 112, 4)]
    together = network.nearness(images)
    assert sorted(shape[0] for shape in shapes) == [1, 1, 1, 2]
    alone = [network.nearness([pixels])[0] for pixels in images]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_what_is_not_finite_is_no_result(saved):
    import torch

    network = opened("depth", DepthNetwork, saved)
    with torch.no_grad():
        next(network.model.parameters()).fill_(float("nan"))
    with pytest.raises(MorelliError, match="not finite on this image") as caught:
        network.nearness([picture()])
    assert not isinstance(caught.value, NetworkError)


@pytest.mark.parametrize("kind", ["segformer", "upernet"])
def test_classes_are_those_of_enlarged_scores(kind, saved):
    import torch

    network = opened(kind, SemanticNetwork, saved)
    pixels = picture()
    values = torch.from_numpy(network.inputs.prepare(pixels)[None])
    with torch.inference_mode():
        logits = network.model(pixel_values=values).logits
        whole = torch.nn.functional.interpolate(logits, size=pixels.shape[:2], mode="bilinear", align_corners=False)
    labels = network.labels([pixels])[0]
    np.testing.assert_array_equal(labels, whole[0].argmax(dim=0).numpy())
    assert len(np.unique(labels)) > 1 and labels.max() >= 16  # more than one group of classes


def test_the_autoencoder_gives_back_every_size(saved):
    import torch

    network = opened("vae", Autoencoder, saved)
    assert network.step == 8
    for shape in ((16, 24), (17, 23), (1, 1), (8, 9)):
        pixels = picture(*shape)
        result = network.round_trips([pixels])[0]
        assert result.shape == pixels.shape and result.dtype == np.uint8
        np.testing.assert_array_equal(network.round_trips([pixels])[0], result)
    pixels = picture(16, 24)
    values = torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)
    with torch.inference_mode():
        code = network.model.encode(values).latent_dist.mean
        expected = (network.model.decode(code).sample[0].clamp(-1, 1) + 1) * 127.5
    difference = network.round_trips([pixels])[0].astype(float) - expected.permute(1, 2, 0).numpy()
    assert np.abs(difference).max() <= 0.5 + 1e-3


def test_an_autoencoder_that_overflows_in_half_precision_runs_in_full(saved, tmp_path, monkeypatch):
    folder = tiny.vae(tmp_path / "vae", force_upcast=True)
    monkeypatch.setattr("morelli.networks.autoencoder.device_of", lambda: ("cpu", "float16"))
    assert Autoencoder(Place("vae", folder)).dtype == "float32"
    assert Autoencoder(Place("vae", tiny.vae(tmp_path / "half"))).dtype == "float16"


def test_captions_are_words_without_marks(saved):
    captions = opened("blip", CaptionNetwork, saved).captions([picture(), picture(40, 40)])
    assert captions == [" ".join(["animals"] * 40)] * 2


def test_painting_depends_on_the_text_and_the_seed_alone(saved):
    painter = opened("painter", Painter, saved)

    def paint(text="a photo of animals", seed=3):
        return painter.paint([text], [seed], steps=2, guidance=0.0)[0]

    first = paint()
    assert first.shape == (16, 16, 3) and first.dtype == np.uint8 and first.std() > 0
    np.testing.assert_array_equal(paint(), first)
    assert np.any(paint(seed=2**63 - 1) != first)
    assert np.any(paint("people") != first)


@pytest.mark.parametrize("guidance", [0.0, 3.0])
def test_painting_in_company(saved, monkeypatch, guidance):
    painter = opened("painter", Painter, saved)
    texts, seeds = ["a photo", "people", "animals"], [1, 2, 1]
    alone = painter.paint(texts, seeds, steps=1, guidance=guidance)
    monkeypatch.setattr(Painter, "batch", 2)
    for a, b in zip(alone, painter.paint(texts, seeds, steps=1, guidance=guidance), strict=True):
        assert np.abs(a.astype(int) - b).max() <= 1
    assert painter.paint([], [], steps=1, guidance=guidance) == []


def test_what_the_filter_of_a_pipeline_keeps_back_is_an_error(saved, monkeypatch):
    painter = opened("painter", Painter, saved)
    kept_back = type("Result", (), {"images": np.zeros((1, 8, 8, 3)), "nsfw_content_detected": [True]})
    painter.model = lambda **_: kept_back
    with pytest.raises(MorelliError, match="the filter of the pipeline keeps back"):
        painter.paint(["a photo"], [1], steps=1, guidance=0.0)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_cosines_are_the_networks_own_logits(kind, saved):
    import torch

    network = opened(kind, SimilarityNetwork, saved)
    texts = ["a photo of animals", "people", "a picture with buildings and vehicles"]
    images = [picture(), picture(90, 60, 5)]
    cosines = network.of_images(images) @ network.of_texts(texts).T
    tokens = network._tokenizer(
        texts, padding="max_length" if kind == "siglip" else True, max_length=16, truncation=True, return_tensors="pt"
    )
    given = {name: tokens[name] for name in ("input_ids", "attention_mask") if kind == "clip" or name == "input_ids"}
    values = torch.from_numpy(np.stack([network.inputs.prepare(pixels) for pixels in images]))
    with torch.inference_mode():
        logits = network.model(pixel_values=values, **given).logits_per_image.numpy()
    bias = network.model.logit_bias.item() if kind == "siglip" else 0.0
    np.testing.assert_allclose(cosines * network.scale + bias, logits, rtol=1e-4, atol=1e-4)
    assert np.ptp(cosines) > 0.01


def logits_at_a_point(network):
    import torch

    with torch.inference_mode():
        seen = network.model.get_image_embeddings(network.tensor(network.inputs.prepare(picture())[None]))
        return network._at(seen, np.array([[20.0, 30.0]], dtype=np.float32))[0]


HALF = {
    "depth": (DepthNetwork, lambda n: n.nearness([picture()])[0]),
    "sam": (MaskNetwork, logits_at_a_point),
    "sam2": (MaskNetwork, logits_at_a_point),
    "segformer": (SemanticNetwork, lambda n: n.labels([picture()])[0]),
    "upernet": (SemanticNetwork, lambda n: n.labels([picture()])[0]),
    "vae": (Autoencoder, lambda n: n.round_trips([picture(16, 16)])[0]),
    "clip": (SimilarityNetwork, lambda n: n.of_images([picture()])),
    "siglip": (SimilarityNetwork, lambda n: n.of_texts(["a photo"])),
}  # fmt: skip


@pytest.mark.parametrize("kind", HALF)
def test_half_precision_gives_nearly_the_same(kind, saved, monkeypatch):
    """On a processor, which has half precision too: what a test without a GPU can see of it."""
    network, run = HALF[kind]
    whole = run(opened(kind, network, saved))
    for module in ("transformer", "autoencoder"):
        monkeypatch.setattr(f"morelli.networks.{module}.device_of", lambda: ("cpu", "float16"))
    half = opened(kind, network, saved)
    assert next(half.model.parameters()).dtype.itemsize == 2
    result = run(half)
    assert result.dtype == whole.dtype
    if kind in ("segformer", "upernet"):
        assert (result == whole).mean() > 0.8
    else:
        assert np.corrcoef(result.ravel(), whole.ravel())[0, 1] > 0.98


def test_half_precision_writes_and_paints(saved, monkeypatch):
    for module in ("transformer", "captions"):
        monkeypatch.setattr(f"morelli.networks.{module}.device_of", lambda: ("cpu", "float16"))
    assert opened("blip", CaptionNetwork, saved).captions([picture()])[0].startswith("animals")
    assert opened("painter", Painter, saved).paint(["a photo"], [1], steps=1, guidance=0.0)[0].shape == (16, 16, 3)


def test_on_cuda(saved):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    network = opened("depth", DepthNetwork, saved)
    assert (network.dtype, network.batch) == ("float16", 8)
    assert [plane.shape for plane in network.nearness(IMAGES)] == [pixels.shape[:2] for pixels in IMAGES]
