"""Making a view of many images once, all together where it can, into a store that others read.

Views that run a network are made here, in one process that holds the network, and not in the processes that measure
images. What is in the store already is passed over, so that a run that was interrupted goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from morelli.errors import CatalogError, MissingExtraError, MorelliError, NetworkError
from morelli.images import Limits, LoadedImage, read_image
from morelli.views.registry import View
from morelli.views.store import ViewStore

__all__ = ["materialise"]

BATCH = 16
"""Images that are in memory together, at most."""

_PIXELS = 32_000_000
"""Pixels that are in memory together, unless a single image has more."""


def materialise(
    images: Sequence[tuple[str | os.PathLike[str], str]],
    view: View,
    store: ViewStore,
    *,
    limits: Limits,
    progress: Callable[[int, int], None] | None = None,
) -> dict[int, MorelliError]:
    """Make a view of images, and keep it.

    Parameters
    ----------
    images : sequence of (path, image_id)
        Files, each with the SHA-256 that it has to have.
    view : View
    store : ViewStore
    limits : Limits
        What is refused before it is decoded.
    progress : callable, optional
        Called as ``progress(done, total)``, images that are kept already or fail included.

    Returns
    -------
    dict of int to MorelliError
        What went wrong, by the number of the image: it cannot be read, is another than it was, or the view fails on it.

    Raises
    ------
    NetworkError, MissingExtraError
        The view cannot be made of any image.
    OSError
        The store cannot be written.
    """
    failed: dict[int, MorelliError] = {}
    waiting: list[tuple[int, LoadedImage]] = []
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, len(images))

    def flush() -> None:
        failed.update(_keep(waiting, view, store))
        step(len(waiting))
        waiting.clear()

    for number, (path, image_id) in enumerate(images):
        if store.has(image_id, view):
            step(1)
            continue
        try:
            image = read_image(path, limits=limits)
            if image.facts.sha256 != image_id:
                raise CatalogError(f"{path}: the file has changed since the catalog was made; build the catalog again.")
        except MorelliError as error:
            failed[number] = error
            step(1)
            continue
        room = _PIXELS - sum(_area(other.pixels) for _, other in waiting)
        if waiting and _area(image.pixels) > room:
            flush()
        waiting.append((number, image))
        if len(waiting) == BATCH:
            flush()
    flush()
    return failed


def _keep(some: Sequence[tuple[int, LoadedImage]], view: View, store: ViewStore) -> dict[int, MorelliError]:
    """Make and keep the views of a few images; of those that fail together, one by one."""
    if not some:
        return {}
    try:
        made = view.many([image.pixels for _, image in some], [view.seed_of(image) for _, image in some])
    except (NetworkError, MissingExtraError):
        raise
    except MorelliError as error:
        if len(some) == 1:
            return {some[0][0]: error}
        failed: dict[int, MorelliError] = {}
        for one in some:
            failed |= _keep([one], view, store)
        return failed
    for (_, image), pixels in zip(some, made, strict=True):
        store.put(image.facts.sha256, view, pixels)
    return {}


def _area(pixels: NDArray[np.uint8]) -> int:
    return int(pixels.shape[0] * pixels.shape[1])
