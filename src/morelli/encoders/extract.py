"""Measuring many images: in several processes, in the order given, with bounded memory, resumable through the cache."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli._processes import map_images
from morelli._text import storable
from morelli.catalog import Catalog
from morelli.encoders.cache import CacheKey, CacheRow, FeatureCache, cache_view
from morelli.encoders.encoder import Encoded, Encoder
from morelli.encoders.features import Features
from morelli.encoders.joint import JointEncoder
from morelli.errors import CatalogError, ImageReadError, MorelliError, NotEnoughDataError
from morelli.images import ImageFacts, Limits, LoadedImage, Quality, estimate_quality, read_image
from morelli.views import View, ViewStore, materialise, parse_view
from morelli.views.shipping import Shipped, install_views, views_used

__all__ = ["Extraction", "extract", "iter_extract", "measure_image"]

Path = str | os.PathLike[str]

_DEFAULT_LIMITS = Limits()

_CHUNK = 64
"""Images between two writes to the cache: what a killed run has to measure again, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Extraction:
    """What came of one image: either `encoded` and `quality`, or `error`.

    Attributes
    ----------
    path : str
        As given.
    facts : ImageFacts or None
        Of the file; None where it could not be read. There may be facts and an error, as of an image that is too small.
    encoded : Encoded or None
        What was measured.
    quality : Quality or None
        Of the pixels that were measured, that is after the view.
    error : MorelliError or None
        An `ImageReadError` where the file is at fault.
    """

    path: str
    facts: ImageFacts | None = None
    encoded: Encoded | None = None
    quality: Quality | None = None
    error: MorelliError | None = None


def extract(
    catalog: Catalog,
    encoder: Encoder,
    *,
    view: str | View = "none",
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    limits: Limits = _DEFAULT_LIMITS,
    view_store: ViewStore | None = None,
) -> Features:
    """Measure all images of a catalog.

    Parameters
    ----------
    catalog : Catalog
        Every row gives a row. Rows whose file could not be read when the catalog was made keep that error.
    encoder : Encoder
        What measures.
    view : str or View, default "none"
        What the images go through before.
    cache : FeatureCache, optional
        Where measured rows are looked for first, and kept: a run that was interrupted goes on where it stopped. A row
        that is found there needs no file any more: it belongs to the bytes that the catalog names.
    workers : int, optional
        Processes; 1 measures in this one. By default as many as processors, and 1 for a few dozen images. The result
        does not depend on it.
    progress : callable, optional
        Called as ``progress(done, total)`` from this thread, rows from the cache and rows with errors included. Every
        part of a joint encoder counts on its own, and so does the making of a view that runs a network.
    limits : Limits
        What is refused before it is decoded.
    view_store : ViewStore, optional
        Where a costly view of an image is looked for before it is made, and kept: another encoder finds it there, and
        so does a run that goes on. Cheap views are made anew. Views that run a network are always made for all images
        first, by this process, and read from a store; without one it is the folder ``views`` beside the cache, and
        without a cache a folder for this call only.

    Returns
    -------
    Features
        Rows in the order of the catalog. A row has an error where the file cannot be read, is not the one that the
        catalog was made from, or is too small for the encoder.

    Raises
    ------
    MorelliError
        The view or the cache is unusable, or a worker process died.
    OSError
        The view store cannot be read or written.
    """
    view = parse_view(view) if isinstance(view, str) else view
    parts = encoder.parts if isinstance(encoder, JointEncoder) else (encoder,)
    rounds = 2 if view.batched else 1
    total = len(catalog) * len(parts) * rounds
    tables = []
    with _store_for(view, view_store, cache) as store:
        for number, part in enumerate(parts):

            def step(done: int, _: int, before: int = number * len(catalog) * rounds) -> None:
                if progress is not None:
                    progress(before + done, total)

            tables.append(_extract(catalog, _Worker(part, view, limits, store), cache, workers, step))
    return tables[0] if len(tables) == 1 else Features.beside(tables, encoder.recipe_hash)


