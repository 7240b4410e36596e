"""``morelli demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli._text import safe_text
from morelli.cli._common import WorkersOption, check_output, progress

if TYPE_CHECKING:
    from rich.console import RenderableType

    from morelli.attributors import Verdict
    from morelli.catalog import Catalog

__all__ = ["demo", "run_demo"]

NOTE = "Neural super-resolution of photographs, not text-to-image: see the README of the sample."


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the bundle and the pages.")
    ] = Path("morelli-demo"),
    workers: WorkersOption = None,
) -> None:
    """Attribute the images that ship with Morelli: fit, evaluate, judge a campaign, in a minute.

    The sample is real output of eleven neural super-resolution models on the same 60 photographs: a stand-in for
    text-to-image models, whose weights do not fit into a package. A quarter of the photographs is held out.

    Examples:

        morelli demo
        morelli demo -o demo/
    """
    check_output(output, folder=True)

    from morelli.catalog import build_catalog
    from morelli.sample import sample_catalog_csv, sample_path

    with progress("Reading the sample") as report:
        sample = build_catalog(sample_catalog_csv(), workers=workers, progress=report)
    run_demo(sample, sorted((sample_path() / "campaign").iterdir()), output, workers)


def run_demo(sample: Catalog, campaign: list[Path], output: Path, workers: int | None = None) -> None:
    """Fit to three quarters of the prompts of `sample`, evaluate on the rest, and judge the images of `campaign`.

    Rows of `sample` whose split is ``reference`` are of candidates; the models of the others are held out wholly.
    """
    import numpy as np
    from rich.console import Console
    from rich.text import Text

    from morelli.attributors import attribute, fit_bundle
    from morelli.catalog import split_catalog
    from morelli.report import metrics_table, write_attributions, write_evaluation
    from morelli.trials import evaluate

    console = Console(highlight=False)

    def step(number: int, verb: str, what: str) -> None:
        console.print(Text.assemble((f"{number}. {verb} ", "bold"), what))

    reference = sample.select(split="reference")
    held_out = split_catalog(reference, test=0.25).assign(reference)
    train = held_out.select(split="train")
    photographs = len(set(train.column("prompt_id")))
    unseen = ~np.isin(sample.column("prompt_id").astype(str), train.column("prompt_id").astype(str))
    test = sample.filter(unseen)

    step(1, "Fit", f"{len(set(train.column('model')))} models, {photographs} photographs each")
    with progress("Measuring references") as report:
        bundle = fit_bundle(train, name="sample", encoder="forensic", workers=workers, progress=report)
    bundle.save(output / "sample.morelli")

    step(2, "Evaluate", f"{len(test)} images of other photographs, unknown models among them")
    with progress("Measuring held-out images") as report:
        predictions = evaluate(bundle, test, workers=workers, progress=report)
    metrics, _ = write_evaluation(
        predictions,
        test,
        output,
        title="Embedded sample",
        notes=[*bundle.notes, NOTE],
        target_coverage=bundle.attributor.level,
    )
    console.print(metrics_table(metrics))

    step(3, "Judge a campaign", f"{len(campaign)} images from a folder of mixed origin")
    verdicts = list(attribute(bundle, campaign, workers=workers))
    console.print(_tally(verdicts))
    page = write_attributions(
        [verdict.to_dict() for verdict in verdicts], output / "campaign.html", title="Campaign, image by image"
    )
    typer.echo(f"\nLook at {output / 'report.html'} and {page}")
    typer.echo(f"Next: morelli attribute {output / 'sample.morelli'} YOUR_IMAGE")


def _tally(verdicts: list[Verdict]) -> RenderableType:
    from collections import Counter

    from rich.table import Table

    counts = Counter((verdict.decision, verdict.label or "none of the candidates") for verdict in verdicts)
    table = Table("images", "decision", "candidate", box=None, padding=(0, 2), header_style="bold")
    for (decision, label), count in counts.most_common():
        table.add_row(str(count), decision, safe_text(label))
    return table
