"""The forensic encoder: from pixels to one vector per image, and to what the image says about its own noise."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.forensic import MIN_SIDE, Family, Planes, get_family, list_families
from morelli.encoders.forensic._planes import MAX_REGIONS, TILE, TILES_PER_SIDE
from morelli.encoders.self_test import SelfTested
from morelli.errors import ImageReadError, MorelliError
from morelli.images import read_image

__all__ = [
    "N_CONTRASTS",
    "RECIPE_SCHEMA",
    "Encoded",
    "Encoder",
    "ForensicEncoder",
    "contrasts_of",
    "decoder_fingerprint",
]

Float = NDArray[np.float32]

RECIPE_SCHEMA = 1
"""Raised when the meaning of a vector changes in a way that no version of a family says."""

N_CONTRASTS = 8
"""Rows of within-image spread that an encoded image has at most, whatever the number of its regions."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """What an encoder measured on one image.

    Attributes
    ----------
    mean : dict of str to ndarray of float32, shape (d,)
        For each family its features, averaged over the regions of the image.
    contrasts : dict of str to ndarray of float32, shape (n_contrasts or 0, d)
        For each family how the regions differ. Each row is a projection of the regions on a unit vector orthogonal to
        their mean, and so has the variance of one region (the mean has that variance divided by the number of regions).
        A family that is measured on the whole image has none.
    n_contrasts : int
        How many rows there are, 0 to `N_CONTRASTS`, for the families that are measured in regions.
    """

    mean: dict[str, Float]
    contrasts: dict[str, Float]
    n_contrasts: int

    def stack(self) -> Float:
        """Return mean and contrasts of all families side by side: the row of a table or of a cache.

        Returns
        -------
        ndarray of float32, shape (1 + n_contrasts, d)
            Rows of contrasts that a family does not have are zeros.
        """
        result = np.zeros((1 + self.n_contrasts, sum(map(len, self.mean.values()))), dtype=np.float32)
        start = 0
        for name, mean in self.mean.items():
            rows = np.concatenate([mean[None], self.contrasts[name]])
            result[: len(rows), start : start + len(mean)] = rows
            start += len(mean)
        return result


class Encoder(Protocol):
    """What turns pixels into vectors. Must pickle, since images are measured in several processes."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def recipe_hash(self) -> str:
        """Sixteen hexadecimal digits that change whenever the numbers do."""
        ...

    @property
    def blocks(self) -> Mapping[str, slice]:
        """The columns of each family in a stacked vector."""
        ...

    @property
    def dim(self) -> int:
        """Number of features of all families together."""
        ...

    @property
    def n_contrasts(self) -> int:
        """The most contrasts that an image can have, 0 to `N_CONTRASTS`."""
        ...

    def encode(self, pixels: NDArray[np.uint8]) -> Encoded:
        """Measure one image."""
        ...

    def self_test_vector(self) -> Float:
        """Return the mean features of a fixed synthetic image, shape (dim,)."""
        ...

    def passes_self_test(self, expected: NDArray[np.floating]) -> bool:
        """Say whether this installation measures what the one did that made `expected`."""
        ...