def iter_extract(
    paths: Iterable[Path],
    encoder: Encoder,
    *,
    view: str | View = "none",
    workers: int | None = None,
    limits: Limits = _DEFAULT_LIMITS,
) -> Iterator[Extraction]:
    """Measure images one after the other, in the order given, with only a few of them in memory at any time.

    Parameters
    ----------
    paths : iterable of path-like
        May be endless: it is read a few dozen paths ahead.
    encoder, view, workers, limits
        As for `extract`.

    Yields
    ------
    Extraction
        One for each path. Closing the iterator early stops the workers.

    Raises
    ------
    MorelliError
        The view is unknown or runs a network, or a worker process died.
    """
    view = parse_view(view) if isinstance(view, str) else view
    if view.batched:
        raise MorelliError(f"{view.name} is made for a whole catalog first; measure one, with extract.")
    return _run(((os.fspath(path), None) for path in paths), _Worker(encoder, view, limits), workers)


# -- one encoder -------------------------------------------------------------------------------------------------------


def _extract(
    catalog: Catalog,
    worker: _Worker,
    cache: FeatureCache | None,
    workers: int | None,
    progress: Callable[[int, int], None],
) -> Features:
    """Measure all images by one encoder, through the cache."""
    rows = _Rows(catalog, worker.encoder, worker.view)
    todo = rows.start(cache)
    made = len(catalog) if worker.view.batched else 0
    if made:
        todo = _make_views(catalog, rows, todo, worker, progress)
    done = made + len(catalog) - len(todo)
    progress(done, len(catalog))
    jobs = ((str(catalog.paths[row]), rows.image_id[row]) for row in todo)
    waiting: dict[CacheKey, CacheRow] = {}

    def save() -> None:
        ready = waiting.copy()
        waiting.clear()
        if cache is not None:
            cache.put_many(ready)

    results = _run(jobs, worker, workers)
    try:
        for row, result in zip(todo, results, strict=True):
            measured = rows.put(row, result)
            if measured is not None and cache is not None:
                waiting[rows.key(row)] = measured
                if len(waiting) >= _CHUNK:
                    save()
            done += 1
            progress(done, len(catalog))
    finally:
        results.close()
        save()  # also on Ctrl-C
    return rows.features()


@contextmanager
def _store_for(view: View, given: ViewStore | None, cache: FeatureCache | None) -> Iterator[ViewStore | None]:
    """Give the store that was asked for; of a view that runs a network always one."""
    if given is not None or not view.batched:
        yield given
    elif cache is not None and cache.path is not None:
        yield ViewStore(cache.path.parent / "views")
    else:
        with tempfile.TemporaryDirectory(prefix="morelli-views-") as folder:
            yield ViewStore(folder)


def _make_views(
    catalog: Catalog, rows: _Rows, todo: list[int], worker: _Worker, progress: Callable[[int, int], None]
) -> list[int]:
    """Make the views of rows in this process; return those that can be measured, and fill the errors of others in."""
    assert worker.view_store is not None
    before = len(catalog) - len(todo)
    failed = materialise(
        [(str(catalog.paths[row]), str(rows.image_id[row])) for row in todo],
        worker.view,
        worker.view_store,
        limits=worker.limits,
        progress=lambda done, _: progress(before + done, len(catalog)),
    )
    for number, error in failed.items():
        rows.put(todo[number], Extraction(str(catalog.paths[todo[number]]), error=error))
    return [row for number, row in enumerate(todo) if number not in failed]


# -- one image ---------------------------------------------------------------------------------------------------------

_Job = tuple[str, str | None]
"""A path, and the SHA-256 that the file has to have (None: any)."""


@dataclass(frozen=True, slots=True)
class _Worker:
    """What turns a job into an extraction. Only `MorelliError` is a result; everything else is a fault and goes up."""

    encoder: Encoder
    view: View
    limits: Limits
    view_store: ViewStore | None = None

    def __call__(self, job: _Job) -> Extraction:
        path, expected = job
        try:
            image = read_image(path, limits=self.limits)
        except MorelliError as error:
            return Extraction(path, error=error)
        if expected is not None and image.facts.sha256 != expected:
            detail = f"{path}: the file has changed since the catalog was made; build the catalog again."
            return Extraction(path, image.facts, error=CatalogError(detail))
        return measure_image(path, image, self.encoder, None if self.view.name == "none" else self._view_of)

    def _view_of(self, image: LoadedImage) -> NDArray[np.uint8]:
        return self.view.apply(image) if self.view_store is None else self.view_store.apply(image, self.view)


