"""``morelli robustness``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from morelli.cli._common import (
    CacheOption,
    EncoderOption,
    FoldsOption,
    ImagesArgument,
    LabelOption,
    NoCacheOption,
    SplitOption,
    WorkersOption,
    check_output,
    open_cache,
    open_catalog,
    parse_views,
    progress,
    tell_study,
)

__all__ = ["robustness"]


def robustness(
    catalog: ImagesArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the table and the page.")],
    train_views: Annotated[
        str,
        typer.Option(
            "--train-views", metavar="VIEWS", help="What references are seen through; none has to be the first."
        ),
    ] = "degraded",
    test_views: Annotated[
        str | None,
        typer.Option(
            "--test-views",
            metavar="VIEWS",
            help="What images are judged in.",
            show_default="those of degraded, and nine that training never saw",
        ),
    ] = None,
    folds: FoldsOption = 5,
    set_images: Annotated[
        int, typer.Option("--set", min=2, metavar="N", help="Images of one model that are judged together.")
    ] = 8,
    label: LabelOption = "model",
    encoder: EncoderOption = None,
    split: SplitOption = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of folds, sets, estimators and bootstraps.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what robustness.json holds instead of a table.")
    ] = False,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Measure what compression, resizing and blur cost, and what training on such images gains.

    Every fold is judged, in every test view, by an attributor that has seen its references untouched and by one that
    has seen them in the training views. By default every image is measured in twenty-three views, once: what was
    measured is in the cache, finished trials in the output folder, and an interrupted study goes on there.

    Examples:

        morelli robustness images.parquet -o robustness/
        morelli robustness images.parquet --train-views "none,jpeg:80" --folds 3 -o robust/
        morelli robustness images.parquet --test-views "degraded,screenshot:0.8" -o robust/ --json
    """
    check_output(output, folder=True)
    trained = parse_views(train_views, "--train-views")
    tested = None if test_views is None else parse_views(test_views, "--test-views")

    from morelli.report.robustness import robustness_headline, robustness_table, write_robustness
    from morelli.trials.robustness import TEST_VIEWS
    from morelli.trials.robustness import robustness as run

    images = open_catalog(catalog, split)
    images.column(label)  # refuses a column that there is not, before the images are measured
    with progress("Measuring images") as measuring, progress("Fitting and judging") as judging:
        study = run(
            images,
            folds=folds,
            train_views=trained,
            test_views=TEST_VIEWS if tested is None else tested,
            label=label,
            encoder=encoder,
            set_images=set_images,
            seed=seed,
            cache=open_cache(cache, no_cache),
            workers=workers,
            measuring=measuring,
            progress=judging,
            resume_dir=output / "trials",
        )
    write_robustness(study, output, title=f"Robustness on {catalog.name}")
    tell_study(
        output,
        as_json,
        lambda: robustness_table(study),
        robustness_headline(study),
        study.notes,
        ("robustness.html", "robustness.json", "robustness.csv", "robustness.svg"),
    )
