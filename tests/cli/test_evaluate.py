from __future__ import annotations

import json

import pytest

from morelli.attributors import Bundle
from morelli.catalog import Catalog, build_catalog
from morelli.encoders import FeatureCache
from morelli.trials import Predictions, evaluate


@pytest.fixture(scope="module")
def report(folder):
    return folder / "report"


def test_three_files_with_the_floor(cli, bundle, held_out, report, cache):
    result = cli("evaluate", bundle, held_out, "-o", report, "-w", "1")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in report.iterdir()) == ["metrics.json", "predictions.parquet", "report.html"]
    metrics = json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["n_rows"] == 20
    assert metrics["n"] == 16
    assert 0 <= metrics["nuisance"] <= 1
    assert "nuisance floor" in result.stdout
    assert "Note" not in result.stdout or metrics["notes"]
    written = Predictions.read(report / "predictions.parquet")
    assert set(written.label[written.unknown]) == {"dat-light"}
    computed = evaluate(Bundle.load(bundle), build_catalog(held_out), cache=FeatureCache(cache), workers=1)
    assert (written.proba == computed.proba).all()
    assert "<html" in (report / "report.html").read_text(encoding="utf-8")


def test_through_a_view(cli, bundle, degraded, held_out, tmp_path, cache):
    for fitted in (bundle, degraded):
        out = tmp_path / fitted.stem
        result = cli("evaluate", fitted, held_out, "--view", "scale:0.5 | jpeg:85", "-o", out, "-w", "1")
        assert result.exit_code == 0, result.stderr
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["notes"][0] == "All images were judged as seen through the view scale:0.5|jpeg:85."
    images, store = build_catalog(held_out), FeatureCache(cache)
    computed = evaluate(Bundle.load(degraded), images, view="scale:0.5|jpeg:85", cache=store, workers=1)
    assert (Predictions.read(out / "predictions.parquet").proba == computed.proba).all()
    plain = evaluate(Bundle.load(degraded), images, cache=store, workers=1)
    assert not (plain.proba == computed.proba).all()


@pytest.mark.parametrize("view", ["sepia", "none,jpeg:80", "degraded"])
def test_one_view_that_there_is(cli, bundle, held_out, tmp_path, view):
    result = cli("evaluate", bundle, held_out, "--view", view, "-o", tmp_path / "r")
    assert result.exit_code == 2
    assert "--view" in result.stderr
    assert not (tmp_path / "r").exists()


def test_json(cli, bundle, held_out, report):
    result = cli("evaluate", bundle, held_out, "-o", report, "--json", "--seed", "1")
    assert json.loads(result.stdout) == json.loads((report / "metrics.json").read_text(encoding="utf-8"))


def test_overlap_is_told(cli, bundle, references, tmp_path):
    result = cli("evaluate", bundle, references, "-o", tmp_path / "r")
    assert "48 of 48 images are references of this bundle" in result.stdout
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text(encoding="utf-8"))
    assert any("references of this bundle" in note for note in metrics["notes"])
    assert "references of this bundle" in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")


def test_strangers_only(cli, bundle, held_out, tmp_path):
    catalog = build_catalog(held_out)
    strangers = tmp_path / "s.parquet"
    catalog.filter(catalog.column("model") == "dat-light").write(strangers)
    result = cli("evaluate", bundle, strangers, "-o", tmp_path / "r")
    assert result.exit_code == 0, result.stderr
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["nuisance"] is None
    assert any("nuisance floor was not measured" in note for note in metrics["notes"])


def test_an_unreadable_row_stays(cli, bundle, references, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "bad.png").write_bytes(b"no")
    (tmp_path / "m" / "one.jpg").write_bytes(Catalog.read(references).paths[0].read_bytes())
    assert cli("evaluate", bundle, tmp_path, "-o", tmp_path / "r").exit_code == 0
    predictions = Predictions.read(tmp_path / "r" / "predictions.parquet")
    assert list(predictions.readable) == [False, True]


def test_output_is_a_file(cli, bundle, held_out):
    result = cli("evaluate", bundle, held_out, "-o", held_out)
    assert result.exit_code == 1
    assert "name a folder" in result.stderr
