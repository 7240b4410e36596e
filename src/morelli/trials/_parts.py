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
    """What is kept of a finished part.

    Attributes
    ----------
    predictions : Predictions
    fit_seconds, judge_seconds : float
    absent : tuple of str
        Files that it had to do without because they were not there.
    spent : mapping of str to float
        What asking took, see `morelli.attributors.registry.Asking`.
    """

    predictions: Predictions
    fit_seconds: float
    judge_seconds: float
    absent: tuple[str, ...] = ()
    spent: Mapping[str, float] = field(default_factory=dict)

    @property
    def outdated(self) -> bool:
        """Whether it is worth doing again: a file that was gone is back, or a question has failed."""
        return any(Path(path).exists() for path in self.absent) or bool((self.predictions.unanswered == "failed").any())


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

    def finished(self, name: str) -> Kept | None:
        """Return a part that need not be done again, or None."""
        part = self.get(name)
        return None if part is None or part.outdated else part

    def get(self, name: str) -> Kept | None:
        """Return a part, or None where there is none or it is damaged: it can be made again."""
        times, table = self.folder / f"{name}.json", self.folder / f"{name}.parquet"
        if not (times.is_file() and table.is_file()):
            return None
        try:
            about = json.loads(times.read_text(encoding="utf-8"))
            return Kept(
                Predictions.read(table),
                float(about["fit_seconds"]),
                float(about["judge_seconds"]),
                tuple(map(str, about["absent"])),
                {str(what): float(amount) for what, amount in about["spent"].items()},
            )
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
            "absent": kept.absent,
            "spent": dict(kept.spent),
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
