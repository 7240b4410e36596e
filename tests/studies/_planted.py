"""Small catalogs of real files with planted effects, for the studies."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from morelli.catalog import LABEL_COLUMNS, Catalog, build_catalog
from morelli.sample import sample_path

SIDE = 96


def photographs(n: int, model: str = "realesrgan-x4plus") -> list[Image.Image]:
    """Return photographs of the sample, 256 pixels wide."""
    paths = sorted((sample_path() / "reference" / model).iterdir())[:n]
    return [Image.open(path).convert("RGB") for path in paths]


def crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a random part at `SIDE` pixels: of one photograph, and no near-duplicate."""
    size = int(rng.integers(110, 200))
    x, y = (int(v) for v in rng.integers(0, 256 - size, 2))
    return image.crop((x, y, x + size, y + size)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def tinted(image: Image.Image, shift: Sequence[float]) -> Image.Image:
    """Return the image with a shift of each channel."""
    return Image.fromarray(np.clip(np.asarray(image, dtype=np.float64) + np.asarray(shift), 0, 255).astype(np.uint8))


def write_catalog(folder: Path, images: Iterable[tuple[Image.Image, dict[str, str]]]) -> Catalog:
    """Write images with their labels; a label ``save`` holds the JPEG quality of one image, and PNG is the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (image, labels) in enumerate(images):
        quality = labels.get("save")
        path = folder / f"{number:04d}.{'png' if quality is None else 'jpg'}"
        image.save(path, **({} if quality is None else {"quality": int(quality)}))
        rows.append({"path": path.name, **{name: text for name, text in labels.items() if name != "save"}})
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / "catalog.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)
    catalog = build_catalog(folder / "catalog.csv")
    for name in sorted(set(names) - {"path", *LABEL_COLUMNS}):
        catalog = catalog.with_column(name, [row[name] for row in rows])
    catalog.write(folder / "catalog.parquet")
    return Catalog.read(folder / "catalog.parquet")
