from __future__ import annotations

import json

import pytest

from morelli.attributors import list_attributors


@pytest.fixture(scope="module")
def output(folder):
    return folder / "comparison"


def test_attributors_are_listed(cli):
    shown = cli("attributors").stdout
    assert all(info.name in shown for info in list_attributors())
    assert "Marra et al. 2019" in shown
    starred = [line.split()[0] for line in shown.splitlines() if line.split()[1:2] == ["*"]]
    assert starred == [info.name for info in list_attributors() if info.asks]
    assert "compared by morelli study mllm, not by morelli compare" in shown


def test_table_and_files(cli, references, output):
    result = cli(
        "compare", references, "-a", "centroid, dzanic", "--references", "3,6", "--folds", "3", "-o", output, "-w", "1"
    )
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in output.iterdir()) == [
        "comparison.csv",
        "comparison.html",
        "comparison.json",
        "parts",
    ]
    assert "dzanic" in result.stdout
    assert "names the right model for" in result.stdout
    written = json.loads((output / "comparison.json").read_text(encoding="utf-8"))
    assert [score["references"] for score in written["scores"]] == [3, 6, 3, 6]
    assert written["n_images"] == 48


def test_again_gives_the_same_bytes(cli, references, output):
    before = {path.name: path.read_bytes() for path in output.glob("comparison.*")}
    result = cli(
        "compare", references, "-a", "centroid,dzanic", "--references", "3,6", "--folds", "3", "-o", output, "--json"
    )
    assert result.exit_code == 0, result.stderr
    assert {path.name: path.read_bytes() for path in output.glob("comparison.*")} == before
    assert json.loads(result.stdout) == json.loads(before["comparison.json"])


def test_hidden_models(cli, references, tmp_path):
    result = cli("compare", references, "-a", "centroid", "--folds", "2", "--hide", "1", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "AUROC" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("-a", "oracle"), 1, "No attributor is called 'oracle'; there are: fused"),
        (("-a", "knn@tea"), 1, "No encoder is called 'tea'"),
        (("--references", "five"), 2, "no list of whole numbers"),
        (("--hide", "9"), 1, "at least two must stay"),
        (("--label", "colour"), 1, "colour"),
    ],
)
def test_what_is_refused(cli, references, tmp_path, arguments, status, words):
    result = cli("compare", references, "-o", tmp_path / "out", *arguments)
    assert result.exit_code == status
    assert words in result.stderr
