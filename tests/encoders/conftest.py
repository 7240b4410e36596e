from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from morelli.catalog import Catalog, build_catalog


def picture(seed: int, width: int = 160, height: int = 144) -> NDArray[np.uint8]:
    """Smooth colours under grain: every family has something to measure."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 216, (6, 6, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    grain = rng.integers(-9, 10, smooth.shape, dtype=np.int16)
    return np.asarray(np.clip(smooth + grain, 0, 255), dtype=np.uint8)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models x six prompts: PNG and JPEG, whole and halves and quarters; one too small, one that is no image."""
    root = tmp_path_factory.mktemp("encoders") / "images"
    sizes = [(160, 144), (144, 64), (64, 64), (256, 192), (200, 130), (40, 90)]
    for model in range(2):
        place = root / f"model{model}"
        place.mkdir(parents=True)
        for prompt, (width, height) in enumerate(sizes):
            image = Image.fromarray(picture(100 * model + prompt, width, height))
            image.save(place / f"{prompt}.{'jpg' if prompt % 2 else 'png'}")
    (root / "model1" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    return root


@pytest.fixture(scope="session")
def catalog(folder: Path) -> Catalog:
    """The folder as a catalog of thirteen rows; the last is unreadable."""
    return build_catalog(folder, workers=1)
