"""``morelli leaderboard lookup``."""

from __future__ import annotations

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
from morelli.cli.leaderboard._telling import (
    AttackEncoderOption,
    DrawsOption,
    FolderOption,
    JsonOption,
    ReferencesOption,
    SeedOption,
    numbers,
    tell_sections,
)

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
    paraphrase: Annotated[
        str | None,
        typer.Option(
            "--paraphrase",
            metavar="COLUMN",
            help="Column that says each prompt in other words.",
            show_default="paraphrase, where there is such a column",
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
    three strengths (and by yours, if there is a column of them), or has no references for it and takes those of the
    nearest other prompt. Losses are paired with the known prompt on the same images.

    Examples:

        morelli leaderboard lookup images.parquet -o lookup/
        morelli leaderboard lookup images.csv --paraphrase reworded --references 1,5 -o lookup/
        morelli leaderboard lookup images.parquet --texts network:clip/ -o lookup/ --json
    """
    ks = numbers(references, "--references")
    check_output(output, folder=True)

    from morelli.attributors.prompts.texts import make_text_embedder
    from morelli.leaderboard.embedding import attack_board, attack_encoder
    from morelli.leaderboard.lookup import lookup_section, measure_lookup, paraphrases_of

    make_text_embedder(texts)  # refuses one that there is not, before the images are measured
    images = open_catalog(catalog, split)
    images.column(label)
    column = paraphrase or ("paraphrase" if "paraphrase" in images.table.column_names else None)
    if column is not None:
        images.column(column)
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
            paraphrases=None if column is None else paraphrases_of(images, board, column),
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
            "paraphrase": column,
            "references": ks,
            "draws": draws,
            "seed": seed,
        },
    )
