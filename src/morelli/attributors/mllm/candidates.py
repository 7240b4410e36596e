"""The question who made an image: candidates under letters, their exemplars, and an order of its own for each image."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.mllm.question import Picture, Pixels, Question
from morelli.errors import MorelliError

__all__ = ["CODES", "UNKNOWN", "LineUp", "LineUpQuestion"]

CODES: Final = string.ascii_uppercase + string.ascii_lowercase
"""What candidates are called in a question: single letters are one token with every tokeniser, whatever the names."""

UNKNOWN: Final = "unknown"

_SYSTEM: Final = (
    "An image was made by one of several image generators. You say which. Judge by how the image is made (texture, "
    "rendering, colour, light, detail, typical faults), and not by what it shows. Answer with a JSON object and "
    "nothing else."
)


@dataclass(frozen=True, slots=True, eq=False)
class LineUpQuestion:
    """A question, and which class each letter stands for.

    Attributes
    ----------
    question : Question
    order : ndarray of int, shape (K,)
        Index of the class that the first, second ... letter stands for.
    """

    question: Question
    order: NDArray[np.int64]

    @property
    def codes(self) -> str:
        """The letters, in their order."""
        return CODES[: len(self.order)]


class LineUp:
    """Candidates and exemplars, of which a question is made for each image.

    Parameters
    ----------
    classes : sequence of str, length K
    exemplars : sequence of sequence of ndarray
        Images of each class; all may be empty.
    names_shown : bool
        Whether candidates are named beside their letters.
    seed : int
        With the image's own pixels, decides the order of candidates and exemplars.

    Raises
    ------
    MorelliError
        There are more candidates than letters.
    """

    def __init__(
        self, classes: Sequence[str], exemplars: Sequence[Sequence[Pixels]], *, names_shown: bool, seed: int
    ) -> None:
        if len(classes) > len(CODES):
            raise MorelliError(
                f"{len(classes)} candidates are too many to be asked about at once; {len(CODES)} are the most."
            )
        self.classes = tuple(classes)
        self.exemplars = tuple(tuple(Picture(pixels) for pixels in own) for own in exemplars)
        self._named, self._seed = names_shown, seed

    def question(self, pixels: Pixels) -> LineUpQuestion:
        """Return the question about one image."""
        digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).digest()
        rng = np.random.default_rng([self._seed, int.from_bytes(digest[:8], "big")])
        order = rng.permutation(len(self.classes))
        codes = CODES[: len(order)]
        parts: list[str | Picture] = [self._listed(codes, order)]
        for code, k in zip(codes, order, strict=True):
            own = self.exemplars[k]
            if own:
                parts.append(f"{'An image' if len(own) == 1 else 'Images'} by {code}:")
                parts += [own[i] for i in rng.permutation(len(own))]
        letters = ", ".join(codes)
        parts += [
            "The image in question:",
            Picture(pixels),
            f'Who made it? Answer {{"answer": "{codes[0]}"}}, with one of the letters {letters}, or '
            f'{{"answer": "{UNKNOWN}"}} if it was none of them or you cannot tell.',
        ]
        question = Question(_SYSTEM, tuple(parts), {"answer": (*codes, UNKNOWN)})
        return LineUpQuestion(question, order)

    def _listed(self, codes: str, order: NDArray[np.int64]) -> str:
        if not self._named:
            return f"The candidates are {', '.join(codes)}."
        lines = [f"{code}: {self.classes[k]}" for code, k in zip(codes, order, strict=True)]
        return "\n".join(["The candidates:", *lines])
