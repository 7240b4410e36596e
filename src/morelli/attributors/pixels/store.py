"""The pixel store: the pictures of a catalog in one memory-mapped file, decoded and made small once.

A training looks at every image dozens of times; to decode it each time would cost more than to learn from it. Beside
the file of pixels stands a JSON file, which says what they are: image ids, recipe, decoder, and the error of every
image that could not be read, whose pixels are zeros.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from morelli._files import write_text
from morelli._processes import WorkerDied, map_in_processes, processors
from morelli.catalog import Catalog
from morelli.encoders.pictures import PictureEncoder, picture_encoder
from morelli.errors import CatalogError, ImageReadError, MorelliError, NotEnoughDataError
from morelli.images import read_image

__all__ = ["PixelStore"]

Pixels = NDArray[np.uint8]

_FORMAT = "morelli-pixels/1"
_CHUNK = 64
"""Images between two promises that what was written is on disk."""

_FEW = 24
"""Images that are not worth starting processes for."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelStore:
    """Pictures of a catalog's rows.

    Attributes
    ----------
    path : Path
        Of the pixels; the JSON file has the same name and ``.json``.
    layout : str
        Name of the encoder that cut the pictures, ``thumbnail-256`` or ``patches-64x16``.
    image_ids : tuple of (str or None)
        Of the rows.
    errors : tuple of (str or None)
        Why a row has no pictures.
    pixels : ndarray of uint8, shape (n, patches, side, side, 3)
        Memory-mapped, read-only.
    """

    path: Path
    layout: str
    image_ids: tuple[str | None, ...]
    errors: tuple[str | None, ...]
    pixels: Pixels

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which rows have pictures, shape (n,)."""
        return np.array([error is None for error in self.errors], dtype=np.bool_)

    @classmethod
    def build(
        cls,
        catalog: Catalog,
        layout: str,
        path: str | os.PathLike[str],
        *,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> PixelStore:
        """Make the store of a catalog, or open it where it is there; an interrupted call goes on where it stopped.

        Parameters
        ----------
        catalog : Catalog
            Every row gives a row.
        layout : str
            See `morelli.encoders.pictures.picture_encoder`.
        path : path-like
        workers : int, optional
            Processes; 1 decodes in this one. By default as many as processors, and 1 for a few dozen images.
        progress : callable, optional
            Called as ``progress(done, total)``.

        Raises
        ------
        MorelliError
            `path` holds the pictures of other images, or in another layout; a file is damaged; a process died.
        """
        path, encoder = Path(path), picture_encoder(layout)
        signature = _signature(catalog, encoder)
        if _beside(path).exists():
            store = cls.open(path)
            if _read_header(path)["signature"] != signature:
                raise MorelliError(
                    f"{path} holds pictures of other images, or cut or decoded otherwise. Name another file, or delete "
                    f"it and {_beside(path).name} to make them anew."
                )
            return store
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (len(catalog), encoder.patches, encoder.side, encoder.side, 3)
        part, journal = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.journal")
        errors = _fill(catalog, encoder, shape, part, journal, signature, workers, progress)
        header = {
            "format": _FORMAT,
            "signature": signature,
            "layout": encoder.name,
            "recipe": encoder.recipe,
            "shape": list(shape),
            "image_ids": catalog.column("image_id").tolist(),
            "errors": errors,
        }
        part.replace(path)
        write_text(_beside(path), json.dumps(header, ensure_ascii=False) + "\n")  # last: it says that all is there
        journal.unlink()
        return cls.open(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> PixelStore:
        """Open a store.

        Raises
        ------
        MorelliError
            A file is missing, damaged or truncated.
        """
        path = Path(path)
        header = _read_header(path)
        shape = tuple(header["shape"])
        wanted, found = int(np.prod(shape)), path.stat().st_size if path.exists() else -1
        if found != wanted:
            what = "is missing" if found < 0 else f"has {found} bytes instead of {wanted}"
            raise MorelliError(f"{path} {what}; delete it and {_beside(path).name} to make the pictures anew.")
        if wanted:
            pixels: Pixels = np.memmap(path, dtype=np.uint8, mode="r", shape=shape)
        else:  # an empty file cannot be mapped
            pixels = np.zeros(shape, dtype=np.uint8)
        return cls(path, header["layout"], tuple(header["image_ids"]), tuple(header["errors"]), pixels)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _signature(catalog: Catalog, encoder: PictureEncoder) -> str:
    """Return a hash of what decides the pictures: recipe, decoder, and the images in their order."""
    rows = [catalog.column("image_id").tolist(), catalog.column("error").tolist()]
    return hashlib.sha256(json.dumps([encoder.recipe_hash, rows]).encode()).hexdigest()


def _read_header(path: Path) -> dict[str, Any]:
    try:
        header: dict[str, Any] = json.loads(_beside(path).read_text(encoding="utf-8"))
        n, patches, side = (int(size) for size in header["shape"][:3])
        lengths = {n, len(header["image_ids"]), len(header["errors"])}
        good = header["format"] == _FORMAT and header["shape"] == [n, patches, side, side, 3] and lengths == {n}
        str(header["signature"]), str(header["layout"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise MorelliError(
            f"{_beside(path)} is missing or damaged; delete it and {path.name} to begin anew."
        ) from error
    if not good:
        raise MorelliError(f"{_beside(path)} does not describe a pixel store that this version of Morelli can read.")
    return header


# -- filling -----------------------------------------------------------------------------------------------------------


def _fill(
    catalog: Catalog,
    encoder: PictureEncoder,
    shape: tuple[int, ...],
    part: Path,
    journal: Path,
    signature: str,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> list[str | None]:
    """Write all pictures to the file `part`; return the errors. The journal holds what was done before a kill."""
    errors: list[str | None] = list(catalog.column("error").tolist())
    done = _done_before(journal, signature, part, int(np.prod(shape)))
    for row, error in done.items():
        errors[row] = error
    todo = [row for row in range(len(catalog)) if errors[row] is None and row not in done]
    ids, each = catalog.column("image_id"), int(np.prod(shape[1:]))
    if not done:
        with part.open("wb") as file:
            file.truncate(int(np.prod(shape)))
        journal.write_text(json.dumps(signature) + "\n", encoding="utf-8")
    jobs = [(encoder.name, str(catalog.paths[row]), ids[row]) for row in todo]
    count = len(catalog) - len(todo)
    with part.open("r+b") as file, journal.open("a", encoding="utf-8") as log:
        waiting: list[tuple[int, str | None]] = []
        results = _cut_all(jobs, workers)
        try:
            for row, (pictures, problem) in zip(todo, results, strict=True):
                errors[row] = problem
                if pictures is not None:
                    file.seek(row * each)
                    file.write(pictures)
                waiting.append((row, problem))
                if len(waiting) == _CHUNK:
                    _promise(file, log, waiting)
                count += 1
                if progress is not None:
                    progress(count, len(catalog))
        finally:
            results.close()
            _promise(file, log, waiting)  # also on Ctrl-C
    return errors


def _promise(file: IO[bytes], log: IO[str], waiting: list[tuple[int, str | None]]) -> None:
    """Bring pixels to disk, and only then the word that they are there."""
    file.flush()
    os.fsync(file.fileno())
    log.writelines(json.dumps(row) + "\n" for row in waiting)
    log.flush()
    waiting.clear()


def _done_before(journal: Path, signature: str, part: Path, size: int) -> dict[int, str | None]:
    """Return what an interrupted call did, and nothing where it was about other images."""
    if not journal.exists() or not part.exists() or part.stat().st_size != size:
        return {}
    done: dict[int, str | None] = {}
    lines = journal.read_text(encoding="utf-8").split("\n")
    try:
        if json.loads(lines[0]) != signature:
            return {}
        for line in lines[1:-1]:  # behind the last end of a line there may be half of one
            row, error = json.loads(line)
            done[int(row)] = error
    except (ValueError, TypeError):
        return {}
    if lines[-1]:
        journal.write_text("\n".join([*lines[:-1], ""]), encoding="utf-8")
    return done


_Job = tuple[str, str, str | None]
_Cut = tuple[bytes | None, str | None]


def _cut_all(jobs: list[_Job], workers: int | None) -> Generator[_Cut, None, None]:
    """Yield what `_cut` makes of each job."""
    if (workers or (processors() if len(jobs) > _FEW else 1)) == 1:
        yield from map(_cut, jobs)
        return
    try:
        yield from map_in_processes(_cut, iter(jobs), workers or processors(), initializer=_nothing)
    except WorkerDied as error:
        raise MorelliError(
            f"A process that decoded images has died, perhaps for want of memory. {error} Use fewer workers; the same "
            "call goes on where it stopped."
        ) from error


def _nothing() -> None:
    """Set a worker process up: there is nothing to do."""


def _cut(job: _Job) -> _Cut:
    """Return the pictures of a file as bytes, or what is wrong with it."""
    layout, path, expected = job
    try:
        image = read_image(path)
        if expected is not None and image.facts.sha256 != expected:
            raise CatalogError(f"{path}: the file has changed since the catalog was made; build the catalog again.")
        return np.ascontiguousarray(picture_encoder(layout).cut(image.pixels)).tobytes(), None
    except NotEnoughDataError as error:
        return None, str(ImageReadError(path, "too-small", str(error)))
    except MorelliError as error:
        return None, str(error)
