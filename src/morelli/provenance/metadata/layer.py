"""The layer of metadata: what a container's text, tags and packets declare about its image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from morelli.provenance.aliases import Aliases
from morelli.provenance.facts import Fact, LayerReport
from morelli.provenance.layers import ImageFile, Settings
from morelli.provenance.metadata.blocks import READERS, Blocks
from morelli.provenance.metadata.exif import Exif, read_exif
from morelli.provenance.metadata.icc import icc_description
from morelli.provenance.metadata.iptc import read_iim, read_photoshop
from morelli.provenance.metadata.parameters import MISSING, can_parse, parse_parameters, spread
from morelli.provenance.metadata.telling import LAYER, Teller
from morelli.provenance.metadata.xmp import XmpError, read_xmp

__all__ = ["MetadataLayer"]

_MAX_FACTS = 200
_MAX_BLOCKS = 20
_GRAPH_TAGS = ("Make", "Model", "ImageDescription")


class MetadataLayer:
    """Reads EXIF, XMP, IPTC, texts of PNG, comments, colour profiles and generators' parameters.

    Everybody can write metadata, so that all facts are weak and unverified.

    Parameters
    ----------
    settings : Settings
        The alias table is used.

    Raises
    ------
    MorelliError
        The alias table is none.
    """

    def __init__(self, settings: Settings) -> None:
        self._teller = Teller(Aliases.load(settings.aliases))
        self._parses = can_parse()

    def examine(self, file: ImageFile) -> LayerReport:
        """Return what the metadata of a file declare."""
        read = READERS.get(file.format or "")
        if read is None:
            return LayerReport(LAYER, "not examined", reason="metadata of this kind of file are not read")
        blocks = Blocks()
        read(file.data, blocks)
        tags = [read_exif(block, blocks) for block in blocks.exif[:_MAX_BLOCKS]]
        detail: dict[str, Any] = {"parameters": "none found" if self._parses else MISSING}
        facts = list(islice(_distinct(self._facts(blocks, tags, detail)), _MAX_FACTS + 1))
        if len(facts) > _MAX_FACTS:
            blocks.problem(f"there are more than {_MAX_FACTS} facts, of which the first are told")
        detail |= {"blocks": blocks.kinds(), "keywords": _keywords(blocks), "segments": blocks.segments}
        if blocks.problems:
            detail["problems"] = blocks.problems
        if facts:
            return LayerReport(LAYER, "found", tuple(facts[:_MAX_FACTS]), detail=detail)
        if blocks.problems:
            return LayerReport(LAYER, "failed", reason=blocks.problems[0], detail=detail)
        return LayerReport(LAYER, "none found", detail=detail)

    def _facts(self, blocks: Blocks, tags: list[Exif], detail: dict[str, Any]) -> Iterator[Fact]:
        teller = self._teller
        if self._parses:
            for source, given in _parameter_texts(blocks, tags):
                problems: list[str] = []
                for found in parse_parameters(given, problems):
                    detail["parameters"] = "parsed"
                    yield from teller.parameters(source, found)
                for problem in problems:
                    blocks.problem(problem)
        texts = [(f"png:{keyword}", text) for _, keyword, text in blocks.texts]
        yield from teller.fields([*texts, *blocks.comments])
        for exif in tags:
            named = [(f"exif:{name}", text) for name, text in exif.texts.items() if name not in ("Make", "Model")]
            yield from teller.fields(named)
            yield from teller.camera(exif)
        for packet in blocks.xmp[:_MAX_BLOCKS]:
            try:
                yield from teller.xmp(read_xmp(packet))
            except XmpError as error:
                blocks.problem(str(error))
        records = [read_photoshop(block, blocks) for block in blocks.photoshop[:_MAX_BLOCKS]]
        records += [read_iim(block, blocks) for block in blocks.iim[:_MAX_BLOCKS]]
        for record in records:
            yield from teller.fields([(f"iptc:{name}", text) for name, text in record])
        for profile in blocks.icc[:_MAX_BLOCKS]:
            if description := icc_description(profile):
                detail["icc"] = description
                yield from teller.fields([("icc:description", description)])
        yield from teller.fields([(f"jpeg:{name}", rest) for name, _, rest in map(_split, blocks.segments)])


def _parameter_texts(blocks: Blocks, tags: list[Exif]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the places where generators write parameters, and the texts in them by keyword.

    AUTOMATIC1111 and Fooocus write a user comment where there are no keywords, and a comment of GIF. ComfyUI writes
    its graphs into tags that are for cameras, each behind its name.
    """
    if blocks.texts:
        yield "png:text", {keyword: text for _, keyword, text in blocks.texts}
    for exif in tags:
        if comment := exif.texts.get("UserComment"):
            yield "exif:UserComment", spread(comment)
        graphs = {}
        for tag in _GRAPH_TAGS:
            name, colon, text = exif.texts.get(tag, "").partition(":")
            if colon and name.lower() in ("prompt", "workflow"):
                graphs[name.lower()] = text
        if graphs:
            yield "exif:Make/Model", graphs
    for kind, text in blocks.comments:
        yield kind, spread(text)


def _distinct(facts: Iterable[Fact]) -> Iterator[Fact]:
    """Yield each fact once: editors write the same into several places of a block."""
    seen = set()
    for fact in facts:
        key = (fact.source, fact.claim, fact.value, fact.model)
        if key not in seen:
            seen.add(key)
            yield fact


def _keywords(blocks: Blocks) -> list[str]:
    return list(dict.fromkeys(keyword for _, keyword, _ in blocks.texts))[:50]


def _split(segment: str) -> tuple[str, str, str]:
    return segment.partition(" ")
