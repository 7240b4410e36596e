"""Every image of a campaign through the stack, what is declared first and then pixels; resumable, in bounded memory."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli.attributors import Bundle, Verdict, judge_extraction
from morelli.audit.campaign.records import FileRow, Judged, Records
from morelli.audit.campaign.source import Campaign, Item
from morelli.provenance import Settings, combine, make_layers
from morelli.provenance.looking import Look, look_at

__all__ = ["Stack", "judge_campaign"]

_BATCH: Final = 64
"""Files between two writes: what a killed run has to judge again, at most, besides those in flight."""

_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Stack:
    """What every image goes through besides the bundle.

    Attributes
    ----------
    settings : Settings
        Of the layers of provenance; its limits hold for decoding too.
    layers : tuple of str or None
        Which layers are examined, in the order of examination; None for all.
    photographs : tuple of str
        Candidates that stand for photographs by cameras.
    workers : int or None
        Processes that look at images.
    """

    settings: Settings = field(default_factory=Settings)
    layers: tuple[str, ...] | None = None
    photographs: tuple[str, ...] = ()
    workers: int | None = None

    def identity(self, bundle: Bundle, layers: Collection[str]) -> dict[str, Any]:
        """Return what verdicts depend on besides the file, as JSON-able values; `layers` are those examined."""
        settings = self.settings
        files = {name: getattr(settings, name) for name in ("trust_anchors", "aliases", "lineage")}
        return {
            "bundle": {"name": bundle.name, "version": bundle.version, "id": bundle.id},
            "candidates": list(bundle.classes),
            "provenance": {
                "layers": list(layers),
                **{name: None if path is None else _digest(Path(path)) for name, path in files.items()},
                "photographs": sorted(self.photographs),
                "options": {str(name): repr(value) for name, value in sorted(settings.options.items())},
            },
            "limits": asdict(settings.limits),
        }


def judge_campaign(
    bundle: Bundle,
    campaign: Campaign,
    records: Records,
    stack: Stack,
    *,
    anew: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Judge what was not judged yet, and write all files and verdicts into the records.

    Parameters
    ----------
    bundle, campaign, records, stack
    anew : bool
        Judge everything again.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of files.

    Raises
    ------
    MorelliError
        The records are of another bundle or of other settings, or a worker died.
    """
    layers = make_layers(stack.settings, stack.layers)  # complains before work begins
    records.begin(stack.identity(bundle, layers), anew=anew)
    total = sum(1 for _ in campaign.items())
    writer = _Writer(records, total, progress)
    waiting: list[_Waiting] = []  # in the order in which they were handed out

    def paths() -> Iterator[str]:
        """Hand out what has to be judged; what is known is written down on the way."""
        for seq, item in enumerate(campaign.items()):
            state = _state(item.path) if item.problem is None else None
            if item.problem is not None:
                writer.add(_row(seq, item, None, item.problem), None, None)
            elif state is not None and (known := _known(records, item.path, *state)) is not None:
                writer.add(_row(seq, item, known, None), state, None)
            else:
                waiting.append(_Waiting(seq, item, state))
                yield item.path

    try:
        for look in look_at(paths(), bundle.encoder, stack.settings, layers, stack.workers):
            one = waiting.pop(0)
            error = None if look.image_id is not None else str(look.extraction.error)
            judged = None if look.image_id is None or records.has(look.image_id) else _judge(bundle, look, stack)
            # A file that changed while it was looked at is looked at again by the next run.
            state = one.state if one.state is not None and _state(one.item.path) == one.state else None
            writer.add(_row(one.seq, one.item, look.image_id, error), state, judged)
    finally:
        writer.flush()  # also on Ctrl-C
    records.finish(passed_over=campaign.passed_over[0], by=list(campaign.by))


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A file that was handed out; its length and time of change before that."""

    seq: int
    item: Item
    state: tuple[int, int] | None


class _Writer:
    """Collects rows and writes them in batches."""

    def __init__(self, records: Records, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._records, self._total, self._progress = records, total, progress
        self._files: list[tuple[FileRow, tuple[int, int] | None]] = []
        self._judged: list[Judged] = []
        self._done = 0
        self._written = time.monotonic()

    def add(self, file: FileRow, state: tuple[int, int] | None, judged: Judged | None) -> None:
        self._files.append((file, state))
        if judged is not None:
            self._judged.append(judged)
        self._done += 1
        if len(self._files) >= _BATCH or time.monotonic() - self._written > _SECONDS:
            self.flush()
        if self._progress is not None:
            self._progress(self._done, self._total)

    def flush(self) -> None:
        self._records.write(self._files, self._judged)
        self._files.clear()
        self._judged.clear()
        self._written = time.monotonic()


def _row(seq: int, item: Item, image_id: str | None, error: str | None) -> FileRow:
    return FileRow(seq, item.name, item.path, image_id, error, item.values)


def _state(path: str) -> tuple[int, int] | None:
    """Return length and time of change of a regular file, None for all else."""
    try:
        status = os.stat(path)  # noqa: PTH116 -- a hundred thousand strings
    except (OSError, ValueError):
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _known(records: Records, path: str, size: int, mtime: int) -> str | None:
    """Return the sha256 of a file if the verdict for its bytes is here."""
    found = records.identify(path, size, mtime)
    if found is None and records.has_length(size):
        try:
            digest = _digest(Path(path))
        except OSError:
            return None
        found = digest if records.has(digest) else None
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _judge(bundle: Bundle, look: Look, stack: Stack) -> Judged:
    pixels = judge_extraction(bundle, look.extraction, look.image_id)
    lineages = dict(zip(bundle.classes, bundle.lineages, strict=True))
    verdict = combine(pixels, look.provenance, classes=bundle.classes, lineages=lineages, photographs=stack.photographs)
    statuses = {report.layer: report.status for report in look.provenance.layers}
    declared = verdict.provenance["declared"]
    named = {one["model"] or one["value"] for one in declared if one["claim"] == "generator"}
    return Judged(verdict, look.bytes, _words(bundle, pixels), look.phash, statuses, tuple(sorted(named)))


def _words(bundle: Bundle, verdict: Verdict) -> NDArray[np.float32] | None:
    """Return the logarithms of a verdict's probabilities, in the bundle's order."""
    if not verdict.candidates:
        return None
    given = {candidate.model: candidate.probability for candidate in verdict.candidates}
    proba = np.array([given[name] for name in bundle.classes])
    return np.asarray(np.log(np.maximum(proba, np.finfo(np.float64).tiny)), dtype=np.float32)
