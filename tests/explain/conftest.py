from __future__ import annotations

import numpy as np
import pytest

from morelli.attributors import Bundle
from morelli.explain import Grid, TraceMap

from ._planted import Pixels, fit_planted, photographs


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return fit_planted(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="session")
def unseen() -> list[Pixels]:
    """Photographs that the bundle does not know."""
    return photographs()[20:]


@pytest.fixture
def small_map() -> TraceMap:
    """A map of 2 x 3 cells of 40 x 30 pixels on an image of 90 x 100, with a border that no cell covers."""
    values = np.array([[4.0, 0.0, -4.0], [2.0, 0.0, -2.0]])
    return TraceMap(
        method="votes",
        candidate="ada",
        against="bob",
        grid=Grid(90, 100, 10, 5, 40, 30, 2, 3),
        values=values,
        whole=0.0,
        noise=0.5,
        n_windows=6,
        window=(40, 30),
        families={"left": 0.25 * values, "right": 0.75 * values},
        noise_of={"left": 0.125, "right": 0.375},
        unplaced={"layout": 1.5},
    )
