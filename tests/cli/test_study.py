from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

from morelli.studies import list_studies

ENCODER = "forensic[colour,sharpness]"
CENTROID = f"centroid@{ENCODER}"
SMALL = ("-a", CENTROID, "--folds", "2", "-j", "1")


@pytest.fixture(scope="module")
def output(cli_once, references, folder) -> Path:
    path = folder / "scaling é"
    result = cli_once("study", "scaling", references, "-o", path, *SMALL, "--set", "references=3,5", "--seeds", "2")
    assert result.exit_code == 0, result.stderr
    (folder / "scaling.txt").write_text(result.stdout, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def cli_once():
    """As `cli`, for a whole module."""
    import os

    from typer.testing import CliRunner

    from morelli.cli._app import app

    def run(*arguments):
        result = CliRunner().invoke(app, [os.fspath(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def stamps(path: Path) -> dict[str, int]:
    return {str(file.relative_to(path)): file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}


def test_studies_are_listed(cli):
    result = cli("study", "list")
    assert result.exit_code == 0
    assert all(study.name in result.stdout for study in list_studies())
    assert "How does accuracy grow" in result.stdout


def test_every_study_has_its_help(cli):
    assert "scaling" in cli("study", "--help").stdout
    for study in list_studies():
        result = cli("study", study.name, "--help")
        assert result.exit_code == 0
        assert f"morelli study {study.name} images.parquet" in result.stdout
    shown = cli("study", "scaling", "--help").stdout
    assert "references=3,5,8,12" in shown
    assert "candidates=none" in shown


def test_what_is_written(output, folder):
    names = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    assert {
        "study.html", "study.json", "cells.csv", "cells.parquet", "classes.csv", "confusion.csv",
        "predictions.parquet", "tables/accuracy.csv", "tables/accuracy.md", "tables/accuracy.tex",
        "figures/accuracy.svg", "figures/accuracy.png",
    } <= names  # fmt: skip
    assert len(list((output / "trials").glob("*.json"))) == 8
    shown = (folder / "scaling.txt").read_text(encoding="utf-8")
    assert "With 5 references of each of 4 models" in shown
    assert f"Written to {output}: study.html" in shown
    document = json.loads((output / "study.json").read_text(encoding="utf-8"))
    assert document["name"] == "scaling"
    about = document["provenance"]
    assert about["n_images"] == 48
    assert about["seeds"] == 2
    assert about["options"]["references"] == [3, 5]
    assert about["options"]["attributors"] == [CENTROID]


def test_again_does_nothing_and_says_the_same(cli, references, output):
    before = stamps(output / "trials")
    document = (output / "study.json").read_text(encoding="utf-8")
    result = cli("study", "scaling", references, "-o", output, *SMALL, "-s", "references=3,5", "--seeds", "2", "--json")
    assert result.exit_code == 0, result.stderr
    assert stamps(output / "trials") == before
    shown = json.loads(result.stdout)
    assert shown == json.loads((output / "study.json").read_text(encoding="utf-8"))
    assert shown["findings"] == json.loads(document)["findings"]


def test_a_dry_run_writes_nothing(cli, references, output, tmp_path):
    arguments = ("study", "scaling", references, *SMALL, "--set", "references=3,5", "--dry-run")
    result = cli(*arguments, "-o", tmp_path / "new")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "4 trials: 0 finished, 4 fits to do, 0 that cannot be run"
    assert lines[1] == f"  {ENCODER} in none: 0 of 48 images to be measured"
    assert lines[-1].startswith("Estimate with 1 processes: measuring 0 s, fitting ")
    assert not (tmp_path / "new").exists()
    before = stamps(output)
    result = cli(*arguments, "-o", output, "--seeds", "3", "--no-cache")
    lines = result.stdout.splitlines()
    assert lines[0] == "12 trials: 8 finished, 4 fits to do, 0 that cannot be run"
    assert lines[1] == f"  {ENCODER} in none: 48 of 48 images to be measured"
    assert stamps(output) == before


def test_a_dry_run_tells_what_cannot_be(cli, references, tmp_path):
    (tmp_path / "s.toml").write_text(
        f"[study]\ncatalog = {str(references)!r}\nattributors = ['{CENTROID}']\nfolds = 2\n"
        "[[trials]]\ntrain = { where = { domain = 'nowhere' } }\n",
        encoding="utf-8",
    )
    result = cli("study", "run", tmp_path / "s.toml", "-o", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "2 trials: 0 finished, 0 fits to do, 2 that cannot be run" in result.stdout
    assert "  missing: seed 0, fold 1 of 2: There is too little to learn from" in result.stdout
    result = cli("study", "run", tmp_path / "s.toml", "-o", tmp_path / "out", "-j", "1")
    assert result.exit_code == 1
    assert "No trial of this study has a result. The first:" in result.stderr


def test_without_a_cache(cli, references, cache, tmp_path):
    gc.collect()  # connections of earlier commands write back when they are collected, and not in the middle of this
    before = cache.stat().st_mtime_ns if cache.exists() else None
    view = ("-s", "references=3", "--no-cache")
    result = cli("study", "scaling", references, "-o", tmp_path / "out", *SMALL, *view)
    assert result.exit_code == 0, result.stderr
    assert (cache.stat().st_mtime_ns if cache.exists() else None) == before


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--set", "references"), 2, '"references" is no NAME=VALUE'),
        (("--set", "colour=red"), 1, 'The study scaling has no setting "colour"; there are: references'),
        (("--set", "references=some"), 1, "The setting references is a list of whole numbers, not 'some'"),
        (("--set", "candidates=9"), 1, "Between 2 and 4 candidates can be drawn, not 9"),
        (("-a", "oracle"), 1, "No attributor is called 'oracle'"),
        (("-a", "knn,knn"), 1, "named twice"),
        (("--label", "colour"), 1, "colour"),
        (("--seeds", "0"), 2, "--seeds"),
        (("--folds", "1"), 2, "--folds"),
        (("--jobs", "0"), 2, "--jobs"),
        (("--join", "nothing.csv"), 1, "nothing.csv cannot be read"),
    ],
)
def test_what_is_refused(cli, references, tmp_path, arguments, status, words):
    result = cli("study", "scaling", references, "-o", tmp_path / "out", *arguments)
    assert result.exit_code == status
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_no_such_study(cli, references, tmp_path):
    result = cli("study", "tea", references, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "tea" in result.stderr


def test_columns_are_joined(cli, references, tmp_path):
    """The file calls two models relatives, and they are compared."""
    (tmp_path / "eras.csv").write_text("model,era\nacnet-gan,old\nrealsr-df2k,old\nwaifu2x-cunet,new\n", "utf-8")
    joining = ("--join", tmp_path / "eras.csv", "-s", "within=era")
    result = cli("study", "versions", references, "-o", tmp_path / "out", *SMALL, *joining)
    assert result.exit_code == 0, result.stderr
    document = json.loads((tmp_path / "out" / "study.json").read_text(encoding="utf-8"))
    assert list(document["findings"]["values"]) == ["old: acnet-gan | realsr-df2k"]


def test_a_study_of_ones_own(cli, references, tmp_path):
    place = tmp_path / "my studies é"
    place.mkdir()
    (place / "more.csv").write_text("model,era\nacnet-gan,old\nrealsr-df2k,old\nwaifu2x-cunet,new\n", encoding="utf-8")
    (place / "own.toml").write_text(
        f"""
        [study]
        title = "By era"
        catalog = {str(references)!r}
        join = "more.csv"
        label = "era"
        attributors = ["{CENTROID}"]
        folds = 2

        [[trials]]
        [trials.axes]
        "train.per_class" = [3, 5]

        [[figure]]
        kind = "lines"
        x = "per_class"
        """,
        encoding="utf-8",
    )
    result = cli("study", "run", place / "own.toml", "-o", tmp_path / "out", "-j", "1", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["name"], document["title"]) == ("own", "By era")
    assert set(document["findings"]["values"]) == {"per_class 3", "per_class 5"}
    assert (tmp_path / "out" / "figures" / "figure-1.svg").is_file()


@pytest.mark.parametrize("text", ["[study", "[study]\nkind = 'scaling'"])
def test_a_bad_description_is_a_sentence(cli, tmp_path, text):
    (tmp_path / "bad.toml").write_text(text, encoding="utf-8")
    result = cli("study", "run", tmp_path / "bad.toml", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "bad.toml" in result.stderr
    assert "Traceback" not in result.stderr
