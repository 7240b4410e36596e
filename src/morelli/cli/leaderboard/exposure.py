"""``morelli leaderboard exposure``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from morelli._text import split_words
from morelli.cli._common import (
    CacheOption,
    EncoderOption,
    ImagesArgument,
    LabelOption,
    NoCacheOption,
    SplitOption,
    WorkersOption,
    check_output,
    open_cache,
    open_catalog,
    progress,
)

__all__ = ["exposure"]


def exposure(
    catalog: ImagesArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the page and the tables.")],
    encoder: EncoderOption = None,
    tau: Annotated[
        float,
        typer.Option(
            "--tau",
            min=0.0,
            max=0.999,
            metavar="SHARE",
            help="A model is separable on a prompt if more than this share of its images are nearest to its own.",
        ),
    ] = 0.9,
    bound: Annotated[
        float,
        typer.Option(
            "--bound", min=0.0, max=1.0, metavar="SHARE", help="Of images recognised, for the prompts to be shown."
        ),
    ] = 0.5,
    choose: Annotated[int, typer.Option("--choose", min=1, metavar="N", help="Prompts that an attacker submits.")] = 20,
    references: Annotated[
        int, typer.Option("--references", min=1, metavar="K", help="The attacker's images of each model for a prompt.")
    ] = 5,
    draws: Annotated[int, typer.Option("--draws", min=1, metavar="N", help="How often references are drawn.")] = 20,
    metric: Annotated[Literal["euclidean", "cosine"], typer.Option("--metric", help="Distance.")] = "euclidean",
    families: Annotated[
        str | None,
        typer.Option(
            "--families",
            metavar="NAMES",
            help="Only these families of what the encoder measures, separated by commas.",
            show_default="all",
        ),
    ] = None,
    standardise: Annotated[
        bool | None,
        typer.Option(
            "--standardise/--as-measured",
            help="Divide every feature by its standard deviation within prompts.",
            show_default="where there are several families",
        ),
    ] = None,
    label: LabelOption = "model",
    split: SplitOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Of draws, halves and bootstraps.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what leaderboard.json holds instead.")] = False,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Measure on which prompts models give themselves away, and advise which prompts to show.

    Images of all models for the same prompts are needed, two or more of each. Prompts are ranked by the share of models
    that are separable on them, and by how often an attacker with a few references names the model. What is said of a
    choice of prompts is measured on other images than it was made by.

    Examples:

        morelli leaderboard exposure images.parquet -o exposure/
        morelli leaderboard exposure images.parquet --encoder clip-vit-b16.openai-int8 --tau 0.8 -o exposure/
        morelli leaderboard exposure images.parquet --bound 0.4 --choose 10 -o exposure/ --json
    """
    check_output(output, folder=True)

    from morelli.encoders import default_encoder, join_encoders
    from morelli.leaderboard.board import measure_board
    from morelli.leaderboard.exposure import assess, exposure_section, prompts_section, standardised
    from morelli.report.leaderboard import section_tables, sections_headline, write_sections

    images = open_catalog(catalog, split)
    images.column(label)  # refuses a column that there is not, before the images are measured
    measures = join_encoders(encoder or default_encoder())
    with progress("Measuring images") as measuring:
        board = measure_board(
            images,
            measures,
            label=label,
            cache=open_cache(cache, no_cache),
            workers=workers,
            progress=measuring,
        )
    if families is not None:
        board = board.columns(*split_words(families))
    if standardise is None:
        standardise = len(board.blocks) > 1
    if standardise:
        board = standardised(board)
    with progress("Attacking") as attacking:
        found = assess(
            board,
            tau=tau,
            bound=bound,
            choose=choose,
            k=references,
            draws=draws,
            metric=metric,
            seed=seed,
            progress=attacking,
        )
    sections = [exposure_section(found), prompts_section(found)]
    written = write_sections(
        sections,
        output,
        title=f"Exposure on {catalog.name}",
        provenance={
            "catalog": catalog.name,
            "encoder": measures.name,
            "recipe": measures.recipe_hash,
            "families": list(board.blocks),
            "standardised": standardise,
            "label": label,
            "tau": tau,
            "bound": bound,
            "choose": choose,
            "references": references,
            "draws": draws,
            "metric": metric,
            "seed": seed,
        },
    )
    if as_json:
        typer.echo((output / "leaderboard.json").read_text(encoding="utf-8"), nl=False)
        return
    from rich.console import Console

    console = Console()
    for section in sections:
        for table in section_tables(section, console.width)[:1]:
            console.print(table)
    typer.echo(sections_headline(sections))
    for section in sections:
        for note in section.findings.notes:
            typer.echo(f"Note: {note}")
    typer.echo(
        f"Written to {output}: {', '.join(path.name for path in written[:2])}, and {len(written) - 2} more files"
    )
