from __future__ import annotations

import tomllib
from importlib.resources import files

import numpy as np
import pytest

from morelli.leaderboard.exposure import features_of, prompt_features

from ._planted import planted


def found(text: str) -> set[str]:
    return {name for name, values in prompt_features([text]).items() if name != "words" and values[0]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A photo of a panda", {"photo", "animals"}),
        ("Noah's ark painting by Jack Kirby", {"artist", "medium"}),
        ("a castle in the style of Studio Ghibli", {"style", "artist", "places"}),
        ("PHOTOGRAPHS OF CATS", {"photo", "animals"}),
        ("the category of inkling", set()),
        ("a stylish mancave", set()),
        ('a neon board with "OPEN LATE"', {"text", "quality"}),
        ("un tableau « Bonjour »", {"text"}),
        ("a sign that says hello", {"text"}),
        ("it's 5'9\" tall", set()),
        ("8K render, insanely detailed", {"quality"}),
        ("Simon Stålenhag landscape", {"artist", "places"}),
        ("", set()),
        ("夜の東京の通り", set()),
    ],
)
def test_words_and_phrases(text, expected):
    assert found(text) == expected


def test_number_of_words():
    values = prompt_features(["one", "one two", "it's well-known to all", "", "один два три четыре"])["words"]
    np.testing.assert_allclose(values, [0, 1, 2, 0, 2])


def test_lists_are_tidy():
    document = tomllib.loads(files("morelli.leaderboard.exposure").joinpath("prompt_words.toml").read_text("utf-8"))
    for name, table in document.items():
        assert set(table) == {"title", "words"}, name
        assert len(table["words"]) == len(set(table["words"])), f"{name} has a word twice"
        assert all(word == word.casefold().strip() and word for word in table["words"]), name


def board(texts, domains=()):
    return planted(2, len(texts), 2, texts=texts, domains=domains)


TEXTS = ("a photo of a dog", "a dog", "a photo of a woman in the city", None, "a photo of a cat", "a cat on the moon",
         "calm", "time and again it goes on")  # fmt: skip


def test_rare_features_and_unknown_texts_are_left_out_and_said_to_be():
    given = features_of(board(TEXTS))
    assert given.names == ("words", "photo", "animals")
    assert given.prompts.tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert given.values[:, 1].tolist() == [1, 0, 1, 1, 0, 0, 0]
    assert len(given.titles) == 3 and given.values.shape == (7, 3)
    assert "1 of 8 prompts" in given.notes[0] and "people" in given.notes[1]


def test_domains_take_the_place_of_subjects():
    domains = ("pets", "pets", "people", None, "pets", "pets", "people", "people")
    given = features_of(board(TEXTS, domains))
    assert given.names == ("words", "photo", "domain people", "domain pets")
    assert given.values[:, 2].tolist() == [0, 0, 1, 0, 0, 1, 1]


def test_no_texts():
    given = features_of(planted(2, 4, 2))
    assert given.names == () and given.values.shape == (0, 0) and given.prompts.tolist() == []
