from __future__ import annotations

import csv
import json

import pytest

from morelli.sample import sample_path

PICTURES = sorted((sample_path() / "campaign").glob("*.jpg"))


@pytest.fixture
def registry(cli, tmp_path):
    path = tmp_path / "our images.sqlite"
    result = cli("lineage", "add", path, PICTURES[0], "--model", "acme-3", "--note", "spring", "--prompt", "a fox")
    assert result.exit_code == 0 and "1 of 1 are new" in result.stdout
    return path


def test_add_find_list_remove(cli, registry):
    found = cli("lineage", "find", registry, PICTURES[0], PICTURES[1])
    assert "acme-3, the same file" in found.stdout and "none found" in found.stdout
    (line,) = cli("lineage", "find", registry, PICTURES[0], "--json").stdout.splitlines()
    (match,) = json.loads(line)["matches"]
    assert match["model"] == "acme-3" and match["distance"] is None and match["prompt"] == "a fox"
    listed = cli("lineage", "list", registry)
    assert "acme-3: 1" in listed.stdout and "spring; a fox" in listed.stdout
    assert json.loads(cli("lineage", "list", registry, "--json").stdout)["note"] == "spring"
    assert "0 entries" in cli("lineage", "remove", registry, PICTURES[0], "--model", "other").stdout
    assert "1 entries removed" in cli("lineage", "remove", registry, PICTURES[0]).stdout
    assert "none found" in cli("lineage", "find", registry, PICTURES[0]).stdout


def test_an_export_is_a_table_again(cli, registry, tmp_path):
    path = tmp_path / "ours.csv"
    assert cli("lineage", "export", registry, "-o", path).exit_code == 0
    (row,) = csv.DictReader(path.open(encoding="utf-8"))
    assert row["model"] == "acme-3" and len(row["phash"]) == 16
    assert cli("lineage", "export", registry).stdout == path.read_text(encoding="utf-8")
    again = cli("lineage", "add", registry, "--from", path)
    assert "0 of 1 are new" in again.stdout
    other = cli("lineage", "add", tmp_path / "new.sqlite", "--from", path)
    assert "1 of 1 are new" in other.stdout


def test_conflicts_are_noted(cli, registry):
    result = cli("lineage", "add", registry, PICTURES[0], "--model", "rival-1")
    assert result.exit_code == 0 and "registered for more than one model" in result.stderr


def test_what_cannot_be_read_is_told(cli, registry, tmp_path):
    result = cli("lineage", "add", registry, PICTURES[1], tmp_path / "nothing.png", "--model", "acme-3")
    assert result.exit_code == 1 and "1 of 1 are new" in result.stdout and "no such file" in result.stderr
    assert cli("lineage", "find", registry, tmp_path / "nothing.png").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add",), "name images"),
        (("add", "x.png"), "which model"),
        (("add", "x.png", "--model", "m", "--time", "soon"), "ISO 8601"),
        (("remove",), "what to remove"),
        (("remove", "--sha256", "abc"), "no sha256"),
        (("find", "x.png", "--distance", "16"), "less than or equal"),
        (("add", "--from", "nothing.csv", "--model", "m"), "cannot be read"),
    ],
)
def test_wrong_use(cli, registry, arguments, said):
    result = cli("lineage", arguments[0], registry, *arguments[1:])
    assert result.exit_code != 0 and said in result.stderr


def test_a_registry_that_is_none(cli, tmp_path):
    assert "There is no registry" in cli("lineage", "list", tmp_path / "nothing.sqlite").stderr
    text = tmp_path / "text.sqlite"
    text.write_text("hello " * 500)
    assert "no database" in cli("lineage", "list", text).stderr
