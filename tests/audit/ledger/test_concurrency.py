"""Many processes write to one ledger; some are killed while they do."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

import morelli.attributors  # noqa: F401 -- before processes are forked, which else would import it one by one
from morelli.audit.ledger import Ledger

from ._made import image_id, made_verdict

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked and killed as POSIX has it")


def fork(target, *arguments):
    """Start a copy of this process: it has all modules already, so that it writes at once."""
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    return process


def writer(where: str, name: str, count: int, acknowledged: int) -> None:
    """Add verdicts and decisions one by one; write a line only when an entry is committed."""
    with Ledger.open(where, create=True) as ledger:
        for number in range(count):
            entry = ledger.append_verdict(made_verdict(f"{name}-{number}"), actor=name)
            os.write(acknowledged, f"{entry.seq} {entry.hash}\n".encode())
            made = ledger.decide(entry.seq, name, "confirm")
            os.write(acknowledged, f"{made.seq} -\n".encode())


def read_all(descriptor: int) -> list[tuple[int, str]]:
    """Return what was acknowledged in whole lines."""
    with os.fdopen(descriptor, "rb") as stream:
        lines = stream.read().split(b"\n")[:-1]
    return [(int(seq), digest.decode()) for seq, digest in (line.split() for line in lines)]


class Collected:
    """A pipe that a thread empties while its writers live."""

    def __init__(self) -> None:
        reading, self.writing = os.pipe()
        self.lines: list[tuple[int, str]] = []
        self._thread = threading.Thread(target=lambda: self.lines.extend(read_all(reading)))
        self._thread.start()

    def close(self) -> list[tuple[int, str]]:
        os.close(self.writing)
        self._thread.join(60)
        return self.lines


def check(where: str, acknowledged: list[tuple[int, str]]) -> list:
    """Return all entries, after seeing that the chain holds and that nothing that was acknowledged is missing."""
    with Ledger.open(where) as ledger:
        found = ledger.verify()
        assert found.ok, found.problems
        entries = list(ledger.entries())
    hashes = {entry.seq: entry.hash for entry in entries}
    assert acknowledged
    assert [line for line in acknowledged if line[1] not in ("-", hashes.get(line[0]))] == []
    assert {seq for seq, _ in acknowledged} <= hashes.keys()
    return entries


def test_many_processes_add_to_one_ledger(where):
    """None of them makes the ledger beforehand: they also begin it at the same time."""
    acknowledged = Collected()
    processes = [fork(writer, where, f"writer {number}", 20, acknowledged.writing) for number in range(6)]
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    entries = check(where, acknowledged.close())
    assert len(entries) == 1 + 6 * 40
    assert Counter(entry.actor for entry in entries if entry.kind == "verdict") == {
        f"writer {number}": 20 for number in range(6)
    }
    assert Counter(entry.kind for entry in entries) == {"opened": 1, "verdict": 120, "decision": 120}


def same(where: str, start: float) -> None:
    time.sleep(max(0.0, start - time.time()))
    with Ledger.open(where) as ledger:
        ledger.append_verdicts(made_verdict(number) for number in range(30))


def test_the_same_verdicts_at_the_same_time_are_added_once(where, open_ledger):
    open_ledger(where)
    processes = [fork(same, where, time.time() + 0.3) for _ in range(4)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    with Ledger.open(where) as ledger:
        assert ledger.head().seq == 31
        assert ledger.verify().ok


def test_killed_writers_lose_nothing_that_was_acknowledged(where):
    """Three writers at a time, all killed without warning somewhere in the middle of writing, again and again."""
    rng = random.Random(7)
    acknowledged: list[tuple[int, str]] = []
    Ledger.open(where, create=True).close()
    for round_ in range(5):
        collected = Collected()
        processes = [fork(writer, where, f"writer {round_} {number}", 10_000, collected.writing) for number in range(3)]
        end = time.monotonic() + 30
        while len_of(where) < 10 * (round_ + 1) and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(rng.uniform(0.0, 0.1))
        for process in processes:
            os.kill(process.pid, signal.SIGKILL)
        for process in processes:
            process.join(30)
            assert process.exitcode == -signal.SIGKILL
        acknowledged += collected.close()
        check(where, acknowledged)
    entries = check(where, acknowledged)
    # What was committed and not yet acknowledged is at most one entry for each writer that was killed.
    assert len(acknowledged) <= len(entries) - 1 <= len(acknowledged) + 3 * 5
    with Ledger.open(where) as ledger:  # and the next one goes on where they stopped
        assert ledger.append_verdict(made_verdict("after")).seq == entries[-1].seq + 1
        assert ledger.verify().ok


def len_of(where: str) -> int:
    with Ledger.open(where) as ledger:
        return ledger.head().seq


def attacher(where: str, files: str, name: str) -> None:
    with Ledger.open(where, files=files) as ledger:
        for number in range(10):
            entry = ledger.append_verdict(made_verdict(f"{name}-{number}"))
            ledger.attach(entry.seq, __file__, name)


def redactor(where: str, files: str, name: str) -> None:
    with Ledger.open(where, files=files) as ledger:
        for number in range(10):
            subject = image_id(f"{name}-{number}")
            end = time.monotonic() + 30
            while not any(incident.attachments for incident in ledger.incidents(subject=subject)):
                assert time.monotonic() < end
                time.sleep(0.005)
            ledger.redact(subject, actor="redactor", reason="r")


def test_a_file_is_attached_while_it_is_redacted_elsewhere(where, open_ledger, tmp_path):
    """All attach the same bytes; one removes its attachments as fast as they come."""
    open_ledger(where)
    files = str(tmp_path / "files")
    processes = [fork(attacher, where, files, name) for name in ("keeps", "loses", "keeps too")]
    processes.append(fork(redactor, where, files, "loses"))
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    with Ledger.open(where, files=files) as ledger:
        found = ledger.verify(attachments=True)
    assert found.ok, found.problems
    assert (found.files, found.redacted) == (20, 20)
    assert list(Path(files).rglob("*.part")) == []


def test_readers_see_whole_states_while_others_write(where, open_ledger):
    ledger = open_ledger(where)
    collected = Collected()
    process = fork(writer, where, "writer", 60, collected.writing)
    looked = 0
    while process.is_alive():
        found = ledger.verify()
        assert found.ok, found.problems
        looked += 1
    process.join(10)
    assert process.exitcode == 0
    assert looked > 1
    check(where, collected.close())
