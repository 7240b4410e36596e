from __future__ import annotations

import csv
import io
import json

import pytest
import typer
from typer.testing import CliRunner

from morelli.cli._run import register
from morelli.cli.prompts import prompts
from morelli.studies.prompts import DOMAINS, domain_prompts


@pytest.fixture
def call():
    """Run the command by itself, as it is without the rest of the application."""
    app = typer.Typer()
    register(app, "prompts", prompts)

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_prints_csv(call):
    rows = rows_of(call("-n", 2).stdout)
    assert [row["domain"] for row in rows] == [domain for domain in DOMAINS for _ in range(2)]
    assert list(rows[0]) == ["domain", "prompt_id", "prompt"]


def test_one_domain(call):
    rows = rows_of(call("--domain", "foods-and-drinks", "-n", 7, "--seed", 3).stdout)
    assert [row["prompt"] for row in rows] == [p.text for p in domain_prompts("foods and drinks", 7, 3)]


@pytest.mark.parametrize("name", ["prompts.csv", "café prompts.JSONL"])
def test_writes_a_file(call, tmp_path, name):
    path = tmp_path / "new folder" / name
    told = call("-n", 3, "-o", path).stdout
    assert "30 prompts of 10 domains" in told
    text = path.read_text(encoding="utf-8")
    rows = rows_of(text) if name.endswith("csv") else [json.loads(line) for line in text.splitlines()]
    expected = [{"domain": p.domain, "prompt_id": p.prompt_id, "prompt": p.text} for p in domain_prompts(n=3)]
    assert rows == expected


def test_files_are_the_same_again(call, tmp_path):
    for name in ("one.csv", "two.csv"):
        call("-n", 20, "-o", tmp_path / name)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_bad_requests(call, tmp_path):
    assert call("-o", tmp_path / "prompts.txt").exit_code == 2
    assert call("-n", 0).exit_code == 2
    assert call("--seed", -1).exit_code == 2
    unknown = call("--domain", "robots")
    assert unknown.exit_code == 1
    assert "There is no domain" in unknown.stderr
    assert "ask for no more" in call("-n", 100_000).stderr
    assert call("-o", tmp_path).exit_code == 2
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in call("-o", tmp_path / "folder.csv").stderr
