from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attributors.mllm._server import KEY, Server, serving
from morelli.attributors.mllm import AskSettings, Endpoint, RemoteAsker
from morelli.attributors.mllm.question import Picture, Question


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that answers by colour, and a key that it is asked with."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("morelli.attributors.mllm.retrying.RetryPolicy.wait", _short(), raising=True)
    with serving() as state:
        yield state


def _short() -> Callable[..., float | None]:
    """Waits of the policy, a thousandth as long: what it asks for is tested by itself."""
    from morelli.attributors.mllm.retrying import RetryPolicy

    true = RetryPolicy.wait

    def wait(self: RetryPolicy, attempt: int, waited: float, asked: float | None, rng: Any) -> float | None:
        seconds = true(self, attempt, 1000 * waited, asked, rng)
        return None if seconds is None else seconds / 1000

    return wait


@pytest.fixture
def endpoint(server: Server, tmp_path: Path) -> Callable[..., Endpoint]:
    """Make the settings of the server's endpoint."""

    def make(**settings: Any) -> Endpoint:
        answers = str(tmp_path / "answers.sqlite")
        given = {"base_url": server.url, "answers": answers, "timeout": 5.0, "key_variable": "OPENAI_API_KEY"}
        return Endpoint("painter-7b", **(given | settings))

    return make


@pytest.fixture
def asker(endpoint: Callable[..., Endpoint]) -> Callable[..., RemoteAsker]:
    def make(**settings: Any) -> RemoteAsker:
        return RemoteAsker(endpoint(**settings), AskSettings())

    return make


def yes_or_no(i: int) -> Question:
    """A question about an image of its own."""
    picture = np.full((16, 16, 3), 7 * i % 256, dtype=np.uint8)
    picture[0, 0] = divmod(i, 256)[0] + 1
    return Question("Look.", ("Is it?", Picture(picture)), {"answer": ("yes", "no")})
