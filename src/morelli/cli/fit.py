"""``morelli fit``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from morelli.cli._common import (
    CacheOption,
    EncoderOption,
    NoCacheOption,
    SplitOption,
    WorkersOption,
    check_output,
    open_cache,
    open_catalog,
    parse_views,
    progress,
)

if TYPE_CHECKING:
    from morelli.catalog import Catalog

__all__ = ["SetMethod", "fit"]


class SetMethod(StrEnum):
    """Ways to make prediction sets."""

    LAC = "lac"
    APS = "aps"


def fit(
    catalog: Annotated[
        Path,
        typer.Argument(
            metavar="CATALOG", help="References: a catalog, a folder per model, or a table with a path column."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Bundle to write, e.g. candidates.morelli.")
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="TEXT", help="Name of the bundle.", show_default="of the output file"),
    ] = None,
    bundle_version: Annotated[
        str, typer.Option("--bundle-version", metavar="TEXT", help="Version of the bundle.")
    ] = "1",
    label: Annotated[
        str, typer.Option("--label", metavar="COLUMN", help="Column to learn: model, version, language ...")
    ] = "model",
    encoder: EncoderOption = None,
    split: SplitOption = None,
    views: Annotated[
        str,
        typer.Option(
            "--views",
            metavar="VIEWS",
            help="What references are seen through, separated by commas; degraded: common ones and random journeys.",
        ),
    ] = "none",
    background: Annotated[
        Path | None,
        typer.Option(
            "--background",
            metavar="CATALOG",
            help="Images by other models, which teach how images vary and become no candidates.",
        ),
    ] = None,
    level: Annotated[
        float, typer.Option("--level", min=0.5, max=0.999, metavar="SHARE", help="Coverage of the prediction sets.")
    ] = 0.9,
    sets: Annotated[
        SetMethod,
        typer.Option(
            "--sets",
            metavar="METHOD",
            help="How prediction sets are made: lac, the smallest on average; aps, larger where an image is hard.",
        ),
    ] = SetMethod.LAC,
    sets_per_class: Annotated[
        bool, typer.Option("--sets-per-class", help="Make sets hold their level for each candidate by itself.")
    ] = False,
    open_set_level: Annotated[
        float,
        typer.Option(
            "--open-set-level",
            min=0.0,
            max=0.5,
            metavar="SHARE",
            help="Call an image unknown below this open-set p-value.",
        ),
    ] = 0.05,
    fingerprint: Annotated[
        Path | None,
        typer.Option(
            "--fingerprint",
            metavar="FILE",
            help="A learned network to measure with too; trained on the references first if there is no such file.",
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.05, metavar="N", help="How long to train a new network.")
    ] = 15.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Deals prompts to folds.")] = 0,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Fit an attributor to reference images and write it as a bundle.

    Give every candidate's images of the same prompts, where you can, so that the subject gives nothing away. An
    interrupted fit goes on where it stopped: what was measured is in the cache.

    With --views, an expert is fitted to each view of the references, and an image is judged by the one whose view it
    resembles: for images from the web, which were compressed and resized on their way. Random journeys (resaved:1,
    resaved:2 ..., shrunk:1 ...) share an expert, which is asked about conditions that nobody foresaw. Every view of
    every image is measured and kept in the cache, so that "--views degraded" takes fourteen times as long the first
    time, and the bundle is eight times as large. "morelli views" lists what views are made of; they chain with "|".

    With --fingerprint, a small network measures the images too (docs/fingerprint.md says what that is worth). Best is
    one that was trained on other images: one that learned from these very references knows them, and held-out figures
    may promise too much.

    With --sets aps, prediction sets are the most probable candidates up to a total that held the truth often enough, so
    that hard images get large sets; with --sets-per-class, candidates that are often mistaken get a threshold of their
    own, as far as they have enough references.

    Examples:

        morelli fit references.parquet -o candidates.morelli
        morelli fit references.parquet -o candidates.morelli --views degraded
        morelli fit references.parquet -o candidates.morelli --views "none,jpeg:80,scale:0.5|jpeg:85"
        morelli fit references.parquet --split train -o candidates.morelli
        morelli fit folder-per-model/ -o candidates.morelli --name "Vendors 2026"
        morelli fit references.parquet -o candidates.morelli --level 0.95 --sets aps --sets-per-class
        morelli fit references.parquet -o candidates.morelli --encoder forensic
        morelli fit references.parquet -o candidates.morelli --fingerprint network.onnx --minutes 20
    """
    check_output(output)
    seen_through = parse_views(views, "--views")

    from rich.console import Console

    from morelli.attributors import fit_bundle
    from morelli.cli.show import bundle_table
    from morelli.encoders import default_encoder

    references = open_catalog(catalog, split)
    references.column(label)  # refuses a column that there is not, before the images are measured
    if fingerprint is not None:
        encoder = f"{encoder or default_encoder()}+{_network(fingerprint, references, label, minutes, seed)}"
    elif encoder is None and (joined := default_encoder()) != "forensic":
        typer.echo(
            f"Note: Reads {joined}, because its weights are on this machine; whoever uses the bundle needs them too. "
            "--encoder forensic leaves them out.",
            err=True,
        )
    with progress("Measuring references") as report:
        bundle = fit_bundle(
            references,
            name=name or output.stem,
            version=bundle_version,
            label=label,
            encoder=encoder,
            views=seen_through,
            cache=open_cache(cache, no_cache),
            workers=workers,
            progress=report,
            level=level,
            set_method=sets.value,
            set_per_class=sets_per_class,
            open_set_level=open_set_level,
            seed=seed,
            background=None if background is None else open_catalog(background),
        )
    bundle.save(output)
    Console().print(bundle_table(bundle.describe()))
    typer.echo(f"Written to {output}")


def _network(path: Path, references: Catalog, label: str, minutes: float, seed: int) -> str:
    """Return the name of a learned network, which is trained now if its file is not there."""
    from morelli.encoders.fingerprint import TrainingProgress, fit_fingerprint, keep

    if not path.exists():
        check_output(path)
        with progress(f"Training {path.name}") as report:

            def step(done: TrainingProgress) -> None:
                report(round(1000 * done.share), 1000)

            fit_fingerprint(references, path, label=label, minutes=minutes, seed=seed, progress=step)
    return keep(path).name
