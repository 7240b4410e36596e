"""Prompts in other words, by simple documented rules: what an attacker has who heard a prompt and did not read it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from morelli.errors import MorelliError

__all__ = ["LEVELS", "STYLE", "SYNONYMS", "Strength", "paraphrase"]

SYNONYMS: Final[dict[str, str]] = {
    "aerial": "overhead", "beautiful": "lovely", "big": "large", "building": "house", "car": "automobile",
    "child": "kid", "city": "town", "cute": "adorable", "dark": "gloomy", "dog": "hound", "drawing": "sketch",
    "eating": "devouring", "field": "meadow", "fish": "sea creature", "forest": "woods", "girl": "young woman",
    "gold": "golden metal", "happy": "cheerful", "high": "tall", "holding": "carrying", "house": "home",
    "huge": "enormous", "illustration": "picture", "image": "picture", "jar": "glass", "laptop": "computer",
    "light": "glow", "lost": "astray", "man": "guy", "mountain": "peak", "mountains": "peaks", "new": "novel",
    "nice": "pleasant", "night": "evening", "ocean": "sea", "old": "aged", "painting": "artwork", "people": "persons",
    "person": "human", "photo": "picture", "photograph": "picture", "poster": "placard", "pretty": "beautiful",
    "rain": "drizzle", "rainy": "wet", "red": "crimson", "riding": "on", "river": "stream", "road": "street",
    "scary": "frightening", "sea": "ocean", "ship": "boat", "ships": "boats", "small": "little", "smile": "grin",
    "standing": "posing", "statue": "sculpture", "storm": "tempest", "stormy": "windy", "street": "road",
    "sunset": "dusk", "tall": "high", "tree": "oak", "trees": "oaks", "walking": "strolling", "wearing": "in",
    "woman": "lady", "wooden": "timber", "young": "youthful",
}  # fmt: skip
"""Words and what stands for them; a small table, so that most words stay."""

STYLE: Final = (
    "trending on artstation", "in the style of", "highly detailed", "insanely detailed", "intricate details",
    "high resolution", "award winning", "depth of field", "octane render", "unreal engine", "cinematic composition",
    "cinematic lighting", "epic lighting", "volumetric lighting", "studio lighting", "neon lighting", "concept art",
    "digital art", "oil painting", "flash photography", "hyperrealistic", "hyper realistic", "photorealistic",
    "photo realistic", "ultra realistic", "8k render", "4k render", "8k", "4k", "hdr", "detailed", "realistic",
    "cinematic", "masterpiece", "best quality", "cyberpunk style", "fantasy style",
)  # fmt: skip
"""Words on style and quality, the longest first; they are left out together or not at all."""

_STYLE = re.compile("|".join(rf"\b{re.escape(words)}\b" for words in STYLE), re.IGNORECASE)
_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_CLAUSE = re.compile(r"\s*[,;/|]\s*|(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class Strength:
    """How far a paraphrase goes.

    Attributes
    ----------
    synonyms, dropped : float
        Share of words of the table that are replaced, and of words that are left out, each in [0, 1].
    style : bool
        Whether words on style are left out.
    reorder : bool
        Whether the clauses, which commas and stops separate, change places, and words of a single clause its halves.
    """

    synonyms: float
    dropped: float
    style: bool
    reorder: bool


LEVELS: Final[dict[str, Strength]] = {
    "light": Strength(0.5, 0.1, style=False, reorder=False),
    "medium": Strength(0.8, 0.25, style=True, reorder=True),
    "heavy": Strength(1.0, 0.5, style=True, reorder=True),
}
"""Strengths by name, from the weakest."""


def paraphrase(text: str, strength: str | Strength, seed: int = 0) -> str:
    """Return a text in other words.

    In this order: words on style go; clauses change places; words of the table are replaced; words are left out, never
    all of them. It simulates an attacker's imprecise knowledge and is no language: grammar suffers. The same
    arguments give the same text.

    Parameters
    ----------
    text : str
    strength : str or Strength
        A name of `LEVELS`.
    seed : int

    Returns
    -------
    str
        Words of the text and of the table only, separated by single blanks, clauses by commas; the text itself where
        it has no word.

    Raises
    ------
    MorelliError
        There is no such level.

    Examples
    --------
    >>> paraphrase("A pretty girl, highly detailed", Strength(1.0, 0.0, style=True, reorder=False))
    'A beautiful young woman'
    """
    if isinstance(strength, str):
        if strength not in LEVELS:
            raise MorelliError(f'There is no level "{strength}"; there are: {", ".join(LEVELS)}.')
        strength = LEVELS[strength]
    # By the text and not by its place, so that a prompt is paraphrased alike on every board.
    digest = hashlib.sha256(f"{seed}\0{strength}\0{text}".encode("utf-8", "surrogatepass")).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    clauses = _clauses(text)
    if not clauses:
        return text
    if strength.style:
        clauses = _clauses(_STYLE.sub(" ", text)) or clauses
    if strength.reorder:
        clauses = _reordered(clauses, rng)
    replaced = [
        [SYNONYMS[w.lower()] if w.lower() in SYNONYMS and rng.random() < strength.synonyms else w for w in clause]
        for clause in clauses
    ]
    draws = [rng.random(len(clause)) for clause in replaced]
    saved = max((value, i, j) for i, row in enumerate(draws) for j, value in enumerate(row.tolist()))[1:]
    kept = [
        [w for j, w in enumerate(clause) if draws[i][j] >= strength.dropped or (i, j) == saved]
        for i, clause in enumerate(replaced)
    ]
    return ", ".join(" ".join(clause) for clause in kept if clause)


def _clauses(text: str) -> list[list[str]]:
    found = [_WORD.findall(part) for part in _CLAUSE.split(text)]
    return [words for words in found if words]


def _reordered(clauses: list[list[str]], rng: np.random.Generator) -> list[list[str]]:
    if len(clauses) > 1:
        return [clauses[i] for i in rng.permutation(len(clauses)).tolist()]
    words = clauses[0]
    if len(words) < 2:
        return clauses
    at = int(rng.integers(1, len(words)))
    return [[*words[at:], *words[:at]]]
