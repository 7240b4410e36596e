from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from morelli.encoders.pretrained import Preprocessing, Sightings, transformers_encoder
from morelli.encoders.pretrained.sightings import network_input, resized_of
from morelli.encoders.pretrained.transformers_models import read_preprocessing
from morelli.errors import MissingExtraError, MorelliError

SIZE = 32
SQUARE = {"size": {"height": SIZE, "width": SIZE}, "resample": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
CROP = {**SQUARE, "size": {"shortest_edge": 40}, "crop_size": {"height": SIZE, "width": SIZE}, "do_center_crop": True}
EDGE = {**SQUARE, "size": {"shortest_edge": SIZE}}
VIT = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
    "image_size": SIZE, "patch_size": 8,
}  # fmt: skip
CONV = {"num_channels": 3, "hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 2, 1]}
TEXT = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 64}

KINDS = {
    "clip": ("CLIPModel", "CLIPConfig", {"vision_config": VIT, "text_config": TEXT, "projection_dim": 10}, CROP, 1),
    "siglip": ("SiglipModel", "SiglipConfig", {"vision_config": VIT, "text_config": TEXT}, SQUARE, 0),
    "dinov2": ("Dinov2Model", "Dinov2Config", {**VIT, "mlp_ratio": 2}, CROP, 1),
    "registers": ("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", {**VIT, "mlp_ratio": 2}, CROP, 5),
    "dinov3": ("DINOv3ViTModel", "DINOv3ViTConfig", {**VIT, "num_register_tokens": 4}, SQUARE, 5),
    "convnext": (
        "ConvNextModel",
        "ConvNextConfig",
        CONV,
        {**SQUARE, "size": {"shortest_edge": SIZE}, "crop_pct": 0.875},
        0,
    ),
    "convnextv2": ("ConvNextV2Model", "ConvNextV2Config", CONV, {**SQUARE, "size": {"shortest_edge": SIZE}}, 0),
}


@pytest.fixture(scope="module")
def libraries():
    torch = pytest.importorskip("torch", reason="needs the deep extra")
    return torch, pytest.importorskip("transformers", reason="needs the deep extra")


