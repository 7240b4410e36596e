"""``morelli view``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli.cli._common import check_output
from morelli.errors import MorelliError

if TYPE_CHECKING:
    from morelli.views.info import Pixels

__all__ = ["view"]

_WEBP_SIDE = 16_383


def view(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="Image to look at.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File for the result: .png, .webp without loss; sheets also .jpg."
        ),
    ],
    specs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SPEC", help='View or chain of views, see "morelli views"; several of them with --sheet.'
        ),
    ] = None,
    sheet: Annotated[
        bool, typer.Option("--sheet", help="Write a contact sheet: one example of every view, or the views given.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", min=0, metavar="N", help="Of views that draw at random.", show_default="from the file's hash"
        ),
    ] = None,
) -> None:
    """Show what a view makes of an image, or many views of it on one sheet.

    Without --seed the result is what every other command sees through this view. The result is written without loss;
    metadata of the image are left behind. On a contact sheet each view is there twice: whole and shrunk, and its centre
    in native pixels.

    Examples:

        morelli view photo.jpg "resize:512|jpeg:85" -o small.png
        morelli view photo.jpg noise@3 --seed 7 -o noisy.webp
        morelli view photo.jpg --sheet -o sheet.png
        morelli view photo.jpg jpeg:90 jpeg:60 "scale:0.5|jpeg:60" --sheet -o codecs.png
    """
    specs = specs or []
    if not sheet and len(specs) != 1:
        raise typer.BadParameter(
            "name one view, or several with --sheet" if specs else "name a view, or give --sheet for all of them",
            param_hint="SPEC",
        )
    check_output(output)
    if output.suffix.lower() not in (".png", ".webp", *([".jpg"] if sheet else [])):
        raise MorelliError(f"{output}: the result is written as .png or .webp, which lose nothing; choose such a name.")
    if output.exists() and image.exists() and output.samefile(image):
        raise MorelliError(f"{output} is the image itself, which is not overwritten; choose another file.")

    from morelli.images import read_image
    from morelli.views import parse_view
    from morelli.views.sheet import contact_sheet, example_views

    views = [parse_view(spec) for spec in specs]
    loaded = read_image(image)
    if sheet:
        views = views or list(example_views())
        page = contact_sheet(loaded.pixels, views, views[0].seed_of(loaded) if seed is None else seed)
        _write(output, page.pixels)
        for error in page.errors:
            typer.echo(f"Note: {error}", err=True)
        typer.echo(f"{len(views)} view{'s' * (len(views) != 1)}, {_size(page.pixels)}, written to {output}")
        return
    pixels = views[0].apply(loaded) if seed is None else views[0](loaded.pixels, seed)
    _write(output, pixels)
    typer.echo(f"{views[0].name}: {_size(loaded.pixels)} became {_size(pixels)}, written to {output}")


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"


def _write(path: Path, pixels: Pixels) -> None:
    """Write in the format of the suffix, without loss if it can."""
    from PIL import Image

    from morelli._files import atomic_path

    webp = path.suffix.lower() == ".webp"
    if webp and max(pixels.shape[:2]) > _WEBP_SIDE:
        raise MorelliError(f"WebP holds at most {_WEBP_SIDE} pixels a side, and this is {_size(pixels)}; write a .png.")
    with atomic_path(path) as place:
        if webp:
            Image.fromarray(pixels).save(place, "WEBP", lossless=True)
        elif path.suffix.lower() == ".jpg":
            Image.fromarray(pixels).save(place, "JPEG", quality=75)
        else:
            Image.fromarray(pixels).save(place, "PNG")
