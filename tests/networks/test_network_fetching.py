from __future__ import annotations

import json
import logging
import shutil

import pytest

from morelli.errors import MorelliError
from morelli.networks import find_network, get_network
from morelli.networks.fetching import fetch_network
from morelli.networks.places import network_folder

from . import tiny


@pytest.fixture
def source(tmp_path):
    folder = tiny.mask_onnx(tmp_path / "source")
    shutil.move(folder / "model.onnx", folder / "ormbg.onnx")
    (folder / "mask.json").unlink()
    (folder / "README.md").write_text("not needed")
    return folder


def test_from_a_folder_with_what_the_repository_does_not_say(weights, source):
    folder = fetch_network("ormbg", source)
    assert folder == network_folder(get_network("ormbg"))
    assert {path.name for path in folder.iterdir()} == {"ormbg.onnx", "mask.json", "lock.json"}
    assert json.loads((folder / "mask.json").read_text())["std"] == [255] * 3
    assert find_network("ormbg", "salient").folder == folder
    assert fetch_network("ormbg") == folder  # only checked, without a network


def test_folders_within_a_repository_are_kept(weights, saved):
    folder = fetch_network("sd-turbo", saved("painter"))
    assert (folder / "unet" / "diffusion_pytorch_model.safetensors").is_file()
    assert (folder / "tokenizer" / "tokenizer.json").is_file()
    assert not (folder / "words").exists()


def test_what_is_lacking_is_named_and_nothing_is_left_behind(weights, tmp_path, saved):
    folder = tmp_path / "half"
    folder.mkdir()
    shutil.copy(saved("depth") / "config.json", folder)
    with pytest.raises(MorelliError, match=r"half, .* lacks preprocessor_config\.json, model\.safetensors\.$"):
        fetch_network("depth-anything-v2-small", folder)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(MorelliError, match=r"lacks preprocessor_config\.json, model\.safetensors\. Only safe"):
        fetch_network("depth-anything-v2-small", folder)
    assert list((weights / "networks" / "depth-anything-v2-small").iterdir()) == []
    with pytest.raises(MorelliError, match="is no folder"):
        fetch_network("depth-anything-v2-small", tmp_path / "nowhere")
    with pytest.raises(MorelliError, match="No network is called 'nonsense'"):
        fetch_network("nonsense")


def test_other_files_than_before_are_refused(weights, source):
    folder = fetch_network("ormbg", source)
    tiny.mask_onnx(source, size=64)
    shutil.move(source / "model.onnx", source / "ormbg.onnx")
    (source / "mask.json").unlink()
    with pytest.raises(MorelliError, match=r"ormbg\.onnx of ormbg has changed since it was first fetched"):
        fetch_network("ormbg", source)
    (folder / "ormbg.onnx").write_bytes(b"damaged")
    with pytest.raises(MorelliError, match="is not the file that was fetched"):
        fetch_network("ormbg")


def test_from_the_hub_with_the_pinned_revision(weights, source, monkeypatch):
    calls = []

    def download(repository, *, revision, allow_patterns, local_dir):
        calls.append((repository, revision, allow_patterns))
        shutil.copy(source / "ormbg.onnx", local_dir)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    folder = fetch_network("ormbg")
    spec = get_network("ormbg")
    assert calls == [(spec.repository, spec.revision, ["ormbg.onnx"])]
    assert json.loads((folder / "lock.json").read_text())["commit"] == spec.revision


def test_a_hub_out_of_reach_says_how_to_do_it_by_hand(weights, monkeypatch):
    def refuse(*_, **__):
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s")
        raise OSError("no route to host")

    heard = []
    monkeypatch.setattr(logging.Logger, "callHandlers", lambda self, record: heard.append(record))
    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(MorelliError) as caught:
        fetch_network("depth-anything-v2-small")
    text = str(caught.value)
    assert heard == []
    assert "hub: no route to host. On a machine" in text
    assert "hf download depth-anything/Depth-Anything-V2-Small-hf config.json" in text
    assert "--revision 5426e4f0" in text
    assert text.endswith("morelli networks fetch depth-anything-v2-small --from FOLDER")


def test_a_hub_that_holds_no_safetensors_is_told_of_pickles(weights, saved, monkeypatch):
    def download(repository, *, revision, allow_patterns, local_dir):
        for name in ("config.json", "preprocessor_config.json"):
            shutil.copy(saved("depth") / name, local_dir)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(MorelliError, match=r"-hf, the source of .* lacks model\.safetensors\. Only safetensors are"):
        fetch_network("depth-anything-v2-small")
