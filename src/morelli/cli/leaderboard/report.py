"""``morelli leaderboard report``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from morelli.cli._sections import FolderOption, SeedOption, tell_sections
from morelli.cli.leaderboard._telling import AttackEncoderOption, DrawsOption, JsonOption, ReferencesOption, numbers

if TYPE_CHECKING:
    from morelli.leaderboard.overview import Progress

__all__ = ["report"]


def report(
    catalog: ImagesArgument,
    output: FolderOption,
    votes: Annotated[
        Path | None,
        typer.Option(
            "--votes",
            metavar="FILE",
            help="Honest votes, as for morelli leaderboard rate.",
            show_default="simulated, and the page says so",
        ),
    ] = None,
    honest: Annotated[
        int, typer.Option("--honest", min=1, metavar="N", help="Without votes: how many are simulated.")
    ] = 100_000,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", metavar="MODEL", help="Model that manipulators push.", show_default="one in the middle"
        ),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option("--prices", metavar="FILE", help="TOML with a price per image, as for morelli leaderboard cost."),
    ] = None,
    prompts: Annotated[
        int,
        typer.Option(
            "--prompts", min=0, metavar="N", help="Prompts that defences are judged on; 0 leaves defences out."
        ),
    ] = 8,
    references: ReferencesOption = "1,2,5,10,30",
    encoder: AttackEncoderOption = None,
    draws: DrawsOption = 10,
    folds: FoldsOption = 5,
    label: LabelOption = "model",
    split: SplitOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    workers: WorkersOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
) -> None:
    """Put on one page how anonymous a leaderboard is, and what would help.

    Attack, exposure by prompt and model, one model against the rest, the defences that need no network, what
    manipulated votes would do, and what the attack costs where prices are given; each has a command of its own with
    more settings. Defences take most of the time: every one measures images anew.

    Examples:

        morelli leaderboard report images.parquet -o board/
        morelli leaderboard report images.parquet --votes votes.csv --prices prices.toml -o board/
        morelli leaderboard report images.parquet --prompts 0 --references 1,5 -o board/ --json
    """
    ks = numbers(references, "--references")
    check_output(output, folder=True)

    from morelli.leaderboard.costs import read_prices
    from morelli.leaderboard.overview import Ballots, survey
    from morelli.leaderboard.votes import read_votes

    ballots = Ballots(None if votes is None else read_votes(votes), honest, target)
    table = None if prices is None else read_prices(prices)
    images = open_catalog(catalog, split)
    images.column(label)  # refuses a column that there is not, before the images are measured
    with _bars() as tell:
        found = survey(
            images,
            encoder=encoder,
            references=ks,
            draws=draws,
            prompts=prompts,
            ballots=ballots,
            prices=table,
            folds=folds,
            label=label,
            seed=seed,
            folder=output / "parts",
            cache=open_cache(cache, no_cache),
            workers=workers,
            progress=tell,
        )
    title = f"Leaderboard of {catalog.name}"
    tell_sections(found.sections, output, as_json, title=title, provenance=found.provenance, brief=True)


@contextmanager
def _bars() -> Iterator[Progress]:
    """Show a bar for the stage at hand, one after the other."""
    current: list[tuple[str, object, object]] = []

    def close() -> None:
        if current:
            _, manager, _ = current.pop()
            manager.__exit__(None, None, None)  # type: ignore[attr-defined]

    def tell(what: str, done: int, total: int) -> None:
        if not current or current[0][0] != what:
            close()
            manager = progress(what)
            current.append((what, manager, manager.__enter__()))
        current[0][2](done, total)  # type: ignore[operator]

    try:
        yield tell
    finally:
        close()
