from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from morelli.catalog import build_catalog
from morelli.cli.leaderboard import app

MODELS = ("blue", "grün", "red")
COMMANDS = ("report", "attack", "target", "lookup", "cost", "exposure", "defend", "perturb", "defences", "rate", "rig")
FAST = (
    "--encoder", "forensic[colour]", "-a", "prompt-centroid@forensic[colour],knn@forensic[colour]",
    "--references", "1,2", "--pools", "2", "--draws", "2", "--folds", "2", "-w", "1",
)  # fmt: skip


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """Three models with a tint of their own, four prompts with a pattern of their own, three images of each."""
    folder = tmp_path_factory.mktemp("leaderboard attack é")
    rng = np.random.default_rng(0)
    lines = ["path,model,prompt_id,prompt"]
    waves = np.sin(np.arange(64)[:, None, None] / np.array([3, 5, 8, 13])) * 40
    for p, words in enumerate(("waves at sea", "dunes of sand", "hills in fog", "a quiet lake")):
        for m, model in enumerate(MODELS):
            for i in range(3):
                pixels = 110 + waves[:, :, p, None] + rng.normal(0, 10, (64, 64, 3))
                pixels[..., m] += 30
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{p}{m}{i}.png")
                lines.append(f"{p}{m}{i}.png,{model},p{p},{words}")
    (folder / "images.csv").write_text("\n".join(lines), encoding="utf-8")
    build_catalog(folder / "images.csv", folder / "images.parquet")
    return folder / "images.parquet"


def said(result):
    return " ".join(result.stderr.replace("│", " ").split())


def test_all_commands_of_the_desk_are_listed(cli):
    shown = cli("leaderboard", "--help").stdout
    listed = [line.split()[0] for line in shown.partition("Commands:")[2].splitlines() if line.strip()]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)
    assert {command.name for command in app.registered_commands} == set(COMMANDS)
    assert "leaderboard" in cli("--help").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(cli, name):
    result = cli("leaderboard", name, "--help")
    assert result.exit_code == 0
    assert f"morelli leaderboard {name}" in result.stdout  # an example
    assert "Examples:" in result.stdout


def test_help_names_the_options(cli):
    shown = cli("leaderboard", "attack", "--help").stdout
    for option in ("--references", "--pools", "--attributor", "--encoder", "--draws", "--candidates", "--short",
                   "--whole", "--folds", "--label", "--split", "--seed", "--json", "--workers", "--cache",
                   "--no-cache", "--output"):  # fmt: skip
        assert option in shown, option


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("attack out") / "new"


def test_it_says_the_conclusion_and_writes_a_page(cli, catalog, output):
    result = cli("leaderboard", "attack", catalog, "-o", output, *FAST)
    assert result.exit_code == 0, result.output
    assert "With 1 reference of each model for the prompt, prompt-centroid names the model behind" in result.stdout
    assert "With 2 references of each model the nearest centroid names the right one for" in result.stdout
    assert f"Written to {output}: leaderboard.html" in result.stdout
    written = json.loads((output / "leaderboard.json").read_text(encoding="utf-8"))
    assert [section["name"] for section in written["sections"]] == ["attack", "attack-curve"]
    assert written["provenance"]["settings"]["references"] == [1, 2]
    assert written["provenance"]["settings"]["candidates"] == 2
    assert written["provenance"]["missing"] == []
    assert {"parts", "leaderboard.html", "leaderboard.json"} <= {path.name for path in output.iterdir()}
    assert (output / "attack-cells.parquet").is_file()


def test_again_nothing_is_fitted_and_the_same_is_written(cli, catalog, output, monkeypatch):
    before = (output / "leaderboard.json").read_bytes()
    parts = {path.name: path.stat().st_mtime_ns for path in (output / "parts").iterdir()}
    monkeypatch.setattr("morelli.trials.runner.fit_registered", lambda *_, **__: pytest.fail("fitted again"))
    result = cli("leaderboard", "attack", catalog, "-o", output, *FAST, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads((output / "leaderboard.json").read_text(encoding="utf-8"))
    assert (output / "leaderboard.json").read_bytes() == before
    assert {path.name: path.stat().st_mtime_ns for path in (output / "parts").iterdir()} == parts


def test_another_label_split_and_short(cli, catalog, tmp_path):
    result = cli("leaderboard", "attack", catalog, "-o", tmp_path, *FAST, "--short", "--whole", "--seed", "3", "--json")
    assert result.exit_code == 0, result.output
    about = json.loads(result.stdout)["provenance"]
    assert (about["seed"], about["settings"]["short"], about["settings"]["families"]) == (3, True, False)


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--references", "one"), 2, "'one' is no list of numbers, such as 1,2,5,10"),
        (("--references", ""), 2, "no list of numbers"),
        (("--references", "0"), 1, "References are different numbers from 1, not [0]"),
        (("--references", "2,2"), 1, "References are different numbers from 1, not [2, 2]"),
        (("--references", "3"), 1, "No trial of this study has a result"),
        (("--pools", "some"), 2, "no list of numbers"),
        (("--pools", "1"), 1, "two candidates or more, not 1"),
        (("--draws", "0"), 2, "--draws"),
        (("--candidates", "1"), 2, "--candidates"),
        (("--folds", "1"), 2, "--folds"),
        (("--seed", "-1"), 2, "--seed"),
        (("-a", "nobody"), 1, "No attributor is called 'nobody'"),
        (("-a", ""), 1, "Name one or more different attributors, not: none"),
        (("-a", "knn,knn"), 1, "Name one or more different attributors"),
        (("-a", "knn@nobody"), 1, "No encoder is called 'nobody'"),
        (("--encoder", "nobody"), 1, "No encoder is called 'nobody'"),
        (("--encoder", "clip-vit-b16.openai-int8[crops4"), 1, "is not closed"),
        (("--label", "nothing"), 1, "no column 'nothing'"),
        (("--nonsense",), 2, "No such option"),
    ],
)
def test_what_makes_no_sense_ends_with_a_sentence(cli, catalog, tmp_path, options, status, words):
    result = cli("leaderboard", "attack", catalog, "-o", tmp_path / "out", *FAST, *options)
    assert result.exit_code == status, result.output
    assert words in said(result)
    assert "Traceback" not in result.output
    assert not (tmp_path / "out" / "leaderboard.html").exists()


def test_a_catalog_that_there_is_not_and_no_output(cli, catalog, tmp_path):
    result = cli("leaderboard", "attack", tmp_path / "none.parquet", "-o", tmp_path / "out")
    assert result.exit_code in (1, 2) and "none.parquet" in said(result)
    assert cli("leaderboard", "attack", catalog).exit_code == 2


def test_a_file_in_the_way(cli, catalog, tmp_path):
    (tmp_path / "out").write_text("mine")
    result = cli("leaderboard", "attack", catalog, "-o", tmp_path / "out", *FAST)
    assert result.exit_code in (1, 2) and "Traceback" not in result.output
    assert (tmp_path / "out").read_text() == "mine"


def test_compare_says_what_such_attributors_need(cli, catalog, tmp_path):
    result = cli("compare", catalog, "-a", "prompt-centroid@forensic[colour],knn", "-o", tmp_path / "out", "-w", "1")
    assert result.exit_code == 1
    assert "has to be given references of the prompts that it judges" in said(result)
    assert "use morelli leaderboard attack" in said(result)
    assert "Traceback" not in result.output
    assert not (tmp_path / "out" / "comparison.html").exists()
