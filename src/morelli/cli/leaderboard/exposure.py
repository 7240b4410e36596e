"""``morelli leaderboard exposure``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from morelli._text import split_words
from morelli.cli._common import (
    CacheOption,
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
from morelli.cli._sections import FolderOption, SeedOption, tell_sections
from morelli.cli.leaderboard._telling import AttackEncoderOption, JsonOption

__all__ = ["exposure"]


def exposure(
    catalog: ImagesArgument,
    output: FolderOption,
    encoder: AttackEncoderOption = None,
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
    metric: Annotated[
        Literal["euclidean", "cosine"], typer.Option("--metric", metavar="NAME", help="Distance: euclidean or cosine.")
    ] = "euclidean",
    families: Annotated[
        str | None,
        typer.Option(
            "--families",
            metavar="NAMES",
            help="Only these families of what the encoder measures, separated by commas.",
            show_default="the embedding, or all where there is none",
        ),
    ] = None,
    standardise: Annotated[
        Literal["auto", "yes", "no"],
        typer.Option(
            "--standardise",
            metavar="WORD",
            help="Divide features by their deviation within prompts: yes, no, or auto, where they are no embedding.",
        ),
    ] = "auto",
    label: LabelOption = "model",
    split: SplitOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
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
        morelli leaderboard exposure images.parquet --encoder clip-vit-b16.openai-int8 -o exposure/
        morelli leaderboard exposure images.parquet --bound 0.4 --choose 10 --tau 0.8 -o exposure/ --json
    """
    check_output(output, folder=True)

    from morelli.leaderboard.embedding import attack_board, attack_encoder
    from morelli.leaderboard.exposure import assess, exposure_section, prompts_section

    images = open_catalog(catalog, split)
    images.column(label)  # refuses a column that there is not, before the images are measured
    measures = attack_encoder(encoder)
    with progress("Measuring images") as measuring:
        board = attack_board(
            images,
            measures,
            families=None if families is None else split_words(families),
            standardise=None if standardise == "auto" else standardise == "yes",
            label=label,
            cache=open_cache(cache, no_cache),
            workers=workers,
            progress=measuring,
        )
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
    tell_sections(
        [exposure_section(found), prompts_section(found)],
        output,
        as_json,
        title=f"Exposure on {catalog.name}",
        provenance={
            "catalog": images.fingerprint,
            "encoder": measures.name,
            "recipe": measures.recipe_hash,
            "families": list(board.blocks),
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
