"""Ten domains of things, and a seeded generator of minimal prompts for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.studies.prompts._data import read_rows

__all__ = ["DOMAINS", "PROMPTS_PER_DOMAIN", "Prompt", "domain_prompts"]

DOMAINS: Final = (
    "animals",
    "vehicles",
    "arts and works",
    "landscapes",
    "foods and drinks",
    "clothing",
    "interior spaces",
    "household items",
    "buildings",
    "people",
)
"""The ten domains of Cekinmez et al. 2026 ("10D"), in their order."""

PROMPTS_PER_DOMAIN: Final = 300
"""As many as there, for 200 training and 100 test images a model."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt.

    Attributes
    ----------
    domain : str
        One of `DOMAINS`.
    prompt_id : str
        The domain and the text in lower case, joined by hyphens: the same text has the same name whatever the seed and
        the number of prompts, so that collections that were made apart can be joined.
    text : str
    """

    domain: str
    prompt_id: str
    text: str


def domain_prompts(domain: str | None = None, n: int = PROMPTS_PER_DOMAIN, seed: int = 0) -> list[Prompt]:
    """Draw minimal prompts: a thing, a thing in a plain place, or a thing doing something plain.

    First come the bare nouns of the domain, in a random order, then each with one of the places that suit it, then each
    with another. Prompts for a smaller `n` are the first of those for a larger one. Places are no things of another
    domain: "on a table" is one, and no household item is "a table". Still, most things are somewhere, and a field
    is a bit of landscape: the study measures how often domains occur together. All pass `check_prompt`.

    The texts are our own; those of the paper were not published with it.

    Parameters
    ----------
    domain : str, optional
        One of `DOMAINS`; hyphens do for spaces. All by default, one after another.
    n : int
        How many for each domain.
    seed : int
        Not negative. The draw for one domain does not depend on the others.

    Returns
    -------
    list of Prompt
        No text twice.

    Raises
    ------
    MorelliError
        There is no such domain, `n` is not positive, or the seed is negative.
    NotEnoughDataError
        The domain's nouns and places do not make so many prompts.

    Examples
    --------
    >>> from morelli.studies.prompts import domain_prompts
    >>> len(domain_prompts())
    3000
    >>> prompt = domain_prompts("animals", n=1)[0]
    >>> prompt.domain, prompt.prompt_id.startswith("animals-a")
    ('animals', True)
    """
    if n < 1:
        raise MorelliError(f"Ask for one prompt per domain or more, not {n}.")
    if seed < 0:
        raise MorelliError(f"A seed is a whole number from 0, not {seed}.")
    names = DOMAINS if domain is None else (_known(domain),)
    return [Prompt(name, _name_of(name, text), text) for name in names for text in _draw(name, n, seed)]


def _known(domain: str) -> str:
    """Return the domain's own spelling."""
    wanted = " ".join(domain.casefold().replace("-", " ").split())
    if wanted not in DOMAINS:
        raise MorelliError(f'There is no domain "{domain}"; there are: {", ".join(DOMAINS)}.')
    return wanted


def _name_of(domain: str, text: str) -> str:
    return f"{domain} {text}".casefold().replace(" ", "-")


def _draw(domain: str, n: int, seed: int) -> list[str]:
    """Return the texts: nouns, then round after round of them with a place."""
    places: dict[str, list[str]] = {}
    for group, place in read_rows("contexts.csv"):
        places.setdefault(group, []).append(place)
    nouns = read_rows(f"domains/{domain.replace(' ', '-')}.csv")
    rng = np.random.default_rng([seed, DOMAINS.index(domain)])
    # Everything is drawn before anything is cut off, so that a smaller number gives the first of a larger one.
    drawn = [nouns[i] for i in rng.permutation(len(nouns))]
    orders = [rng.permutation(len(places[group])) for _, group in drawn]
    texts = [noun for noun, _ in drawn]
    for turn in range(max(map(len, orders))):
        texts += [
            f"{noun} {places[group][order[turn]]}"
            for (noun, group), order in zip(drawn, orders, strict=True)
            if turn < len(order)
        ]
    if n > len(texts):
        raise NotEnoughDataError(f'The domain "{domain}" has {len(texts)} prompts; ask for no more of them than that.')
    return texts[:n]
