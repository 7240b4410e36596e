"""What only a real process shows: pipes, signals, start-up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from morelli.sample import sample_path

MORELLI = (sys.executable, "-m", "morelli")


def run(*arguments: object, **settings: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*MORELLI, *map(str, arguments)], capture_output=True, check=False, **settings)  # type: ignore[call-overload]


def test_version_and_usage():
    from morelli import __version__

    assert run("--version").stdout.decode().split() == ["morelli", __version__]
    for arguments in ([], ["fit"], ["nonsense"], ["fit", "--nonsense"]):
        result = run(*arguments)
        assert result.returncode == 2
        assert b"Traceback" not in result.stderr


def test_a_mistake_is_one_sentence():
    result = run("show", "no\nsuch\x1b.morelli")
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.decode().count("\n") == 1
    assert result.stderr.startswith(b"morelli: no\\nsuch\\x1b.morelli: ")


def test_a_reader_that_has_seen_enough(bundle):
    process = subprocess.Popen(
        [*MORELLI, "attribute", bundle, "-", "--csv", "-w", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin and process.stdout and process.stderr
    assert process.stdout.readline().startswith(b"uri,")
    process.stdout.close()
    process.stdin.write(b"missing.png\n" * 200)
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


def test_output_is_utf8_in_any_locale(bundle, images):
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = run("attribute", bundle, images / "deeper", "--json", env=environment)
    assert json.loads(result.stdout.decode("utf-8"))["uri"].endswith(".jpg")


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
def test_ctrl_c(bundle):
    process = subprocess.Popen(
        [*MORELLI, "attribute", bundle, *[sample_path() / "reference"] * 5, "--csv", "-w", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A shell may have told its background jobs to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout
    process.stdout.readline()
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, b"morelli: Interrupted.\n")
