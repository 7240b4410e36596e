"""Audits from the command line, and what they write."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from typer.testing import CliRunner, Result

from morelli.cli._app import app
from report.pages import check_self_contained

CLAIMED = "waifu2x-cunet"
OTHER = "realsr-df2k"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["audit", *map(str, arguments)], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def audit(bundle: Path, folder: Path, out: Path, *more: object, claimed: str = CLAIMED) -> Result:
    few = ("-w", 1, "--draws", 300, "--layers", "metadata")
    return run("campaign", bundle, folder, "--claimed", claimed, "-o", out, *few, *more)


def document(out: Path) -> dict:
    return json.loads((out / "audit.json").read_text(encoding="utf-8"))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def page_of(out: Path):
    beside = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    return check_self_contained((out / "index.html").read_text(encoding="utf-8"), beside)


def contents(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and not path.name.startswith("records.sqlite")
    }
