"""The commands, registered on an application of their own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from morelli.catalog import Catalog
from morelli.cli._run import register
from morelli.cli.leaderboard import defence

from ._networks import save

FEW = [
    "--encoder",
    "forensic[colour]",
    "--prompts",
    "2",
    "--references",
    "2",
    "--purify",
    "blur:1",
    "--no-cache",
    "-w1",
]


@pytest.fixture
def cli(monkeypatch):
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    for name in ("defend", "perturb", "defences"):
        register(app, name, getattr(defence, name))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_defend_writes_a_section_and_says_the_conclusion(cli, made, tmp_path):
    result = cli("defend", made.folder / "images.parquet", "-o", tmp_path / "out", "--defences", "jpeg, colour", *FEW)
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "out" / "leaderboard.json").read_text(encoding="utf-8"))
    assert [section["name"] for section in written["sections"]] == ["defence"]
    assert written["title"] == "Defences of images.parquet"
    assert written["provenance"]["references"] == 2 and len(written["provenance"]["catalog"]) == 64
    assert "Against attackers who know it" in result.output and "leaderboard.html" in result.output


def test_defend_prints_json(cli, made, tmp_path):
    result = cli("defend", made.folder / "images.csv", "-o", tmp_path / "out", "--defences", "blur:1", *FEW, "--json")
    assert result.exit_code == 0, result.output
    values = json.loads(result.output)["sections"][0]["findings"]["values"]
    assert set(values["defences"]) == {"blur:1"} and values["encoder"] == "forensic[colour]"


def test_perturb_writes_images_and_defend_judges_such(cli, made, tmp_path):
    folder = save("dinov2", tmp_path / "net")
    few = tmp_path / "few.parquet"
    made.catalog.filter(np.arange(len(made.catalog)) < 30).write(few)  # two prompts
    result = cli(
        "perturb", few, "-o", tmp_path / "hidden", "--surrogate", folder, "--epsilon", "4",
        "--steps", "1", "--batch", "16",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.output.startswith("30 images, changed by 4 of 255 at most")
    assert len(Catalog.read(tmp_path / "hidden" / "perturbed.parquet")) == 30
    result = cli(
        "defend", few, "-o", tmp_path / "out", "--defences", "jpeg", "--epsilon", "2,16",
        "--surrogate", folder, "--steps", "1", *FEW,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "out" / "leaderboard.json").read_text(encoding="utf-8"))
    assert set(written["sections"][0]["findings"]["values"]["defences"]) == {"jpeg", "perturb-2", "perturb-16"}


def test_defences_are_listed(cli):
    result = cli("defences")
    assert result.exit_code == 0
    for name in ("jpeg", "balance", "low-exposure", "strip", "post-process"):
        assert any(line.split()[:1] == [name] for line in result.output.splitlines())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--defences", "magic"], "no defence"),
        (["--purify", "magic"], "no view"),
        (["--epsilon", "2"], "surrogate encoders"),
        (["--epsilon", "two"], "no list of numbers"),
        (["--surrogate", "x"], "--epsilon"),
        (["--encoder", "magic"], "No encoder"),
        (["--label", "nothing"], "nothing"),
    ],
)
def test_mistakes_are_told(cli, made, tmp_path, words, told):
    result = cli("defend", made.folder / "images.parquet", "-o", tmp_path / "out", *FEW, *words)
    assert result.exit_code in (1, 2) and told in result.output and not (tmp_path / "out").exists()
    assert "Traceback" not in result.output


def test_perturb_needs_a_network(cli, made, tmp_path):
    path = made.folder / "images.parquet"
    result = cli("perturb", path, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "name one network" in result.output
    pytest.importorskip("transformers", reason="needs the deep extra")
    result = cli("perturb", path, "-o", tmp_path / "out", "--surrogate", tmp_path / "none")
    assert result.exit_code == 1 and "no folder" in result.output
    result = cli("perturb", path, "-o", tmp_path / "out", "--surrogate", tmp_path, "--epsilon", "17")
    assert result.exit_code == 2
