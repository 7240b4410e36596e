from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from morelli.errors import NetworkError
from morelli.networks import (
    Place,
    add_name,
    find_network,
    get_network,
    list_networks,
    names_given,
    open_network,
    recipe_of,
)
from morelli.networks.places import network_folder
from morelli.networks.salient import SalientNetwork
from morelli.networks.specs import TASKS

from . import tiny

NAME = "depth-anything-v2-small"


def hub_cache(hub: Path, repository: str, source: Path, commit: str = "c" * 40) -> Path:
    """Lay a repository out as the hub's cache has it."""
    folder = hub / ("models--" + repository.replace("/", "--"))
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    snapshot = folder / "snapshots" / commit
    shutil.copytree(source, snapshot)
    return snapshot


def test_every_known_network_says_what_it_is():
    specs = list_networks()
    assert len({spec.name for spec in specs}) == len(specs)
    assert {spec.task for spec in specs} == set(TASKS)
    for spec in specs:
        assert spec.summary.endswith(".") and spec.licence and spec.repository.count("/") == 1
        assert spec.revision is None or len(spec.revision) == 40
        assert any(file.endswith((".safetensors", ".onnx")) for file in spec.files)
        assert not any(
            file.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl")) for file in (*spec.files, *spec.optional)
        )
    assert [spec.name for spec in list_networks("salient")] == ["ormbg"]


def test_a_known_network_that_is_not_here(weights):
    with pytest.raises(NetworkError, match=f"morelli networks fetch {NAME}"):
        find_network(NAME, "depth")
    with pytest.raises(NetworkError, match="gives how far away each pixel is, and what is needed is one"):
        find_network(NAME, "salient")


def test_what_is_no_network_at_all(weights, tmp_path):
    with pytest.raises(NetworkError, match=f'There is no network "nonsense": name one of {NAME}'):
        find_network("nonsense", "depth")
    with pytest.raises(NetworkError, match="no folder /nowhere/at/all"):
        find_network("/nowhere/at/all", "depth")
    with pytest.raises(NetworkError, match="hf download some-one/some-depth"):
        find_network("some-one/some-depth", "depth")
    with pytest.raises(NetworkError, match="holds no network"):
        find_network(str(tmp_path), "depth")


def test_whoever_loads_it_may_know_what_it_has_to_be(weights, tmp_path):
    folder = tiny.mask_onnx(tmp_path / "any")
    add_name("mine", folder)
    assert find_network("mine", None).folder == find_network(str(folder), None).folder == folder
    with pytest.raises(NetworkError, match=f"morelli networks fetch {NAME}"):
        find_network(NAME, None)
    with pytest.raises(NetworkError, match=r'no network "nonsense": name a folder, or a repository of the Hugging'):
        find_network("nonsense", None)


def test_folders_are_found_by_path_also_with_unicode(weights, tmp_path, monkeypatch):
    folder = tiny.mask_onnx(tmp_path / "modèles" / "Tiefe-深度")
    assert find_network(str(folder), "salient").folder == folder
    monkeypatch.chdir(tmp_path)
    assert find_network("modèles/Tiefe-深度", "salient").folder.samefile(folder)
    assert find_network("./modèles/Tiefe-深度", "salient").folder.samefile(folder)


def test_the_hubs_cache_is_looked_into_and_a_local_folder_comes_first(weights, tmp_path, monkeypatch):
    source = tiny.mask_onnx(tmp_path / "source")
    snapshot = hub_cache(tmp_path / "hub", "own-er/mask.net", source)
    assert find_network("own-er/mask.net", "salient").folder.samefile(snapshot)
    monkeypatch.chdir(tmp_path)
    tiny.mask_onnx(tmp_path / "own-er" / "mask.net")
    assert find_network("own-er/mask.net", "salient").folder.samefile(tmp_path / "own-er" / "mask.net")


def test_a_known_network_is_found_in_the_hubs_cache_at_its_revision(weights, tmp_path, saved):
    spec = get_network(NAME)
    snapshot = hub_cache(tmp_path / "hub", spec.repository, saved("depth"), spec.revision)
    assert find_network(NAME, "depth").folder.samefile(snapshot)
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(NetworkError, match="not on this machine"):
        find_network(NAME, "depth")


def test_names_are_given_to_folders(weights, tmp_path):
    folder = tiny.mask_onnx(tmp_path / "with blanks, commas | and + signs")
    add_name("mine", folder)
    assert names_given() == {"mine": folder}
    assert find_network("mine", "salient").folder == folder
    add_name("mine-2", folder)
    assert set(names_given()) == {"mine", "mine-2"}
    shutil.rmtree(folder)
    with pytest.raises(NetworkError, match="which mine stands for, does not exist"):
        find_network("mine", "salient")


@pytest.mark.parametrize("name", ["Mine", "a b", "a/b", "", ".hidden", NAME])
def test_names_that_cannot_be_given(weights, tmp_path, name):
    with pytest.raises(NetworkError, match="cannot be given"):
        add_name(name, tiny.mask_onnx(tmp_path / "mask"))


def test_a_fingerprint_is_of_all_that_may_be_loaded_and_of_nothing_else(tmp_path):
    folder = tiny.mask_onnx(tmp_path / "one")
    first = Place("one", folder).fingerprint
    (folder / "README.md").write_text("x")
    (folder / "lock.json").write_text("{}")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x.json").write_text("{}")
    assert Place("one", folder).fingerprint == first
    other = shutil.copytree(folder, tmp_path / "two")
    assert Place("another name", other).fingerprint == first
    tiny.mask_onnx(other, mean=[0] * 3)
    assert Place("another name", other).fingerprint != first
    for number in range(2001):
        (folder / f"{number}.txt").touch()
    with pytest.raises(NetworkError, match="no folder of a single network"):
        _ = Place("one", folder).fingerprint


def test_networks_stay_open_until_their_files_change(weights, tmp_path):
    folder = tiny.mask_onnx(tmp_path / "mask")
    first = open_network(str(folder), "salient", SalientNetwork)
    assert open_network(str(folder), "salient", SalientNetwork) is first
    before = recipe_of(str(folder), "salient")
    tiny.mask_onnx(folder, scale="range")
    second = open_network(str(folder), "salient", SalientNetwork)
    assert second is not first and second.spec.scale == "range"
    assert recipe_of(str(folder), "salient") != before
    assert "onnxruntime" in before and "cpu" not in before


def test_only_a_few_networks_stay_open(weights, tmp_path):
    from morelli.networks.opening import _open

    for number in range(4):
        open_network(str(tiny.mask_onnx(tmp_path / str(number))), "salient", SalientNetwork)
    assert len(_open) == 2
    assert network_folder(get_network("ormbg")) == weights / "networks" / "ormbg"
