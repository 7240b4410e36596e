"""``morelli leaderboard rate`` and ``morelli leaderboard rig``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from morelli._text import split_words
from morelli.cli._common import check_output, progress
from morelli.cli._sections import FolderOption, SeedOption, tell_sections
from morelli.cli.leaderboard._telling import JsonOption, WhereOption, chosen_rows, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["rate", "rig"]

RidgeOption = Annotated[
    float,
    typer.Option(
        "--ridge", min=0.0, metavar="X", help="Draw ratings towards their mean, so that a model may win always: 0.1."
    ),
]


def rate(
    votes: Annotated[
        Path,
        typer.Argument(
            metavar="VOTES", help="CSV or Parquet with model_a, model_b, winner, and voter and time where known."
        ),
    ],
    output: FolderOption,
    anchor: Annotated[
        str | None,
        typer.Option("--anchor", metavar="MODEL=RATING", help="Count from this model.", show_default="mean 1000"),
    ] = None,
    ridge: RidgeOption = 0.0,
    interval: Annotated[
        Literal["sandwich", "bootstrap"],
        typer.Option("--interval", metavar="WORD", help="How intervals are made: sandwich or bootstrap."),
    ] = "sandwich",
    k: Annotated[float, typer.Option("--k", metavar="POINTS", help="What a vote moves in online Elo, at most.")] = 4.0,
    orders: Annotated[int, typer.Option("--orders", min=1, metavar="N", help="Random orders for online Elo.")] = 20,
    detector: Annotated[
        str,
        typer.Option("--test", metavar="NAME", help="Test of voters: favour, presence, taste, agreement, or combined."),
    ] = "combined",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Rate models by pairwise votes: Bradley-Terry and Elo, with intervals for ratings and ranks.

    A winner is "model_a", "model_b", "tie", or a name. Where voters are known, intervals respect that votes of one
    voter belong together, and voters who do not vote like the others are listed.

    Examples:

        morelli leaderboard rate votes.csv -o ratings/
        morelli leaderboard rate votes.parquet --anchor sdxl=1000 --interval bootstrap -o ratings/
    """
    check_output(output, folder=True)
    fixed = None if anchor is None else _pair(anchor, "--anchor")

    from morelli.leaderboard.votes import (
        fit_ratings,
        judge_voters,
        online_elo,
        ratings_section,
        read_votes,
        voters_section,
    )

    table = read_votes(votes)
    ratings = fit_ratings(table, ridge=ridge, interval=interval, anchor=fixed, seed=seed)
    sections = [ratings_section(ratings, online_elo(table, k=k, orders=orders, seed=seed))]
    if table.voter is not None:
        sections.append(voters_section(table, *judge_voters(table, detector, ridge=ridge), detector))
    given = {"anchor": anchor, "ridge": ridge, "interval": interval, "k": k, "orders": orders, "test": detector}
    tell_sections(sections, output, as_json, title=f"Ratings by {votes.name}", provenance=given | {"seed": seed})


