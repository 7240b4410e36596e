"""What is declared about an image, and by whom: facts, layer by layer.

A fact is what somebody or something says, never what is true. Absence of facts is "none found": it says nothing about
the image, because everything declared can be stripped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

__all__ = ["CLAIMS", "STATUSES", "STRENGTHS", "VERIFICATIONS", "Fact", "LayerReport", "Provenance"]

CLAIMS: Final[Mapping[str, str]] = {
    "generator": "a model made the image, or a part of it",
    "tool": "software wrote or handled the file",
    "edit": "something was done to the image",
    "capture": "a camera or scanner took the picture",
    "ingredient": "the image was made from another asset",
    "credit": "somebody claims authorship or rights",
}
"""What a fact can be about."""

STRENGTHS: Final = ("weak", "moderate", "strong")
"""How hard a fact is to forge, in rising order: text that anybody can write, what needs effort or leaves a trace when
changed, what needs a key or a match with the organisation's own records."""

VERIFICATIONS: Final[Mapping[str, str]] = {
    "verified": "checked, and it holds",
    "failed": "checked, and it does not hold",
    "unverified": "nothing to check it by",
}

STATUSES: Final[Mapping[str, str]] = {
    "found": "the layer holds facts",
    "none found": "the layer was examined and says nothing; that is no evidence",
    "not examined": "the layer could not be examined here",
    "failed": "what the layer holds is malformed",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is declared about an image.

    Attributes
    ----------
    layer : str
        ``credentials``, ``metadata``, ``watermark``, ``lineage``, or that of an extension.
    source : str
        Where in the layer it stands, such as ``exif:Software`` or ``c2pa:digitalSourceType``.
    claim : str
        A key of `CLAIMS`.
    value : str
        What is said, as it was found.
    model : str or None
        Name of the generator in catalogs, where `value` names one that the alias table knows.
    strength : str
        One of `STRENGTHS`.
    verification : str
        A key of `VERIFICATIONS`.
    detail : dict
        JSON-able values that belong to it, such as a p-value or a serial number.
    """

    layer: str
    source: str
    claim: str
    value: str
    model: str | None = None
    strength: str = "weak"
    verification: str = "unverified"
    detail: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, known in (("claim", CLAIMS), ("strength", STRENGTHS), ("verification", VERIFICATIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{getattr(self, name)!r} is no {name}; there are {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class LayerReport:
    """What one layer says of one image.

    Attributes
    ----------
    layer : str
    status : str
        A key of `STATUSES`.
    facts : tuple of Fact
    reason : str or None
        Why the layer could not be examined or read.
    detail : dict
        JSON-able answers about the layer as a whole, such as whether a signature is valid.
    """

    layer: str
    status: str
    facts: tuple[Fact, ...] = ()
    reason: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"{self.status!r} is no status; there are {', '.join(STATUSES)}")
        if (self.status == "found") < bool(self.facts):
            raise ValueError(f"a layer with facts is found, not {self.status!r}")


@dataclass(frozen=True, slots=True)
class Provenance:
    """All that is declared about one image.

    Attributes
    ----------
    uri : str
        The image as the caller named it.
    image_id : str or None
        sha256 of the file; None where its bytes could not be read.
    layers : tuple of LayerReport
        In the order in which layers are examined; empty where the file could not be read.
    error : str or None
        Why the file could not be read.
    """

    uri: str
    image_id: str | None
    layers: tuple[LayerReport, ...] = ()
    error: str | None = None

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The facts of all layers."""
        return tuple(fact for layer in self.layers for fact in layer.facts)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        values = asdict(self)
        values["layers"] = [{**layer, "facts": list(layer["facts"])} for layer in values["layers"]]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Provenance:
        """Rebuild from :meth:`to_dict`; ValueError, KeyError or TypeError where it is none."""
        layers = tuple(
            LayerReport(**{**layer, "facts": tuple(Fact(**fact) for fact in layer["facts"])})
            for layer in values["layers"]
        )
        return cls(values["uri"], values["image_id"], layers, values["error"])
