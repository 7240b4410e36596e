"""The note of what a judge has said, beside an unfinished table of presence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO

import numpy as np

from morelli.errors import MorelliError

__all__ = ["AnswerJournal"]


class AnswerJournal:
    """Answers as they came, in JSON lines behind one that says what they depend on.

    Lines that were broken off are passed over: those images are asked about again.

    Parameters
    ----------
    path : pathlib.Path or None
        None keeps nothing.
    head : dict
        What answers depend on; a journal of another head is started afresh.

    Attributes
    ----------
    answers : dict of str to list of float
        By image; NaN where something is not known.
    """

    def __init__(self, path: Path | None, head: dict[str, object]) -> None:
        self.path, self._head = path, {"presence": 1, **head}
        self.answers: dict[str, list[float]] = {}
        self._stream: IO[str] | None = None

    def __enter__(self) -> AnswerJournal:
        if self.path is None:
            return self
        self.answers = self._load(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("a" if self.answers else "w", encoding="utf-8")
            # A line that was broken off ends here.
            self._stream.write("\n" if self.answers else json.dumps(self._head) + "\n")
        except OSError as error:
            raise MorelliError(f"{self.path} cannot be written: {error.strerror or error}.") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, image_id: str, answer: list[float]) -> None:
        """Keep an answer."""
        self.answers[image_id] = answer
        if self._stream is not None:
            # JSON has no NaN.
            line = [image_id, [None if np.isnan(value) else value for value in answer]]
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()

    def _load(self, path: Path) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        if not path.is_file():
            return found
        with path.open(encoding="utf-8", errors="replace") as stream:
            if _parsed(stream.readline()) != self._head:
                return found
            for line in stream:
                match _parsed(line):
                    case [str(image_id), [*values]] if all(value is None or type(value) is float for value in values):
                        found[image_id] = [np.nan if value is None else float(str(value)) for value in values]
        return found


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None
