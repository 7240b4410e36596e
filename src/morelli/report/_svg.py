"""From a matplotlib figure to an SVG that can live inside a page: themed, accessible, and the same bytes every time."""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

from morelli.report._text import clean

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = [
    "ACCENT",
    "ERROR",
    "INK",
    "LINE",
    "MUTED",
    "ON_STRONG",
    "new_figure",
    "plain",
    "styled",
    "to_png",
    "to_svg",
    "unthemed",
]

INK: Final = "#22262b"
MUTED: Final = "#666c75"
LINE: Final = "#dcd9d1"
ACCENT: Final = "#1f5f99"
ERROR: Final = "#c24e16"
ON_STRONG: Final = "#fefefe"
# The page redefines these for the dark; a figure opened on its own shows the fallback.
_VARIABLES: Final = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    ACCENT: "--accent",
    ERROR: "--error",
    ON_STRONG: "--on-strong",
}
_HEX = re.compile("|".join(_VARIABLES))
_STYLE: Final = re.compile(r'style="[^"]*"')
_THEMED: Final = re.compile(r"var\(--[a-z-]+, (#[0-9a-f]{6})\)")
_XLINK: Final = "{http://www.w3.org/1999/xlink}href"
# rc parameters are one per process; two reports made in two threads must not see each other's half-set values.
_LOCK = threading.Lock()


@contextmanager
def styled() -> Iterator[None]:
    """Set matplotlib's parameters for one figure, from its defaults, whatever the user's own settings are.

    Usable as a decorator of the function that draws.
    """
    import matplotlib

    # Text stays text: it can be searched and read out, and the reader's fonts draw scripts that ours lack.
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "morelli",
        "font.family": ["DejaVu Sans"],
        "font.size": 11.0,
    }
    with _LOCK, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure; one unit of the SVG is one CSS pixel, so sizes are in pixels everywhere."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72.0, height / 72.0), dpi=72)
    figure.patch.set_alpha(0.0)
    return figure


def plain(text: Text) -> Text:
    """Stop matplotlib from reading a stranger's dollar signs as mathematics."""
    text.set_parse_math(False)
    return text


def to_svg(figure: Figure, name: str, title: str, description: str, tooltips: Mapping[str, str] | None = None) -> str:
    """Render a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    name : str
        Prefix of all ids, unique within the page.
    title, description : str
        Read out by screen readers.
    tooltips : mapping of gid to str, optional
        Shown on hovering the artist with that gid.

    Returns
    -------
    str
        An ``<svg>`` element without XML declaration.
    """
    root = ElementTree.fromstring(_render(figure))
    tips = {gid: clean(text) for gid, text in (tooltips or {}).items()}
    for parent in root.iter():
        parent.tag = parent.tag.rpartition("}")[2]
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {"metadata", "title", "desc"}:
                parent.remove(child)
    for element in root.iter():
        _rewrite(element, name, tips)
    for attribute in ("version", "width", "height"):
        root.attrib.pop(attribute, None)
    box = root.get("viewBox", "0 0 0 0").split()
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("width", f"{float(box[2]):g}")
    root.set("height", f"{float(box[3]):g}")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        element.text = clean(text)
        root.insert(position, element)
    return ElementTree.tostring(root, encoding="unicode")


def unthemed(svg: str) -> str:
    """Return a figure with the colours of a light page for good: programs other than browsers know no variables."""
    return _STYLE.sub(lambda hit: _THEMED.sub(r"\1", hit[0]), svg)


def to_png(figure: Figure, scale: float = 2.0) -> bytes:
    """Render a figure on white, `scale` pixels to one unit of the SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        # The patch is transparent for pages; paper is white.
        figure.patch.set_alpha(1.0)
        figure.savefig(buffer, format="png", dpi=72.0 * scale, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def _render(figure: Figure) -> bytes:
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        canvas: Any = FigureCanvasSVG(figure)  # its methods carry no types
        canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _rewrite(element: ElementTree.Element, name: str, tips: Mapping[str, str]) -> None:
    """Make ids unique, colours themeable and links plain; only in attributes, never in a stranger's text."""
    own = element.get("id")
    if own is not None:
        if own in tips:
            tip = ElementTree.Element("title")
            tip.text = tips[own]
            element.insert(0, tip)
        element.set("id", f"{name}-{own}")
    if _XLINK in element.attrib:
        element.set("href", element.attrib.pop(_XLINK))
    for key, value in list(element.attrib.items()):
        if key == "href" and value.startswith("#"):
            element.set(key, f"#{name}-{value[1:]}")
            continue
        if "url(#" in value:
            value = value.replace("url(#", f"url(#{name}-")
        if key == "style":
            value = _HEX.sub(lambda hit: f"var({_VARIABLES[hit[0]]}, {hit[0]})", value)
        element.set(key, value)
