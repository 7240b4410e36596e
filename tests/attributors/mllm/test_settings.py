from __future__ import annotations

import pytest

from morelli.attributors.mllm import AskSettings, Endpoint, LocalModel
from morelli.attributors.mllm.settings import deciding, read_settings, split_settings
from morelli.errors import MorelliError


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_the_environment_names_the_address(monkeypatch):
    assert Endpoint("m").base_url == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1/")
    assert Endpoint("m").base_url == "http://localhost:8000/v1"
    assert Endpoint("m", base_url="http://other:1/v1").base_url == "http://other:1/v1"
    assert deciding(Endpoint, {"model": "m"}, "x")["base_url"] == "http://localhost:8000/v1"


def test_only_openai_has_a_key_without_being_told():
    assert Endpoint("m").key_variable == "OPENAI_API_KEY"
    assert Endpoint("m", base_url="https://api.openai.com/v1/").key_variable == "OPENAI_API_KEY"
    for url in ("http://api.openai.com/v1", "https://api.openai.com.example/v1", "http://localhost:8000/v1"):
        assert Endpoint("m", base_url=url).key_variable == ""
    assert Endpoint("m", base_url="http://h/v1", key_variable="K").key_variable == "K"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": " "}, "Name the model"),
        ({"base_url": "localhost:8000"}, "begins with http"),
        ({"base_url": "https://me:secret@host/v1"}, "no user, password or query"),
        ({"base_url": "https://host/v1?key=secret"}, "no user, password or query"),
        ({"structured": "xml"}, "structured is one of schema, object, none"),
        ({"limit_name": "tokens"}, "limit_name is one of"),
        ({"concurrency": 0}, "concurrency is at least 1"),
        ({"price_in": -1.0}, "price_in is at least 0"),
        ({"temperature": float("nan")}, "temperature is at least 0"),
        ({"timeout": 0.0}, "timeout is a time"),
        ({"rpm": 0.0}, "rpm is above 0"),
        ({"budget": 5.0}, "A budget needs prices"),
    ],
)
def test_endpoints_that_make_no_sense(settings, words):
    with pytest.raises(MorelliError, match=words) as refused:
        Endpoint(**({"model": "m"} | settings))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"names": "no"}, "names is one of shown, hidden"),
        ({"shots": -1}, "shots is at least 0"),
        ({"shots": 0, "names": "hidden"}, "nothing to go by"),
        ({"doubt": 1.0}, "doubt lies between"),
        ({"image_format": "gif"}, "image_format is one of"),
        ({"image_side": 8}, "image_side is at least 16"),
    ],
)
def test_questions_that_make_no_sense(settings, words):
    with pytest.raises(MorelliError, match=words):
        AskSettings(**settings)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model": "m", "modell": 1}, r"^it has no setting modell; there are: model, base_url"),
        ({}, "^it lacks model"),
        ({"model": 3}, "model is a word, not 3"),
        ({"model": "m", "concurrency": 2.5}, "concurrency is a whole number, not 2.5"),
        ({"model": "m", "price_in": "free"}, "price_in is a number, not 'free'"),
        ({"model": "m", "logprobs": True}, "logprobs is a whole number, not True"),
    ],
)
def test_values_of_the_wrong_kind(values, words):
    with pytest.raises(MorelliError, match=words):
        read_settings(Endpoint, values, "it")


def test_what_decides_answers():
    """Prices, limits and where the key is do not; everything else does, named or left to its default."""
    plain = deciding(Endpoint, {"model": "m"}, "x")
    rich = {"model": "m", "budget": 3, "price_in": 1, "rpm": 3, "concurrency": 9, "timeout": 1, "attempts": 2,
            "patience": 1, "give_up": 9, "answers": "f", "key_variable": "K", "image_tokens": 9}  # fmt: skip
    assert deciding(Endpoint, rich, "x") == plain
    assert {"model", "base_url", "temperature", "logprobs", "shots", "names", "image_side"} <= set(plain)
    for other in ({"temperature": None}, {"shots": 3}, {"names": "hidden"}, {"base_url": "http://h/v1"}):
        assert deciding(Endpoint, {"model": "m"} | other, "x") != plain
    assert not any("key" in name for name in plain)


def test_files_write_none_as_a_word():
    assert read_settings(Endpoint, {"model": "m", "temperature": "none"}, "it").temperature is None
    with pytest.raises(MorelliError, match="concurrency is a whole number"):
        read_settings(Endpoint, {"model": "m", "concurrency": "none"}, "it")


def test_options_are_split():
    local, asked = split_settings(LocalModel, {"model": "/m", "shots": 2}, "x")
    assert (local.model, asked.shots) == ("/m", 2)
    with pytest.raises(MorelliError, match="x has no setting budget"):
        split_settings(LocalModel, {"model": "/m", "budget": 2}, "x")
    with pytest.raises(MorelliError, match="Name the folder"):
        LocalModel("")
    with pytest.raises(MorelliError, match="dtype is one of"):
        LocalModel("/m", dtype="int4")
