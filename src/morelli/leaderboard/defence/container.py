"""Stripping containers: the same pixels in files that say nothing else, and what the nuisance floor makes of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from morelli._files import atomic_path
from morelli.catalog import Catalog, build_catalog
from morelli.catalog.nuisance import NuisanceFloor, nuisance_floor
from morelli.catalog.schema import COLUMNS, LABEL_COLUMNS
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.images import read_image
from morelli.leaderboard.defence.registry import Defence, register_defence

__all__ = ["ContainerResult", "evaluate_container", "strip_catalog", "strip_image"]

Progress = Callable[[int, int], None]

STRIP = register_defence(
    Defence("strip", "Save every image anew as PNG without metadata; pixels stay as they are.", "container")
)


@dataclass(frozen=True, slots=True)
class ContainerResult:
    """What containers say of the models, before and after they were stripped.

    An attack on containers is learned anew on stripped files here: it is by an attacker who knows the defence.

    Attributes
    ----------
    before, after : NuisanceFloor
        Accuracy of trees that see only the container, cross-validated by prompt.
    n : int
        Files.
    turned : int
        Files whose EXIF orientation is not 1: pixels are kept as stored, so that they are shown unturned.
    profiled : int
        Files with a colour profile, which is lost.
    """

    before: NuisanceFloor
    after: NuisanceFloor
    n: int
    turned: int
    profiled: int


def strip_image(source: Path | bytes) -> bytes:
    """Return an image as a PNG file that holds its pixels and nothing else.

    Parameters
    ----------
    source : path-like or bytes
        What :func:`morelli.images.read_image` reads. Pixels are those that it gives: as stored, 8 bits, RGB.

    Returns
    -------
    bytes
        Equal pixels give equal bytes on one installation: the chunks IHDR, IDAT and IEND.
    """
    file = io.BytesIO()
    Image.fromarray(read_image(source).pixels).save(file, "PNG")
    return file.getvalue()


def strip_catalog(catalog: Catalog, folder: Path, *, progress: Progress | None = None) -> Catalog:
    """Strip all readable images of a catalog.

    Parameters
    ----------
    catalog : Catalog
    folder : Path
        Where the files go, named by the hash of the originals; one that is there is kept.
    progress : callable, optional
        ``progress(done, total)``.

    Returns
    -------
    Catalog
        Of the stripped files, with the labels of the originals; not written.

    Raises
    ------
    NotEnoughDataError
        No image can be read.
    MorelliError
        A stripped file does not hold the pixels of its original.
    """
    import csv

    rows = np.flatnonzero([error is None for error in catalog.column("error")])
    if not len(rows):
        raise NotEnoughDataError("No image of the catalog can be read, so that there is nothing to strip.")
    names = [f"{catalog.column('image_id')[row]}.png" for row in rows]
    for number, (row, name) in enumerate(zip(rows.tolist(), names, strict=True), 1):
        target = folder / name
        if not target.is_file():
            stripped = strip_image(catalog.paths[row])
            if not np.array_equal(read_image(stripped).pixels, read_image(catalog.paths[row]).pixels):
                raise MorelliError(f"{catalog.paths[row]}: stripping changed its pixels, which is a fault in Morelli.")
            with atomic_path(target) as place:
                place.write_bytes(stripped)
        if progress is not None:
            progress(number, len(rows))
    labels = {name: catalog.text(name)[rows] for name in LABEL_COLUMNS}
    with atomic_path(folder / "stripped.csv") as place, place.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", *labels])
        writer.writerows(zip(names, *labels.values(), strict=True))
    made = build_catalog(folder / "stripped.csv")
    foreign = [name for name in catalog.table.column_names if name not in COLUMNS.names]
    for name in foreign:  # may serve as labels too
        made = made.with_column(name, list(catalog.text(name)[rows]))
    return made


def evaluate_container(
    catalog: Catalog, folder: Path, *, label: str = "model", seed: int = 0, progress: Progress | None = None
) -> ContainerResult:
    """Measure what containers say of the models, before and after stripping.

    Parameters
    ----------
    catalog : Catalog
    folder : Path
        For the stripped files.
    label : str, default "model"
    seed : int
        Of the nuisance floor.
    progress : callable, optional
        ``progress(done, total)``.

    Raises
    ------
    NotEnoughDataError
        Too few models or prompts for a nuisance floor.
    """
    before = nuisance_floor(catalog, label, seed=seed)
    stripped = strip_catalog(catalog, folder, progress=progress)
    readable = catalog.table["error"].is_null().to_numpy()
    orientation = np.nan_to_num(catalog.column("orientation").astype(np.float64)[readable], nan=1.0)
    profiles = [value for value in catalog.filter(readable).column("icc_profile") if value]
    after = nuisance_floor(stripped, label, seed=seed)
    return ContainerResult(before, after, len(stripped), int((orientation > 1).sum()), len(profiles))
