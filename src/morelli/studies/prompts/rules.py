"""What a minimal prompt may not hold, as rules that a program can check."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Final

from morelli.studies.prompts._data import read_rows

__all__ = ["MAX_CHARACTERS", "MAX_WORDS", "check_prompt"]

MAX_WORDS: Final = 8
MAX_CHARACTERS: Final = 60

_ADVICE: Final = {
    "adjective": "name the thing, do not describe it",
    "colour": "leave the colour to the model",
    "number": "one thing, without a count",
    "viewpoint": "leave the view to the model",
    "style": "leave the style and the medium to the model",
    "narrative": "a thing and at most what it is doing, no story",
}
"""Rules that are lists of words, in the order in which they are checked, and what each wants."""

_ENDINGS: Final = {"ful": "adjective", "less": "adjective", "ous": "adjective", "esque": "adjective",
                   "istic": "adjective", "ed": "adjective", "ly": "adverb"}  # fmt: skip
"""Endings that hardly a noun has; those that do are in the table, under "noun"."""

_JOINTS: Final = " -'\N{RIGHT SINGLE QUOTATION MARK}"
_MASK: Final = "\N{BULLET}"
_Words = tuple[str, ...]


def check_prompt(text: str) -> list[str]:
    """Say what makes a prompt more than minimal.

    The domains study asks for prompts that name a thing and leave everything else to the model: no adjectives,
    viewpoints, styles or narrative (Cekinmez et al. 2026, "10D"). The rules are lists of words and phrases, endings of
    adjectives and adverbs, and limits of length; nouns that hold such a word, as "hot dog" or "polar bear" do, are
    listed too.

    The rules know English only, and they are lists: a prompt that passes has none of these words, which is no proof
    that it has no adjective. A noun that says what a thing is made of or for ("marble statue") passes.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str
        One sentence for each offence, which begins with the rule's name; empty for a minimal prompt.

    Examples
    --------
    >>> check_prompt("a horse in a field")
    []
    >>> check_prompt("a close-up of a majestic horse")
    ['Adjective "majestic": name the thing, do not describe it.', 'Viewpoint "close up": leave the view to the model.']
    """
    words = _words(text)
    if not words:
        return ["Length: the prompt holds no word; name a thing."]
    free = _without_nouns(words)
    rest = list(free)
    refused = []
    for rule, advice in _ADVICE.items():
        hits = dict.fromkeys(_hits(free, rule))
        refused += [f'{rule.capitalize()} "{phrase}": {advice}.' for phrase in dict.fromkeys(hit[2] for hit in hits)]
        for start, stop, _ in hits:
            rest[start:stop] = [_MASK] * (stop - start)
    for word in dict.fromkeys(rest):
        kind = next((kind for end, kind in _ENDINGS.items() if word.endswith(end) and len(word) > len(end) + 2), None)
        if kind is not None:
            refused.append(f'{kind.capitalize()} "{word}", by its ending: {_ADVICE["adjective"]}.')
        elif any(sign.isdigit() for sign in word):
            refused.append(f'Number "{word}": {_ADVICE["number"]}.')
    return [*_limits(text, words, tuple(rest)), *refused]


def _limits(text: str, words: _Words, rest: _Words) -> Iterator[str]:
    """Yield what is wrong with the prompt's length and build; `rest` has masks for words that were dealt with."""
    if len(words) > MAX_WORDS:
        yield f"Length: {len(words)} words; {MAX_WORDS} are the most."
    if len(text) > MAX_CHARACTERS:
        yield f"Length: {len(text)} characters; {MAX_CHARACTERS} are the most."
    strange = dict.fromkeys(sign for sign in text if not (sign.isalnum() or sign in _JOINTS))
    if strange:
        yield f"Signs {' '.join(map(ascii, strange))}: one phrase of words, without punctuation or line breaks."
    places = [phrase for _, _, phrase in _hits(rest, "preposition")]
    if len(places) > 1:
        yield f"Place: {len(places)} prepositions ({', '.join(places)}); one is the most."
    if words.count("and") > 1:
        yield 'Things: "and" once at most.'


def _words(text: str) -> _Words:
    """Return the words in lower case; what hyphens join counts as several, as writers do not agree on hyphens."""
    plain = text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return tuple(re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain))


@functools.cache
def _phrases(rule: str) -> frozenset[_Words]:
    return frozenset(_words(words) for name, words in read_rows("rules.csv") if name == rule)


def _hits(words: _Words, rule: str) -> Iterator[tuple[int, int, str]]:
    """Yield where phrases of a rule begin and end, from left to right, the longest of those that begin together."""
    phrases = _phrases(rule)
    reach, start = max(map(len, phrases)), 0
    while start < len(words):
        stops = range(min(start + reach, len(words)), start, -1)
        stop = next((stop for stop in stops if words[start:stop] in phrases), None)
        if stop is not None:
            yield start, stop, " ".join(words[start:stop])
        start = stop or start + 1


def _without_nouns(words: _Words) -> _Words:
    """Return the words with a mask for each that belongs to a noun on the list; a plural is the same noun."""
    nouns, kept, start = _phrases("noun"), list(words), 0
    singular = tuple(word.removesuffix("s") for word in words)
    while start < len(words):
        length = max(
            (
                len(noun)
                for noun in nouns
                if words[start : start + len(noun)] == noun
                or (*words[start : start + len(noun) - 1], *singular[start + len(noun) - 1 : start + len(noun)]) == noun
            ),
            default=0,
        )
        kept[start : start + length] = [_MASK] * length
        start += max(length, 1)
    return tuple(kept)
