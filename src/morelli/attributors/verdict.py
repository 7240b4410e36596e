"""The verdict: the answer for one image, as people and programs get it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from morelli._text import storable

__all__ = ["SCHEMA_VERSION", "Candidate", "Lineage", "Verdict"]

SCHEMA_VERSION: Final = 1
"""Raised when a field of the JSON changes its meaning or goes away; new fields may come without it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate in a verdict.

    Attributes
    ----------
    model : str
    probability : float
        Calibrated, among the candidates given; 0 to 1.
    llr : float
        Log-likelihood ratio (nats) against the mean of all candidates: the sum of the families' evidence, and of the
        candidate's bias where the calibration has biases.
    """

    model: str
    probability: float
    llr: float


@dataclass(frozen=True, slots=True)
class Lineage:
    """What can be said about the base that the model derives from.

    Attributes
    ----------
    label : str or None
        The lineage of all members of the prediction set, where they share one; else the most probable one; None where
        the candidates' lineages are not known.
    probability : float or None
        Sum over the candidates of that lineage.
    settled : bool
        Whether all members of the prediction set share the lineage; never where the decision is ``unknown``.
    """

    label: str | None = None
    probability: float | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one image.

    Attributes
    ----------
    uri : str
        The image as the caller named it.
    image_id : str or None
        sha256 of the file; None where its bytes could not be read.
    decision : str
        ``attributed``: the prediction set has one member. ``ambiguous``: it has several. ``unknown``: the image is
        unlike what any candidate makes (the open-set p-value is below the bundle's level). ``conflict``: what is
        declared about the image contradicts its pixels, see `provenance`. ``unreadable``: see `error`.
    label, probability : str or None, float or None
        The most probable candidate, for ``attributed`` and ``ambiguous``.
    lineage : Lineage
    candidates : tuple of Candidate
        All candidates, the most probable first; empty if unreadable.
    prediction_set : tuple of str
        Candidates that cannot be excluded at the bundle's level, the most probable first.
    open_set_p : float or None
        p-value of "one of the candidates made it".
    evidence : dict
        Family -> candidate -> log-likelihood ratio (nats), for the most probable candidates.
    judged_as : str or None
        The view of the references that the image was judged by, or ``unfamiliar`` where it resembles none of them, so
        that the experts for all views were asked and doubted; None where the bundle knows one view only.
    quality : dict
        `short_side`, `jpeg_quality`, `blur`, `bucket`: what the image has been through, as far as can be seen.
    bundle : dict
        `name`, `version`, `id` of the bundle that answered.
    provenance : dict
        What is declared about the image, and how that and the pixels go together; empty where nobody looked. See
        :func:`morelli.provenance.combine`.
    error : str or None
        Why the image could not be judged.
    schema_version : int
    """

    uri: str
    image_id: str | None
    decision: str
    label: str | None = None
    probability: float | None = None
    lineage: Lineage = field(default_factory=Lineage)
    candidates: tuple[Candidate, ...] = ()
    prediction_set: tuple[str, ...] = ()
    open_set_p: float | None = None
    evidence: dict[str, dict[str, float]] = field(default_factory=dict)
    judged_as: str | None = None
    quality: dict[str, Any] = field(default_factory=dict)
    bundle: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-able values, the schema version first."""
        values = asdict(self)
        values["candidates"] = list(values["candidates"])
        values["prediction_set"] = list(values["prediction_set"])
        return {"schema_version": values.pop("schema_version"), **values}

    def to_json(self) -> str:
        """Return the verdict as one line of JSON."""
        return json_line(self.to_dict())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verdict:
        """Rebuild a verdict from :meth:`to_dict`; fields that this Morelli does not know are left out.

        Raises
        ------
        ValueError
            If it has another schema version.
        """
        known = known_fields(cls, values)
        if known.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(
                f"this verdict has schema version {known.get('schema_version')!r}; this Morelli reads {SCHEMA_VERSION}"
            )
        known["lineage"] = Lineage(**known_fields(Lineage, known["lineage"]))
        known["candidates"] = tuple(Candidate(**known_fields(Candidate, given)) for given in known["candidates"])
        known["prediction_set"] = tuple(known["prediction_set"])
        return cls(**known)


def json_line(values: Mapping[str, Any]) -> str:
    """Return `values` as one line of JSON that can be written as UTF-8."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    # A path that is not UTF-8 holds half surrogate pairs, which cannot be written; JSON has escapes for them.
    return storable(text)


def known_fields(cls: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `values` that are fields of the dataclass `cls`."""
    names = {field.name for field in fields(cls)}
    return {name: value for name, value in values.items() if name in names}
