"""What the IPTC's terms for digital source types say, in the words of `morelli.provenance.CLAIMS`.

Terms: IPTC NewsCodes, scheme "Digital Source Type" (http://cv.iptc.org/newscodes/digitalsourcetype/), and the two that
the C2PA technical specification adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["SOURCE_TYPES", "source_term"]

SOURCE_TYPES: Final[Mapping[str, str]] = {
    "trainedAlgorithmicMedia": "generator",
    "compositeWithTrainedAlgorithmicMedia": "generator",
    "compositeSynthetic": "generator",
    "trainedAlgorithmicData": "generator",
    "digitalCapture": "capture",
    "computationalCapture": "capture",
    "multiFrameComputationalCapture": "capture",
    "compositeCapture": "capture",
    "negativeFilm": "capture",
    "positiveFilm": "capture",
    "print": "capture",
    "composite": "edit",
    "humanEdits": "edit",
    "minorHumanEdits": "edit",
    "algorithmicallyEnhanced": "edit",
    "algorithmicMedia": "tool",
    "dataDrivenMedia": "tool",
    "digitalArt": "tool",
    "digitalCreation": "tool",
    "humanCreation": "tool",
    "screenCapture": "tool",
    "softwareImage": "tool",
    "virtualRecording": "tool",
}
"""Term -> what it claims. ``algorithmicMedia`` is made by formulas, without a trained model."""

_SCHEMES = ("://cv.iptc.org/newscodes/digitalsourcetype/", "://c2pa.org/digitalsourcetype/", "digsrctype:")
_FOLDED = {term.casefold(): term for term in SOURCE_TYPES}


def source_term(value: object) -> str | None:
    """Return the term that a URI or a bare word stands for, or None where it is none of `SOURCE_TYPES`.

    Examples
    --------
    >>> source_term("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia")
    'trainedAlgorithmicMedia'
    >>> source_term("https://example.org/trainedAlgorithmicMedia") is None
    True
    """
    if not isinstance(value, str) or len(value) > 200:
        return None
    text = value.strip().rstrip("/")
    for scheme in _SCHEMES:
        before, found, after = text.partition(scheme)
        if found and before in ("http", "https", ""):
            text = after
            break
    return _FOLDED.get(text.casefold())
