"""``morelli leaderboard lookup``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
from morelli.cli.leaderboard._telling import AttackEncoderOption, DrawsOption, JsonOption, ReferencesOption, numbers

__all__ = ["lookup"]


def lookup(
    catalog: ImagesArgument,
    output: FolderOption,
    references: ReferencesOption = "1,2,5,10,30",
    texts: Annotated[
        str,
        typer.Option(
            "--texts",
            metavar="NAME",
            help='What compares prompts: "words", or "network:FOLDER" with a CLIP or SigLIP on this machine.',
        ),
    ] = "words",
    paraphrases: Annotated[
        Path | None,
        typer.Option(
            "--paraphrases",
            metavar="FILE.csv",
            help="Prompts in other words: prompt_id or prompt in the first column, and a column paraphrase.",
            show_default="the column paraphrase, where the catalog has one",
        ),
    ] = None,
    draws: DrawsOption = 10,
    encoder: AttackEncoderOption = None,
    label: LabelOption = "model",
    split: SplitOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Measure what it costs an attacker not to know the prompt, or to know it in other words only.

    The attacker has references for all prompts of the catalog, and finds the prompt by the image, by a paraphrase of
    three strengths (and by yours, if you give them), or has no references for it and takes those of the nearest other
    prompt. Losses are paired with the known prompt on the same images.

    Examples:

        morelli leaderboard lookup images.parquet -o lookup/
        morelli leaderboard lookup images.parquet --paraphrases reworded.csv --references 1,5 -o lookup/
        morelli leaderboard lookup images.parquet --texts network:clip/ -o lookup/ --json
    """
    ks = numbers(references, "--references")
    check_output(output, folder=True)

    from morelli.attributors.prompts.texts import make_text_embedder
    from morelli.catalog import join_columns
    from morelli.leaderboard.embedding import attack_board, attack_encoder
    from morelli.leaderboard.lookup import lookup_section, measure_lookup, paraphrases_of

    make_text_embedder(texts)  # refuses one that there is not, before the images are measured
    images = open_catalog(catalog, split)
    images.column(label)
    if paraphrases is not None:
        images = join_columns(images, paraphrases)
        images.column("paraphrase")
    reworded = "paraphrase" in images.table.column_names
    measures = attack_encoder(encoder)
    with progress("Measuring images") as measuring:
        board = attack_board(
            images, measures, label=label, cache=open_cache(cache, no_cache), workers=workers, progress=measuring
        )
    with progress("Attacking") as attacking:
        result = measure_lookup(
            board,
            references=ks,
            draws=draws,
            embedder=texts,
            paraphrases=paraphrases_of(images, board) if reworded else None,
            seed=seed,
            progress=attacking,
        )
    tell_sections(
        [lookup_section(result)],
        output,
        as_json,
        title=f"Prompts unknown or in other words on {catalog.name}",
        provenance={
            "catalog": images.fingerprint,
            "encoder": measures.name,
            "recipe": measures.recipe_hash,
            "label": label,
            "texts": texts,
            "paraphrases": reworded,
            "references": ks,
            "draws": draws,
            "seed": seed,
        },
    )
