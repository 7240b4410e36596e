"""Several encoders side by side, as one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.encoder import Encoded, Encoder
from morelli.encoders.registry import get_encoder
from morelli.errors import MorelliError

__all__ = ["JointEncoder", "join_encoders"]


class JointEncoder:
    """Measures an image by several encoders: the vectors stand side by side, and all families keep their names.

    `extract` measures and caches part by part: an encoder that joins later does not cost what is known already.

    Parameters
    ----------
    parts : sequence of Encoder
        Two or more; the order counts.

    Raises
    ------
    MorelliError
        There are fewer than two, or two have families of one name.

    Examples
    --------
    >>> from morelli.encoders import ForensicEncoder
    >>> encoder = JointEncoder([ForensicEncoder(["colour"]), ForensicEncoder(["layout"])])
    >>> encoder.name, list(encoder.blocks)
    ('forensic[colour]+forensic[layout]', ['colour', 'layout'])
    """

    def __init__(self, parts: Sequence[Encoder]) -> None:
        self.parts = tuple(parts)
        if len(self.parts) < 2:
            raise MorelliError("A joint encoder needs two encoders or more.")
        names = [name for part in self.parts for name in part.blocks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise MorelliError(f"Encoders that are joined need families of different names; twice: {', '.join(twice)}.")

    @property
    def name(self) -> str:
        """The names of the parts, joined by ``+``, as `join_encoders` reads them."""
        return "+".join(part.name for part in self.parts)

    @cached_property
    def recipe_hash(self) -> str:
        """Sixteen hexadecimal digits of the SHA-256 of the parts' hashes."""
        text = json.dumps({"encoder": "joint", "parts": [part.recipe_hash for part in self.parts]}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def blocks(self) -> dict[str, slice]:
        """The columns of each family in a stacked vector."""
        result, start = {}, 0
        for part in self.parts:
            for name, block in part.blocks.items():
                result[name] = slice(start + block.start, start + block.stop)
            start += part.dim
        return result

    @property
    def dim(self) -> int:
        """Number of features of all parts together."""
        return sum(part.dim for part in self.parts)

    @property
    def n_contrasts(self) -> int:
        """The most contrasts of any part."""
        return max(part.n_contrasts for part in self.parts)

    def encode(self, pixels: NDArray[np.uint8]) -> Encoded:
        """Measure one image by all parts.

        Parts differ in how many regions they see, and so in how many contrasts their families have.
        """
        encoded = [part.encode(pixels) for part in self.parts]
        mean = {name: values for one in encoded for name, values in one.mean.items()}
        contrasts = {name: rows for one in encoded for name, rows in one.contrasts.items()}
        return Encoded(mean, contrasts, max(one.n_contrasts for one in encoded))

    def self_test_vector(self) -> NDArray[np.float32]:
        """Return the self-test vectors of the parts, one behind the other."""
        return np.concatenate([part.self_test_vector() for part in self.parts])

    def passes_self_test(self, expected: NDArray[np.floating]) -> bool:
        """Say whether every part measures what it did where `expected` was made."""
        if expected.shape != (self.dim,):
            return False
        ends = np.cumsum([part.dim for part in self.parts])[:-1]
        pieces = zip(self.parts, np.split(expected, ends), strict=True)
        return all(part.passes_self_test(piece) for part, piece in pieces)

    def __repr__(self) -> str:
        return f"JointEncoder({list(self.parts)!r})"


def join_encoders(names: str | Iterable[str]) -> Encoder:
    """Return the encoder of one name, or of several joined: ``forensic``, or ``forensic+clip-vit-b16.openai-int8``.

    Raises
    ------
    MorelliError
        A name is unknown, given twice, or what it needs is not there.
    """
    listed = names.split("+") if isinstance(names, str) else list(names)
    if not listed:
        raise MorelliError("Name at least one encoder.")
    parts = [get_encoder(name.strip()) for name in listed]
    return parts[0] if len(parts) == 1 else JointEncoder(parts)
