"""``morelli leaderboard target``."""

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
from morelli.cli._sections import FolderOption, SeedOption, tell_sections
from morelli.cli.leaderboard._telling import AttackEncoderOption, DrawsOption, JsonOption, ReferencesOption, numbers

__all__ = ["target"]


def target(
    catalog: ImagesArgument,
    output: FolderOption,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="NAME", help="The target; may be given several times.", show_default="each in turn"
        ),
    ] = None,
    references: ReferencesOption = "1,2,5,10,30",
    alpha: Annotated[
        str, typer.Option("--alpha", metavar="SHARES", help="Shares of its own references that a target accepts.")
    ] = "0.5,0.6,0.7,0.8,0.9,0.95,0.99",
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
    """Measure how well one model is told from the rest, with references of all models and of this one only.

    In each draw one image of each model and prompt is judged, against references that it is not among. With references
    of the target only, three rules are compared: the paper's threshold, the same with each reference left out of its
    own centroid, and a conformal p-value that all prompts pool their references for.

    Examples:

        morelli leaderboard target images.parquet -o target/
        morelli leaderboard target images.parquet --model midjourney --references 1,5 --draws 50 -o target/
        morelli leaderboard target images.parquet --alpha 0.8,0.95 --encoder forensic -o target/ --json
    """
    ks, alphas = numbers(references, "--references"), numbers(alpha, "--alpha", float)
    check_output(output, folder=True)

    from morelli.leaderboard.embedding import attack_board, attack_encoder
    from morelli.leaderboard.target import measure_targets, target_section

    images = open_catalog(catalog, split)
    images.column(label)  # refuses a column that there is not, before the images are measured
    measures = attack_encoder(encoder)
    with progress("Measuring images") as measuring:
        board = attack_board(
            images, measures, label=label, cache=open_cache(cache, no_cache), workers=workers, progress=measuring
        )
    with progress("Attacking") as attacking:
        result = measure_targets(
            board, targets=model, references=ks, alphas=alphas, draws=draws, seed=seed, progress=attacking
        )
    tell_sections(
        [target_section(result)],
        output,
        as_json,
        title=f"One model against the rest on {catalog.name}",
        provenance={
            "catalog": images.fingerprint,
            "encoder": measures.name,
            "recipe": measures.recipe_hash,
            "label": label,
            "models": model,
            "references": ks,
            "alphas": alphas,
            "draws": draws,
            "seed": seed,
        },
    )
