from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError
from morelli.leaderboard.lookup import LEVELS, Strength, paraphrase
from morelli.leaderboard.lookup.paraphrase import STYLE, SYNONYMS

WORD = re.compile(r"\w+(?:['’-]\w+)*")
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*SYNONYMS, *STYLE, "ogre", "café", "über", ",", ".", "/"]), max_size=12).map(" ".join),
)
STRENGTHS = st.builds(Strength, st.floats(0, 1), st.floats(0, 1), st.booleans(), st.booleans())


@settings(deadline=None, max_examples=200)
@given(TEXTS, STRENGTHS, st.integers(0, 5))
def test_words_are_the_texts_own_or_of_the_table_and_one_is_left(text, strength, seed):
    said = paraphrase(text, strength, seed)
    words = WORD.findall(text)
    if not words:
        assert said == text
        return
    allowed = set(words) | {part for w in words for part in SYNONYMS.get(w.lower(), "").split()}
    found = WORD.findall(said)
    assert found
    assert set(found) <= allowed
    assert len(found) <= sum(max(1, len(SYNONYMS.get(w.lower(), "").split())) for w in words)
    assert paraphrase(text, strength, seed) == said


@settings(deadline=None)
@given(TEXTS, st.integers(0, 5))
def test_strength_zero_keeps_all_words_in_order(text, seed):
    nothing = Strength(0.0, 0.0, style=False, reorder=False)
    assert WORD.findall(paraphrase(text, nothing, seed)) == WORD.findall(text)


@settings(deadline=None)
@given(TEXTS, st.integers(0, 5))
def test_reordering_keeps_the_words(text, seed):
    moved = paraphrase(text, Strength(0.0, 0.0, style=False, reorder=True), seed)
    assert sorted(WORD.findall(moved)) == sorted(WORD.findall(text))


def test_each_rule_by_itself():
    text = "A huge ogre in the forest, trending on artstation, 8k render"
    assert paraphrase(text, Strength(0, 0, style=True, reorder=False)) == "A huge ogre in the forest"
    assert paraphrase(text, Strength(1, 0, style=True, reorder=False)) == "A enormous ogre in the woods"
    clauses = paraphrase(text, Strength(0, 0, style=False, reorder=True), 1)
    assert sorted(clauses.split(", ")) == sorted(text.split(", "))
    assert {paraphrase("one two three", Strength(0, 0, style=False, reorder=True), s) for s in range(20)} == {
        "two three one",
        "three one two",
    }
    assert len(paraphrase(text, Strength(0, 1, style=False, reorder=False)).split()) == 1


def test_a_text_of_style_alone_keeps_it():
    assert paraphrase("Cinematic, 8k", Strength(0, 0, style=True, reorder=False)) == "Cinematic, 8k"


def test_levels_leave_ever_less_and_seeds_differ():
    text = " ".join(f"word{i}" for i in range(400))
    lengths = [len(paraphrase(text, level).split()) for level in LEVELS]
    assert lengths == sorted(lengths, reverse=True)
    for level, length in zip(LEVELS.values(), lengths, strict=True):
        assert length == pytest.approx(400 * (1 - level.dropped), abs=40)
    assert paraphrase(text, "heavy", 0) != paraphrase(text, "heavy", 1)


def test_unknown_levels_are_refused():
    with pytest.raises(MorelliError, match="light, medium, heavy"):
        paraphrase("a", "huge")
