from __future__ import annotations

import numpy as np
import pytest

from morelli.attributors.mllm.confidence import letter_probabilities, stated_probabilities
from morelli.attributors.mllm.reply import Alternatives, Reply


def replied(*tokens, text=None):
    made = tuple(
        Alternatives(token, tuple((other, float(np.log(share))) for other, share in others)) for token, others in tokens
    )
    return Reply(text="".join(token for token, _ in tokens) if text is None else text, tokens=made)


TOPS = [("B", 0.5), ("A", 0.3), ("unknown", 0.1)]


@pytest.mark.parametrize(
    "tokens",
    [
        [('{"answer": "', []), ("B", TOPS), ('"}', [])],
        [('{"', []), ("answer", []), ('":', []), (' "', []), ("B", TOPS), ('"', []), ("}", [])],
        [('{"answer":', []), (' "B', [(' "B', 0.5), (' "A', 0.3), (' "unk', 0.1)]), ('"}', [])],
        [('{"answer": "', []), ('B"}', [('B"}', 0.5), ("A", 0.2), ('A"}', 0.1), ("unknown", 0.1)])],
    ],
)
def test_letters_wherever_tokens_are_cut(tokens):
    """What is not among the alternatives shares the rest: 0.1 for two, as the others are 0.9 together."""
    found = letter_probabilities(replied(*tokens), "ABCD", "B")
    np.testing.assert_allclose(found, np.array([0.3, 0.5, 0.05, 0.05]) / 0.9)


def test_no_letter_gets_more_than_one_that_is_seen():
    found = letter_probabilities(
        replied(('"', []), ("B", [("B", 0.3), ("A", 0.02), ("The", 0.1)]), ('"', [])), "ABC", "B"
    )
    np.testing.assert_allclose(found, np.array([0.02, 0.3, 0.02]) / 0.34)


def test_nothing_is_left():
    found = letter_probabilities(replied(('"', []), ("B", [("B", 1.0)]), ('"', [])), "ABC", "B")
    assert found[1] == pytest.approx(1.0)
    assert 0.0 < found[0] == found[2] < 1e-8


@pytest.mark.parametrize(
    "reply",
    [
        Reply(text='{"answer": "B"}'),
        replied(('{"answer": "', []), ("B", TOPS), ('"}', []), text='{"answer":  "B"}'),  # other tokens than the text
        replied(('{"answer": "', []), ("B", [("A", 0.6), ("B", 0.3)]), ('"}', [])),  # sampled, and not the likeliest
        replied(('{"answer": "', []), ("B", []), ('"}', [])),
        replied(("nothing", [])),
    ],
)
def test_where_they_say_nothing(reply):
    assert letter_probabilities(reply, "ABC", "B") is None


def test_stated():
    np.testing.assert_allclose(stated_probabilities(4, 2, 0.4), [0.1, 0.1, 0.7, 0.1])