class ForensicEncoder(SelfTested):
    """The forensic families as one encoder.

    Parameters
    ----------
    families : sequence of str, optional
        Names of registered families; all of them by default. The order counts, in vectors and in the recipe.

    Attributes
    ----------
    families : tuple of str
        The names.

    Raises
    ------
    MorelliError
        A family is unknown or named twice, or there is none.

    Examples
    --------
    >>> encoder = ForensicEncoder(["colour", "layout"])
    >>> encoded = encoder.encode(np.zeros((128, 64, 3), dtype=np.uint8))
    >>> list(encoded.mean), encoded.n_contrasts, len(encoder.recipe_hash)
    (['colour', 'layout'], 1, 16)
    """

    def __init__(self, families: Sequence[str] | None = None) -> None:
        self._families = tuple(list_families() if families is None else _look_up(families))
        self.families = tuple(family.name for family in self._families)
        if not self.families or len(set(self.families)) < len(self.families):
            raise MorelliError(f"An encoder needs one or more different families, not {list(self.families)}.")

    @property
    def name(self) -> str:
        """``forensic``, with the families in brackets unless they are all that there are."""
        everything = tuple(family.name for family in list_families())
        return "forensic" if self.families == everything else f"forensic[{','.join(self.families)}]"

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Everything that decides the numbers, besides the pixels of the file; JSON-ready.

        The decoder is named by what it does, not by its version: two installations that decode the same pixels share
        their features. The versions of numpy and scipy are not part of it: they move the last digits only, and
        `self_test_vector` finds out when they do more.
        """
        return {
            "schema": RECIPE_SCHEMA,
            "encoder": "forensic",
            "families": [[family.name, family.version] for family in self._families],
            "tile": TILE,
            "tiles_per_side": TILES_PER_SIDE,
            "min_side": MIN_SIDE,
            "contrasts": self.n_contrasts,
            "decoder": decoder_fingerprint(),
        }

    @property
    def n_contrasts(self) -> int:
        """Three, of the four quarters of an image."""
        return MAX_REGIONS - 1

    def encode(self, pixels: NDArray[np.uint8]) -> Encoded:
        """Measure one image.

        The linear algebra inside runs on one thread, for all of the process while this goes on: the products are too
        small to be shared, and their sums would come out differently on machines of different size.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (height, width, 3)
            RGB as decoded, in the native resolution.

        Returns
        -------
        Encoded
            Equal pixels give equal bits on one installation.

        Raises
        ------
        NotEnoughDataError
            A side is shorter than `morelli.encoders.forensic.MIN_SIDE`.
        MorelliError
            A family's values are not finite.
        TypeError
            These are no such pixels.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise TypeError(
                f"an encoder takes uint8 pixels of shape (height, width, 3), not {pixels.dtype} {pixels.shape}"
            )
        planes = Planes(pixels)
        mean, contrasts = {}, {}
        with _one_blas_thread():
            for family in self._families:
                regions = _measured(family, planes)
                mean[family.name] = np.asarray(regions.mean(axis=0, dtype=np.float64), dtype=np.float32)
                contrasts[family.name] = contrasts_of(regions)
        return Encoded(mean, contrasts, planes.regions - 1)

    def __repr__(self) -> str:
        return f"ForensicEncoder({list(self.families)!r})"

    def __getstate__(self) -> dict[str, Any]:
        # The families themselves, not their names: unpickling imports the modules that registered them. What was
        # derived from them is left behind.
        return {"_families": self._families, "families": self.families}


def _look_up(names: Sequence[str]) -> list[Family]:
    if isinstance(names, str):
        raise MorelliError(f"Families are given as a list of names, not as the text {names!r}.")
    try:
        return [get_family(name) for name in names]
    except KeyError as error:
        raise MorelliError(str(error.args[0])) from error


def _measured(family: Family, planes: Planes) -> Float:
    """Return the features of one family, shape (regions or 1, features), after checking them."""
    values: Float = family.measure(planes)
    if values.ndim != 2 or values.dtype != np.float32 or len(values) not in (1, planes.regions):
        raise TypeError(
            f"family {family.name} should give float32 ({planes.regions} or 1, features), "
            f"not {values.dtype} {values.shape}"
        )
    if not np.isfinite(values).all():
        height, width = planes.pixels.shape[:2]
        bad = int((~np.isfinite(values)).any(axis=0).sum())
        raise MorelliError(
            f"{bad} of the {values.shape[1]} features of family {family.name} are not finite on this image of "
            f"{width}x{height} pixels. This is a fault in Morelli: please report it with the image."
        )
    return values


@cache
def _contrast_basis(regions: int) -> NDArray[np.float64]:
    """Rows 1 to `N_CONTRASTS` of the orthonormal DCT-II of `regions` points, as far as there are, (rows, regions)."""
    order = np.arange(1, min(regions, N_CONTRASTS + 1))[:, None]
    angle = np.pi * (np.arange(regions) + 0.5)[None] * order / regions
    return np.asarray(math.sqrt(2 / regions) * np.cos(angle))


def contrasts_of(regions: Float) -> Float:
    """Return how regions differ, see `Encoded`.

    Parameters
    ----------
    regions : ndarray of float32, shape (regions, d)

    Returns
    -------
    ndarray of float32, shape (min(regions - 1, N_CONTRASTS), d)
    """
    basis = _contrast_basis(len(regions))
    result = np.zeros((len(basis), regions.shape[1]), dtype=np.float32)
    for row, weights in enumerate(basis):
        # An elementwise sum in a fixed order: no BLAS, whose order of summation depends on the processor.
        result[row] = (weights[:, None] * regions).sum(axis=0)
    return result


