"""Photographs with faint patterns: every pattern is a class, and an image can have one of them in one quarter only."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.attributors import Bundle, fit_bundle
from morelli.explain.trace_map import Box
from morelli.images import read_image
from morelli.sample import sample_catalog_csv, sample_path

Pixels = NDArray[np.uint8]

ENCODER = "forensic[residual,spectrum,block-dct,layout]"
KINDS = ("blocks", "noise", "stripes")
LEVELS = 3
REFERENCES = 14
QUARTERS: dict[str, Box] = {
    "top left": (0, 0, 128, 128),
    "top right": (128, 0, 256, 128),
    "bottom left": (0, 128, 128, 256),
    "bottom right": (128, 128, 256, 256),
}


def photographs() -> list[Pixels]:
    """Return the embedded images of one model, 256 pixels a side."""
    with sample_catalog_csv().open(encoding="utf-8", newline="") as stream:
        paths = sorted(row["path"] for row in csv.DictReader(stream) if row["model"] == "realesrgan-x4plus")
    return [read_image(sample_path() / path).pixels for path in paths]


def plant(pixels: Pixels, kind: str, seed: int) -> Pixels:
    """Add a pattern of a few grey levels."""
    height, width = pixels.shape[:2]
    rng = np.random.default_rng(seed)
    if kind == "stripes":
        pattern = np.where(np.arange(width)[None] % 4 < 2, 1.0, -1.0) * np.ones((height, 1))
    elif kind == "noise":
        pattern = rng.standard_normal((height, width))
    else:
        pattern = np.kron(rng.standard_normal((-(-height // 8), -(-width // 8))), np.ones((8, 8)))[:height, :width]
    return np.clip(np.rint(pixels + LEVELS * pattern[:, :, None]), 0, 255).astype(np.uint8)


def quarter(pixels: Pixels, one: str, other: str, box: Box, seed: int = 0) -> Pixels:
    """Return an image with the pattern of one class in a box, and of another elsewhere."""
    left, top, right, bottom = map(int, box)
    result = plant(pixels, other, 1000 + seed)
    result[top:bottom, left:right] = plant(pixels, one, 2000 + seed)[top:bottom, left:right]
    return result


def fit_planted(folder: Path, **options: object) -> Bundle:
    """Fit a bundle to three classes on the same photographs."""
    from morelli.catalog import build_catalog

    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "model", "prompt_id"])
        for number, pixels in enumerate(photographs()[:REFERENCES]):
            for kind in KINDS:
                path = folder / f"{kind}-{number}.png"
                Image.fromarray(plant(pixels, kind, number)).save(path)
                writer.writerow([path, kind, number])
    return fit_bundle(build_catalog(folder / "table.csv"), encoder=ENCODER, workers=1, **options)
