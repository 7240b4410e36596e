"""Two audits side by side: what shares changed by, how surely, and which images are new, gone or judged otherwise."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from scipy.stats import norm

from morelli._text import storable
from morelli.audit.campaign.records import AUDIT, RECORDS, Records
from morelli.audit.campaign.statements import OUTCOMES, SCHEMA_VERSION
from morelli.errors import MorelliError
from morelli.trials._stored import listed

__all__ = ["AuditComparison", "Change", "Difference", "Side", "compare_audits", "difference_interval", "wilson"]

_MOST_CHANGES: Final = 200
_MAX_BYTES: Final = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Side:
    """One of the audits: where it lies, what it audited, by what, and what came of it."""

    folder: str
    source: str
    bundle: dict[str, str]
    claimed: tuple[str, ...]
    outcome: str
    p_value: float | None
    files: int
    images: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A share in both audits, and what it changed by, with 95% intervals; positive where it grew."""

    name: str
    before: float
    after: float
    difference: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves no change out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Change:
    """One file that is not as it was.

    Attributes
    ----------
    name : str
        Relative to the campaign; as it is now, unless it is gone.
    kind : str
        ``new``, ``gone``, ``changed`` (other bytes), ``moved`` (the bytes had another name) or ``judged otherwise``.
    before, after : str or None
        Decision, and the candidate where there is one.
    """

    name: str
    kind: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class AuditComparison:
    """What changed from one audit to another.

    Attributes
    ----------
    before, after : Side
    same_bundle : bool
        Where not, a difference may be the bundle's and not the images'.
    shares : tuple of Difference
        Of the mixture: candidates that both know, and ``unknown``.
    decisions : tuple of Difference
        Of the different images with each decision.
    counts : dict of str to int
        Files that are the same, new, gone, changed, moved; different images in both, and how many of them are judged
        otherwise.
    changes : tuple of Change
        Of many some.
    notes : tuple of str
    """

    before: Side
    after: Side
    same_bundle: bool
    shares: tuple[Difference, ...]
    decisions: tuple[Difference, ...]
    counts: dict[str, int]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values, the schema version first."""
        return {"schema_version": SCHEMA_VERSION, **listed(asdict(self))}


def compare_audits(before: str | os.PathLike[str], after: str | os.PathLike[str]) -> AuditComparison:
    """Compare two audits that were finished.

    Parameters
    ----------
    before, after : path-like
        Folders of audits.

    Raises
    ------
    MorelliError
        They are one folder, one of them is no finished audit, or they share no candidate.
    """
    old, new = Path(before), Path(after)
    if old.resolve() == new.resolve():
        raise MorelliError(f"{old} and {new} are one folder: an audit is compared with another one.")
    documents = _read(old), _read(new)
    sides = tuple(_side(path, document) for path, document in zip((old, new), documents, strict=True))
    shared = set(documents[0]["candidates"]) & set(documents[1]["candidates"])
    if not shared:
        raise MorelliError("The audits share no candidate; there is nothing to compare.")
    for folder in (old, new):
        if not (folder / RECORDS).is_file():
            raise MorelliError(f"{folder}: its {RECORDS} is missing; run that audit again.")
    with Records(new / RECORDS) as records:
        records.attach(old / RECORDS, "old")
        counts, changes = _files(records)
    same = sides[0].bundle.get("id") == sides[1].bundle.get("id")
    return AuditComparison(
        sides[0],
        sides[1],
        same,
        _shares(documents[0], documents[1], shared),
        _decisions(documents[0]["counts"], documents[1]["counts"]),
        counts,
        tuple(changes),
        tuple(_notes(sides[0], sides[1], documents, same, counts)),
    )


def difference_interval(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Return the difference of two estimates, second minus first, with the interval that theirs give.

    G. Zou, A. Donner, "Construction of confidence limits about effect measures: a general approach", Statistics in
    Medicine 27, 2008: distances from the estimates add up by their squares. For independent estimates; too wide where
    they rise and fall together, as those of audits with images in common.

    Parameters
    ----------
    first, second : tuple of float
        Estimate and the two ends of its interval.

    Examples
    --------
    >>> tuple(round(x, 3) for x in difference_interval((0.2, 0.1, 0.3), (0.5, 0.4, 0.6)))
    (0.3, 0.159, 0.441)
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    return b - a, b - a - math.hypot(b - b_low, a_high - a), b - a + math.hypot(b_high - b, a - a_low)


def wilson(count: int, n: int, level: float = 0.95) -> tuple[float, float, float]:
    """Return a share and its interval (E. B. Wilson, Journal of the American Statistical Association 22, 1927).

    Examples
    --------
    >>> tuple(round(x, 3) for x in wilson(0, 10))
    (0.0, 0.0, 0.278)
    """
    if n == 0:
        return 0.0, 0.0, 1.0
    z = float(norm.ppf((1 + level) / 2))
    p = count / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))


def _read(folder: Path) -> dict[str, Any]:
    """Read the document of an audit, and check what is read of it."""
    path = folder / AUDIT
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise MorelliError(f"{path} is too large for an audit.")
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MorelliError(
            f"{folder} holds no finished audit ({AUDIT} is missing); run morelli audit campaign into it."
        ) from error
    except (ValueError, RecursionError) as error:
        raise MorelliError(f"{path} is no audit: it is not JSON.") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise MorelliError(
            f"{path} has schema version {version!r}; this Morelli reads {SCHEMA_VERSION}: run that audit again."
        )
    try:
        _side(folder, document)
        _check_numbers(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MorelliError(f"{path} is no complete audit ({type(error).__name__}: {error}).") from error
    return dict(document)


def _check_numbers(document: Mapping[str, Any]) -> None:
    """Raise where what is computed with is not as an audit writes it."""
    if document["claim"]["outcome"] not in OUTCOMES:
        raise ValueError("its outcome is none")
    for share in (document["mixture"] or {"shares": []})["shares"]:
        if not 0 <= share["low"] <= share["high"] <= 1 or not 0 <= share["share"] <= 1:
            raise ValueError("a share is none")
    if not all(isinstance(n, int) and n >= 0 for n in document["counts"]["decisions"].values()):
        raise ValueError("a count is none")
    if not all(isinstance(name, str) for name in document["candidates"]):
        raise ValueError("a candidate is no text")


def _side(folder: Path, document: Mapping[str, Any]) -> Side:
    claim, counts = document["claim"], document["counts"]
    return Side(
        str(folder),
        document["source"],
        dict(document["bundle"]),
        tuple(claim["claimed"]),
        claim["outcome"],
        claim["p_value"],
        counts["files"],
        counts["images"],
    )


def _shares(old: Mapping[str, Any], new: Mapping[str, Any], shared: set[str]) -> tuple[Difference, ...]:
    if old["mixture"] is None or new["mixture"] is None:
        return ()
    of = [
        {one["name"]: (one["share"], one["low"], one["high"]) for one in document["mixture"]["shares"]}
        for document in (old, new)
    ]
    names = [name for name in of[1] if name in of[0] and (name in shared or name == "unknown")]
    return _differences({name: (of[0][name], of[1][name]) for name in names})


def _decisions(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    totals = [sum(counts["decisions"].values()) for counts in (old, new)]
    names = dict.fromkeys([*new["decisions"], *old["decisions"]])
    return _differences(
        {
            name: (wilson(old["decisions"].get(name, 0), totals[0]), wilson(new["decisions"].get(name, 0), totals[1]))
            for name in names
        }
    )


_Estimate = tuple[float, float, float]


def _differences(pairs: Mapping[str, tuple[_Estimate, _Estimate]]) -> tuple[Difference, ...]:
    found = [Difference(name, a[0], b[0], *difference_interval(a, b)) for name, (a, b) in pairs.items()]
    return tuple(sorted(found, key=lambda one: (-abs(one.difference), one.name)))


_NAMED: Final = (
    "WITH b AS (SELECT name, min(image_id) AS image_id FROM main.files GROUP BY name), "
    "a AS (SELECT name, min(image_id) AS image_id FROM old.files GROUP BY name) "
)
_KINDS: Final = {
    "same": "FROM b JOIN a USING (name) WHERE a.image_id IS b.image_id",
    "changed": "FROM b JOIN a USING (name) WHERE a.image_id IS NOT b.image_id",
    "moved": "FROM b LEFT JOIN a USING (name) WHERE a.name IS NULL AND b.image_id IN (SELECT image_id FROM a)",
    "new": "FROM b LEFT JOIN a USING (name) WHERE a.name IS NULL AND "
    "(b.image_id IS NULL OR b.image_id NOT IN (SELECT image_id FROM a WHERE image_id NOT NULL))",
    "gone": "FROM a LEFT JOIN b USING (name) WHERE b.name IS NULL AND "
    "(a.image_id IS NULL OR a.image_id NOT IN (SELECT image_id FROM b WHERE image_id NOT NULL))",
}
_OTHERWISE: Final = (
    "FROM main.verdicts AS new JOIN old.verdicts AS before USING (image_id) "
    "WHERE new.decision != before.decision OR new.label IS NOT before.label"
)


def _files(records: Records) -> tuple[dict[str, int], list[Change]]:
    """Count and list, in the databases, so that memory does not grow with the campaigns."""
    counts = {kind: _one(records, f"{_NAMED} SELECT count(*) {rest}") for kind, rest in _KINDS.items()}
    counts["images in both"] = _one(records, "SELECT count(*) FROM main.verdicts JOIN old.verdicts USING (image_id)")
    counts["judged otherwise"] = _one(records, f"SELECT count(*) {_OTHERWISE}")
    changes: list[Change] = []
    for number, image_id, *said in records.query(
        f"SELECT new.id, image_id, before.decision, before.label, new.decision, new.label {_OTHERWISE} "
        "ORDER BY image_id LIMIT ?",
        (_MOST_CHANGES,),
    ):
        name = (records.files_of(number, 1) or [str(image_id)])[0]
        changes.append(Change(name, "judged otherwise", _answer(*said[:2]), _answer(*said[2:])))
    for kind in ("changed", "new", "gone", "moved"):
        changes += _listed(records, kind, _MOST_CHANGES - len(changes))
    return counts, changes


def _listed(records: Records, kind: str, most: int) -> Iterator[Change]:
    if most <= 0:
        return
    here = "a" if kind == "gone" else "b"
    old_id = "a.image_id" if kind in {"gone", "changed"} else "NULL"
    new_id = "NULL" if kind == "gone" else "b.image_id"
    query = (
        f"{_NAMED} SELECT {here}.name, "
        f"(SELECT decision || coalesce(' ' || label, '') FROM old.verdicts WHERE image_id = {old_id}), "
        f"(SELECT decision || coalesce(' ' || label, '') FROM main.verdicts WHERE image_id = {new_id}) "
        f"{_KINDS[kind]} ORDER BY {here}.name LIMIT ?"
    )
    for name, before, after in records.query(query, (most,)):
        yield Change(storable(os.fsdecode(name)), kind, before, after)


def _one(records: Records, query: str) -> int:
    (count,) = next(records.query(query))
    return int(count)


def _answer(decision: str, label: str | None) -> str:
    return decision if label is None else f"{decision} {label}"


def _notes(
    old: Side, new: Side, documents: tuple[Mapping[str, Any], Mapping[str, Any]], same: bool, counts: Mapping[str, int]
) -> list[str]:
    found = []
    if not same:
        found.append(
            f"The audits were made with different bundles ({old.bundle.get('id')} and {new.bundle.get('id')}): what "
            "differs may be the bundle's doing. Audit the earlier images with the later bundle to tell."
        )
    if set(old.claimed) != set(new.claimed):
        found.append(f"Different claims were tested: {', '.join(old.claimed)}; and {', '.join(new.claimed)}.")
    if documents[0]["settings"].get("provenance") != documents[1]["settings"].get("provenance"):
        found.append("Layers of provenance were examined with different settings.")
    if counts["images in both"]:
        found.append(
            f"{counts['images in both']:,} images are in both audits; intervals of differences treat the audits as "
            "independent and are too wide for those."
        )
    return found
