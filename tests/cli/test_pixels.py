from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from _striped import build
from morelli.cli._app import app

SMALL = ["--recipe", "processor", "--size", "1-1@8-16", "--side", "32", "--epochs", "3", "--batch", "16"]


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    pytest.importorskip("transformers", reason="networks are those of transformers, which the deep extra brings")
    pytest.importorskip("torch", reason="training needs torch, which the deep extra brings")
    folder = tmp_path_factory.mktemp("cli-network")
    catalog = build(folder / "images", range(10))
    catalog.write(folder / "images.parquet")
    return folder / "images.parquet"


def call(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["pixels", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.output


def test_train_show_evaluate_export(images, tmp_path):
    network = tmp_path / "network"
    said = call(
        "train", images, "-o", network, *SMALL, "--set", "check=0", "--set", "mixup=0.2", "--device", "cpu", "-w", 1
    )
    assert "Training: 54 images of 3 classes as thumbnail-37 (6 more for calibration), 12 steps of 14" in said
    assert "3 classes" in said
    assert "Note: Calibrated on 6 held-out images" in said
    shown = json.loads(call("show", network, "--json"))
    assert shown["recipe"]["mixup"] == 0.2
    assert shown["recipe"]["size"] == "1-1@8-16"
    assert shown["references"]["images"] == 60
    assert "thumbnail-37" in call("show", network / "network.safetensors")
    document = json.loads(call("evaluate", network, images, "-o", tmp_path / "report", "-w", 1, "--json"))
    assert document["n"] == 60
    assert any("60 of 60 images are references of this network" in note for note in document["notes"])
    assert (tmp_path / "report" / "report.html").exists()
    assert "predictions.parquet" in call("evaluate", network, images, "-o", tmp_path / "report", "-w", 1)
    call("evaluate", network, images, "-o", tmp_path / "report", "-w", 1, "--maps", 2)
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("Map of the evidence in") == 2
    call("export", network, "-o", tmp_path / "network.onnx")
    assert (tmp_path / "network.onnx").stat().st_size > 10_000


def test_explain(images, tmp_path):
    options = ("--set", "check=0", "--device", "cpu", "-w", 1)
    call("train", images, "-o", tmp_path / "network", *SMALL, *options)
    picture = next((images.parent / "images").rglob("*.png"))
    said = call("explain", tmp_path / "network", picture, "-o", tmp_path / "map.png", "--json", "--device", "cpu")
    record = json.loads(said)
    assert record == json.loads((tmp_path / "map.json").read_text(encoding="utf-8"))
    assert record["network"]["name"] == "ConvNeXt-1-1@8-16 on thumbnail-37"
    assert record["map"]["method"] == "occlusion"
    classes = json.loads(call("show", tmp_path / "network", "--json"))["classes"]
    assert record["map"]["candidate"] in classes
    told = call("explain", tmp_path / "network", picture, "-o", tmp_path / "map.png", "--square", 6, "--device", "cpu")
    assert f"{record['map']['candidate']}: log-probability -" in told
    finer = json.loads((tmp_path / "map.json").read_text(encoding="utf-8"))["map"]["windows"]["n"]
    assert finer > record["map"]["windows"]["n"]
    unknown = call("explain", tmp_path / "network", picture, "-o", tmp_path / "x.png", "--candidate", "nobody", code=1)
    assert "is no candidate" in unknown
    call("train", images, "-o", tmp_path / "patches", *SMALL, "--patches", 4, *options)
    refused = call("explain", tmp_path / "patches", picture, "-o", tmp_path / "x.png", "--device", "cpu", code=1)
    assert "patches that lie apart" in refused


def test_a_recipe_for_more_images_is_told_before_and_after(images, tmp_path):
    small = ["--size", "1-1@8-16", "--side", 32, "--epochs", 1, "--set", "check=0", "--device", "cpu", "-w", 1]
    result = CliRunner().invoke(app, list(map(str, ["pixels", "train", images, "-o", tmp_path, *small])))
    assert result.exit_code == 0, result.output
    for said in (result.stderr, result.stdout):
        assert "Note: 54 images are fewer than the 4096 of a step" in said and "take the recipe few" in said


def test_patches_are_native(images, tmp_path):
    call("train", images, "-o", tmp_path, *SMALL, "--patches", 4, "--set", "check=0", "--device", "cpu", "-w", 1)
    shown = json.loads(call("show", tmp_path, "--json"))
    assert shown["layout"] == "patches-32x4"
    assert shown["recipe"]["smallest_crop"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "mixup"], "is not written NAME=VALUE"),
        (["--set", "side=64"], "side is given twice"),
        (["--set", "mixing=1"], "no setting mixing"),
        (["--side", "20"], "side=20"),
        (["--patches", "5"], "square number"),
        (["--label", "colour"], "no column 'colour'"),
    ],
)
def test_wrong_options(images, tmp_path, options, message):
    said = call(
        "train",
        images,
        "-o",
        tmp_path,
        *SMALL,
        *options,
        code=2 if "--set" in options and "mixing" not in message else 1,
    )
    assert message in " ".join(said.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


def test_no_network(tmp_path):
    assert "this folder holds no network.safetensors; name one" in call("show", tmp_path, code=1)
    assert "nowhere: there is no such file or folder." in call("show", f"{tmp_path / 'nowhere'}/", code=1)
