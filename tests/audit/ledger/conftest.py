from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ._made import Clock
from ._postgres import NoServerError, Server, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    try:
        manager = running()
        server = manager.__enter__()
    except NoServerError as error:
        pytest.skip(str(error))
    yield server
    manager.__exit__(None, None, None)


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a new ledger, in both databases."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.sqlite")
    server: Server = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_ledger(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Any]]:
    """Open ledgers that are closed at the end; the folder of files is the same for both databases."""
    from morelli.audit.ledger import Ledger

    opened = []

    def run(where: str | Path, **options: Any) -> Any:
        options = {"create": True, "files": tmp_path / "files", "clock": clock, **options}
        opened.append(Ledger.open(where, **options))
        return opened[-1]

    yield run
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(where: str, open_ledger: Callable[..., Any]) -> Any:
    """An empty ledger, in both databases."""
    return open_ledger(where)


@pytest.fixture
def in_file(tmp_path: Path, open_ledger: Callable[..., Any]) -> Any:
    """An empty ledger in SQLite."""
    return open_ledger(tmp_path / "ledger.sqlite")
