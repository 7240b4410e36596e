"""The layer of lineage: what the organisation itself has registered about an image."""

from __future__ import annotations

from typing import Any, Final

from morelli.errors import MorelliError
from morelli.provenance.facts import Fact, LayerReport
from morelli.provenance.layers import ImageFile, Settings
from morelli.provenance.lineage.entries import Hashes, is_telling
from morelli.provenance.lineage.registry import DEFAULT_DISTANCE, Match, Registry

__all__ = ["LAYER", "LineageLayer"]

LAYER: Final = "lineage"
_MAX_MATCHES = 200
_SHOWN = 500


class LineageLayer:
    """Looks images up in the registry: the same file is verified, a copy by its looks is not.

    Parameters
    ----------
    settings : Settings
        `lineage` is the registry; ``options["lineage-distance"]`` the bits by which copies may differ.

    Raises
    ------
    MorelliError
        There is no such registry, or it cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._registry = Registry(settings.lineage) if settings.lineage is not None else None
        self._distance = int(settings.options.get("lineage-distance", DEFAULT_DISTANCE))

    def examine(self, file: ImageFile) -> LayerReport:
        """Return what is registered about an image."""
        if self._registry is None:
            return LayerReport(LAYER, "not examined", reason="no registry of the organisation's images was given")
        phash = file.phash
        try:
            matches = self._registry.find(Hashes(file.sha256, phash), self._distance, limit=_MAX_MATCHES)
        except MorelliError as error:  # the disk, in the middle of a run
            return LayerReport(LAYER, "not examined", reason=str(error))
        detail: dict[str, Any] = {"distance": self._distance}
        if not is_telling(phash):
            why = "the pixels cannot be read" if phash is None else "the picture is too plain"
            detail["looks"] = f"not compared: {why}"
        models = sorted({match.entry.model for match in matches})
        if len(models) > 1:
            detail["conflict"] = models
        facts = tuple(_facts(matches, conflicting=len(models) > 1))
        return LayerReport(LAYER, "found" if facts else "none found", facts, detail=detail)


def _facts(matches: list[Match], *, conflicting: bool) -> list[Fact]:
    """Tell every registration of the file itself, and of copies the nearest one for each model."""
    facts = [_fact(match, "registry:sha256", {}, conflicting) for match in matches if match.distance is None]
    copies: dict[str, list[Match]] = {}
    for match in matches:
        if match.distance is not None:
            copies.setdefault(match.entry.model, []).append(match)
    for near in copies.values():
        detail = {"distance": near[0].distance, "sha256": near[0].entry.sha256, "copies": len(near)}
        facts.append(_fact(near[0], "registry:looks", detail, conflicting))
    return facts


def _fact(match: Match, source: str, detail: dict[str, Any], conflicting: bool) -> Fact:
    entry = match.entry
    told = {"prompt": entry.prompt[:_SHOWN], "time": entry.time, "note": entry.note[:_SHOWN], "registered": match.added}
    kept = detail | {name: text for name, text in told.items() if text}
    if conflicting:
        kept["conflict"] = True
    same = match.distance is None
    return Fact(
        LAYER,
        source,
        "generator",
        entry.model,
        entry.model,
        strength="strong" if same else "moderate",
        verification="verified" if same else "unverified",
        detail=kept,
    )
