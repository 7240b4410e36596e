from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from morelli.catalog import build_catalog
from morelli.cli._run import register
from morelli.cli.leaderboard.cost import cost
from morelli.cli.leaderboard.lookup import lookup
from morelli.cli.leaderboard.target import target

MODELS = ("red", "grün", "blue")
COMMANDS = {"target": target, "lookup": lookup, "cost": cost}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """Three models with a tint of their own, four prompts with a pattern of their own, three images of each."""
    folder = tmp_path_factory.mktemp("leaderboard")
    rng = np.random.default_rng(0)
    lines = ["path,model,prompt_id,prompt"]
    waves = np.sin(np.arange(96)[:, None, None] / np.array([3, 5, 8, 13])) * 40
    for p in range(4):
        for m, model in enumerate(MODELS):
            for i in range(3):
                pixels = 110 + waves[:, :, p, None] + rng.normal(0, 10, (96, 96, 3))
                pixels[..., m] += 25
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{p}{m}{i}.png")
                words = ("waves at sea", "dunes of sand", "hills in fog", "a quiet lake")[p]
                lines.append(f"{p}{m}{i}.png,{model},p{p},{words}")
    (folder / "images.csv").write_text("\n".join(lines), encoding="utf-8")
    build_catalog(folder / "images.csv", folder / "images.parquet")
    return folder / "images.parquet"


@pytest.fixture
def run(tmp_path, catalog):
    app = typer.Typer()
    for name, command in COMMANDS.items():
        register(app, name, command)

    def call(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


FAST = ("--encoder", "forensic[colour]", "--references", "1,2", "--draws", "2", "-w", "1")


def test_target_writes_a_page_and_says_the_conclusion(run, catalog, tmp_path):
    result = run("target", catalog, "-o", tmp_path / "out", *FAST, "--alpha", "0.5,0.8")
    assert result.exit_code == 0, result.output
    assert "the nearest centroid says rightly" in result.output
    assert "Note: Features are of several scales" in result.output
    written = json.loads((tmp_path / "out" / "leaderboard.json").read_text(encoding="utf-8"))
    assert written["provenance"]["alphas"] == [0.5, 0.8]
    assert written["sections"][0]["findings"]["values"]["targets"] == sorted(MODELS)
    assert (tmp_path / "out" / "target-one-class.parquet").is_file()


def test_target_of_one_model_as_json(run, catalog, tmp_path):
    arguments = ("target", catalog, "-o", tmp_path / "out", *FAST, "--model", "grün", "--json")
    first, second = run(*arguments), run(*arguments)
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["sections"][0]["findings"]["values"]["targets"] == ["grün"]
    assert first.stdout == second.stdout


def test_lookup_takes_paraphrases_from_a_table(run, catalog, tmp_path):
    lines = [f"p{p},{words} seen from afar" for p, words in enumerate(("sea", "sand", "fog", "lake"))]
    (tmp_path / "reworded.csv").write_text("\n".join(["prompt_id,paraphrase", *lines]))
    result = run("lookup", catalog, "-o", tmp_path / "out", *FAST, "--paraphrases", tmp_path / "reworded.csv")
    assert result.exit_code == 0, result.output
    assert "With the prompt known and 2 references" in result.output
    written = json.loads((tmp_path / "out" / "leaderboard.json").read_text(encoding="utf-8"))
    values = written["sections"][0]["findings"]["values"]
    assert written["provenance"]["paraphrases"] is True
    assert values["paraphrased-given"]["retrieval"] == [1.0, 1.0]


def test_cost_from_prices_and_a_curve(run, tmp_path):
    (tmp_path / "prices.toml").write_text('[prices]\n"a" = 0.02\n"b" = 0.04\n')
    (tmp_path / "curve.csv").write_text("attacker,references,accuracy\nx,1,0.5\nx,10,0.9\ny,1,0.2\n")
    result = run(
        "cost", tmp_path / "prices.toml", "--curve", tmp_path / "curve.csv", "--where", "attacker=x",
        "--wanted", "0.9,0.95", "-o", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "90% needs 10 references of each of 2 models, $0.6000" in result.output
    assert "95% is not reached" in result.output
    alone = run("cost", tmp_path / "prices.toml", "-o", tmp_path / "alone", "--judged", "2")
    assert alone.exit_code == 0, alone.output
    assert "$0.9000 with 30 references of each" in alone.output


def test_cost_measures_the_curve_and_searches_numbers(run, catalog, tmp_path):
    (tmp_path / "prices.toml").write_text("default = 0.01\n", encoding="utf-8")
    prices, more = tmp_path / "prices.toml", ("--wanted", "0.4", "--json")
    result = run("cost", prices, "--catalog", catalog, "-o", tmp_path / "out", *FAST, *more)
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)["sections"][0]["findings"]["values"]
    assert values["models"] == sorted(MODELS)
    assert values["allocations"][0]["reached"]
    assert set(values["costs"]) == {"1", "2"}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("target", "CATALOG", "--references", "one"), 2, "'one' is no list of numbers, such as 1,2,5,10"),
        (("target", "CATALOG", "--references", ""), 2, "no list of numbers"),
        (("target", "CATALOG", "--references", "0", *FAST[:2]), 1, "1 or more"),
        (("target", "CATALOG", "--alpha", "2", *FAST[:2]), 1, "between 0 and 1"),
        (("target", "CATALOG", "--model", "nobody", *FAST[:2]), 1, "Not on the board: nobody"),
        (("target", "CATALOG", "--label", "nothing"), 1, "nothing"),
        (("lookup", "CATALOG", "--texts", "nobody"), 1, 'no text embedder "nobody"'),
        (("lookup", "CATALOG", "--paraphrases", "none.csv"), 1, "cannot be read"),
        (("cost", "PRICES", "--curve", "none.csv"), 1, "the curve cannot be read"),
        (("cost", "none.toml"), 1, "the prices cannot be read"),
        (("cost", "PRICES", "--where", "a=b"), 2, "no --curve to choose rows of"),
        (("cost", "PRICES", "--curve", "x.csv", "--where", "ab"), 2, "'ab' is not COLUMN=VALUE"),
        (("cost", "PRICES", "--curve", "x.csv", "--catalog", "CATALOG"), 2, "either given or measured"),
        (("cost", "PRICES", "--catalog", "CATALOG"), 1, 'no price for the model "blue"'),
        (("cost", "PRICES", "--judged", "0"), 1, "above 0"),
    ],
)
def test_what_makes_no_sense_ends_with_a_sentence(run, catalog, tmp_path, arguments, status, words):
    (tmp_path / "prices.toml").write_text("[prices]\nred = 1\n")
    given = [{"CATALOG": catalog, "PRICES": tmp_path / "prices.toml"}.get(word, word) for word in arguments]
    result = run(*given, "-o", tmp_path / "out")
    assert result.exit_code == status, result.output
    assert words in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "out").exists()
