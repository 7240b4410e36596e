from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from . import tiny


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a tiny network, made when it is first asked for."""
    made: dict[str, Path] = {}
    folder = tmp_path_factory.mktemp("networks")

    def get(kind: str) -> Path:
        if kind != "mask":
            torch = pytest.importorskip("torch", reason="needs the deep extra")
            pytest.importorskip("diffusers", reason="needs the deep extra")
            torch.set_num_threads(1)
        if kind not in made:
            made[kind] = tiny.MAKERS[kind](folder / kind)
        return made[kind]

    return get


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a test its own folder of weights, and an empty cache of the hub."""
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path / "weights"))
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs the deep extra")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "weights"


def picture(height: int = 80, width: int = 112, seed: int = 0) -> np.ndarray:
    """Smooth colours with some grain."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / (9 + 3 * i) + rng.uniform(0, 6)) + np.cos(columns / (11 - 2 * i)) for i in range(3)]
    return np.clip(np.stack(waves, axis=2) * 50 + 128 + rng.normal(0, 6, (height, width, 3)), 0, 255).astype(np.uint8)
