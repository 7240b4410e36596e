from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from morelli.catalog import COLUMNS, Catalog


def paint(seed: int, size: tuple[int, int] = (48, 48)) -> Image.Image:
    """A picture whose low frequencies are random: others collide in the perceptual hash."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def save() -> Callable[..., Path]:
    """save(path, seed, size, **options of Pillow): make the folders and write the picture."""

    def write(path: Path, seed: int, size: tuple[int, int] = (48, 48), **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        paint(seed, size).save(path, **options)
        return path

    return write


@pytest.fixture
def gallery(tmp_path: Path, save: Callable[..., Path]) -> Path:
    """Three models x five prompts, `gallery/<model>/<prompt>.png`."""
    root = tmp_path / "gallery"
    for model in range(3):
        for prompt in range(5):
            save(root / f"model{model}" / f"prompt{prompt}.png", seed=10 * model + prompt)
    return root


def make_catalog(count: int, **columns: Any) -> Catalog:
    """A catalog of readable rows without files; the hashes are random, thus far apart."""
    rng = np.random.default_rng(7)
    defaults: dict[str, Any] = {
        "image_id": [hashlib.sha256(f"{row}".encode()).hexdigest() for row in range(count)],
        "uri": [f"{row}.png" for row in range(count)],
        "width": [64] * count,
        "height": [64] * count,
        "format": ["PNG"] * count,
        "bytes": [1000] * count,
        "phash": rng.integers(1, 2**63, count, dtype=np.uint64),
        "mode": ["RGB"] * count,
        "bit_depth": [8] * count,
        "alpha": [False] * count,
        "animated": [False] * count,
        "orientation": [1] * count,
        "icc_profile": [False] * count,
        "metadata_bytes": [0] * count,
        "progressive": [False] * count,
    }
    defaults.update(columns)
    arrays = [
        pa.array(defaults[field.name], field.type) if field.name in defaults else pa.nulls(count, field.type)
        for field in COLUMNS
    ]
    return Catalog(pa.Table.from_arrays(arrays, schema=COLUMNS), Path("/nowhere"))


@pytest.fixture
def table_of() -> Callable[..., Catalog]:
    """table_of(n, **columns): see `make_catalog`."""
    return make_catalog
