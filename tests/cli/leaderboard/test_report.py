from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from morelli.cli.leaderboard import app

from .test_attack import catalog  # noqa: F401  (a fixture)

FAST = ("--encoder", "forensic[colour]", "--references", "1,2", "--draws", "2", "--folds", "2", "-w", "1")


def report(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def sections(folder):
    document = json.loads((folder / "leaderboard.json").read_text(encoding="utf-8"))
    return {part["name"]: part for part in document["sections"]}


@pytest.fixture(scope="module")
def simulated(catalog, tmp_path_factory):  # noqa: F811
    """A page without votes and prices."""
    folder = tmp_path_factory.mktemp("report")
    result = report(catalog, "-o", folder, *FAST, "--prompts", 2, "--honest", 2000, "--cache", folder / "c.sqlite")
    assert result.exit_code == 0, result.output
    return folder, result


def test_one_page_has_all_parts(simulated):
    folder, result = simulated
    assert list(sections(folder)) == [
        "attack", "attack-curve", "exposure", "prompts", "target", "defence", "manipulation", "detection",
    ]  # fmt: skip
    page = (folder / "leaderboard.html").read_text(encoding="utf-8")
    assert all(f'id="{name}"' in page for name in sections(folder))
    lines = [line for line in result.output.splitlines() if line.startswith("Attack: ")]
    assert len(lines) == 1 and "prompt-fused names the model behind" in lines[0]


def test_simulated_votes_are_no_ranking(simulated):
    folder, _ = simulated
    found = sections(folder)
    assert "ratings" not in found
    for name in ("manipulation", "detection"):
        assert found[name]["findings"]["notes"][0].startswith("No votes were given: 2,000 honest ones were simulated")


def test_votes_and_prices(catalog, tmp_path):  # noqa: F811
    lines = ["model_a,model_b,winner"]
    for a, b, wins in (("red", "blue", 60), ("blue", "grün", 60), ("red", "grün", 70)):
        lines += [f"{a},{b},model_a"] * wins + [f"{a},{b},model_b"] * (100 - wins)
    (tmp_path / "votes.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "prices.toml").write_text('[prices]\nred = 0.01\nblue = 0.02\n"grün" = 0.03\n', encoding="utf-8")
    result = report(
        catalog, "-o", tmp_path / "out", *FAST, "--prompts", 0, "--votes", tmp_path / "votes.csv", "--prices",
        tmp_path / "prices.toml", "--target", "grün", "--cache", tmp_path / "c.sqlite",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = sections(tmp_path / "out")
    assert "defence" not in found and {"ratings", "cost"} <= set(found)
    assert "grün" in found["manipulation"]["findings"]["sentences"][0]
    assert "red leads 3 models" in found["ratings"]["findings"]["sentences"][0]


def test_a_target_that_is_not_there(catalog, tmp_path):  # noqa: F811
    result = report(catalog, "-o", tmp_path, *FAST, "--prompts", 0, "--target", "nobody", "--no-cache")
    assert result.exit_code == 1
    assert "'nobody' is not on the board; there are: blue, grün, red." in " ".join(result.stderr.split())
