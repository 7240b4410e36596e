from __future__ import annotations

import json
import shutil

import pytest

from morelli.catalog import Catalog, Split


@pytest.fixture
def per_model(tmp_path, images):
    for model in ("a", "b"):
        for name in ("1.jpg", "2.jpg"):
            (tmp_path / "models" / model).mkdir(parents=True, exist_ok=True)
            shutil.copy(images / "one.jpg", tmp_path / "models" / model / name)
    (tmp_path / "models" / "a" / "bad.png").write_bytes(b"no image")
    return tmp_path / "models"


def test_build(cli, per_model, tmp_path):
    output = tmp_path / "made" / "images.parquet"
    result = cli("catalog", "build", per_model, "-o", output, "--prompt-from", "stem", "--version", "7", "-w", "1")
    assert result.exit_code == 0
    assert "5 images, 4 readable, 2 models" in result.stdout
    catalog = Catalog.read(output)
    assert list(catalog.column("prompt_id")) == ["1", "2", "bad", "1", "2"]
    assert set(catalog.column("version")) == {"7"}
    assert not output.with_name("images.parquet.journal").exists()


def test_build_from_a_table_with_other_names(cli, images, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(f"file,maker,which\n{images / 'one.jpg'},m,p\n")
    names = ("--path-col", "file", "--model-col", "maker", "--prompt-id-col", "which")
    assert cli("catalog", "build", table, "-o", tmp_path / "c.parquet", *names).exit_code == 0
    catalog = Catalog.read(tmp_path / "c.parquet")
    assert (catalog.column("model")[0], catalog.column("prompt_id")[0]) == ("m", "p")


def test_build_goes_on_unless_it_shall_not(cli, per_model, tmp_path, monkeypatch):
    output = tmp_path / "c.parquet"
    read: list[str] = []
    from morelli.catalog import ingest

    original = ingest.read_facts

    def counting(path, limits):
        if len(read) == 3:
            raise KeyboardInterrupt
        read.append(path)
        return original(path, limits)

    monkeypatch.setattr(ingest, "read_facts", counting)
    stopped = cli("catalog", "build", per_model, "-o", output, "-w", "1")
    assert stopped.exit_code == 130
    assert stopped.stderr == "morelli: Interrupted. The same command goes on where this one stopped.\n"
    assert output.with_name("c.parquet.journal").exists()
    first = len(read)
    monkeypatch.setattr(ingest, "read_facts", lambda path, limits: (read.append(path), original(path, limits))[1])
    assert cli("catalog", "build", per_model, "-o", output, "-w", "1").exit_code == 0
    # Two of five were left; the one that was in flight may be read again.
    assert first == 3
    assert len(read) - first in (2, 3)
    before = len(read)
    assert cli("catalog", "build", per_model, "-o", output, "-w", "1", "--restart").exit_code == 0
    assert len(read) - before == 5


@pytest.mark.parametrize("place", [".", "t.csv/c.parquet"])
def test_build_somewhere_impossible(cli, per_model, tmp_path, place):
    (tmp_path / "t.csv").write_text("path\n")
    result = cli("catalog", "build", per_model, "-o", tmp_path / place)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_check(cli, references):
    shown = cli("catalog", "check", references)
    assert shown.exit_code == 0
    assert "Nuisance floor" in shown.stdout
    report = json.loads(cli("catalog", "check", references, "--json").stdout)
    assert report["n"] == 48
    assert report["nuisance"]["n_classes"] == 4


def test_split(cli, references, tmp_path):
    applied = tmp_path / "applied.parquet"
    result = cli("catalog", "split", references, "--test", "0.25", "-o", tmp_path / "s.json", "--apply", applied)
    assert result.exit_code == 0
    split = Split.read(tmp_path / "s.json")
    assert split.counts() == {"train": 36, "test": 12}
    assert split.hash in result.stdout
    catalog = Catalog.read(applied)
    train, test = (set(catalog.select(split=name).column("prompt_id")) for name in ("train", "test"))
    assert len(train) == 9
    assert not train & test


def test_split_into_folds(cli, references, tmp_path):
    assert cli("catalog", "split", references, "--folds", "3", "-o", tmp_path / "s.parquet").exit_code == 0
    assert len(Split.read(tmp_path / "s.parquet").names) == 3


@pytest.mark.parametrize("given", [[], ["--test", "0.5", "--folds", "2"]])
def test_split_how(cli, references, tmp_path, given):
    result = cli("catalog", "split", references, "-o", tmp_path / "s.json", *given)
    assert result.exit_code == 2
    assert "either --test or --folds" in result.stderr
