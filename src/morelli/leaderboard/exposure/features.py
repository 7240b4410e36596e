"""What prompts have: their length, and what they ask for, by short lists of words."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from morelli.leaderboard.board import Board

__all__ = ["FEWEST", "PromptFeatures", "features_of", "prompt_features"]

Float = NDArray[np.float64]

FEWEST = 3
"""A feature is left out where fewer prompts than this have it, or lack it."""

SUBJECTS = ("people", "animals", "creatures", "places")
"""Features by words that the catalog's domains stand in for where it has them."""

_QUOTED = re.compile(r'["“„«][^"”“»]{2,}["”“»]')
_WORD = re.compile(r"\w+(?:['’-]\w+)*")


@dataclass(frozen=True, slots=True, eq=False)
class PromptFeatures:
    """Prompts by features.

    Attributes
    ----------
    prompts : ndarray of int64, shape (p,)
        Codes of the prompts whose words are known.
    names, titles : tuple of str
        Of the features.
    values : ndarray of float64, shape (p, f)
        The first column is the logarithm to base 2 of the number of words; the others are 0 or 1.
    notes : tuple of str
        What was left out, and why.
    """

    prompts: NDArray[np.int64]
    names: tuple[str, ...]
    titles: tuple[str, ...]
    values: Float
    notes: tuple[str, ...]


def prompt_features(texts: Sequence[str]) -> dict[str, Float]:
    """Return features of prompts by name, each of shape (n,).

    ``words`` is the base-2 logarithm of the number of words. The others are 1 where one of the words listed in
    ``prompt_words.toml`` occurs, and ``text`` also where something is quoted.

    Examples
    --------
    >>> found = prompt_features(["A photo of a panda", "Noah's ark painting by Picasso"])
    >>> [name for name, values in found.items() if values[1] and name != "words"]
    ['artist', 'medium']
    """
    found = {"words": np.log2([max(1.0, float(len(_WORD.findall(text)))) for text in texts])}
    for name, (_, pattern) in _patterns().items():
        found[name] = np.array([bool(pattern.search(text.casefold())) for text in texts], dtype=np.float64)
    found["text"] = np.maximum(found["text"], [float(bool(_QUOTED.search(text))) for text in texts])
    return found


def features_of(board: Board) -> PromptFeatures:
    """Return the features of a board's prompts; domains of the catalog, where known, instead of subjects by words.

    Parameters
    ----------
    board : Board
        Prompts without text are left out.
    """
    known = np.array([i for i, text in enumerate(board.texts) if text], dtype=np.int64)
    found = prompt_features([str(board.texts[i]) for i in known])
    titles = {"words": "twice as many words"} | {name: title for name, (title, _) in _patterns().items()}
    notes = []
    if len(known) < len(board.prompts):
        notes.append(f"{len(board.prompts) - len(known)} of {len(board.prompts)} prompts have no text: left out.")
    domains = [board.domains[i] for i in known]
    if any(domain is not None for domain in domains):
        for subject in SUBJECTS:
            del found[subject]
        for domain in sorted({domain for domain in domains if domain is not None}):
            found[f"domain {domain}"] = np.array([value == domain for value in domains], dtype=np.float64)
            titles[f"domain {domain}"] = f"is of the domain {domain}"
    kept: list[str] = []
    rare: list[str] = []
    for name, values in found.items():
        common = name == "words" or min(values.sum(), len(values) - values.sum()) >= FEWEST
        (kept if common and len(set(values.tolist())) > 1 else rare).append(name)
    if rare:
        notes.append(f"Fewer than {FEWEST} prompts have, or lack, these features, left out: {', '.join(rare)}.")
    values = np.stack([found[name] for name in kept], axis=1) if kept else np.zeros((len(known), 0))
    return PromptFeatures(known, tuple(kept), tuple(titles[name] for name in kept), values, tuple(notes))


@functools.cache
def _patterns() -> dict[str, tuple[str, re.Pattern[str]]]:
    """Return the title of each list of words, and what finds one of them."""
    document = tomllib.loads(files("morelli.leaderboard.exposure").joinpath("prompt_words.toml").read_text("utf-8"))
    found = {}
    for name, table in document.items():
        words = [re.escape(word.casefold()) + ("" if " " in word else "(?:s|es)?") for word in table["words"]]
        found[name] = (str(table["title"]), re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)"))
    return found
