"""Perturbing a catalog: defended images as PNG beside a catalog of them; an interrupted run goes on."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli._files import atomic_path, write_text
from morelli.catalog import Catalog, build_catalog
from morelli.catalog.schema import COLUMNS, LABEL_COLUMNS
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.images import read_image
from morelli.leaderboard.defence.perturbing import Perturbing, perturb_images
from morelli.leaderboard.defence.surrogates import SurrogateEncoder
from morelli.networks.weights import read_json

__all__ = ["perturb_catalog"]

Progress = Callable[[int, int], None]

_IMAGES, _SETTINGS, _TABLE, _CATALOG = "images", "perturbing.json", "perturbed.csv", "perturbed.parquet"


def perturb_catalog(
    catalog: Catalog,
    folder: Path,
    surrogates: Sequence[SurrogateEncoder],
    settings: Perturbing | None = None,
    *,
    label: str = "model",
    seed: int = 0,
    progress: Progress | None = None,
) -> Catalog:
    """Perturb every image of a catalog, prompt by prompt.

    Images of a prompt with one model stay out: there is nothing that they could be taken for. In the folder are made
    ``images/`` with one PNG for each image (no metadata), ``perturbed.csv`` and the catalog ``perturbed.parquet`` with
    the labels of the originals and their hashes in the column ``perturbed_from``, and ``perturbing.json``, which says
    how. Files are complete or not there; a batch of which all images are there is not made again.

    Parameters
    ----------
    catalog : Catalog
        With `label`, and ``prompt_id`` or ``prompt``.
    folder : Path
    surrogates : sequence of SurrogateEncoder
    settings : Perturbing, optional
    label : str, default "model"
    seed : int, default 0
    progress : callable, optional
        ``progress(done, total)``, in images.

    Returns
    -------
    Catalog
        Of the perturbed images, as written.

    Raises
    ------
    NotEnoughDataError
        No prompt has images of two models.
    MorelliError
        The folder holds images that were perturbed in another way, or an image cannot be read.
    """
    settings = settings or Perturbing()
    prompts = _prompts_of(catalog, label)
    total = sum(len(rows) for rows in prompts.values())
    _claim(folder, catalog, surrogates, settings, label, seed)
    labels = catalog.text(label)
    names = _names(catalog, prompts, label)
    done = 0
    for rows in prompts.values():
        # Batches are cut before it is known which are there, so that an interrupt changes no batch and no pixel.
        batches = [rows[i : i + settings.batch] for i in range(0, len(rows), settings.batch)]
        missing = [some for some in batches if not all((folder / names[row]).is_file() for row in some)]
        done += sum(len(some) for some in batches if some not in missing)
        if missing:
            images = [read_image(catalog.paths[row]).pixels for row in rows]
        for some in missing:
            places = [rows.index(row) for row in some]
            owners = np.array([str(labels[row]) for row in rows])
            moved = perturb_images(images, owners, surrogates, settings, rows=places, seed=seed)
            for row, pixels in zip(some, moved, strict=True):
                with atomic_path(folder / names[row]) as path:
                    Image.fromarray(pixels).save(path, "PNG")
            done += len(some)
            if progress is not None:
                progress(done, total)
    if progress is not None:
        progress(total, total)
    return _write_catalog(catalog, folder, names)


def _prompts_of(catalog: Catalog, label: str) -> dict[str, list[int]]:
    """Return the rows of each prompt that has two models, in the order of the catalog; a file once for each model."""
    labels, ids, words = catalog.text(label), catalog.text("prompt_id"), catalog.text("prompt")
    named = ids if any(value is not None for value in ids) else words
    prompts: dict[str, list[int]] = {}
    known: set[tuple[str, str, str]] = set()
    for row, (image, error) in enumerate(zip(catalog.column("image_id"), catalog.column("error"), strict=True)):
        key = (str(named[row]), str(labels[row]), str(image))
        if error is None and labels[row] is not None and named[row] is not None and key not in known:
            known.add(key)
            prompts.setdefault(str(named[row]), []).append(row)
    found = {prompt: rows for prompt, rows in prompts.items() if len({str(labels[row]) for row in rows}) >= 2}
    if not found:
        raise NotEnoughDataError(
            f"No prompt has images of two {label}s, so that no image can be pulled towards another {label}'s: prompts "
            f'must have the same "prompt_id" for all {label}s.'
        )
    return found


def _names(catalog: Catalog, prompts: dict[str, list[int]], label: str) -> dict[int, str]:
    """Return where each perturbed image goes, by row: the original's hash, and one of whose it is."""
    images, labels = catalog.column("image_id"), catalog.text(label)
    names = {}
    for prompt, rows in prompts.items():
        for row in rows:
            mark = hashlib.sha256(json.dumps([str(labels[row]), prompt]).encode()).hexdigest()[:8]
            names[row] = f"{_IMAGES}/{str(images[row])[:24]}-{mark}.png"
    return names


def _claim(
    folder: Path, catalog: Catalog, surrogates: Sequence[SurrogateEncoder], settings: Perturbing, label: str, seed: int
) -> None:
    """Write down how images are made here, or refuse a folder where they were made otherwise."""
    path = folder / _SETTINGS
    facts = {
        "signature": settings.signature(surrogates, seed),
        "catalog": catalog.fingerprint,  # what an image is pulled towards hangs on the others of its prompt
        "epsilon": settings.epsilon,
        "steps": settings.steps,
        "surrogates": {surrogate.name: surrogate.fingerprint for surrogate in surrogates},
        "label": label,
        "seed": seed,
    }
    if path.is_file():
        earlier = read_json(path)
        if any(earlier.get(name) != facts[name] for name in ("signature", "catalog", "label")):
            raise MorelliError(
                f"{folder} holds images that were perturbed with other settings, surrogates or another seed, or with "
                "other images beside them; choose another folder, or delete this one."
            )
        return
    write_text(path, json.dumps(facts, indent=1, sort_keys=True) + "\n")


def _write_catalog(catalog: Catalog, folder: Path, names: dict[int, str]) -> Catalog:
    rows = sorted(names)
    labels: dict[str, NDArray[np.object_]] = {name: catalog.text(name)[rows] for name in LABEL_COLUMNS}
    with atomic_path(folder / _TABLE) as path, path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", *labels])
        writer.writerows(zip([names[row] for row in rows], *labels.values(), strict=True))
    made = build_catalog(folder / _TABLE)
    made = made.with_column("perturbed_from", [str(catalog.column("image_id")[row]) for row in rows])
    for name in catalog.table.column_names:
        if name not in COLUMNS.names and name != "perturbed_from":  # may serve as labels too
            made = made.with_column(name, list(catalog.text(name)[rows]))
    made.write(folder / _CATALOG)
    return made
