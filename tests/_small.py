"""Some of the embedded images as a catalog, and its features: for tests that run trials."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from morelli.catalog import COLUMNS, Catalog, build_catalog
from morelli.encoders import FeatureCache
from morelli.sample import sample_catalog_csv, sample_path

MODELS = ("acnet-gan", "realsr-df2k", "waifu2x-cunet", "waifu2x-upconv7-photo")
STRANGER = "dat-light"
ENCODER = "forensic[colour,sharpness]"
CENTROID, LOGISTIC, FUSED = (f"{name}@{ENCODER}" for name in ("centroid", "logistic", "fused"))


@dataclass(frozen=True)
class Small:
    """A catalog on disk, and a cache that its features go to."""

    folder: Path
    path: Path
    catalog: Catalog
    cache: FeatureCache


def small_rows(models: tuple[str, ...] = MODELS, prompts: int = 12) -> list[dict[str, str]]:
    """Return rows of the embedded table with absolute paths, of prompts that all models have, the stranger too."""
    with sample_catalog_csv().open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = ("path", "model", "lineage", "prompt_id", "domain")
    chosen = sorted({row["prompt_id"] for row in rows if row["model"] == STRANGER})[:prompts]
    kept = [row for row in rows if row["model"] in models and row["prompt_id"] in chosen]
    return [{name: row[name] for name in names} | {"path": str(sample_path() / row["path"])} for row in kept]


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def build_small(folder: Path, change: Callable[[list[dict[str, str]]], None] | None = None, **of: object) -> Small:
    rows = small_rows(**of)  # type: ignore[arg-type]
    if change is not None:
        change(rows)
    path = folder / "images.parquet"
    build_catalog(write_rows(folder / "images.csv", rows), path, workers=1)
    return Small(folder, path, Catalog.read(path), FeatureCache(folder / "features.sqlite"))


def bare_catalog(columns: dict[str, list[object]]) -> Catalog:
    """Return a catalog of images that are nowhere; ids, hashes and what else it needs are made up."""
    n = len(next(iter(columns.values())))
    rng = np.random.default_rng(0)
    made = {
        "image_id": [f"{i:064x}" for i in range(n)],
        "uri": [f"{i}.png" for i in range(n)],
        "phash": rng.integers(0, 1 << 63, n, dtype=np.uint64).tolist(),
        "error": [None] * n,
    } | columns
    arrays = {
        name: pa.array(values, COLUMNS.field(name).type if name in COLUMNS.names else None)
        for name, values in made.items()
    }
    missing = {field.name: pa.nulls(n, field.type) for field in COLUMNS if field.name not in arrays}
    return Catalog(pa.table(arrays | missing), Path("/nowhere"))
