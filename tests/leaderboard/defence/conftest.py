from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from morelli.catalog import Catalog

from ._leaderboard import Made, make_leaderboard


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny networks lose time by threads, most of all where others use the processor."""
    if find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Six prompts, three models that tint their images, five images of each."""
    return make_leaderboard(tmp_path_factory.mktemp("leaderboard"))


@pytest.fixture(scope="session")
def catalog(made: Made) -> Catalog:
    return made.catalog


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"