# 32x32 pixels of a colourful texture: what the decoders of lossy formats, above all their upsampling of chroma, make of
# them names the decoder. Formats without loss leave no choice to a decoder.
_SAMPLES = {
    "jpeg": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5a"
        "YVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAAR"
        "CAAgACADASIAAhEBAxEB/8QAGQAAAwADAAAAAAAAAAAAAAAAAQIEAwUG/8QAKRAAAgEDBAIBBAIDAAAAAAAAAQIDBBEhAAUSMRNBUSIjQmFS"
        "YoHh8P/EABYBAQEBAAAAAAAAAAAAAAAAAAMAAv/EACgRAAIABAQFBQEAAAAAAAAAAAECABEhMQMSQVEEgZGhwSJhcbHw0f/aAAwDAQACEQMR"
        "AD8A5vbqFzQsxJJZeIBPd8a3R2VKfbA9U0SJIwF3wTbOB7ONHaF8VLC8rfbiXyOthn0Mn2cjvVBLy1iVW4oJZOIWKFRa57svdlAI/wBk5bF4"
        "j1nK7KJ/t4fiMV8xw1NBJaak1Pa+0YJaWgZYqemoZKl7h78eCn/JyOz69aapp9vaeKFaWmieI8X5MZSCewVUXHQzqpnM+4utYjsUUA08bcIk"
        "Vc3Y3+bnNz10LaFHJDykqjI3iDFz4/tKLA/SGyWNh0Lg+tGuO5tiBvml+kHmZjcyJ3Nl7XraUTbY0ktNFCxUGSUKQwvdE7z6zxP/AB1RTVhM"
        "km5siXcsIGbASNbm+R+x38/AtqSgqBT7BEPG/mEDBWXFjIQot+xYnVUxihpBEySKsp8RuoBCR25AG4yWIAv2GI1O4zEDE1lUf0bS1jLkhixF"
        "atzJp45QlMtPDtsscdvC6ARROvEN8u574jJti9h1YkFgopl4yxM0jJHdiEfj8/0GRbFyTf2bNUqGeOBnAZlMkgSP6eSgZvm4QeuyRm/YLQpN"
        "UJBCDwhv+QvyOWJb+ViLt+PQydQzvWStrT94jBUKCvsF61Pb6j//2Q=="
    ),
    "webp": (
        "UklGRnoCAABXRUJQVlA4IG4CAABwCwCdASogACAAA4BaJbACdMoQIAgFU59QHKAeoDvZuwBvAHoAeWh7Dv7oemLgAjQTO2QEYf2QJn0flkCH"
        "Qv7fxZfTnsB+Vj6wP2V9lAtcxNjOIbEfhPXXzaDb5mxqGV8uc8AAAP70sFofPX3+LHgEUjSaIEfeivocVfgBEfddq++xH1SQDo5WiwYgK4PA"
        "i39zW9B6Dz+/buttbydNx6mMiuSz+4zPK9Uc9OZ1RTWYf7J/rw0HoPIa/xktb1iHW6jWfMK/U6Dno3sD3Bznn6Xyo86ZPTSHcME2u77MetO0"
        "uE9+qxA4zj6Npo09yj0e3rfXPrqxv+3F5S+Lvpj5fnmhNd1vVE21f28Og1C2PljKRyM7kMXKoGsxUhKA11shNClVobWCLlWzsLDvkza7XWTR"
        "KP50SfVUGhrsIaKZvvMQOFYJxe/zgs006er8x6vLi9KLcgYRSL9gCbgTr7TXIrlIp/AC6HWjffOCXB7ToZDdt6LytcLIsEr72ztjDBdtpzmK"
        "a1/X5Pirn2bbH767NWLYv003R63ejDD50zawmhH1O0i8oT4yn6mWFq8gjL9mniT7sv5ty6vxTzZYV6fnYNSYivpZ70ynDIufHbvf8cheosio"
        "4CtaTPFLhNnZi9tzXfmechEAajBioS5YRECNV4wf2fYkr6bbExjFrXWZmNK6R0ZBqlu/g5PHxXsL8TVgg7vMzBYxitcj4wQb9X2AFYWXCpix"
        "qhgdlz11BsnWi416oIfWHY1LgjVFibfX5zUhjUr+x8FLiHA+RL7f+hS9TLbLe4eHGgWab4o7i4TauqdMr2AEZBofzooOEGiswJgA"
    ),
}


@cache
def decoder_fingerprint() -> dict[str, str]:
    """Return twelve hexadecimal digits for the pixels that each sample decodes to."""
    return {name: _pixels_hash(base64.b64decode(text), name) for name, text in _SAMPLES.items()}


def _pixels_hash(data: bytes, name: str) -> str:
    try:
        image = read_image(data, name=f"the {name} sample of the recipe")
    except ImageReadError as error:
        if error.kind == "unsupported":  # Pillow was built without the format
            return "absent"
        raise
    return hashlib.sha256(image.pixels.tobytes()).hexdigest()[:12]


class _BlasThreads:
    """Counts who needs single-threaded linear algebra: the setting belongs to the process, not to a thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._controller: Any = None
        self._limit: Any = None

    @contextmanager
    def one(self) -> Iterator[None]:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._limit = self._find().limit(limits=1, user_api="blas")
                self._limit.__enter__()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._limit.__exit__(None, None, None)

    def _find(self) -> Any:
        if self._controller is None:
            from threadpoolctl import ThreadpoolController

            self._controller = ThreadpoolController()  # looks at every loaded library: milliseconds, so only once
        return self._controller


_one_blas_thread = _BlasThreads().one
