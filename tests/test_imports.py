"""The command line starts quickly: what is heavy is imported when it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

HEAVY = {"numpy", "scipy", "sklearn", "pyarrow", "matplotlib", "PIL", "safetensors", "jinja2", "joblib"}


def loaded_after(code: str) -> set[str]:
    """Return the heavy packages that a new process has loaded after running `code`."""
    script = f"import sys, json\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(json.dumps(sorted(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return HEAVY & {name.partition(".")[0] for name in json.loads(process.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    "code",
    [
        "import morelli",
        "import morelli.cli._app",
        "sys.argv = ['morelli', '--help']; from morelli.cli import main; main()",
        "sys.argv = ['morelli', 'catalog', 'build', '--help']; from morelli.cli import main; main()",
        "sys.argv = ['morelli', '--version']; from morelli.cli import main; main()",
    ],
)
def test_nothing_heavy(code):
    assert loaded_after(code) == set()


def test_help_is_quick():
    """Half a second is promised; the quickest of several starts counts, for others may be using the processor."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "morelli", "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.5, times
