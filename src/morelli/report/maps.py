"""Maps of evidence on pages: pictures of a map and its families, and which images of an evaluation to show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from morelli._files import write_text
from morelli.errors import MorelliError
from morelli.report._page import render
from morelli.report._thumbnails import Thumbnail, embedded

if TYPE_CHECKING:
    import os

    from morelli.explain import TraceMap
    from morelli.trials import Predictions

__all__ = ["MAPS_LIMIT", "Explainer", "MapCard", "evaluation_maps", "map_card", "surest_rows", "write_maps"]

MAPS_LIMIT: Final = 48
"""Maps on a page, at most: each is about 100 kB of it."""

_SIDE, _FAMILY_SIDE = 480, 144


class Explainer(Protocol):
    """Who makes maps of images."""

    def __call__(self, pixels: NDArray[np.uint8], /, *, candidate: str, against: str | None) -> TraceMap:
        """Return the map of an image for one candidate."""


@dataclass(frozen=True, slots=True)
class FamilyPicture:
    """The map of one family, on the scale of the whole."""

    name: str
    picture: Thumbnail


@dataclass(frozen=True, slots=True)
class MapCard:
    """What a page shows of a map, or why there is none.

    Attributes
    ----------
    uri : str
    title : str
        A line above the picture.
    picture : Thumbnail or None
    limit : str
        Value of full colour, in nats.
    lines : tuple of str
        The legend.
    families : tuple of FamilyPicture
        Where there are several.
    error : str or None
    """

    uri: str
    title: str = ""
    picture: Thumbnail | None = None
    limit: str = ""
    lines: tuple[str, ...] = ()
    families: tuple[FamilyPicture, ...] = ()
    error: str | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.uri).name or "image"

    @property
    def alt(self) -> str:
        """What the picture shows, in words."""
        return f"Map of the evidence in {self.name}: {' '.join(self.lines)}"


def map_card(uri: str, shown: TraceMap, pixels: NDArray[np.uint8], title: str = "") -> MapCard:
    """Draw a map, and those of its families on the same scale."""
    from morelli.explain import full_colour, legend_of, paint

    limit = full_colour(shown)
    parts = {name: shown.of_family(name) for name in shown.families} if len(shown.families) > 1 else {}
    return MapCard(
        uri=uri,
        title=title,
        picture=_drawn(paint(shown, pixels, _SIDE, limit)),
        limit=f"{limit:.3g}",
        lines=tuple(legend_of(shown)),
        families=tuple(
            FamilyPicture(name, _drawn(paint(part, pixels, _FAMILY_SIDE, limit))) for name, part in parts.items()
        ),
    )


def surest_rows(predictions: Predictions, n: int) -> NDArray[np.int64]:
    """Return `n` rows to look at: the surest right answers, then the surest wrong ones, half of each where there are.

    Only readable images of candidates count. Among equals the first come first.
    """
    order = np.argsort(-predictions.confidence, kind="stable")
    order = order[predictions.known[order]]
    right = predictions.top[order] == predictions.y[order]
    n_wrong = min(int((~right).sum()), max(n // 2, n - int(right.sum())))
    return np.concatenate([order[right][: n - n_wrong], order[~right][:n_wrong]])


def evaluation_maps(
    explainer: Explainer,
    predictions: Predictions,
    n: int,
    *,
    view: str = "none",
    progress: Callable[[int, int], None] | None = None,
) -> list[MapCard]:
    """Explain the surest right and wrong answers of an evaluation, see `surest_rows`.

    Each shows the evidence for the answer: against the truth where it is wrong, else against the mean of all.

    Parameters
    ----------
    explainer : callable
        ``explainer(pixels, candidate=..., against=...)`` makes a map: :func:`morelli.explain.explain` of the bundle
        that answered, or :func:`morelli.explain.explain_network` of the network.
    predictions : Predictions
        Whose uris are still where they were.
    n : int
        Images; at most `MAPS_LIMIT`.
    view : str, default "none"
        What they were seen through.
    progress : callable, optional
        Called as ``progress(done, total)`` after every image.
    """
    from morelli.images import read_image
    from morelli.views import parse_view

    if not 0 <= n <= MAPS_LIMIT:
        raise MorelliError(f"A page shows 0 to {MAPS_LIMIT} maps, not {n}.")
    rows = surest_rows(predictions, n)
    cards = []
    for done, row in enumerate(rows, start=1):
        uri, sure = str(predictions.uri[row]), 100 * predictions.confidence[row]
        answer, truth = predictions.classes[predictions.top[row]], predictions.classes[predictions.y[row]]
        right = answer == truth
        other = None if right else truth
        title = f"{'Right' if right else 'Wrong'}: {answer}, {sure:.0f}%" + ("" if right else f"; it is {truth}")
        try:
            pixels = parse_view(view).apply(read_image(uri))
            cards.append(map_card(uri, explainer(pixels, candidate=answer, against=other), pixels, title))
        except MorelliError as error:
            cards.append(MapCard(uri, title, error=str(error)))
        if progress is not None:
            progress(done, len(rows))
    return cards


def write_maps(cards: Sequence[MapCard], path: str | os.PathLike[str], *, title: str, total: int | None = None) -> Path:
    """Write a page of maps, wholly or not at all, and return its path.

    Parameters
    ----------
    cards : sequence of MapCard
    path : path-like
    title : str
    total : int, optional
        How many images there were, where the page shows some of them.
    """
    values: dict[str, Any] = {"cards": cards, "total": len(cards) if total is None else total}
    write_text(path, render("maps.html", title=title, **values))
    return Path(path)


def _drawn(pixels: NDArray[np.uint8]) -> Thumbnail:
    from PIL import Image

    return embedded(Image.fromarray(pixels))
