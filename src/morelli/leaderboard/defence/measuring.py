"""Embedding what is shown: through the feature cache where it is a view of a file, otherwise pixels as they come."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from morelli._processes import WorkerDied, map_in_processes, processors
from morelli.catalog import Catalog
from morelli.encoders import Encoder, FeatureCache, extract
from morelli.encoders.cache import CacheKey, CacheRow, cache_view
from morelli.errors import MorelliError
from morelli.images import Quality, estimate_quality
from morelli.views import View, parse_view
from morelli.views.shipping import Shipped, install_views, views_used

__all__ = ["Measurer"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]
Progress = Callable[[int, int], None]
_Measured = list[tuple[Float, int, Quality]]

_FEW = 32
"""Fewer images than this are measured in this process: others would need a second and a half to start."""


class Measurer:
    """Measures images of one catalog, and pixels that are in no file.

    Parameters
    ----------
    catalog : Catalog
    encoder : Encoder
    cache : FeatureCache, optional
        Pixels that are in no file are kept there by the hash of the pixels.
    workers : int, optional
        Processes; by default as many as processors, and none beside this one for a few images.
    progress : callable, optional
        ``progress(what, done, total)``, with a few words on what is measured.
    """

    def __init__(
        self,
        catalog: Catalog,
        encoder: Encoder,
        *,
        cache: FeatureCache | None = None,
        workers: int | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise MorelliError("Images need at least one worker to be measured.")
        self.catalog, self.encoder, self.cache, self.workers = catalog, encoder, cache, workers
        self._progress = progress
        self._known: dict[str, dict[int, Float]] = {}

    def rows(self, rows: NDArray[np.integer], view: str = "none") -> Float:
        """Return the embeddings of some rows of the catalog as seen through a view, shape (n, d).

        What was measured once, in this object or in the cache, is not measured again.

        Raises
        ------
        MorelliError
            An image cannot be measured.
        """
        name = parse_view(view).name
        known = self._known.setdefault(name, {})
        missing = [row for row in dict.fromkeys(np.asarray(rows).tolist()) if row not in known]
        if missing:
            mask = np.zeros(len(self.catalog), dtype=np.bool_)
            mask[missing] = True
            features = extract(
                self.catalog.filter(mask),
                self.encoder,
                view=name,
                cache=self.cache,
                workers=self.workers,
                progress=self._reporter(name),
            )
            if not features.ok.all():
                first = int(np.flatnonzero(~features.ok)[0])
                path = self.catalog.paths[int(np.flatnonzero(mask)[first])]
                raise MorelliError(f"{path} cannot be measured through {name}: {features.error[first]}")
            known.update(zip(np.flatnonzero(mask).tolist(), features.X, strict=True))
        found = [known[row] for row in np.asarray(rows).tolist()]
        return np.array(found, dtype=np.float32).reshape(len(found), self.encoder.dim)

    def pixels(self, images: Iterator[Pixels], n: int, views: Sequence[str], what: str = "pixels") -> dict[str, Float]:
        """Return the embeddings of images that are in no file, as seen through each of several views.

        Parameters
        ----------
        images : iterator of ndarray of uint8, shape (height, width, 3)
            Read as they are measured, so that they need not be in memory together.
        n : int
            How many there are.
        views : sequence of str
        what : str
            For the progress.

        Returns
        -------
        dict of str to ndarray, shape (n, d)
            By view, as it was named. Seeded views draw by the hash of the pixels.

        Raises
        ------
        MorelliError
            An image cannot be measured, or a worker died.
        """
        parsed = [parse_view(view) for view in views]
        found = np.full((len(parsed), n, self.encoder.dim), np.nan, dtype=np.float32)
        waiting: deque[tuple[int, str, list[int]]] = deque()
        report, done = self._reporter(what), 0

        def jobs() -> Iterator[tuple[Pixels, tuple[str, ...]]]:
            for number, image in enumerate(images):
                digest = _hash_of(image)
                missing = self._look_up(digest, parsed, found[:, number])
                waiting.append((number, digest, missing))
                if missing:
                    yield image, tuple(parsed[place].name for place in missing)

        workers = self.workers or (processors() if n >= _FEW else 1)
        for measured in self._run(jobs(), parsed, workers):
            while not waiting[0][2]:
                waiting.popleft()
            number, digest, missing = waiting.popleft()
            kept: dict[CacheKey, CacheRow] = {}
            for place, (stack, n_contrasts, quality) in zip(missing, measured, strict=True):
                found[place, number] = stack[0]
                kept[self._key(digest, parsed[place])] = CacheRow(stack, n_contrasts, quality)
            if self.cache is not None:
                self.cache.put_many(kept)
            done = number + 1
            report(done, n)
        if done < n:
            report(n, n)
        if not np.isfinite(found).all():
            raise MorelliError(f"{n} images were announced to be measured ({what}), and not all of them came.")
        return dict(zip(views, found, strict=True))

    def _run(
        self, jobs: Iterator[tuple[Pixels, tuple[str, ...]]], views: Sequence[View], workers: int
    ) -> Iterator[_Measured]:
        if workers == 1:
            for image, names in jobs:
                yield _measure(self.encoder, image, names)
            return
        try:
            yield from map_in_processes(
                _work, jobs, workers, initializer=_initialise, initargs=(self.encoder, views_used(views))
            )
        except WorkerDied as error:
            raise MorelliError(
                f"A process that measured images has died, perhaps for want of memory. {error} Use fewer workers."
            ) from error

    def _key(self, digest: str, view: View) -> CacheKey:
        return CacheKey(digest, cache_view(view.key), self.encoder.recipe_hash)

    def _look_up(self, digest: str, views: Sequence[View], into: Float) -> list[int]:
        """Fill in what the cache has of an image, (views, d); return the places of views that it lacks."""
        if self.cache is None:
            return list(range(len(views)))
        kept = self.cache.get_many([self._key(digest, view) for view in views])
        missing = []
        for place, view in enumerate(views):
            row = kept.get(self._key(digest, view))
            if row is None or row.vector.shape[1] != into.shape[1]:
                missing.append(place)
            else:
                into[place] = row.vector[0]
        return missing

    def _reporter(self, what: str) -> Progress:
        if self._progress is None:
            return lambda done, total: None
        progress = self._progress
        return lambda done, total: progress(what, done, total)


def _hash_of(pixels: Pixels) -> str:
    """Return what stands for pixels in the cache; no file has this hash, since it is over a text and the pixels."""
    head = f"pixels {pixels.shape[1]}x{pixels.shape[0]}\n".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _measure(encoder: Encoder, pixels: Pixels, views: Sequence[str]) -> _Measured:
    seed = int(_hash_of(pixels)[:16], 16)
    result = []
    for name in views:
        seen = parse_view(name)(pixels, seed)
        encoded = encoder.encode(seen)
        result.append((encoded.stack(), encoded.n_contrasts, estimate_quality(seen)))
    return result


_encoder: Encoder


def _initialise(encoder: Encoder, views: Shipped) -> None:
    """Set a worker process up."""
    install_views(views)
    global _encoder
    _encoder = encoder


def _work(job: tuple[Pixels, tuple[str, ...]]) -> _Measured:
    return _measure(_encoder, *job)
