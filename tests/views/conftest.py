"""A textured picture, made on the spot."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def picture() -> npt.NDArray[np.uint8]:
    """Smooth colours with fine grain, 80 x 112, never flat in any patch."""
    rng = np.random.default_rng(7)
    coarse = Image.fromarray(rng.integers(30, 225, (5, 7, 3), dtype=np.uint8)).resize(
        (112, 80), Image.Resampling.BICUBIC
    )
    return np.clip(np.asarray(coarse) + rng.normal(0, 9, (80, 112, 3)), 0, 255).astype(np.uint8)
