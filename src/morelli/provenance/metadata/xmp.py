"""XMP: the RDF of a packet as plain properties, by an XML parser that knows neither entities nor documents' types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from morelli.provenance.metadata.blocks import clean

__all__ = ["NAMESPACES", "Value", "XmpError", "read_xmp"]

Value = str | dict[str, list[Any]]
"""A text, or a structure: values by the names of its fields."""

NAMESPACES: Final = {
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#": "stEvt",
    "http://ns.adobe.com/xap/1.0/sType/ResourceRef#": "stRef",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.useplus.org/ldf/xmp/1.0/": "plus",
    "http://www.tc260.org.cn/ns/AIGC/1.0/": "TC260",
}
"""Prefixes of the namespaces whose properties are read; those of files do not count."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MAX_BYTES = 2 * 1024 * 1024
_MAX_DEPTH = 40
_MAX_ELEMENTS = 20_000
_MAX_TEXT = 1024 * 1024
_LISTS = {f"{_RDF} {name}" for name in ("Alt", "Bag", "Seq")}
_LI, _DESCRIPTION, _RESOURCE = f"{_RDF} li", f"{_RDF} Description", f"{_RDF} resource"


class XmpError(ValueError):
    """A packet is no XMP, or more than is read."""


@dataclass
class _Element:
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[_Element] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


class _Tree:
    """Builds elements within bounds; an error out of a handler stops the parser."""

    def __init__(self) -> None:
        self.root = _Element("")
        self._open = [self.root]
        self._elements = 0
        self._text = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1 + len(attributes)
        if len(self._open) > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise XmpError("the XMP has more elements than any program writes")
        element = _Element(name, attributes)
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._text += len(text)
        if self._text > _MAX_TEXT:
            raise XmpError("the XMP has more text than any program writes")
        self._open[-1].text.append(text)

    def refuse(self, *_: object) -> None:
        raise XmpError("the XMP declares a type of document or entities, which XMP never does")


def read_xmp(packet: bytes) -> dict[str, list[Value]]:
    """Return properties of a packet by name, such as ``dc:creator``, each with its values.

    XMP Specification part 1 (ISO 16684-1), section 7. Only the namespaces of `NAMESPACES` are kept.

    Raises
    ------
    XmpError
        The packet is too large, no well-formed XML, or declares what could make it larger than it is.
    """
    if len(packet) > _MAX_BYTES:
        raise XmpError(f"the XMP has more than {_MAX_BYTES // 1024 // 1024} MiB")
    tree = _Tree()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = tree.start, tree.end
    parser.CharacterDataHandler = tree.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = tree.refuse
    parser.ExternalEntityRefHandler = parser.UnparsedEntityDeclHandler = tree.refuse  # type: ignore[assignment]
    try:
        # Programs end packets by NUL, which in UTF-16 is half of the last character.
        parser.Parse(packet if packet[:2] in (b"\xff\xfe", b"\xfe\xff") else packet.rstrip(b"\0 \r\n\t"), True)
    except expat.ExpatError as error:
        raise XmpError(f"the XMP is no well-formed XML ({error})") from None
    except (UnicodeError, LookupError):
        raise XmpError("the XMP is in no encoding of XML") from None
    properties: dict[str, list[Value]] = {}
    for description in _descriptions(tree.root):
        for name, values in _fields(description).items():
            properties.setdefault(name, []).extend(values)
    return properties


def _descriptions(element: _Element) -> list[_Element]:
    """Return the descriptions at the top, wherever the RDF is."""
    found = []
    for child in element.children:
        if child.name == _DESCRIPTION:
            found.append(child)
        else:
            found += _descriptions(child)
    return found


def _fields(element: _Element) -> dict[str, list[Value]]:
    """Return the properties that attributes and children of an element state."""
    fields: dict[str, list[Value]] = {}
    for name, text in element.attributes.items():
        if (short := _short(name)) and (kept := clean(text, _MAX_TEXT)):
            fields.setdefault(short, []).append(kept)
    for child in element.children:
        if short := _short(child.name):
            fields.setdefault(short, []).extend(_values(child))
    return fields


def _values(element: _Element) -> list[Value]:
    lists = [child for child in element.children if child.name in _LISTS]
    if lists:
        return [value for each in lists for item in each.children if item.name == _LI for value in _values(item)]
    inner = next((child for child in element.children if child.name == _DESCRIPTION), element)
    if structure := _fields(inner):
        return [structure]
    text = element.attributes.get(_RESOURCE) or "".join(element.text)
    return [kept] if (kept := clean(text, _MAX_TEXT)) else []


def _short(name: str) -> str | None:
    namespace, _, local = name.rpartition(" ")
    prefix = NAMESPACES.get(namespace)
    return f"{prefix}:{local}" if prefix else None
