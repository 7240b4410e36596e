from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cloud:
    """Three classes x 16 groups in 12 dimensions, the first half for fitting."""

    X: NDArray[np.float64]
    y: NDArray[np.str_]
    groups: NDArray[np.int64]


def cloud(seed: int, distance: float = 3.0, n: int = 16) -> Cloud:
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(3), n)
    means = distance * np.eye(3, 12)
    return Cloud(
        rng.normal(size=(3 * n, 12)) + means[codes], np.array(["ada", "bob", "cyd"])[codes], np.tile(np.arange(n), 3)
    )


@pytest.fixture(scope="session")
def references() -> Cloud:
    return cloud(0)


@pytest.fixture(scope="session")
def unseen() -> Cloud:
    return cloud(1)
