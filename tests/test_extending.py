"""The example of docs/extending.md, installed as a package and run as a user would."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from morelli.sample import sample_catalog_csv, sample_path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extending.md"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, str]:
    """The environment of a Python that has the example installed."""
    code = re.search(r"<!-- tested: my_extension.py -->\n```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M)
    toml = re.search(r"```toml\n\[project\.entry-points\.(\w+)\]\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    assert code and toml
    site = tmp_path_factory.mktemp("site")
    (site / "my_extension.py").write_text(code[1], encoding="utf-8")
    about = site / "my_extension-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-extension\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[{toml[1]}]\n{toml[2].replace(chr(34), '')}", encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "250"}


def morelli(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "morelli", *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lists_name_it(installed):
    assert "channel-swap" in morelli(installed, "views")
    assert "naive " in morelli(installed, "attributors")
    assert "channels" in morelli(installed, "study", "list")
    assert "Which two channels" in morelli(installed, "study", "channels", "--help")


def test_study_runs_in_processes(installed, tmp_path):
    with sample_catalog_csv().open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["model"] in ("acnet-gan", "realsr-df2k")]
    photographs = sorted({row["prompt_id"] for row in rows})[:10]
    lines = ["path,model,prompt_id"]
    lines += [
        f"{sample_path() / row['path']},{row['model']},{row['prompt_id']}"
        for row in rows
        if row["prompt_id"] in photographs
    ]
    (tmp_path / "images.csv").write_text("\n".join(lines), encoding="utf-8")
    words = ["study", "channels", str(tmp_path / "images.csv"), "-o", str(tmp_path / "out"), "--set", "pairs=rg,gb"]
    words += ["-a", "naive@forensic[colour]", "--folds", "2", "--jobs", "2", "--no-cache", "--json"]
    found = json.loads(morelli(installed, *words))
    assert set(found["findings"]["values"]) == {"channel-swap:rg", "channel-swap:gb"}
    assert found["provenance"]["options"]["attributors"] == ["naive@forensic[colour]"]