def rig(
    confusion: Annotated[
        Path,
        typer.Option(
            "--confusion",
            metavar="FILE",
            help="How manipulators recognise models: CSV or Parquet with truth, answer, n.",
        ),
    ],
    target: Annotated[str, typer.Option("--target", metavar="MODEL", help="Model that is pushed.")],
    output: FolderOption,
    where: WhereOption = None,
    votes: Annotated[
        Path | None, typer.Option("--votes", metavar="FILE", help="Honest votes, as for morelli leaderboard rate.")
    ] = None,
    models: Annotated[
        int | None,
        typer.Option(
            "--models",
            min=2,
            metavar="N",
            help="Without votes: models on a simulated board.",
            show_default="all of the confusion",
        ),
    ] = None,
    honest: Annotated[
        int | None,
        typer.Option(
            "--honest",
            min=1,
            metavar="N",
            help="Without votes: simulated honest votes.",
            show_default="100000",
        ),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(
            "--rank", min=1, metavar="N", help="Without votes: rank of the target before.", show_default="the middle"
        ),
    ] = None,
    spread: Annotated[
        float, typer.Option("--spread", min=0.0, metavar="ELO", help="Without votes: deviation of strengths.")
    ] = 100.0,
    tie: Annotated[
        float, typer.Option("--tie", min=0.0, max=0.5, metavar="SHARE", help="Without votes: ties between equals.")
    ] = 0.1,
    ranks: Annotated[str, typer.Option("--ranks", metavar="NUMBERS", help="How many ranks to move.")] = "1,2,3",
    strategy: Annotated[
        str,
        typer.Option(
            "--strategy",
            metavar="NAMES",
            help="target-only, target-and-rivals or omnipresent, each with :abstain, :honest or :random for other "
            "battles.",
        ),
    ] = "target-only,omnipresent",
    defence: Annotated[
        str,
        typer.Option(
            "--defence",
            metavar="NAMES",
            help="fewer-battles:SHARE, hide-until:N, probation:N, weigh-agreement, remove:TEST, rate-limit:N; or "
            "nothing.",
        ),
    ] = "fewer-battles,probation,weigh-agreement,remove:combined",
    direction: Annotated[
        Literal["up", "down"], typer.Option("--direction", metavar="WORD", help="Where it is moved to: up or down.")
    ] = "up",
    weight: Annotated[
        list[str] | None,
        typer.Option("--weight", metavar="MODEL=X", help="How often the operator shows a model, relative to 1."),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            "--budget",
            min=1,
            metavar="N",
            help="Battles looked at, at most.",
            show_default="as many as honest votes, at most 100000",
        ),
    ] = None,
    simulations: Annotated[int, typer.Option("--simulations", min=1, metavar="N", help="Of each search.")] = 20,
    repeats: Annotated[
        int, typer.Option("--repeats", min=0, metavar="N", help="Of the study of detection; 0 leaves it out.")
    ] = 5,
    dollars_per_image: Annotated[
        float, typer.Option("--dollars-per-image", min=0.0, metavar="X", help="Price of one reference image.")
    ] = 0.04,
    references: Annotated[
        int, typer.Option("--references", min=1, metavar="K", help="References of each model for a prompt.")
    ] = 5,
    dollars_per_account: Annotated[
        float, typer.Option("--dollars-per-account", min=0.0, metavar="X", help="Price of an account that votes.")
    ] = 0.0,
    votes_per_account: Annotated[
        int, typer.Option("--votes-per-account", min=1, metavar="N", help="Votes that an account casts.")
    ] = 50,
    ridge: RidgeOption = 0.0,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure how many manipulated votes move a model, what they cost, and whether the operator would notice.

    Manipulators recognise models as the confusion says, which morelli leaderboard attack measures; where the table
    holds several attacks, --where says which. Honest votes are
    those of a table, or simulated for models whose strengths are spread like a normal law.

    Examples:

        morelli leaderboard rig --votes votes.csv --confusion attack-recognition.csv --target sdxl -o rig/
        morelli leaderboard rig --honest 1700000 --confusion confusion.csv --target sdxl -o rigging/
        morelli leaderboard rig --confusion confusion.csv --target flux --direction down -o rigging/
    """
    check_output(output, folder=True)
    given_rows = chosen_rows(where)
    if votes is not None and (models, honest, rank) != (None, None, None):
        raise typer.BadParameter("with a table of votes nothing is simulated", param_hint="--models, --honest, --rank")
    steps = numbers(ranks, "--ranks", least=1)
    shown = dict(_pair(text, "--weight") for text in weight or [])

    from morelli.leaderboard.votes import (
        Price,
        detection_section,
        detection_study,
        fit_ratings,
        manipulation_section,
        parse_defence,
        parse_strategy,
        ratings_section,
        read_recognition,
        read_votes,
        simulate_board,
        votes_needed,
    )

    strategies = [parse_strategy(name).name for name in split_words(strategy)]
    defences = list(dict.fromkeys(["none", *(parse_defence(name).name for name in split_words(defence))]))
    known = read_recognition(confusion, given_rows)
    if votes is not None:
        board = read_votes(votes).tally()
        pairs = _pairs(board.models, shown)
    else:
        names = _first(known.models, target, models, confusion)
        pairs = _pairs(names, shown)
        board = simulate_board(
            names, honest or 100_000, target, rank=rank, spread=spread, tie=tie, pairs=pairs, seed=seed
        )
    ratings = fit_ratings(board, ridge=ridge, seed=seed)
    price = Price(dollars_per_image, references, len(board.models), dollars_per_account, votes_per_account)
    with progress("Manipulating") as bar:
        rigging = votes_needed(
            board,
            known,
            target,
            ranks=steps,
            strategies=strategies,
            defences=defences,
            direction=direction,
            simulations=simulations,
            budget=budget,
            pairs=pairs,
            price=price,
            ridge=ridge,
            seed=seed,
            progress=bar,
        )
    sections = [manipulation_section(rigging)]
    if repeats:
        with progress("Detecting") as bar:
            study = detection_study(
                board,
                known,
                target,
                strategies=strategies,
                defences=defences,
                direction=direction,
                repeats=repeats,
                pairs=pairs,
                ridge=ridge,
                seed=seed,
                progress=bar,
            )
        sections.append(detection_section(study, rigging))
    sections.append(ratings_section(ratings))
    source = f"{confusion.name} and {'simulated votes' if votes is None else votes.name}"
    given = {
        "honest": rigging.honest,
        "spread": spread if votes is None else None,
        "where": given_rows,
        "strategies": strategies,
        "defences": defences,
        "weights": shown,
        "simulations": simulations,
        "repeats": repeats,
        "ridge": ridge,
        "seed": seed,
    }
    tell_sections(sections, output, as_json, title=f"Manipulated votes by {source}", provenance=given)


def _first(names: tuple[str, ...], target: str, number: int | None, source: Path) -> tuple[str, ...]:
    """Return the target and the first others, in their order."""
    if target not in names:
        raise typer.BadParameter(f"{target!r} is not in {source}, which has: {', '.join(names)}", param_hint="--target")
    if number is None:
        return names
    if number > len(names):
        raise typer.BadParameter(
            f"{source} says how {len(names)} models are recognised; measure the others too", param_hint="--models"
        )
    kept = {target, *[name for name in names if name != target][: number - 1]}
    return tuple(name for name in names if name in kept)


def _pairs(names: Sequence[str], shown: Mapping[str, float]) -> NDArray[Any]:
    from morelli.leaderboard.votes import pair_probabilities

    foreign = sorted(set(shown) - set(names))
    if foreign:
        raise typer.BadParameter(f"not on the board: {', '.join(foreign)}", param_hint="--weight")
    return pair_probabilities(len(names), [shown.get(name, 1.0) for name in names])


def _pair(text: str, option: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name, float(value)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not MODEL=NUMBER", param_hint=option) from None
