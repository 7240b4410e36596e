"""Generators that leave a period of their own in the residual of smooth pictures."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from morelli.encoders.fingerprint import Architecture, FingerprintModel, TrainingSettings

TINY = TrainingSettings(
    architecture=Architecture(width=6, blocks=12, dim=16, patch=32),
    classes=3,
    patches=4,
    crop=64,
    crops=2,
    learning_rate=1e-2,
)


class References(NamedTuple):
    paths: list[Path]
    labels: np.ndarray
    groups: np.ndarray


def picture(generator: int, prompt: int, size: tuple[int, int] = (136, 120)) -> np.ndarray:
    """A smooth picture by one of three generators; the prompt decides the content."""
    rng = np.random.default_rng([prompt, 7])
    y, x = np.mgrid[: size[0], : size[1]]
    waves = sum(
        rng.uniform(10, 40, 3)
        * np.sin(rng.uniform(0.01, 0.05, 3) * y[..., None] + rng.uniform(0.01, 0.05) * x[..., None])
        for _ in range(3)
    )
    trace = ((-1.0) ** (x + y), np.where(x % 4 < 2, 1.0, -1.0), np.where(y % 8 < 4, 1.0, -1.0))[generator]
    grain = np.random.default_rng([prompt, generator]).normal(size=(*size, 3))
    return np.clip(128 + waves + 3 * trace[..., None] + 2 * grain, 0, 255).round().astype(np.uint8)


def write(folder: Path, prompts: range) -> References:
    paths, labels, groups = [], [], []
    for prompt in prompts:
        for generator, name in enumerate(("checks", "stripes", "bands")):
            path = folder / f"{name}-{prompt}.png"
            Image.fromarray(picture(generator, prompt)).save(path)
            paths.append(path)
            labels.append(name)
            groups.append(prompt)
    return References(paths, np.array(labels), np.array(groups))


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> References:
    return write(tmp_path_factory.mktemp("references"), range(4))


@pytest.fixture(scope="session")
def untrained() -> FingerprintModel:
    """A network whose every number is drawn: its file needs no torch."""
    architecture = TINY.architecture
    weights, running = architecture.start(3, 0)
    rng = np.random.default_rng(0)
    for values in (weights, running):
        for name, array in values.items():
            if array.ndim == 1:
                values[name] = rng.uniform(0.5, 1.5, array.shape).astype(np.float32)
    return FingerprintModel(architecture, weights, running, ("bands", "checks", "stripes"), 12, "0" * 64, 0, 0)


@pytest.fixture(scope="session")
def network_file(untrained: FingerprintModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained.save(tmp_path_factory.mktemp("network") / "untrained.onnx")
