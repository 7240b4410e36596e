"""Which domains an image shows, asked of a multimodal model. `morelli.studies.presence` writes the table of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.mllm.account import Size
from morelli.attributors.mllm.evaluators import Evaluator
from morelli.attributors.mllm.parse import read_reply
from morelli.attributors.mllm.question import Picture, Question, size_of
from morelli.attributors.mllm.reply import Reply
from morelli.attributors.mllm.settings import Endpoint
from morelli.catalog import Catalog
from morelli.encoders import FeatureCache, extract, join_encoders
from morelli.encoders.pictures import unpack_pixels
from morelli.errors import MorelliError
from morelli.studies.mllm_costs import money_words
from morelli.studies.presence import Presence
from morelli.trials.runner import kept_features

__all__ = [
    "SHOWN",
    "PresenceTally",
    "as_presence",
    "ask_presence",
    "forecast_presence",
]

Matrix = NDArray[np.float64]
Progress = Callable[[int, int], None]

SHOWN: Final = 0.75
"""Between an unsure answer, which is 0.5, and a yes, which is 1."""

_ENCODER: Final = "thumbnail-512"
_CHUNK: Final = 64
_WORDS: Final[Mapping[str, float]] = {"yes": 1.0, "no": 0.0, "unsure": 0.5}
_SYSTEM: Final = "You are shown an image, and say what can be seen in it. Answer with a JSON object and nothing else."


@dataclass(frozen=True, slots=True)
class PresenceTally:
    """What became of the questions.

    Attributes
    ----------
    asked : int
        Images times domains; unreadable images are not asked about.
    answers : mapping of str to int
        How often ``yes``, ``no`` and ``unsure`` were answered.
    reasons : mapping of str to int
        How often there was no answer, by the words of `morelli.attributors.answers.NO_ANSWER`.
    unreadable : int
        Images that could not be read.
    """

    asked: int
    answers: Mapping[str, int]
    reasons: Mapping[str, int]
    unreadable: int

    def words(self) -> str:
        """Say it in a sentence."""
        parts = [f"{self.answers.get(word, 0):,} {word}" for word in _WORDS]
        parts += [f"{n:,} {reason}" for reason, n in sorted(self.reasons.items())]
        line = f"{self.asked:,} questions of an image and a domain: {', '.join(parts)}"
        return f"{line}; {self.unreadable:,} images could not be read." if self.unreadable else f"{line}."


def ask_presence(
    catalog: Catalog,
    domains: Sequence[str],
    evaluator: Evaluator,
    *,
    together: bool = False,
    cache: FeatureCache | None = None,
    measuring: Progress | None = None,
) -> tuple[Matrix, PresenceTally]:
    """Ask about every image and every domain whether the image shows an element of it.

    Parameters
    ----------
    catalog : Catalog
    domains : sequence of str, length k
    evaluator : Evaluator
        Who is asked, through the same account and with the same kept answers as everything else.
    together : bool, default False
        Whether one question is about all domains: cheaper, and one answer may colour the next.
    cache : FeatureCache, optional
        Where thumbnails are kept.
    measuring : callable, optional
        Called as ``(done, total)`` while images are read; for answers see `morelli.attributors.mllm.asking.watching`.

    Returns
    -------
    matrix : ndarray of float64, shape (n, k)
        1 is yes, 0 no, 0.5 unsure, and NaN no answer.
    tally : PresenceTally

    Raises
    ------
    BudgetError, EndpointError
        No more can be asked. What was answered is kept, and the same call goes on there.
    MorelliError
        There is no domain, or a name that a list cannot hold.
    """
    _check(domains)
    encoder = join_encoders(_ENCODER)
    groups = _groups(domains, together)
    matrix = np.full((len(catalog), len(domains)), np.nan)
    answers: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with kept_features(cache) as store:
        usable = []
        for start in range(0, len(catalog), _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, len(catalog)))
            usable += rows[extract(catalog.take(rows), encoder, cache=store).ok].tolist()
            if measuring is not None:
                measuring(int(rows[-1]) + 1, len(catalog))

        @lru_cache(maxsize=_CHUNK)  # the questions about one image follow each other
        def picture(row: int) -> Picture:
            table = extract(catalog.take(np.array([row])), encoder, cache=store, workers=1)
            return Picture(unpack_pixels(table.X)[0])

        def question(i: int) -> Question:
            image, group = divmod(i, len(groups))
            return _question(picture(usable[image]), groups[group])

        replies = evaluator.asker().ask(len(usable) * len(groups), question)
    for i, reply in enumerate(replies):
        image, group = divmod(i, len(groups))
        for domain, word, reason in _read(reply, groups[group]):
            if word is None:
                reasons[str(reason)] += 1
            else:
                answers[word] += 1
                matrix[usable[image], list(domains).index(domain)] = _WORDS[word]
    return matrix, PresenceTally(len(usable) * len(domains), dict(answers), dict(reasons), len(catalog) - len(usable))


def forecast_presence(catalog: Catalog, domains: Sequence[str], evaluator: Evaluator, *, together: bool = False) -> str:
    """Say how many questions would be asked at most, and what they may take."""
    _check(domains)
    groups = _groups(domains, together)
    n = int(catalog.table["error"].is_null().to_numpy().sum())
    line = f"{evaluator.name}: {n * len(groups):,} questions at most; those that were answered before cost nothing"
    if isinstance(evaluator.who, Endpoint):
        black = Picture(np.zeros((1, 1, 3), dtype=np.uint8))
        sizes: list[Size] = [size_of(_question(black, group), evaluator.who) for group in groups]
        read, written = n * sum(size.tokens_in for size in sizes), n * sum(size.tokens_out for size in sizes)
        line += f". Estimate: {read:,} tokens read, {written:,} written at most"
        prices = evaluator.prices
        if prices is not None and prices.of(1e6, 1e6, 1e6) > 0.0:
            line += f", {money_words(prices.of(read, written, n * len(groups)))} in money"
    return f"{line}."


def as_presence(catalog: Catalog, domains: Sequence[str], matrix: Matrix) -> Presence:
    """Return what was answered about a catalog's rows as what `write_presence` takes, with the threshold `SHOWN`.

    Parameters
    ----------
    catalog : Catalog
        An image that it holds several times is taken once; one that could not be read is left out.
    domains : sequence of str
    matrix : ndarray, shape (n, k)
        As from `ask_presence`.
    """
    _check(domains)
    rows: dict[str, int] = {}
    for row, image in enumerate(catalog.column("image_id")):
        if image is not None:
            rows.setdefault(str(image), row)
    nowhere = np.full(len(rows), -1, dtype=np.int64)
    return Presence(tuple(rows), tuple(domains), matrix[list(rows.values())], nowhere, {})


def _check(domains: Sequence[str]) -> None:
    if not domains or len(set(domains)) < len(domains):
        raise MorelliError(f"Name one or more different domains, not: {', '.join(domains) or 'none at all'}.")
    split = [name for name in domains if ";" in name or not name.strip()]
    if split:
        raise MorelliError(f'Domains are separated by ";" and named; {split[0]!r} cannot be one.')


def _groups(domains: Sequence[str], together: bool) -> list[tuple[str, ...]]:
    return [tuple(domains)] if together else [(name,) for name in domains]


def _question(picture: Picture, domains: Sequence[str]) -> Question:
    if len(domains) == 1:
        text = (
            f'Does the image show an element of "{domains[0]}"? Answer {{"answer": "yes"}}, {{"answer": "no"}}, or '
            '{"answer": "unsure"} if you cannot tell.'
        )
        return Question(_SYSTEM, ("An image:", picture, text), {"answer": tuple(_WORDS)})
    keys = _keys(domains)
    lines = [f"{key}: {name}" for key, name in zip(keys, domains, strict=True)]
    text = "\n".join(
        [
            "Does the image show an element of each of these?",
            *lines,
            'Answer an object with all of these keys, each "yes", "no", or "unsure" if you cannot tell, as in '
            f'{{"{keys[0]}": "yes", "{keys[1]}": "no", ...}}.',
        ]
    )
    return Question(_SYSTEM, ("An image:", picture, text), dict.fromkeys(keys, tuple(_WORDS)))


def _keys(domains: Sequence[str]) -> list[str]:
    return ["answer"] if len(domains) == 1 else [f"q{number}" for number in range(1, len(domains) + 1)]


def _read(reply: Reply, domains: Sequence[str]) -> list[tuple[str, str | None, str | None]]:
    """Return each domain with what was answered, or why nothing was."""
    keys = _keys(domains)
    reading = read_reply(reply, dict.fromkeys(keys, tuple(_WORDS)))
    return [(name, reading.values.get(key), reading.reason) for key, name in zip(keys, domains, strict=True)]
