"""Finished parts of long work in a folder, each under a hash of all that determines it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from morelli._files import write_text
from morelli._version import __version__
from morelli.errors import MorelliError
from morelli.trials.predictions import Predictions

__all__ = ["Kept", "PartStore", "Stopwatch", "same_for_all"]

_SCHEMA: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What is kept of a finished part; `spent` is what asking took, see `morelli.attributors.registry.Asking`."""

    predictions: Predictions
    fit_seconds: float
    judge_seconds: float
    spent: Mapping[str, float] = field(default_factory=dict)


class PartStore:
    """Finished parts in a folder, each under a hash of all that determines it.

    A part is two files: the predictions, and a line that says how long they took. The second is written last, so that
    a part whose predictions are missing or broken off is never taken for a finished one.

    Parameters
    ----------
    folder : pathlib.Path
        Made if need be.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    @staticmethod
    def name(key: Mapping[str, Any]) -> str:
        """Return the name of the part with this key: 24 hexadecimal digits."""
        return same_for_all({"schema": _SCHEMA, "morelli": __version__, **key})[:24]

    def has(self, name: str) -> bool:
        """Whether there is such a part, and it need not be done again; that it can be read is found out by `get`."""
        about = self.folder / f"{name}.json"
        if not about.is_file() or not (self.folder / f"{name}.parquet").is_file():
            return False
        try:
            return not json.loads(about.read_text(encoding="utf-8")).get("again", False)
        except (ValueError, AttributeError):
            return True  # damaged, as `get` will say

    def get(self, name: str) -> Kept | None:
        """Return a part, or None where there is none or it is damaged: it can be made again."""
        times, table = self.folder / f"{name}.json", self.folder / f"{name}.parquet"
        if not times.is_file() or not table.is_file():
            return None
        try:
            about = json.loads(times.read_text(encoding="utf-8"))
            seconds = float(about["fit_seconds"]), float(about["judge_seconds"])
            return Kept(Predictions.read(table), *seconds, {str(k): float(v) for k, v in about["spent"].items()})
        except (MorelliError, ValueError, KeyError, TypeError, AttributeError):
            times.unlink()
            return None

    def put(self, name: str, key: Mapping[str, Any], kept: Kept) -> None:
        """Keep a part; whoever is interrupted here has the old state or the new one."""
        kept.predictions.write(self.folder / f"{name}.parquet")
        about = {
            **key,
            "fit_seconds": kept.fit_seconds,
            "judge_seconds": kept.judge_seconds,
            "spent": dict(kept.spent),
            # A question that failed may get its answer another time; the next run asks.
            "again": bool((kept.predictions.unanswered == "failed").any()),
        }
        write_text(self.folder / f"{name}.json", json.dumps(about, sort_keys=True, ensure_ascii=False) + "\n")


class Stopwatch:
    """Seconds since it was made, or since it was last read."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds, and begin anew."""
        now = time.perf_counter()
        seconds, self._begin = now - self._begin, now
        return seconds


def same_for_all(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON-able values."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
