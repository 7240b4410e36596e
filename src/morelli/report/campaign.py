"""The audit of a campaign on disk: a page for people, and the files behind it."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from morelli._files import atomic_path, write_text
from morelli._text import inert
from morelli.attributors import Verdict
from morelli.attributors.verdict import json_line
from morelli.audit.campaign import AUDIT, RECORDS, CampaignAudit, FileRow, Mixture, Records, Share
from morelli.report._campaign_page import render_campaign
from morelli.report._findings import json_ready
from morelli.report._sheets import contact_sheet_png
from morelli.report._study_files import write_bytes
from morelli.report._text import clean
from morelli.report._thumbnails import picture_of

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["AUDIT", "PAGE", "render_campaign", "write_campaign"]

PAGE: Final = "index.html"

_PICTURES: Final = 512
"""Small pictures that are kept while an audit is written, at most 40 MB."""

_VERDICTS: Final = (
    "name", "path", "image_id", "decision", "label", "probability", "lineage", "prediction_set", "open_set_p",
    "declared", "bucket", "error",
)  # fmt: skip
_SHARES: Final = ("column", "part", "images", "kind", "name", "share", "low", "high", "lineage", "claimed", "real")
_PARTS: Final = (
    "column", "part", "outcome", "p_value", "p_corrected", "images", "files", "unreadable", "foreign", "foreign_low",
    "foreign_high", "detectable", "attributed", "ambiguous", "unknown", "conflict",
)  # fmt: skip


def write_campaign(audit: CampaignAudit, folder: str | os.PathLike[str]) -> list[Path]:
    """Write an audit beside its records: every file wholly or not at all, and the page last.

    ``index.html``; ``audit.json``; ``verdicts.csv`` and ``verdicts.jsonl``, one row for each file; ``parts.csv``;
    ``mixture.csv``; for each group of unknown images a contact sheet ``clusters/NAME.png`` and a manifest
    ``clusters/NAME.csv`` that a catalog can be built from; ``suspects.png``. Sheets and manifests of an earlier audit
    that this one does not make are removed. The same audit of the same images gives the same bytes.

    Parameters
    ----------
    audit : CampaignAudit
    folder : path-like
        That of the audit: verdicts are read from the records in it.

    Returns
    -------
    list of pathlib.Path
        The files, the page first.
    """
    folder = Path(folder)
    before = _clusters_before(folder)

    @lru_cache(maxsize=_PICTURES)  # the page shows what is on the sheets
    def kept(path: str) -> Picture | str:
        return picture_of(path)

    def pictures(path: str) -> Picture | str:
        return kept(os.path.abspath(path))  # noqa: PTH100 -- links stay

    with Records(folder / RECORDS) as records:
        written = _write_verdicts(records, folder)
        for cluster in audit.clusters:
            members = list(_members(records, cluster.members))
            manifest = folder / "clusters" / f"{cluster.name}.csv"
            _write_csv(
                manifest, ("path", "model", "name", "image_id"), ((p, cluster.name, n, i) for p, n, i in members)
            )
            sheet = manifest.with_suffix(".png")
            write_bytes(sheet, contact_sheet_png([path for path, *_ in members], pictures))
            written += [sheet, manifest]
    if audit.suspects:
        write_bytes(folder / "suspects.png", contact_sheet_png([suspect.path for suspect in audit.suspects], pictures))
        written.append(folder / "suspects.png")
    else:
        (folder / "suspects.png").unlink(missing_ok=True)
    _write_csv(folder / "parts.csv", _PARTS, _part_rows(audit))
    _write_csv(folder / "mixture.csv", _SHARES, _share_rows(audit))
    document = json.dumps(json_ready(audit.to_dict()), ensure_ascii=False, indent=2, allow_nan=False)
    write_text(folder / AUDIT, document + "\n")
    write_text(folder / PAGE, render_campaign(audit, pictures))
    for name in before - {cluster.name for cluster in audit.clusters}:
        for suffix in (".png", ".csv"):
            (folder / "clusters" / f"{name}{suffix}").unlink(missing_ok=True)
    return (
        [folder / name for name in (PAGE, AUDIT)] + written + [folder / name for name in ("parts.csv", "mixture.csv")]
    )


def _write_verdicts(records: Records, folder: Path) -> list[Path]:
    """Write all verdicts in one pass, one after the other."""
    lines, table = folder / "verdicts.jsonl", folder / "verdicts.csv"
    with (
        atomic_path(lines) as lines_path,
        atomic_path(table) as table_path,
        lines_path.open("w", encoding="utf-8", newline="\n") as stream,
        table_path.open("w", encoding="utf-8", newline="") as table_stream,
    ):
        writer = csv.writer(table_stream, lineterminator="\n")
        writer.writerow(_VERDICTS)
        for file, verdict in records.verdicts():
            stream.write(json_line(verdict.to_dict()) + "\n")
            writer.writerow([_inert(value) for value in _verdict_row(file, verdict)])
    return [lines, table]


def _verdict_row(file: FileRow, verdict: Verdict) -> tuple[Any, ...]:
    return (
        file.name, file.path, verdict.image_id, verdict.decision, verdict.label, verdict.probability,
        verdict.lineage.label, "|".join(verdict.prediction_set), verdict.open_set_p,
        verdict.provenance.get("outcome"), verdict.quality.get("bucket"), verdict.error,
    )  # fmt: skip


def _members(records: Records, numbers: Sequence[int]) -> Iterator[tuple[str, str, str]]:
    """Yield absolute path, name and sha256 of the first file of each image."""
    for number in numbers:
        name, path, image_id = records.first_file(number)
        yield os.path.abspath(path), name, image_id  # noqa: PTH100 -- links stay


def _part_rows(audit: CampaignAudit) -> Iterator[tuple[Any, ...]]:
    for part in audit.parts:
        claim = part.claim
        counts = [part.decisions.get(word, 0) for word in ("attributed", "ambiguous", "unknown", "conflict")]
        yield (
            part.column, part.value, claim.outcome, claim.p_value, part.p_corrected, claim.n, part.files,
            part.unreadable, claim.foreign, claim.foreign_low, claim.foreign_high, claim.detectable, *counts,
        )  # fmt: skip


def _share_rows(audit: CampaignAudit) -> Iterator[tuple[Any, ...]]:
    mixtures: list[tuple[str, str, Mixture | None]] = [("", "", audit.mixture)]
    mixtures += [(part.column, part.value, part.mixture) for part in audit.parts]
    for column, value, mixture in mixtures:
        if mixture is None:
            continue
        kinds: list[tuple[str, Sequence[Share]]] = [("candidate", mixture.shares), ("lineage", mixture.lineages)]
        for kind, shares in kinds:
            for one in shares:
                of = (one.share, one.low, one.high, one.lineage, int(one.claimed), int(one.real))
                yield (column, value, mixture.n, kind, one.name, *of)


def _write_csv(path: Path, head: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([_inert(value) for value in row] for row in rows)


def _inert(value: Any) -> Any:
    """Return a cell that UTF-8 can hold and no spreadsheet runs."""
    return inert(value) if isinstance(value, str) else value


def _clusters_before(folder: Path) -> set[str]:
    """Return the names of the clusters that an earlier audit wrote here: nothing else is ever removed."""
    try:
        listed = json.loads((folder / AUDIT).read_text(encoding="utf-8"))["clusters"]
        names = {str(cluster["name"]) for cluster in listed}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
    return {name for name in names if name == clean(name) and name.replace("-", "").isalnum()}
