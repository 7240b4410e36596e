from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from morelli.cli.leaderboard.exposure import exposure
from studies._planted import crop, photographs, tinted, write_catalog

TINTS = {"warm": (18, 0, -18), "cold": (-18, 0, 18), "plain": (0, 0, 0)}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> Path:
    """Three models that tint parts of a photograph, one photograph a prompt."""
    rng = np.random.default_rng(0)
    images = [
        (tinted(crop(photo, rng), tint), {"model": model, "prompt_id": f"p{number}", "prompt": f"view {number}"})
        for number, photo in enumerate(photographs(4))
        for model, tint in TINTS.items()
        for _ in range(4)
    ]
    folder = tmp_path_factory.mktemp("leaderboard")
    write_catalog(folder, images)
    return folder / "catalog.parquet"


def run(*arguments: object):
    app = typer.Typer()
    app.command()(exposure)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_it_measures_and_writes(catalog, tmp_path):
    options = ["--encoder", "forensic[colour]", "--references", 2, "--draws", 5, "--tau", 0.5, "--workers", 1,
               "--cache", tmp_path / "cache.sqlite"]  # fmt: skip
    result = run(catalog, "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert "A model is separable on a prompt in" in result.output
    assert "Written to" in result.output
    document = json.loads((tmp_path / "out" / "leaderboard.json").read_text(encoding="utf-8"))
    assert [section["name"] for section in document["sections"]] == ["exposure", "prompts"]
    assert document["provenance"]["tau"] == 0.5 and document["provenance"]["references"] == 2
    assert document["provenance"]["families"] == ["colour"]
    again = run(catalog, "-o", tmp_path / "again", *options, "--json", "--standardise", "no")
    assert again.exit_code == 0, again.output
    printed = json.loads(again.stdout)
    scaled, plain = (
        any("standard deviation" in note for part in d["sections"] for note in part["findings"]["notes"])
        for d in (document, printed)
    )
    assert scaled and not plain
    assert (tmp_path / "again" / "tables" / "exposure-models.csv").is_file()


@pytest.mark.parametrize("option", [("--metric", "l1"), ("--tau", "1.5"), ("--bound", "2"), ("--choose", "0")])
def test_wrong_options(catalog, tmp_path, option):
    result = run(catalog, "-o", tmp_path / "out", *option)
    assert result.exit_code == 2 and not (tmp_path / "out").exists()


def test_a_family_that_is_not_measured(catalog, tmp_path):
    result = run(
        catalog, "-o", tmp_path / "out", "--encoder", "forensic[colour]", "--families", "layout", "--no-cache",
        "--workers", 1,
    )  # fmt: skip
    assert "there are: colour" in str(result.exception)
