from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from morelli.attributors.pixels import PROCESSOR, Recipe


@pytest.fixture(scope="package")
def torch() -> Any:
    """With one thread: the convolutions are tiny, and several threads would wait for each other."""
    pytest.importorskip("transformers", reason="networks are those of transformers, which the deep extra brings")
    module = pytest.importorskip("torch", reason="training needs torch, which the deep extra brings")
    threads = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny() -> Recipe:
    """A network of two stages that sees 32 pixels."""
    return PROCESSOR.with_settings(
        {"size": "1-1@16-32", "side": 32, "epochs": 40, "batch": 8, "rate_batch": 8, "at_once": 8, "check": 0}
    )


@pytest.fixture(scope="session")
def striped() -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Two classes of 12 pictures of 40 pixels: stripes across, and stripes along."""
    rng = np.random.default_rng(0)
    codes = np.arange(24) % 2
    stripes = np.where(np.arange(40) % 4 < 2, 60, 200)
    flat = np.stack([np.tile(stripes, (40, 1)) if code else np.tile(stripes, (40, 1)).T for code in codes])
    noisy = np.clip(flat[..., None] + rng.normal(0, 10, (24, 40, 40, 3)), 0, 255).astype(np.uint8)
    return noisy, np.array(["along", "across"])[codes]
