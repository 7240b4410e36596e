"""``morelli explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from morelli._text import split_words
from morelli.cli._common import BundleArgument
from morelli.cli._maps import CandidateOption, ImagesToExplain, JsonOption, MapsOutput, StrictOption, draw_maps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from morelli.cli._maps import Progress
    from morelli.explain import TraceMap

__all__ = ["explain"]


def explain(
    bundle: BundleArgument,
    images: ImagesToExplain,
    output: MapsOutput,
    candidate: CandidateOption = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="NAME",
            help="Who else may have made the image.",
            show_default="the mean of all candidates",
        ),
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(
            "--family", metavar="NAME[,NAME]", help="Whose evidence counts.", show_default="all families that can tell"
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            "--window",
            min=64,
            metavar="PIXELS",
            help="Side of the windows that are judged, a multiple of 32.",
            show_default="a quarter of the shorter side, at least 256, or 128 on images below 512",
        ),
    ] = None,
    as_json: JsonOption = False,
    strict: StrictOption = False,
) -> None:
    """Show which regions of an image speak for a candidate.

    Windows of native pixels are judged like images, and each says its part of the answer. For every image there is a
    .png, in which the picture is grey and evidence is colour, and a .json with the numbers; of several images also one
    page, morelli-maps.html. docs/explain.md says how to read them, and what they do not prove.

    Examples:

        morelli explain candidates.morelli suspect.png -o suspect-map.png
        morelli explain candidates.morelli suspect.png --candidate flux-dev --against sdxl -o maps/
        morelli explain candidates.morelli campaign/ -o maps/ --json > maps.jsonl
    """
    from morelli.attributors import Bundle
    from morelli.explain import check_request, count_votes

    loaded = Bundle.load(bundle)
    families = None if family is None else split_words(family)
    check_request(tuple(loaded.attributor.weights_), loaded.classes, candidate, against, families)

    def look(pixels: NDArray[np.uint8], report: Progress) -> TraceMap:
        return count_votes(loaded, pixels, window=window, progress=report).map(candidate, against, families)

    draw_maps(
        look,
        images,
        output,
        facts={"bundle": {"name": loaded.name, "version": loaded.version, "id": loaded.id}},
        title=f"Evidence as {loaded.name} {loaded.version} sees it",
        as_json=as_json,
        strict=strict,
    )
