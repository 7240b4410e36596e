from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


@pytest.fixture(scope="package", autouse=True)
def one_thread_of_linear_algebra() -> Iterator[None]:
    """As the encoder does: on busy cores, two threads take five times as long as one for products this small."""
    with threadpool_limits(1):
        yield
