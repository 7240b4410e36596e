from __future__ import annotations

import json

import pytest

ARGUMENTS = (
    "--train-views", "none,jpeg:60", "--test-views", "none,jpeg:60,blur:3", "--folds", "2", "--set", "3",
    "--encoder", "forensic[sharpness,block-dct]",
)  # fmt: skip


@pytest.fixture(scope="module")
def output(folder):
    return folder / "robustness"


def test_table_and_files(cli, references, output):
    result = cli("robustness", references, *ARGUMENTS, "-o", output, "-w", "1")
    assert result.exit_code == 0, result.stderr
    names = ["robustness.csv", "robustness.html", "robustness.json", "robustness.svg", "trials"]
    assert sorted(path.name for path in output.iterdir()) == names
    assert "unseen: blur:3" in result.stdout
    assert "are named rightly with training on views" in result.stdout
    written = json.loads((output / "robustness.json").read_text(encoding="utf-8"))
    assert written["n_images"] == 48
    assert [(row["trained"], row["view"]) for row in written["rows"] if row["view"]] == [
        (trained, view) for view in ("none", "jpeg:60", "blur:3") for trained in ("clean", "views")
    ]


def test_again_gives_the_same_bytes(cli, references, output):
    before = {path.name: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    result = cli("robustness", references, *ARGUMENTS, "-o", output, "--json")
    assert result.exit_code == 0, result.stderr
    assert {path.name: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before
    assert json.loads(result.stdout) == json.loads(before["robustness.json"])


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--train-views", "sepia"), 2, "sepia"),
        (("--test-views", "none,none"), 2, "named twice"),
        (("--train-views", "jpeg:80"), 1, '"none" first'),
        (("--label", "colour"), 1, "colour"),
        (("--encoder", "tea"), 1, "No encoder is called 'tea'"),
    ],
)
def test_what_is_refused(cli, references, tmp_path, arguments, status, words):
    result = cli("robustness", references, "-o", tmp_path / "out", *arguments)
    assert result.exit_code == status
    assert words in result.stderr
    assert not (tmp_path / "out").exists()
