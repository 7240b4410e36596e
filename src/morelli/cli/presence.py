"""``morelli presence``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli.cli._common import ImagesArgument, SplitOption, check_output, open_catalog, progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from morelli.studies.presence import Presence

__all__ = ["presence"]


def presence(
    catalog: ImagesArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Table to write, CSV.")],
    model: Annotated[
        str,
        typer.Option("--model", metavar="NAME", help="Network of images and texts: a name, a folder, or OWNER/NAME."),
    ] = "siglip-base",
    column: Annotated[
        str, typer.Option("--column", metavar="COLUMN", help="Column that holds what each image was asked for.")
    ] = "domain",
    recall: Annotated[
        float,
        typer.Option(
            "--recall",
            min=0.01,
            max=1.0,
            metavar="SHARE",
            help="Share of the images that were asked for a domain, and are seen to show it.",
        ),
    ] = 0.9,
    scores: Annotated[bool, typer.Option("--scores", help="Write the score of each domain too.")] = False,
    split: SplitOption = None,
) -> None:
    """Say which domains each image shows, by a network that compares images with texts.

    The study of domains compares how often domains come together with how well learning carries over between them. The
    threshold of a domain is read off the images that were asked for it. The study takes the table by --join, with the
    setting presence=shows. Answers are kept beside the table until it is written.

    Examples:

        morelli presence images.parquet -o presence.csv
        morelli presence images.parquet -o presence.csv --model clip-vit-l14 --recall 0.95
    """
    check_output(output)

    from morelli.studies.presence import by_recall, look, write_presence
    from morelli.studies.presence_by_text import TextJudge

    images = open_catalog(catalog, split)
    judge = TextJudge(model)
    journal = output.with_name(f".{output.name}.answers")
    with progress("Looking at images") as report:
        found = look(images, judge, column=column, journal=journal, progress=report)
    thresholds = by_recall(found, recall)
    write_presence(found, thresholds, output, scores=scores)
    journal.unlink(missing_ok=True)
    _tell(found, thresholds)
    for image_id, error in list(found.errors.items())[:3]:
        typer.echo(f"Note: {image_id[:12]}: {error}", err=True)
    left_out = f", {len(found.errors)} could not be looked at" if found.errors else ""
    typer.echo(f"{len(found.image_ids)} images{left_out}; written to {output}")


def _tell(found: Presence, thresholds: NDArray[np.float64]) -> None:
    """Print for each domain how often it is seen, and how far that can be trusted."""
    from rich.console import Console
    from rich.table import Table

    from morelli._text import safe_text
    from morelli.studies.presence import separation

    heads = ("domain", "threshold", "of its own", "of others", "separation")
    table = Table(*heads, box=None, padding=(0, 2), header_style="bold")
    seen = found.scores >= thresholds
    for i, (name, auc) in enumerate(zip(found.domains, separation(found), strict=True)):
        own, other = found.asked == i, (found.asked >= 0) & (found.asked != i)
        shares = [f"{100 * seen[of, i].mean():.0f}%" if of.any() else "" for of in (own, other)]
        table.add_row(safe_text(name), f"{thresholds[i]:.2f}", *shares, f"{auc:.2f}")
    Console().print(table)
