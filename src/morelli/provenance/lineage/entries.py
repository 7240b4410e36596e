"""Entries of the organisation's registry: what identifies an image, and what is declared about it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from morelli._processes import processors
from morelli._text import printable
from morelli.errors import ImageReadError, MorelliError
from morelli.images import Limits, perceptual_hash, read_image

__all__ = ["Entry", "Hashes", "check_sha256", "check_texts", "hash_image", "hash_images", "is_telling"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST: Final = {"model": 300, "prompt": 20_000, "time": 40, "note": 2000}
_BITS_SET = 31
"""A perceptual hash compares 63 frequencies with their median. As many lie above it, unless some are equal."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """What identifies an image.

    Attributes
    ----------
    sha256 : str
        Of the file, 64 hexadecimal digits.
    phash : int or None
        :func:`morelli.images.perceptual_hash`; None where there are no pixels.
    """

    sha256: str
    phash: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What an organisation declares about an image of its own.

    Attributes
    ----------
    sha256 : str
    phash : int or None
    model : str
        The generator, as catalogs call it.
    prompt : str
    time : str
        When the image was made, in ISO 8601, or nothing.
    note : str
    """

    sha256: str
    phash: int | None
    model: str
    prompt: str = ""
    time: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        check_sha256(self.sha256)
        if self.phash is not None and not 0 <= self.phash < 1 << 64:
            raise MorelliError(f"{self.phash} is no perceptual hash; it has 64 bits.")
        texts = check_texts(model=self.model, prompt=self.prompt, time=self.time, note=self.note)
        for name, text in texts.items():
            object.__setattr__(self, name, text)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values; the perceptual hash as 16 hexadecimal digits."""
        return {**asdict(self), "phash": None if self.phash is None else f"{self.phash:016x}"}


def check_sha256(text: str) -> None:
    """Raise MorelliError unless a text is 64 lower-case hexadecimal digits."""
    if not _SHA256.fullmatch(text):
        raise MorelliError(f"{printable(text)[:80]!r} is no sha256; it has 64 hexadecimal digits.")


def check_texts(*, model: str, prompt: str = "", time: str = "", note: str = "") -> dict[str, str]:
    """Return what is declared as entries keep it: without NUL, and such that it can be written as UTF-8.

    Raises
    ------
    MorelliError
        There is no model, a text is too long, or the time is none.
    """
    if not model.strip():
        raise MorelliError("An entry of the registry names a model.")
    texts = {"model": model, "prompt": prompt, "time": time, "note": note}
    for name, text in texts.items():
        if len(text) > _LONGEST[name]:
            raise MorelliError(f"The {name} of an entry has at most {_LONGEST[name]} characters, not {len(text)}.")
        texts[name] = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
    if texts["time"]:
        try:
            datetime.fromisoformat(texts["time"])
        except ValueError:
            raise MorelliError(
                f'{printable(texts["time"])!r} is no time in ISO 8601, such as "2026-05-17" or "2026-05-17T09:30:00Z".'
            ) from None
    return texts


def is_telling(phash: int | None) -> bool:
    """Say whether a perceptual hash identifies anything.

    A flat image has the hash 0, and a gradient, a symmetric picture or a few even areas have many frequencies that are
    equally nothing: unrelated ones share their hashes. Such a hash has fewer bits set than the half of a picture with
    all frequencies.
    """
    return phash is not None and phash.bit_count() >= _BITS_SET


def hash_image(path: str | os.PathLike[str], limits: Limits | None = None) -> Hashes:
    """Return what identifies an image file.

    Raises
    ------
    ImageReadError
        It cannot be read as an image.
    """
    image = read_image(path, limits=limits)
    return Hashes(image.facts.sha256, perceptual_hash(image.pixels))


def hash_images(
    paths: Iterable[str],
    limits: Limits | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    total: int = 0,
) -> Iterator[tuple[str, Hashes | ImageReadError]]:
    """Yield each path with what identifies its image, or why it cannot be read, in order and in bounded memory."""

    def job(path: str) -> tuple[str, Hashes | ImageReadError]:
        try:
            return path, hash_image(path, limits)
        except ImageReadError as error:
            return path, error

    workers = workers or min(processors(), 8)
    done = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="morelli-lineage") as pool:
        remaining = iter(paths)
        while some := list(islice(remaining, 4 * workers)):
            for result in pool.map(job, some):
                done += 1
                if progress is not None:
                    progress(done, total)
                yield result
