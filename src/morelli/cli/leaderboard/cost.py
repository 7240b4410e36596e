"""``morelli leaderboard cost``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from morelli.cli._common import (
    CacheOption,
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
from morelli.cli.leaderboard._telling import (
    AttackEncoderOption,
    DrawsOption,
    JsonOption,
    ReferencesOption,
    WhereOption,
    chosen_rows,
    numbers,
)

__all__ = ["cost"]


def cost(
    prices: Annotated[
        Path, typer.Argument(metavar="PRICES", help="TOML with a price per image for each model, below [prices].")
    ],
    output: FolderOption,
    curve: Annotated[
        Path | None,
        typer.Option(
            "--curve",
            metavar="FILE",
            help="Measured accuracy: CSV or JSON with references, accuracy and, if known, low and high.",
        ),
    ] = None,
    where: WhereOption = None,
    catalog: Annotated[
        Path | None,
        typer.Option(
            "--catalog", metavar="CATALOG", help="Measure the curve on these images, and search for numbers by model."
        ),
    ] = None,
    wanted: Annotated[str, typer.Option("--wanted", metavar="SHARES", help="Accuracies that are wanted.")] = "0.9",
    judged: Annotated[
        float, typer.Option("--judged", metavar="N", help="Images judged for each prompt, which share its references.")
    ] = 1.0,
    references: ReferencesOption = "1,2,5,10,30",
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
    """Work out what naming one image costs, and the cheapest number of references for a wanted accuracy.

    Costs follow from prices and numbers alone. Accuracies are read off a measured curve, given by --curve or measured
    on --catalog, and never beyond its largest number. With --catalog, numbers of references that differ by model are
    searched for too.

    Examples:

        morelli leaderboard cost prices.toml -o cost/
        morelli leaderboard cost prices.toml --curve curve.csv --wanted 0.8,0.9 -o cost/
        morelli leaderboard cost prices.toml --catalog images.parquet --judged 2 -o cost/ --json
    """
    ks, shares = numbers(references, "--references"), numbers(wanted, "--wanted", float)
    if curve is not None and catalog is not None:
        raise typer.BadParameter("the curve is either given or measured", param_hint="--curve, --catalog")
    chosen = chosen_rows(where)
    if chosen and curve is None:
        raise typer.BadParameter("there is no --curve to choose rows of", param_hint="--where")
    check_output(output, folder=True)

    from morelli.leaderboard.costs import (
        allocate_references,
        cost_section,
        curve_of_board,
        measure_costs,
        read_curve,
        read_prices,
    )

    table = read_prices(prices)
    provenance = {"prices": dict(table.of), "currency": table.currency, "judged": judged, "wanted": shares}
    if catalog is None:
        line = None if curve is None else read_curve(curve, chosen)
        result = measure_costs(table, curve=line, wanted=shares, judged=judged, references=ks)
    else:
        from morelli.leaderboard.embedding import attack_board, attack_encoder

        images = open_catalog(catalog, split)
        for name in sorted({str(value) for value in images.text(label) if value is not None}):
            table.price(name)  # refuses a model without a price, before the images are measured
        measures = attack_encoder(encoder)
        with progress("Measuring images") as measuring:
            board = attack_board(
                images, measures, label=label, cache=open_cache(cache, no_cache), workers=workers, progress=measuring
            )
        line = curve_of_board(board, references=ks, draws=draws, seed=seed)
        found = [
            allocate_references(board, table, share, references=ks, draws=draws, judged=judged, seed=seed)
            for share in shares
        ]
        result = measure_costs(table, curve=line, models=board.models, wanted=shares, judged=judged, allocations=found)
        provenance |= {
            "catalog": images.fingerprint,
            "encoder": measures.name,
            "recipe": measures.recipe_hash,
            "label": label,
            "references": ks,
            "draws": draws,
            "seed": seed,
        }
    title = f"What naming an image costs, by {prices.name}"
    tell_sections([cost_section(result)], output, as_json, title=title, provenance=provenance)