def measure_image(
    path: str,
    image: LoadedImage,
    encoder: Encoder,
    change: Callable[[LoadedImage], NDArray[np.uint8]] | None = None,
) -> Extraction:
    """Measure an image that was read.

    Parameters
    ----------
    path : str
        For the result and its error.
    image : LoadedImage
    encoder : Encoder
    change : callable, optional
        Returns the pixels to measure in place of the image's own, as a view does.
    """
    try:
        pixels = image.pixels if change is None else change(image)
        encoded = encoder.encode(pixels)
        # The tables of the file say nothing of pixels that were changed since.
        quality = estimate_quality(image if change is None else pixels)
    except NotEnoughDataError as error:
        return Extraction(path, image.facts, error=ImageReadError(storable(path), "too-small", str(error)))
    except MorelliError as error:
        return Extraction(path, image.facts, error=error)
    return Extraction(path, image.facts, encoded, quality)


# -- many images -------------------------------------------------------------------------------------------------------


def _run(jobs: Iterator[_Job], worker: _Worker, workers: int | None) -> Generator[Extraction, None, None]:
    arguments = (worker.encoder, views_used([worker.view]), worker.view.name, worker.limits, worker.view_store)
    return map_images(worker, jobs, workers, make=_make_worker, arguments=arguments)


def _make_worker(encoder: Encoder, views: Shipped, view: str, limits: Limits, view_store: ViewStore | None) -> _Worker:
    """Return the worker of another process."""
    install_views(views)
    return _Worker(encoder, parse_view(view), limits, view_store)


# -- the table ---------------------------------------------------------------------------------------------------------


class _Rows:
    """The arrays of `Features` while they are filled."""

    def __init__(self, catalog: Catalog, encoder: Encoder, view: View) -> None:
        self._blocks = dict(encoder.blocks)
        self._recipe_hash, self._view, self._view_key = encoder.recipe_hash, view.name, cache_view(view.key)
        n, d = len(catalog), max((block.stop for block in self._blocks.values()), default=0)
        self.image_id = catalog.column("image_id").astype(object)
        self._error = catalog.column("error").astype(object)
        self._x = np.full((n, d), np.nan, dtype=np.float32)
        self._within = np.full((n, encoder.n_contrasts, d), np.nan, dtype=np.float32)
        self._n_contrasts = np.zeros(n, dtype=np.int8)
        self._short_side = np.zeros(n, dtype=np.int32)
        self._jpeg_quality = np.full(n, np.nan, dtype=np.float32)
        self._blur = np.full(n, np.nan, dtype=np.float32)
        self._bucket = np.full(n, None, dtype=object)

    def key(self, row: int) -> CacheKey:
        """Return where the cache keeps a row."""
        return CacheKey(str(self.image_id[row]), self._view_key, self._recipe_hash)

    def start(self, cache: FeatureCache | None) -> list[int]:
        """Fill in what the cache has; return the rows that have neither values nor an error yet."""
        todo = [row for row, error in enumerate(self._error) if error is None]
        if cache is None:
            return todo
        missing = []
        for begin in range(0, len(todo), _CHUNK):
            rows = todo[begin : begin + _CHUNK]
            found = cache.get_many([self.key(row) for row in rows])
            for row in rows:
                kept = found.get(self.key(row))
                if kept is not None and kept.vector.shape[1] != self._x.shape[1]:
                    cache.damaged += 1  # whole, but not of this recipe
                    kept = None
                if kept is None:
                    missing.append(row)
                else:
                    self._fill(row, kept)
        return missing

    def put(self, row: int, result: Extraction) -> CacheRow | None:
        """Fill one row in; return what is worth keeping of it."""
        if result.encoded is None or result.quality is None:
            self._error[row] = str(result.error)
            return None
        measured = CacheRow(result.encoded.stack(), result.encoded.n_contrasts, result.quality)
        self._fill(row, measured)
        return measured

    def features(self) -> Features:
        """Return the table."""
        return Features(
            X=self._x,
            within=self._within,
            n_contrasts=self._n_contrasts,
            blocks=self._blocks,
            image_id=self.image_id,
            short_side=self._short_side,
            jpeg_quality=self._jpeg_quality,
            blur=self._blur,
            bucket=self._bucket,
            error=self._error,
            recipe_hash=self._recipe_hash,
            view=self._view,
        )

    def _fill(self, row: int, values: CacheRow) -> None:
        self._x[row], self._within[row] = values.vector[0], 0
        self._within[row, : values.n_contrasts] = values.vector[1:]
        self._n_contrasts[row] = values.n_contrasts
        quality = values.quality
        self._short_side[row], self._blur[row], self._bucket[row] = quality.short_side, quality.blur, quality.bucket
        if quality.jpeg_quality is not None:
            self._jpeg_quality[row] = quality.jpeg_quality
