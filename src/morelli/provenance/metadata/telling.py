"""From what containers hold to facts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from morelli.provenance.aliases import Aliases
from morelli.provenance.facts import Fact
from morelli.provenance.metadata.blocks import clean
from morelli.provenance.metadata.declarations import find_declaration, source_type
from morelli.provenance.metadata.exif import Exif
from morelli.provenance.metadata.parameters import Parameters
from morelli.provenance.metadata.xmp import Value

__all__ = ["LAYER", "Teller"]

LAYER: Final = "metadata"

_SHOWN = 500
"""Characters of a value that a fact shows."""

_PLAIN: Final = {
    "exif:Software": "tool",
    "exif:ImageEditingSoftware": "tool",
    "exif:Artist": "credit",
    "exif:XPAuthor": "credit",
    "exif:Photographer": "credit",
    "exif:Copyright": "credit",
    "xmp:CreatorTool": "tool",
    "tiff:Software": "tool",
    "dc:creator": "credit",
    "photoshop:Credit": "credit",
    "photoshop:Source": "credit",
    "iptc:OriginatingProgram": "tool",
    "iptc:Credit": "credit",
    "iptc:Source": "credit",
    "iptc:By-line": "credit",
    "iptc:CopyrightNotice": "credit",
    "png:Software": "tool",
    "png:Author": "credit",
    "png:Artist": "credit",
    "png:Copyright": "credit",
}
"""Fields that state something in themselves; others do only where a declaration is known."""

_EDITS = frozenset({"edited", "converted", "cropped", "filtered", "resized", "derived", "formatted", "manipulated"})
_MAX_HISTORY = 30


class Teller:
    """Makes facts of fields, with the models that an alias table knows.

    Parameters
    ----------
    aliases : Aliases
    """

    def __init__(self, aliases: Aliases) -> None:
        self.aliases = aliases

    def fields(self, texts: list[tuple[str, str]]) -> Iterator[Fact]:
        """Yield facts of texts, each given with its field."""
        present = {name for name, _ in texts}
        for name, text in texts:
            yield from self.field(name, text, present)

    def field(self, name: str, text: str, present: set[str]) -> Iterator[Fact]:
        """Yield what one field says.

        Parameters
        ----------
        name : str
            Such as ``exif:Software``.
        text : str
        present : set of str
            All fields that the same block has.
        """
        if name.endswith(":DigitalSourceType"):
            yield self._source_type(name, text)
            return
        label = _china_label(text) if name in _LABELLED else None
        if label is not None:
            yield self._fact(name, "generator", text, detail={"aigc": label})
            return
        known = find_declaration(name, text)
        if known is not None and (known.together is None or known.together in present):
            model = self.aliases.resolve(text) or self.aliases.resolve(known.says)
            detail = {"says": known.says, "documented": known.source}
            yield self._fact(name, known.claim, text, model if known.claim == "generator" else None, detail)
        elif name in _PLAIN:
            model = self.aliases.resolve(text)
            yield self._fact(name, "generator" if model else _PLAIN[name], text, model)

    def camera(self, exif: Exif) -> Iterator[Fact]:
        """Yield what the camera says of itself, unless its name is that of a generator."""
        make, model = exif.texts.get("Make", ""), exif.texts.get("Model", "")
        if make.lower().startswith(_GRAPHS) or model.lower().startswith(_GRAPHS):
            return  # ComfyUI writes its graphs here
        declared = [
            fact for name in ("Make", "Model") for fact in self.field(f"exif:{name}", exif.texts.get(name, ""), set())
        ]
        if declared:
            yield from declared
            return
        taken = exif.texts.get("DateTimeOriginal")
        name = f"{make} {model}".strip() if not model.lower().startswith(make.lower()) else model
        if not name and not taken:
            return
        lens = exif.texts.get("LensModel")
        detail = {"taken": taken, "lens": lens and clean(lens, 200), **exif.numbers}
        source = "exif:Make/Model" if name else "exif:DateTimeOriginal"
        kept = {key: value for key, value in detail.items() if value is not None}
        yield self._fact(source, "capture", name or str(taken), detail=kept)

    def xmp(self, properties: dict[str, list[Value]]) -> Iterator[Fact]:
        """Yield what the properties of XMP say."""
        texts = [
            (name, value)
            for name, values in properties.items()
            for value in values
            if isinstance(value, str) and name not in _OWN_WAY
        ]
        yield from self.fields(texts)
        versions = _plain(properties, "Iptc4xmpExt:AISystemVersionUsed")
        for number, system in enumerate(_plain(properties, "Iptc4xmpExt:AISystemUsed")):
            version = versions[number] if number < len(versions) else None
            model = self.aliases.resolve(f"{system} {version}") if version else None
            prompts = [clean(text, 8000) for text in _plain(properties, "Iptc4xmpExt:AIPromptInformation")[:5]]
            detail = {"version": version and clean(version, 200), "prompts": prompts}
            yield self._fact(
                "Iptc4xmpExt:AISystemUsed", "generator", system, model or self.aliases.resolve(system), detail
            )
        device = " ".join(_plain(properties, "tiff:Make")[:1] + _plain(properties, "tiff:Model")[:1])
        if device and not any(True for _ in self.field("tiff:Make", device, set())):
            yield self._fact("tiff:Make/Model", "capture", device)
        for event in properties.get("xmpMM:History", [])[:_MAX_HISTORY]:
            if isinstance(event, dict):
                yield from self._event(event)
        for name in ("xmpMM:DerivedFrom", "xmpMM:Ingredients"):
            for reference in properties.get(name, [])[:_MAX_HISTORY]:
                if isinstance(reference, dict) and (
                    found := _first(reference, "stRef:documentID", "stRef:instanceID", "stRef:filePath")
                ):
                    yield self._fact(name, "ingredient", found)

    def parameters(self, source: str, found: Parameters) -> Iterator[Fact]:
        """Yield what the parameters of a generator say: the program, and each checkpoint."""
        yield self._fact(source, "tool", found.tool, detail={"parser": found.detail["parser"]})
        for name, digits in found.models:
            by_name, by_hash = self.aliases.resolve(name), self.aliases.resolve(digits)
            detail = {**found.detail, "tool": found.tool, "name": name, "hash": digits}
            if by_name and by_hash and by_name != by_hash:
                detail["note"] = f"the hash is that of {by_hash}, the name that of {by_name}"
            yield self._fact(source, "generator", name or digits or "", by_hash or by_name, detail)
        if not found.models:
            yield self._fact(source, "generator", f"a model that is not named, in {found.tool}", detail=found.detail)

    def _event(self, event: dict[str, list[Any]]) -> Iterator[Fact]:
        action = _first(event, "stEvt:action")
        agent = _first(event, "stEvt:softwareAgent")
        if not action and not agent:
            return
        detail = {
            key: clean(text, 200)
            for key, name in (
                ("when", "stEvt:when"),
                ("parameters", "stEvt:parameters"),
                ("agent", "stEvt:softwareAgent"),
            )
            if (text := _first(event, name))
        }
        if agent and (declared := [f for f in self.field("xmp:CreatorTool", agent, set()) if f.claim == "generator"]):
            for fact in declared:
                yield self._fact(
                    "xmpMM:History", "generator", agent, fact.model, {**fact.detail, "action": action, **detail}
                )
            return
        claim = "edit" if action in _EDITS else "tool"
        yield self._fact(
            "xmpMM:History", claim, f"{action or 'handled'} by {agent}" if agent else str(action), detail=detail
        )

    def _source_type(self, name: str, uri: str) -> Fact:
        known = source_type(uri)
        if known is None:
            return self._fact(name, "tool", uri, detail={"says": "a digital source type that is not known here"})
        return self._fact(name, known.claim, uri, detail={"says": known.says, "documented": known.source})

    def _fact(
        self, source: str, claim: str, value: str, model: str | None = None, detail: dict[str, Any] | None = None
    ) -> Fact:
        return Fact(LAYER, source, claim, clean(value, _SHOWN), model, detail=detail or {})


_GRAPHS = ("prompt:", "workflow:")
_OWN_WAY = frozenset(
    {
        "Iptc4xmpExt:AISystemUsed",
        "Iptc4xmpExt:AISystemVersionUsed",
        "Iptc4xmpExt:AIPromptInformation",
        "tiff:Make",
        "tiff:Model",
    }
)
_LABELLED = frozenset({"TC260:AIGC", "png:AIGC", "exif:UserComment", "exif:ImageDescription"})
_LABELS = {"1": "generated", "2": "possibly generated", "3": "suspected to be generated"}


def _china_label(text: str) -> dict[str, Any] | None:
    """Read the label that GB 45438-2025 prescribes for generated content, a JSON object, or return None."""
    if len(text) > 20_000 or "{" not in text:
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    values = values.get("AIGC", values) if isinstance(values, dict) else None
    if not isinstance(values, dict) or str(values.get("Label")) not in _LABELS:
        return None
    producer = values.get("ContentProducer")
    return {
        "label": _LABELS[str(values["Label"])],
        "producer": clean(producer, 200) if isinstance(producer, str) else None,
    }


def _plain(properties: dict[str, list[Value]], name: str) -> list[str]:
    return [value for value in properties.get(name, []) if isinstance(value, str)]


def _first(structure: dict[str, list[Any]], *names: str) -> str | None:
    return next((value for name in names for value in structure.get(name, []) if isinstance(value, str)), None)