@pytest.fixture(scope="module")
def saved(libraries, tmp_path_factory):
    """Save a network of a kind with random weights; return its folder and the network."""
    torch, transformers = libraries
    made = {}

    def save(kind):
        if kind not in made:
            network, config, settings, preprocessor, _ = KINDS[kind]
            torch.manual_seed(0)
            model = getattr(transformers, network)(getattr(transformers, config)(**settings)).eval()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.normal_(0, 0.2)
            folder = tmp_path_factory.mktemp("models") / kind
            model.save_pretrained(folder)
            (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
            made[kind] = folder, model
        return made[kind]

    return save


def tower(kind, model):
    return model.vision_model if kind in ("clip", "siglip") else model


@pytest.mark.parametrize("kind", KINDS)
def test_taps_are_the_networks_own_hidden_states(kind, saved, libraries, picture):
    torch, _ = libraries
    folder, model = saved(kind)
    prefix = KINDS[kind][-1]
    encoder = transformers_encoder(folder, taps=Sightings(crops=(1, 2), resized=(1, 2), grid=2), device="cpu")
    pixels = picture()
    values = torch.from_numpy(network_input(resized_of(pixels, encoder.preprocessing), encoder.preprocessing))
    with torch.inference_mode():
        states = tower(kind, model)(pixel_values=values, output_hidden_states=True).hidden_states
    encoded = encoder.encode(pixels)
    for tap in (1, 2):
        state = states[tap if kind[:4] != "conv" or len(states) == 5 else tap - 1].numpy()[0]
        patches = state.reshape(len(state), -1).T if state.ndim == 3 else state[prefix:]
        assert len(patches) in (16, 64)
        expected = np.concatenate([patches.mean(axis=0), patches.std(axis=0)])
        np.testing.assert_allclose(encoded.mean[f"{kind}/resized{tap}"], expected, rtol=1e-4, atol=1e-5)
    assert encoded.n_contrasts == 3
    assert encoded.contrasts[f"{kind}/crops2"].any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_embedding_and_the_last_block(kind, saved, libraries, picture):
    torch, _ = libraries
    folder, model = saved(kind)
    deepest = 4 if kind[:4] == "conv" else 3
    encoder = transformers_encoder(folder, taps=Sightings(crops=(), resized=(deepest,), embedding=True), device="cpu")
    pixels = picture()
    values = torch.from_numpy(network_input(resized_of(pixels, encoder.preprocessing), encoder.preprocessing))
    with torch.inference_mode():
        if kind == "clip":
            expected = model.visual_projection(model.vision_model(pixel_values=values).pooler_output)
        else:
            expected = tower(kind, model)(pixel_values=values).pooler_output
    expected = expected.numpy().ravel() / np.linalg.norm(expected.numpy())
    encoded = encoder.encode(pixels)
    np.testing.assert_allclose(encoded.mean[f"{kind}/embedding"], expected, rtol=1e-3, atol=1e-5)
    assert list(encoded.mean) == [f"{kind}/resized{deepest}", f"{kind}/embedding"]


def test_recipe_and_pickle(saved, picture):
    folder, _ = saved("dinov2")
    encoder = transformers_encoder(folder, taps=Sightings(crops=(1,), resized=()), device="cpu")
    weights = encoder.recipe["weights"]
    assert (weights["device"], weights["dtype"]) == ("cpu", "float32")
    encoder.self_test_vector()
    again = pickle.loads(pickle.dumps(encoder))
    assert len(pickle.dumps(encoder)) < 5000
    assert again.recipe_hash == encoder.recipe_hash
    assert np.array_equal(again.encode(picture()).stack(), encoder.encode(picture()).stack())
    cuda = transformers_encoder(folder, taps=encoder.sightings, device="cuda")
    assert cuda.dtype == "float16"
    assert cuda.recipe_hash != encoder.recipe_hash


def test_half_precision_on_cuda(saved, libraries, picture):
    torch, _ = libraries
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    folder, _ = saved("dinov2")
    rows = [
        transformers_encoder(folder, taps=Sightings(crops=(1, 2), grid=2, resized=(2,)), device=device)
        .encode(picture())
        .stack()[0]
        for device in ("cpu", "cuda")
    ]
    assert np.corrcoef(*rows)[0, 1] > 0.999


def test_a_block_that_is_not_there(saved, picture):
    folder, _ = saved("dinov2")
    encoder = transformers_encoder(folder, taps=Sightings(crops=(4,), resized=()), device="cpu")
    with pytest.raises(MorelliError, match="has 3 blocks or stages; there is none to tap after 4"):
        encoder.encode(picture())


def test_pickled_weights_are_not_loaded(saved, tmp_path, picture, libraries):
    torch, _ = libraries
    folder, model = saved("dinov2")
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(MorelliError, match=r"model\.safetensors cannot be read"):
        transformers_encoder(tmp_path, taps=Sightings(), device="cpu")
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(MorelliError, match="cannot be loaded"):
        transformers_encoder(tmp_path, taps=Sightings(crops=(1,), resized=()), device="cpu").encode(picture())


def test_weights_that_are_not_all_there(saved, tmp_path, picture):
    from safetensors.numpy import load_file, save_file

    folder, _ = saved("dinov2")
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    weights = load_file(folder / "model.safetensors")
    kept = {name: values for name, values in weights.items() if not name.startswith("encoder.layer.1.")}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MorelliError, match=r"the weights lack encoder\.layer\.1\..* and \d+ more"):
        transformers_encoder(tmp_path, taps=Sightings(crops=(1,), resized=()), device="cpu").encode(picture())


def test_kinds_that_are_not_known(tmp_path, libraries):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(MorelliError, match="type 'bert'; known are: clip"):
        transformers_encoder(tmp_path, taps=Sightings())
    (tmp_path / "config.json").write_text("nonsense")
    with pytest.raises(MorelliError, match="no JSON"):
        transformers_encoder(tmp_path, taps=Sightings())


def test_without_torch(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"morelli\[deep\]"):
        transformers_encoder(tmp_path, taps=Sightings())


BASE = Preprocessing(SIZE, (0.5,) * 3, (0.5,) * 3, resample="bilinear")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (CROP, replace(BASE, resize=40)),
        (SQUARE, replace(BASE, fit="stretch")),
        ({**SQUARE, "size": {"shortest_edge": 224}, "crop_pct": 0.875}, replace(BASE, size=224, resize=256)),
        ({**SQUARE, "size": {"shortest_edge": 384}, "crop_pct": 0.875}, replace(BASE, size=384)),
        ({**CROP, "size": 32, "crop_size": 32, "resample": 3}, replace(BASE, resample="bicubic")),
    ],
)
def test_preprocessing_of_the_network(tmp_path, config, expected):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(config))
    assert read_preprocessing(path) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"rescale_factor": 1.0}, {"do_normalize": False}, {"image_mean": [0.5]}, {"image_std": None}, {"resample": 0},
        {"size": {"height": 32, "width": 64}}, {"size": {}}, {"size": "big"},
    ],
)  # fmt: skip
def test_preprocessing_that_cannot_be_done(tmp_path, change):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({**SQUARE, **change}))
    with pytest.raises(MorelliError):
        read_preprocessing(path)
