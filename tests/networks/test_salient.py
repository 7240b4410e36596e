from __future__ import annotations

import json

import numpy as np
import pytest

from morelli.errors import MorelliError, NetworkError
from morelli.networks import Place
from morelli.networks.salient import SalientNetwork, read_mask_file

from . import tiny
from .conftest import picture


def network_of(folder, **more):
    return SalientNetwork(Place("mask", tiny.mask_onnx(folder, **more)))


def test_levels_are_prepared_as_isnet_has_them(tmp_path):
    """(level - 128) / 256, channels first: by hand, in the size of the input."""
    spec = read_mask_file(tiny.mask_onnx(tmp_path / "mask", size=8))
    pixels = picture(8, 8)
    values = spec.prepare(pixels)
    assert values.shape == (1, 3, 8, 8) and values.dtype == np.float32
    np.testing.assert_array_equal(values[0, 2], (pixels[:, :, 2].astype(np.float32) - 128) / 256)


def test_a_mask_is_what_the_network_makes(tmp_path):
    pixels = picture(32, 32)
    (mask,) = network_of(tmp_path / "mask").masks([pixels])
    np.testing.assert_allclose(mask, pixels.mean(axis=2) / 256, atol=1e-6)
    (other,) = network_of(tmp_path / "mask").masks([picture(50, 20)])
    assert other.shape == (50, 20)


def test_scales(tmp_path):
    pixels = picture(32, 32)
    plain = pixels.mean(axis=2) / 256
    (ranged,) = network_of(tmp_path / "range", scale="range").masks([pixels])
    np.testing.assert_allclose(ranged, (plain - plain.min()) / np.ptp(plain), atol=1e-5)
    (squashed,) = network_of(tmp_path / "sigmoid", scale="sigmoid").masks([pixels])
    np.testing.assert_allclose(squashed, 1 / (1 + np.exp(-plain)), atol=1e-6)
    (flat,) = network_of(tmp_path / "range", scale="range").masks([np.zeros((32, 32, 3), dtype=np.uint8)])
    assert not flat.any()


@pytest.mark.parametrize(
    "change",
    [
        {"size": [32]}, {"size": "big"}, {"size": [1, 32]}, {"mean": [1]}, {"std": [0, 1, 1]}, {"scale": "magic"},
        {"output": 3}, {"file": "../model.onnx"},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(tmp_path, change):
    folder = tiny.mask_onnx(tmp_path / "mask")
    state = json.loads((folder / "mask.json").read_text())
    (folder / "mask.json").write_text(json.dumps({**state, **change}))
    with pytest.raises(NetworkError, match=r"makes no sense.*as in: \{\"file\""):
        read_mask_file(folder)


def test_folders_that_hold_no_such_network(tmp_path):
    folder = tiny.mask_onnx(tmp_path / "mask")
    with pytest.raises(NetworkError, match="and the outputs mask"):
        network_of(tmp_path / "output", output="other")
    (folder / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(NetworkError, match="is no ONNX file"):
        SalientNetwork(Place("mask", folder))
    (folder / "mask.json").unlink()
    with pytest.raises(NetworkError, match=r"lacks mask\.json, which says how"):
        SalientNetwork(Place("mask", folder))


def test_an_image_on_which_it_fails_is_no_fault_of_the_network(tmp_path, monkeypatch):
    network = network_of(tmp_path / "mask")
    monkeypatch.setattr(type(network.spec), "prepare", lambda *_: np.zeros((1, 3, 5, 5), dtype=np.float32))
    with pytest.raises(MorelliError, match="fails on this image") as caught:
        network.masks([picture()])
    assert not isinstance(caught.value, NetworkError)
