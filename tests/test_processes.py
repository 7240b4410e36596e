"""Work in several processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from morelli._processes import map_in_processes

PROGRAM = """
import sys, time
from pathlib import Path
from morelli._processes import map_in_processes
from test_processes import begin, work

list(map_in_processes(work, iter([sys.argv[1]] * 2), 2, initializer=begin))
"""


def begin() -> None:
    pass


def work(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(120)


def alive(pid: int) -> bool:
    """Whether there is such a process that has not ended; nobody may be there to take note of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_end_with_a_program_that_is_killed(tmp_path):
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], env={**os.environ, "PYTHONPATH": paths}, start_new_session=True
    )
    try:
        patience = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < patience:
            time.sleep(0.05)
        pids = [int(path.name) for path in tmp_path.iterdir()]
        assert len(pids) == 2
        assert all(map(alive, pids))
        program.kill()
        program.wait()
        patience = time.monotonic() + 30
        while any(map(alive, pids)) and time.monotonic() < patience:
            time.sleep(0.05)
        assert not any(map(alive, pids))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)


def echo(job: int) -> int:
    time.sleep(0.05 * (job % 2))
    return job


@pytest.mark.parametrize("jobs", range(1, 10))
def test_whoever_is_slower_than_the_workers_gets_every_result(jobs):
    """All that was handed out may be done, and given on, before it is known that there is no more."""
    found = []
    for result in map_in_processes(echo, iter(range(jobs)), 2, initializer=begin):
        time.sleep(0.1)
        found.append(result)
    assert found == list(range(jobs))
