"""What reviewers decided, as labelled rows for the next fit, and never for a test."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from morelli._files import write_text
from morelli.audit.ledger.incident import Incident
from morelli.audit.ledger.ledger import Ledger
from morelli.errors import LedgerError

if TYPE_CHECKING:
    from morelli.catalog import Catalog

__all__ = ["COLUMNS", "REASONS", "Exported", "Left", "export"]

COLUMNS: Final = ("path", "model", "split", "source", "image_id", "ledger", "incident")
"""Of the table. ``morelli catalog build`` reads the first four; the others say where a row comes from."""

REASONS: Final = {
    "none": "the reviewer named none of the candidates and no other maker",
    "disputed": "reviewers do not agree",
    "again": "the same image under another bundle was decided differently",
    "missing": "the file cannot be read where the verdict names it",
    "changed": "the file is no longer the one that was judged",
    "name": "the file's name is not valid text",
    "unreadable": "no image could be read from the file, so that it cannot be compared with the test images",
    "in-test": "the image is in the test catalog",
    "near-test": "a near-duplicate is in the test catalog",
}
"""Why a decided image gives no row."""


@dataclass(frozen=True, slots=True)
class Left:
    """An image that was left out: its incident, its name as it was judged, and why (a key of `REASONS`)."""

    incident: int
    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported.

    Attributes
    ----------
    rows : int
    labels : dict of str to int
        Rows by label.
    left : list of Left
        Images that gave no row.
    sha256 : str
        Of the table, as the ledger records it.
    """

    rows: int
    labels: dict[str, int]
    left: list[Left]
    sha256: str


@dataclass(slots=True)
class _Row:
    incident: int
    path: Path
    label: str
    source: str
    image_id: str
    phash: int = 0


def export(
    ledger: Ledger,
    output: str | os.PathLike[str],
    *,
    test: Catalog | None = None,
    actor: str,
    radius: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write decided images as a table that ``morelli catalog build`` reads, and record that in the ledger.

    Every row has the split ``train`` and the source ``review:NAME``: catalogs warn of such rows in a test split, new
    splits keep them out of it, and nothing is measured by them, because reviewers saw the machine's answer. What is
    in `test`, or nearly, is left out.

    Parameters
    ----------
    ledger : Ledger
    output : path-like
        The table, as CSV.
    test : Catalog, optional
        Images that a bundle is or will be measured by.
    actor : str
        Who exports.
    radius : int, optional
        Of near-duplicates, in bits of 64; `morelli.catalog.DEFAULT_RADIUS` unless another is given.
    progress : callable, optional
        Called as ``progress(done, total)`` after every file that was read.

    Raises
    ------
    LedgerError
        No row is left; the sentence says why.
    """
    from morelli.catalog import DEFAULT_RADIUS

    left: list[Left] = []
    rows = _files(_labelled(ledger, left), left, progress)
    if test is not None:
        rows = _apart(rows, test, DEFAULT_RADIUS if radius is None else radius, left)
    left.sort(key=lambda one: one.incident)
    reasons = _counts(one.reason for one in left)
    if not rows:
        why = ", ".join(f"{count} because {REASONS[reason]}" for reason, count in reasons.items())
        raise LedgerError(f"No image of this ledger gives a row: {why or 'nobody decided anything'}.")
    rows.sort(key=lambda row: row.incident)
    text = _table(rows, ledger.id)
    digest = hashlib.sha256(text.encode()).hexdigest()
    # Recorded first: a table that nobody recorded would be worse than a record of one that was not written.
    ledger.record_export(
        actor,
        {
            "rows": len(rows),
            "left": reasons,
            "sha256": digest,
            "test": None if test is None else test.fingerprint,
            "incidents_until": rows[-1].incident,
        },
    )
    write_text(output, text)
    return Exported(len(rows), _counts(row.label for row in rows), left, digest)


def _labelled(ledger: Ledger, left: list[Left]) -> list[_Row]:
    """Return a row for each image that reviewers agree on, also where several bundles judged it."""
    decided: dict[str, list[tuple[Incident, str]]] = {}
    for incident in ledger.incidents(decided=True):
        if incident.verdict is None:
            continue
        reason = _without_label(incident)
        if reason is None:
            # What the machine said is not needed any more, and may be large.
            slim = replace(incident, verdict=None, attachments=(), notes=())
            decided.setdefault(incident.subject, []).append((slim, str(incident.verdict["uri"])))
        else:
            left.append(Left(incident.seq, str(incident.verdict["uri"]), reason))
    rows = []
    for group in decided.values():
        if len({one.decisions[0].label for one, _ in group}) == 1:
            rows.append(_row(*group[0]))
        else:
            left.extend(Left(one.seq, uri, "again") for one, uri in group)
    return rows


def _without_label(incident: Incident) -> str | None:
    """Return why an incident has no label, None where it has one."""
    if incident.status == "disputed":
        return "disputed"
    return "none" if incident.decisions[0].label is None else None


def _row(incident: Incident, uri: str) -> _Row:
    from morelli.catalog import REVIEW_SOURCE

    names = "+".join(sorted({decision.reviewer for decision in incident.decisions}))
    path = Path(uri) if incident.folder is None else Path(incident.folder) / uri
    return _Row(incident.seq, path, str(incident.decisions[0].label), f"{REVIEW_SOURCE}{names}", incident.subject)


def _files(rows: Sequence[_Row], left: list[Left], progress: Callable[[int, int], None] | None) -> list[_Row]:
    """Keep the rows whose file is the image that was judged, and take its perceptual hash."""
    kept = []
    for done, row in enumerate(rows, start=1):
        reason = _look(row)
        if reason is None:
            kept.append(row)
        else:
            left.append(Left(row.incident, str(row.path), reason))
        if progress is not None:
            progress(done, len(rows))
    return kept


def _look(row: _Row) -> str | None:
    from morelli.catalog import read_facts

    text = str(row.path)
    if not text.isprintable():
        return "name"
    facts = read_facts(text)
    if facts.image_id is None:
        return "missing"
    if facts.image_id != row.image_id:
        return "changed"
    if facts.error is not None:
        return "unreadable"
    row.phash = facts.phash or 0
    return None


def _apart(rows: list[_Row], test: Catalog, radius: int, left: list[Left]) -> list[_Row]:
    """Leave out images that are in the test catalog, or whose near-duplicates are."""
    from morelli.audit.near import find_near

    near = find_near(
        [row.image_id for row in rows],
        np.array([row.phash for row in rows], dtype=np.uint64),
        reference_ids={str(image) for image in test.column("image_id") if image is not None},
        reference_phashes=test.column("phash")[test.table["error"].is_null().to_numpy()].astype(np.uint64),
        radius=radius,
    )
    kept = []
    for row, found in zip(rows, near.in_references, strict=True):
        if found is None:
            kept.append(row)
        else:
            left.append(Left(row.incident, str(row.path), "in-test" if found == "file" else "near-test"))
    return kept


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _table(rows: Sequence[_Row], ledger_id: str) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow((row.path, row.label, "train", row.source, row.image_id, ledger_id, row.incident))
    return stream.getvalue()
