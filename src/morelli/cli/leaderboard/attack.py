"""``morelli leaderboard attack``."""

from __future__ import annotations

from typing import Annotated

import typer

from morelli._text import split_words
from morelli.cli._common import (
    CacheOption,
    FoldsOption,
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

__all__ = ["attack"]


def attack(
    catalog: ImagesArgument,
    output: FolderOption,
    references: ReferencesOption = "1,2,5,10,30",
    pools: Annotated[
        str, typer.Option("--pools", metavar="NUMBERS", help="Numbers of candidates among which an image is named.")
    ] = "5,10,15,20",
    attributors: Annotated[
        str | None,
        typer.Option(
            "--attributor",
            "-a",
            metavar="NAMES",
            help="Who attacks, separated by commas, each NAME (on --encoder) or NAME@ENCODER; see morelli attributors.",
            show_default="all that fit, on --encoder",
        ),
    ] = None,
    encoder: AttackEncoderOption = None,
    draws: DrawsOption = 10,
    candidates: Annotated[
        int, typer.Option("--candidates", min=2, metavar="N", help="Leave out prompts with images of fewer models.")
    ] = 2,
    short: Annotated[
        bool,
        typer.Option("--short", help="Models with fewer images for a prompt than references stay candidates."),
    ] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="Do not try each part and family of features by itself too.")
    ] = False,
    folds: FoldsOption = 5,
    label: LabelOption = "model",
    split: SplitOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Name the models behind the images of a leaderboard, with few and many references for each prompt.

    Beside the paper's nearest centroid stand its rivals, and the best attack that we know: references of the prompt
    together with what each model does to all other prompts. The part "attack-curve" has the nearest centroid alone, for
    more numbers of references and of candidates. Finished trials are kept in the output folder, and are not done again.

    Examples:

        morelli leaderboard attack images.parquet -o attack/
        morelli leaderboard attack images.parquet --references 1,5 -a prompt-fused,marra -o attack/
        morelli leaderboard attack images.parquet --encoder forensic --whole -o attack/ --json
    """
    ks, sizes = numbers(references, "--references"), numbers(pools, "--pools")
    check_output(output, folder=True)

    from morelli.leaderboard.attack import run_attack

    images = open_catalog(catalog, split)
    names = None if attributors is None else split_words(attributors)
    with progress("Measuring images") as measuring, progress("Attacking") as judging:
        found = run_attack(
            images,
            attributors=names,
            encoder=encoder,
            references=ks,
            pools=sizes,
            draws=draws,
            candidates=candidates,
            short=short,
            parts=not whole,
            folds=folds,
            label=label,
            seed=seed,
            folder=output / "parts",
            cache=open_cache(cache, no_cache),
            jobs=workers,
            measuring=measuring,
            progress=judging,
        )
    tell_sections(found.sections, output, as_json, title=f"Attack on {catalog.name}", provenance=found.provenance)
