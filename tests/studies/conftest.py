from __future__ import annotations

import pytest

from _small import Small, build_small


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """4 models x 12 photographs, measured on demand and once."""
    return build_small(tmp_path_factory.mktemp("small-studies"))
