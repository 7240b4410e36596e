"""The layer of watermarks: every detector that the settings ask for looks at the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from morelli._text import printable
from morelli.errors import ImageReadError
from morelli.provenance.aliases import Aliases
from morelli.provenance.facts import Fact, LayerReport
from morelli.provenance.layers import ImageFile, Settings, register_layer
from morelli.provenance.watermarks.detectors import Detection, Detector, make_detectors

__all__ = ["WatermarkLayer"]

NAME = "watermark"


class WatermarkLayer:
    """Asks detectors about an image.

    Parameters
    ----------
    detectors : mapping of str to Detector
    asleep : mapping of str to str
        Detectors that the settings did not ask for, and what they need.
    aliases : Aliases
    """

    def __init__(self, detectors: Mapping[str, Detector], asleep: Mapping[str, str], aliases: Aliases) -> None:
        self._detectors = detectors
        self._asleep = asleep
        self._aliases = aliases

    def examine(self, file: ImageFile) -> LayerReport:
        """Return what the detectors say of one image file."""
        image = file.pixels
        if isinstance(image, ImageReadError):
            return LayerReport(NAME, "not examined", reason=f"there are no pixels to look at: {image.detail}")
        looked: dict[str, Any] = {}
        broken: dict[str, str] = {}
        facts = []
        for name, detector in self._detectors.items():
            try:
                found = detector.detect(image.pixels)
            except Exception as error:  # foreign code, which may raise anything; the report says that it did
                broken[name] = printable(f"it failed ({type(error).__name__}: {error})")[:300]
                continue
            looked[name] = {
                "present": found.present,
                "p_value": found.p_value,
                "false_positive_rate": detector.false_positive_rate,
                **found.detail,
            }
            if found.present:
                facts.append(self._fact(name, detector, found))
        detail = {"looked": looked, "did_not_look": {**self._asleep, **broken}}
        if facts:
            return LayerReport(NAME, "found", tuple(facts), detail=detail)
        if not looked:
            why = "; ".join(f"{name}: {reason}" for name, reason in detail["did_not_look"].items())
            return LayerReport(NAME, "not examined", reason=f"no detector looked ({why})", detail=detail)
        return LayerReport(NAME, "none found", detail=detail)

    def _fact(self, name: str, detector: Detector, found: Detection) -> Fact:
        assert found.value is not None  # Detection refuses to be present without
        passes = found.p_value is not None and found.p_value <= detector.false_positive_rate
        return Fact(
            layer=NAME,
            source=f"watermark:{name}",
            claim=found.claim,
            value=printable(found.value),
            model=self._aliases.resolve(found.value) if found.claim == "generator" else None,
            strength="moderate",
            verification="verified" if passes else "unverified",
            detail={
                "p_value": found.p_value,
                "false_positive_rate": detector.false_positive_rate,
                "payload": None if found.payload is None else printable(found.payload),
                **found.detail,
            },
        )


def _make(settings: Settings) -> WatermarkLayer:
    detectors, asleep = make_detectors(settings)
    return WatermarkLayer(detectors, asleep, Aliases.load(settings.aliases))


register_layer(NAME, _make, order=30, summary="Watermarks in the pixels, each by a detector with a stated rate.")
