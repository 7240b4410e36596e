"""``morelli demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli.cli._common import WorkersOption, progress
from morelli.cli.evaluate import write_evaluation

if TYPE_CHECKING:
    from rich.console import RenderableType

    from morelli.attributors import Verdict

__all__ = ["demo"]

SHOWN = 6
"""Campaign images whose verdicts are printed."""


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the bundle and the pages.")] = Path("morelli-demo"),
    workers: WorkersOption = None,
) -> None:
    """Attribute the images that ship with Morelli: fit, evaluate, judge a campaign. Takes about a minute.

    The sample is real output of eleven neural super-resolution models on the same 60 photographs: a stand-in for
    text-to-image models, whose weights do not fit into a package. A quarter of the photographs is held out.

    Example:

        morelli demo -o demo/
    """
    import numpy as np
    from rich.console import Console

    from morelli.attributors import attribute, fit_bundle
    from morelli.catalog import build_catalog, split_catalog
    from morelli.report import metrics_table, write_attributions
    from morelli.sample import sample_catalog_csv, sample_path
    from morelli.trials import evaluate

    console = Console()
    with progress("Reading the sample") as report:
        sample = build_catalog(sample_catalog_csv(), workers=workers, progress=report)
    reference = sample.select(split="reference")
    held_out = split_catalog(reference, test=0.25).assign(reference)
    train = held_out.select(split="train")
    photographs = len(set(train.column("prompt_id")))
    unseen = ~np.isin(sample.column("prompt_id").astype(str), train.column("prompt_id").astype(str))
    test = sample.filter(unseen)

    console.print("[bold]1. Fit[/bold]", f"{len(set(train.column('model')))} models, {photographs} photographs each")
    with progress("Measuring references") as report:
        bundle = fit_bundle(train, name="sample", workers=workers, progress=report)
    bundle.save(output / "sample.morelli")

    console.print("[bold]2. Evaluate[/bold]", f"{len(test)} images of other photographs, unknown models among them")
    with progress("Measuring held-out images") as report:
        predictions = evaluate(bundle, test, workers=workers, progress=report)
    title = "Embedded sample"
    notes = [*bundle.notes, "Neural super-resolution of photographs, not text-to-image: see the README of the sample."]
    metrics = write_evaluation(predictions, test, output, title=title, notes=notes)
    console.print(metrics_table(metrics))

    campaign = sorted((sample_path() / "campaign").iterdir())
    console.print("[bold]3. Judge a campaign[/bold]", f"{len(campaign)} images from a folder of mixed origin")
    verdicts = list(attribute(bundle, campaign, workers=workers))
    console.print(_tally(verdicts))
    page = write_attributions(
        [verdict.to_dict() for verdict in verdicts], output / "campaign.html", title="Campaign, image by image"
    )
    console.print("\nLook at", f"[bold]{output / 'report.html'}[/bold]", "and", f"[bold]{page}[/bold]")
    console.print(f"Next: morelli attribute {output / 'sample.morelli'} YOUR_IMAGE")


def _tally(verdicts: list[Verdict]) -> RenderableType:
    from collections import Counter

    from rich.table import Table
    from rich.text import Text

    counts = Counter((verdict.decision, verdict.label or "none of the candidates") for verdict in verdicts)
    table = Table("images", "decision", "candidate", box=None, padding=(0, 2), header_style="bold")
    for (decision, label), count in counts.most_common():
        table.add_row(str(count), decision, Text(label))
    return table
