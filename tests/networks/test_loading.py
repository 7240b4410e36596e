from __future__ import annotations

import json
import shutil
import sys
from types import SimpleNamespace

import pytest

from morelli.errors import MissingExtraError, MorelliError, NetworkError
from morelli.networks import Place
from morelli.networks.autoencoder import Autoencoder
from morelli.networks.captions import CaptionNetwork, Painter
from morelli.networks.depth import DepthNetwork
from morelli.networks.devices import choose_device
from morelli.networks.loading import device_of
from morelli.networks.masks import MaskNetwork
from morelli.networks.semantic import SemanticNetwork
from morelli.networks.similarity import SimilarityNetwork

KINDS = {
    "depth": DepthNetwork, "sam": MaskNetwork, "sam2": MaskNetwork, "segformer": SemanticNetwork,
    "upernet": SemanticNetwork, "vae": Autoencoder, "blip": CaptionNetwork, "clip": SimilarityNetwork,
    "siglip": SimilarityNetwork,
}  # fmt: skip


def weights_in(folder):
    return next(folder.glob("*.safetensors"))


@pytest.fixture
def copied(saved, tmp_path):
    return lambda kind: shutil.copytree(saved(kind), tmp_path / kind)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_not_all_there_are_refused(kind, copied):
    from safetensors.numpy import load_file, save_file

    folder = copied(kind)
    tensors = load_file(weights_in(folder))
    kept = dict(sorted(tensors.items())[:-2])
    save_file(kept, weights_in(folder), metadata={"format": "pt"})
    with pytest.raises(NetworkError, match=r"the weights lack .* and \d+ more"):
        KINDS[kind](Place(kind, folder))


@pytest.mark.parametrize("kind", ["depth", "vae"])
def test_weights_of_another_shape_are_refused(kind, copied):
    import numpy as np
    from safetensors.numpy import load_file, save_file

    folder = copied(kind)
    tensors = load_file(weights_in(folder))
    name = sorted(tensors)[0]
    tensors[name] = np.zeros((3, *tensors[name].shape), dtype=np.float32)
    save_file(tensors, weights_in(folder), metadata={"format": "pt"})
    with pytest.raises(NetworkError, match=r"the weights lack|cannot be loaded"):
        KINDS[kind](Place(kind, folder))


@pytest.mark.parametrize("kind", ["depth", "vae"])
def test_damaged_and_pickled_weights_are_refused(kind, copied):
    torch = pytest.importorskip("torch", reason="needs the deep extra")

    folder = copied(kind)
    weights_in(folder).write_bytes(b"no tensors at all")
    with pytest.raises(NetworkError, match="cannot be loaded"):
        KINDS[kind](Place(kind, folder))
    weights_in(folder).unlink()
    for name in ("pytorch_model.bin", "diffusion_pytorch_model.bin"):
        torch.save({}, folder / name)
    with pytest.raises(NetworkError, match="cannot be loaded"):
        KINDS[kind](Place(kind, folder))


def test_networks_of_another_kind_are_refused(saved):
    with pytest.raises(NetworkError, match=r"type 'clip'; what is needed is one of depth_anything, dpt"):
        DepthNetwork(Place("x", saved("clip")))
    with pytest.raises(NetworkError, match=r"type None; what is needed is one of AutoencoderKL"):
        Autoencoder(Place("x", saved("clip")))


def test_code_in_a_repository_is_not_run(copied, tmp_path):
    folder = copied("depth")
    config = json.loads((folder / "config.json").read_text())
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    config |= {"auto_map": {"AutoModelForDepthEstimation": "evil.Evil", "AutoConfig": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    DepthNetwork(Place("depth", folder))
    assert not (tmp_path / "ran").exists()


def test_parts_of_a_pipeline_are_those_of_diffusers_and_transformers(copied):
    folder = copied("painter")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "unet": ["my_module", "Evil"]}))
    with pytest.raises(NetworkError, match=r"the part unet is my_module\.Evil, which is not known here"):
        Painter(Place("painter", folder))
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "EvilPipeline"}))
    with pytest.raises(NetworkError, match="diffusers has no pipeline 'EvilPipeline'"):
        Painter(Place("painter", folder))
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "AutoencoderKL"}))
    with pytest.raises(NetworkError, match="diffusers has no pipeline 'AutoencoderKL'"):
        Painter(Place("painter", folder))


def test_a_pipeline_whose_parts_lack_weights_is_refused(copied):
    from safetensors.numpy import load_file, save_file

    folder = copied("painter")
    path = weights_in(folder / "unet")
    tensors = load_file(path)
    save_file(dict(sorted(tensors.items())[1:]), path, metadata={"format": "pt"})
    with pytest.raises(NetworkError, match="unet: the weights lack"):
        Painter(Place("painter", folder))


@pytest.mark.parametrize("kind", ["blip", "clip"])
def test_a_network_without_its_tokenizer(kind, copied):
    folder = copied(kind)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(NetworkError, match=r"lacks tokenizer\.json"):
        KINDS[kind](Place(kind, folder))


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_without_the_libraries(saved, monkeypatch, library):
    place = Place("depth", saved("depth"))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"morelli\[deep\]"):
        DepthNetwork(place)


def test_the_device_can_be_chosen(saved, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("MORELLI_DEVICE", "cpu")
    assert device_of() == ("cpu", "float32")
    monkeypatch.setenv("MORELLI_DEVICE", "cuda:1")
    assert device_of() == ("cuda:1", "float16")


def test_the_device_of_a_training_can_be_chosen_too(monkeypatch):
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True))
    monkeypatch.delenv("MORELLI_DEVICE", raising=False)
    assert choose_device(torch, "auto") == "cuda"
    monkeypatch.setenv("MORELLI_DEVICE", "cpu")
    assert (choose_device(torch, "auto"), choose_device(torch, "cuda")) == ("cpu", "cuda")
    monkeypatch.setenv("MORELLI_DEVICE", "cuda:1")
    with pytest.raises(MorelliError, match="MORELLI_DEVICE is cuda:1, and networks that are trained here run on cpu"):
        choose_device(torch, "auto")
    monkeypatch.setenv("MORELLI_DEVICE", "cuda")
    torch.cuda.is_available = lambda: False
    with pytest.raises(MorelliError, match="no CUDA device"):
        choose_device(torch, "auto")


def test_the_libraries_keep_quiet_while_they_load(saved, capfd):
    Painter(Place("painter", saved("painter")))
    CaptionNetwork(Place("blip", saved("blip")))
    Autoencoder(Place("vae", saved("vae")))
    shown = capfd.readouterr()
    assert shown.out == "" and shown.err == ""
