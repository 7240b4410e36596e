from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from morelli.cli._run import register
from morelli.cli.leaderboard.votes import rate, rig
from morelli.leaderboard.votes import simulate_votes, spread_strengths

NAMES = ("dall", "flux", "imagen", "sdxl", "wan")
APP = typer.Typer(rich_markup_mode=None)
register(APP, "rate", rate)
register(APP, "rig", rig)


@pytest.fixture(scope="module")
def run():
    return lambda *arguments: CliRunner().invoke(APP, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def table(folder):
    votes = simulate_votes(spread_strengths(5, 100), 2000, models=NAMES, voters=50, seed=0)
    words = ("model_a", "model_b", "tie")
    lines = [
        f"{NAMES[a]},{NAMES[b]},{words[o]},{votes.voters[u]},{t:.1f}"
        for a, b, o, u, t in zip(votes.left, votes.right, votes.outcome, votes.voter, votes.time, strict=True)
    ]
    path = folder / "votes.csv"
    path.write_text("\n".join(["model_a,model_b,winner,voter,time", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def confusion(folder):
    rows = [f"{a},{b},{40 if a == b else 2}" for a in NAMES for b in NAMES]
    path = folder / "confusion.csv"
    path.write_text("\n".join(["truth,answer,n", *rows]) + "\n", encoding="utf-8")
    return path


FAST = ("--simulations", "2", "--repeats", "1")


def test_rate(run, table, tmp_path):
    result = run("rate", table, "-o", tmp_path / "out", "--orders", "3")
    assert result.exit_code == 0, result.stderr
    assert "dall leads 5 models" in result.stdout
    assert "least like the others" in result.stdout
    assert (tmp_path / "out" / "leaderboard.html").is_file()
    written = json.loads((tmp_path / "out" / "leaderboard.json").read_text(encoding="utf-8"))
    assert [section["name"] for section in written["sections"]] == ["ratings", "voters"]


def test_rate_as_json_with_an_anchor(run, table, tmp_path):
    result = run("rate", table, "-o", tmp_path, "--anchor", "sdxl=1200", "--interval", "bootstrap", "--json")
    assert result.exit_code == 0, result.stderr
    models = json.loads(result.stdout)["sections"][0]["findings"]["values"]["models"]
    assert {row["model"]: row["rating"] for row in models}["sdxl"] == pytest.approx(1200)


def test_rig_on_a_table(run, table, confusion, tmp_path):
    given = ("--votes", table, "--confusion", confusion, "--target", "sdxl", "--ranks", "1", "-o", tmp_path)
    result = run("rig", *given, *FAST)
    assert result.exit_code == 0, result.stderr
    assert "move sdxl up by 1 rank from rank 4" in result.stdout
    assert "remove:combined" in result.stdout
    written = json.loads((tmp_path / "leaderboard.json").read_text(encoding="utf-8"))
    assert [section["name"] for section in written["sections"]] == ["manipulation", "detection", "ratings"]
    assert (tmp_path / "manipulation-needed.csv").is_file()


def test_rig_on_a_simulated_board(run, confusion, tmp_path):
    common = ("--confusion", confusion, "--target", "wan", "--honest", "3000", "--ranks", "1", "--json")
    more = ("--models", "4", "--rank", "3", "--strategy", "omnipresent", "--defence", "", "--weight", "wan=0.5")
    first, second = (
        run("rig", *common, *more, "--simulations", "3", "--repeats", "0", "-o", tmp_path / name) for name in "ab"
    )
    assert first.exit_code == 0, first.stderr
    assert first.stdout == second.stdout
    section = json.loads(first.stdout)["sections"][0]
    values = section["findings"]["values"]
    assert values["honest"] == 3000
    (row,) = values["rows"]
    assert row["strategy"] == "omnipresent:abstain"
    assert row["goal"] == values["start_rank"] - 1
    assert row["dollars"] == pytest.approx(row["battles"] * 4 * 5 * 0.04)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "nobody"), "'nobody' is not in"),
        (("--target", "wan", "--models", "9"), "says how 5 models are recognised"),
        (("--target", "wan", "--ranks", "0"), "no list of numbers of at least 1"),
        (("--target", "wan", "--ranks", "1;2"), "no list of numbers of at least 1"),
        (("--target", "wan", "--weight", "wan"), "is not MODEL=NUMBER"),
        (("--target", "wan", "--weight", "x=1"), "not on the board: x"),
        (("--target", "wan", "--strategy", "bribe"), 'no strategy "bribe"'),
        (("--target", "wan", "--defence", "hope"), 'no defence "hope"'),
        (("--target", "wan", "--rank", "9"), "1 to 5, not 9"),
    ],
)
def test_what_rig_refuses(run, confusion, tmp_path, arguments, words):
    result = run("rig", "--confusion", confusion, "--honest", "500", "-o", tmp_path, *FAST, *arguments)
    assert result.exit_code in (1, 2)
    said = " ".join(result.stderr.replace("│", " ").split())
    assert words in said
    assert "Traceback" not in said
    assert not (tmp_path / "leaderboard.html").exists()


def test_a_table_and_a_simulated_board_exclude_each_other(run, table, confusion, tmp_path):
    given = ("--votes", table, "--confusion", confusion, "--target", "wan", "-o", tmp_path)
    result = run("rig", *given, "--honest", "100")
    assert result.exit_code == 2
    assert "nothing is simulated" in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("text", "words"),
    [("model_a,model_b\na,b\n", "column winner is missing"), ("model_a,model_b,winner\na,b,c\n", "row 1")],
)
def test_what_rate_refuses(run, tmp_path, text, words):
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    result = run("rate", path, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_first_rank_is_unanswered_but_written(run, confusion, tmp_path):
    given = ("--confusion", confusion, "--target", "wan", "--honest", "3000", "--rank", "1", "--ranks", "1")
    result = run("rig", *given, "-o", tmp_path, "--repeats", "0", "--spread", "200")
    assert "wan is first already and cannot move up." in result.stdout
    assert result.exit_code == 1
    assert (tmp_path / "leaderboard.html").is_file()
