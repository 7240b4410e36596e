from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep pretrained encoders that the user has fetched out of the tests: they would join every fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MORELLI_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        yield
