from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from encoders.fingerprint.conftest import References, picture
from morelli.catalog import build_catalog
from morelli.encoders import ForensicEncoder, JointEncoder, extract
from morelli.encoders.encoder import N_CONTRASTS
from morelli.encoders.fingerprint import Architecture, FingerprintEncoder, FingerprintModel, TrainingSettings
from morelli.encoders.fingerprint.encoder import patch_offsets
from morelli.encoders.fingerprint.network import embed
from morelli.errors import MorelliError, NotEnoughDataError


@pytest.fixture
def encoder(network_file: Path) -> FingerprintEncoder:
    return FingerprintEncoder(network_file)


def test_onnxruntime_computes_what_torch_does(untrained: FingerprintModel, encoder: FingerprintEncoder):
    torch = pytest.importorskip("torch", reason="the other side of the comparison is torch")
    pixels = picture(0, 0)
    values = encoder.embeddings(pixels)
    rows, columns = (patch_offsets(side, 32) for side in pixels.shape[:2])
    patches = np.stack([pixels[y : y + 32, x : x + 32] for y in rows for x in columns]).transpose(0, 3, 1, 2)
    with torch.no_grad():
        expected = embed(
            torch,
            untrained.architecture,
            {name: torch.from_numpy(array) for name, array in untrained.weights.items()},
            {name: torch.from_numpy(array) for name, array in untrained.running.items()},
            torch.from_numpy(patches.copy()),
            train=False,
        ).numpy()
    assert values.shape == (len(rows), len(columns), 16)
    assert np.allclose(values.reshape(-1, 16), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_it_is_an_encoder(encoder: FingerprintEncoder, network_file: Path):
    assert encoder.name == f"fingerprint.{encoder.sha256[:8]}"
    assert encoder.blocks == {encoder.name: slice(0, 32)} and encoder.dim == 32
    assert len(encoder.recipe_hash) == 16 and encoder.n_contrasts == N_CONTRASTS
    encoded = encoder.encode(picture(1, 1))
    assert encoded.mean[encoder.name].dtype == np.float32 and encoded.mean[encoder.name].shape == (32,)
    assert encoded.contrasts[encoder.name].shape == (8, 32) and encoded.n_contrasts == 8
    assert np.array_equal(encoded.stack(), encoder.encode(picture(1, 1)).stack())
    assert encoder.passes_self_test(encoder.self_test_vector())
    assert not encoder.passes_self_test(encoder.self_test_vector() * 1.01)
    assert not encoder.passes_self_test(np.zeros(3))


def test_features_are_means_and_spreads_of_patches(encoder: FingerprintEncoder):
    pixels = picture(0, 2, (104, 112))  # three by three patches: one to a region
    encoded, values = encoder.encode(pixels), encoder.embeddings(pixels)
    assert values.shape[:2] == (3, 3)
    mean, spread = np.split(encoded.mean[encoder.name], 2)
    assert np.allclose(mean, values.mean(axis=(0, 1)), rtol=1e-5, atol=1e-5) and not spread.any()
    larger = encoder.encode(picture(0, 2, (200, 200)))
    assert larger.mean[encoder.name][16:].min() > 0


@pytest.mark.parametrize(("size", "contrasts"), [((32, 32), 0), ((40, 64), 1), ((64, 64), 3), ((33, 500), 2)])
def test_small_images_have_fewer_regions(encoder: FingerprintEncoder, size: tuple[int, int], contrasts: int):
    assert encoder.encode(picture(2, 0, size)).n_contrasts == contrasts


def test_what_is_no_picture_is_refused(encoder: FingerprintEncoder):
    with pytest.raises(NotEnoughDataError, match="100x31 pixels"):
        encoder.encode(picture(0, 0, (31, 100)))
    with pytest.raises(TypeError):
        encoder.encode(np.zeros((64, 64), dtype=np.uint8))
    with pytest.raises(TypeError):
        encoder.encode(np.zeros((64, 64, 3), dtype=np.float32))


def test_patches_lie_on_the_grid():
    for length in range(64, 1200, 7):
        offsets = patch_offsets(length, 64)
        assert all(offset % 8 == 0 for offset in offsets) and offsets[0] == 0
        assert length - 8 < offsets[-1] + 64 <= length or len(offsets) == 1
        assert offsets == sorted(set(offsets)) and len(offsets) <= 9


def test_it_pickles_by_path_and_refuses_another_file(network_file: Path, untrained: FingerprintModel, tmp_path: Path):
    path = tmp_path / "copy.onnx"
    shutil.copy(network_file, path)
    encoder = FingerprintEncoder(path)
    expected = encoder.encode(picture(0, 0)).stack()
    data = pickle.dumps(encoder)
    assert len(data) < 5000
    again = pickle.loads(data)
    assert np.array_equal(again.encode(picture(0, 0)).stack(), expected) and again.recipe_hash == encoder.recipe_hash
    third = pickle.loads(data)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(MorelliError, match="not the file any more"):
        third.encode(picture(0, 0))
    path.unlink()
    with pytest.raises(MorelliError, match="cannot be read"):
        pickle.loads(data).encode(picture(0, 0))


def test_it_joins_and_extracts(references: References, encoder: FingerprintEncoder, tmp_path: Path):
    table = tmp_path / "images.csv"
    table.write_text("\n".join(["path,model", *(f"{p},{name}" for p, name in zip(*references[:2], strict=True))]))
    catalog = build_catalog(table)
    features = extract(catalog, JointEncoder([ForensicEncoder(["colour"]), encoder]), workers=1)
    assert features.ok.all() and encoder.name in features.blocks
    assert features.within.shape[1] == N_CONTRASTS and features.family(encoder.name).shape == (12, 32)


def test_the_file_says_what_it_is(encoder: FingerprintEncoder, untrained: FingerprintModel):
    known = encoder.metadata
    assert known["training_data"] == "0" * 64 and known["classes"] == "3" and known["images"] == "12"
    assert json.loads(known["architecture"])["patch"] == 32 and "licences" in known["licence"]
    assert untrained.describe()["sha256"] == encoder.sha256
    assert untrained.n_parameters < 3_000_000


def test_files_that_are_no_networks_are_refused(tmp_path: Path, network_file: Path):
    import onnx

    with pytest.raises(MorelliError, match="cannot be read"):
        FingerprintEncoder(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(MorelliError, match="no ONNX file"):
        FingerprintEncoder(tmp_path / "text.onnx")
    model = onnx.load_model(network_file)
    del model.metadata_props[:]
    onnx.save_model(model, tmp_path / "foreign.onnx")
    with pytest.raises(MorelliError, match="no file of a fingerprint network"):
        FingerprintEncoder(tmp_path / "foreign.onnx")


@pytest.mark.parametrize("sizes", [{"width": 0}, {"dim": 257}, {"blocks": 0}, {"patch": 40}, {"patch": 16}])
def test_sizes_out_of_range_are_refused(sizes: dict[str, int]):
    with pytest.raises(MorelliError):
        Architecture(**sizes)


@pytest.mark.parametrize(
    "values",
    [{"classes": 1}, {"patches": 0}, {"degraded": 1.5}, {"crop": 32}, {"learning_rate": 0.0}, {"smoothing": 1}],
)
def test_settings_out_of_range_are_refused(values: dict[str, float]):
    with pytest.raises(MorelliError, match=next(iter(values))):
        TrainingSettings(**values)


def test_the_largest_network_is_small():
    weights, _ = Architecture(width=64, blocks=256, dim=256).start(1000, 0)
    assert sum(values.size for values in weights.values()) < 3_000_000
