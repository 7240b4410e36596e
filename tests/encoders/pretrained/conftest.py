from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morelli.encoders.pretrained import get_pretrained, is_here
from morelli.encoders.pretrained.store import folder_of

from .vit_writer import VitWriter


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    """A vision transformer of four blocks with a class token, whose blocks' values are outputs v..., after embeds."""
    return VitWriter().write(tmp_path / "vit.onnx")


@pytest.fixture
def picture() -> Callable[..., Any]:
    def make(width: int = 100, height: int = 90, seed: int = 0) -> Any:
        return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)

    return make


CLIP_NAME = "clip-vit-b16.openai-int8"


@pytest.fixture(scope="session")
def clip_file() -> Path:
    """The real weights: in the folder $MORELLI_TEST_WEIGHTS, or where they were fetched to."""
    spec = get_pretrained(CLIP_NAME)
    if own := os.environ.get("MORELLI_TEST_WEIGHTS"):
        found = sorted(Path(own).rglob(spec.file))
        if not found:
            pytest.skip(f"MORELLI_TEST_WEIGHTS holds no {spec.file}")
        return found[0]
    if not is_here(spec):
        pytest.skip(f"needs the weights: morelli encoders fetch {CLIP_NAME}, or MORELLI_TEST_WEIGHTS")
    return folder_of(spec) / spec.file
