from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from encoders.fingerprint.conftest import References
from morelli.attributors import Bundle
from morelli.cli._app import app
from morelli.encoders import get_encoder, join_encoders
from morelli.encoders.fingerprint import FingerprintEncoder, keep
from morelli.encoders.pretrained.store import weights_folder
from morelli.errors import BundleError, MorelliError


@pytest.fixture(autouse=True)
def own_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("MORELLI_CACHE", str(tmp_path / "cache.sqlite"))


def test_what_is_kept_is_found_by_name(network_file: Path):
    name = FingerprintEncoder(network_file).name
    with pytest.raises(MorelliError, match=f"{name} is not on this machine.*copy it to"):
        get_encoder(name)
    kept = keep(network_file)
    assert kept.name == name and kept.path.parent.parent == weights_folder()
    assert get_encoder(name).recipe_hash == kept.recipe_hash == keep(network_file).recipe_hash
    assert join_encoders(f"forensic[colour]+{name}").name == f"forensic[colour]+{name}"


def test_another_file_under_its_name_is_refused(network_file: Path, tmp_path: Path):
    kept = keep(network_file)
    stranger = kept.path.with_name("fingerprint.0123abcd.onnx")
    shutil.copy(kept.path, stranger)
    with pytest.raises(MorelliError, match="holds another network"):
        get_encoder("fingerprint.0123abcd")
    for name in ("fingerprint.", "fingerprint.../../x"):
        with pytest.raises(MorelliError, match="hexadecimal digits"):
            get_encoder(name)
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(MorelliError):
        keep(tmp_path / "broken.onnx")


def test_fit_measures_with_a_network_and_the_bundle_needs_it(
    network_file: Path, references: References, tmp_path: Path
):
    output, table = tmp_path / "candidates.morelli", tmp_path / "references.csv"
    rows = [f"{path},{label}" for path, label in zip(references.paths, references.labels, strict=True)]
    table.write_text("\n".join(["path,model", *rows]), encoding="utf-8")
    arguments = [str(table), "-o", str(output), "--fingerprint", str(network_file), "--no-cache"]
    result = CliRunner().invoke(app, ["fit", *arguments, "--encoder", "forensic[colour]", "-w", "1"])
    assert result.exit_code == 0, result.output
    name = FingerprintEncoder(network_file).name
    bundle = Bundle.load(output)
    assert bundle.encoder.name == f"forensic[colour]+{name}"
    assert list(bundle.attributor.weights_) == ["colour", name]
    keep(network_file).path.unlink()
    with pytest.raises(BundleError, match="is not on this machine"):
        Bundle.load(output)
