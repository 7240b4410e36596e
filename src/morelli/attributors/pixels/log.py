"""What is written down of a training: a CSV table, and TensorBoard's events where they are wanted."""

from __future__ import annotations

import csv
import importlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from morelli._files import atomic_path
from morelli.errors import MissingExtraError

__all__ = ["LogRow", "TrainingLog"]


class LogRow(NamedTuple):
    """One step.

    Attributes
    ----------
    step : int
        From 1.
    epoch : float
        Passes over all images that are done.
    rate : float
        Learning rate.
    loss : float
        Mean over the step's pictures, with smoothed and mixed labels, in nats.
    images_per_second : float
        Pictures of the step, in all processes, by the time it took.
    """

    step: int
    epoch: float
    rate: float
    loss: float
    images_per_second: float


class TrainingLog:
    """A table with one row for each step, on disk as they come.

    Parameters
    ----------
    path : path-like or None
        Of the CSV file; rows of steps that a resumed training makes again are taken out first. None writes none.
    tensorboard : path-like, optional
        Folder for TensorBoard.
    done : int
        Steps that are done.

    Raises
    ------
    MissingExtraError
        TensorBoard is wanted and not installed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        *,
        tensorboard: str | os.PathLike[str] | None = None,
        done: int = 0,
    ) -> None:
        self._file: Any = None
        self._board: Any = None
        if tensorboard is not None:
            try:
                module = importlib.import_module("torch.utils.tensorboard")
            except ImportError as error:
                raise MissingExtraError("The TensorBoard log", "deep") from error
            self._board = module.SummaryWriter(os.fspath(tensorboard), purge_step=done + 1)
        if path is not None:
            path = Path(path)
            kept = [row for row in _rows(path) if int(row[0]) <= done]
            with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([LogRow._fields, *kept])
            self._file = path.open("a", encoding="utf-8", newline="")

    def write(self, row: LogRow) -> None:
        """Write a row down."""
        if self._file is not None:
            words = (row.step, f"{row.epoch:.4f}", f"{row.rate:.6g}", f"{row.loss:.6f}", f"{row.images_per_second:.2f}")
            csv.writer(self._file, lineterminator="\n").writerow(words)
            self._file.flush()
        if self._board is not None:
            for name in ("epoch", "rate", "loss", "images_per_second"):
                self._board.add_scalar(name, getattr(row, name), row.step)

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._board is not None:
            self._board.close()


def _rows(path: Path) -> list[list[str]]:
    """Return the whole rows of a table; the last one of a killed training may be half of one."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return [row for row in rows[1:] if len(row) == len(LogRow._fields) and row[0].isdigit()]
