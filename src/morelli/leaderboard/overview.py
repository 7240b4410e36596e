"""All that an operator needs on one page: attack, exposure, targets, defences, votes, and what the attack costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from morelli.catalog import Catalog
from morelli.encoders import Encoder, FeatureCache
from morelli.errors import MorelliError
from morelli.leaderboard.attack import AttackResult, run_attack
from morelli.leaderboard.board import Board
from morelli.leaderboard.costs import Curve, Prices, cost_section, measure_costs
from morelli.leaderboard.defence.defending import defend
from morelli.leaderboard.embedding import attack_board, attack_encoder, distance_encoder
from morelli.leaderboard.exposure import assess, exposure_section, prompts_section
from morelli.leaderboard.target import measure_targets, target_section
from morelli.leaderboard.votes import (
    Price,
    Recognition,
    Votes,
    detection_section,
    detection_study,
    fit_ratings,
    manipulation_section,
    parse_defence,
    ratings_section,
    simulate_board,
    votes_needed,
)
from morelli.studies.section import Section
from morelli.trials.runner import kept_features

__all__ = ["Ballots", "Overview", "survey"]

Progress = Callable[[str, int, int], None]

_ATTACKERS = ("prompt-fused", "prompt-centroid")
_SIMULATED = (
    "No votes were given: {n:,} honest ones were simulated, and how good models are was drawn at random. What "
    "counts is how many votes a rank takes, not which model stands where."
)
_VOTE_DEFENCES = ("none", "fewer-battles", "probation", "weigh-agreement", "remove:combined")


@dataclass(frozen=True, slots=True)
class Ballots:
    """What is known of the votes.

    Attributes
    ----------
    votes : Votes or None
        Honest ones; None simulates `honest` of them among models whose strengths are spread like a normal law.
    honest : int
    target : str or None
        Model that manipulators push; by default that in the middle of the ratings, or of the alphabet where they are
        simulated.
    """

    votes: Votes | None = None
    honest: int = 100_000
    target: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """A surveyed leaderboard.

    Attributes
    ----------
    sections : tuple of Section
    provenance : mapping
        What the results rest on, JSON-ready.
    """

    sections: tuple[Section, ...]
    provenance: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Survey:
    """One call of `survey`."""

    catalog: Catalog
    reader: Encoder
    board: Board
    store: FeatureCache
    label: str
    seed: int
    workers: int | None
    tell: Progress = field(repr=False)

    def attack(self, references: Sequence[int], draws: int, folds: int, folder: Path | None) -> AttackResult:
        return run_attack(
            self.catalog,
            attributors=[f"{name}@{self.reader.name}" for name in _ATTACKERS],
            encoder=self.reader.name,
            references=references,
            draws=draws,
            parts=False,
            folds=folds,
            label=self.label,
            seed=self.seed,
            folder=folder,
            cache=self.store,
            jobs=self.workers,
            progress=lambda done, of: self.tell("Attacking", done, of),
        )

    def exposure(self, references: int, draws: int) -> list[Section]:
        found = assess(
            self.board,
            k=references,
            draws=draws,
            seed=self.seed,
            progress=lambda done, of: self.tell("Looking at prompts", done, of),
        )
        return [exposure_section(found), prompts_section(found)]

    def targets(self, references: Sequence[int], draws: int) -> Section:
        return target_section(
            measure_targets(
                self.board,
                references=references,
                draws=draws,
                seed=self.seed,
                progress=lambda done, of: self.tell("One against the rest", done, of),
            )
        )

    def defences(self, prompts: int, references: int) -> Section:
        made = defend(
            self.catalog,
            distance_encoder(self.reader),
            label=self.label,
            prompts=prompts,
            references=references,
            seed=self.seed,
            cache=self.store,
            workers=self.workers,
            progress=lambda _, done, of: self.tell("Defending", done, of),
        )
        return made.section()

    def votes(self, ballots: Ballots, recognition: Recognition, price: Price) -> list[Section]:
        if ballots.votes is not None:
            tally = ballots.votes.tally()
            ratings = fit_ratings(tally, seed=self.seed)
            middle = ratings.models[int(np.argsort(-ratings.rating, kind="stable")[len(ratings.models) // 2])]
            target = ballots.target or middle
        else:
            names = recognition.models
            target = ballots.target or names[len(names) // 2]
            tally = simulate_board(names, ballots.honest, target, seed=self.seed)
            ratings = fit_ratings(tally, seed=self.seed)
        defences = [parse_defence(name).name for name in _VOTE_DEFENCES]
        rigging = votes_needed(
            tally,
            recognition,
            target,
            defences=defences,
            price=price,
            seed=self.seed,
            progress=lambda done, of: self.tell("Manipulating votes", done, of),
        )
        study = detection_study(
            tally,
            recognition,
            target,
            defences=defences,
            seed=self.seed,
            progress=lambda done, of: self.tell("Looking for manipulators", done, of),
        )
        sections = [manipulation_section(rigging), detection_section(study, rigging)]
        if ballots.votes is not None:
            return [*sections, ratings_section(ratings)]
        # Ratings by invented votes are nobody's rank, and are not shown as such.
        return [_noted(section, _SIMULATED.format(n=ballots.honest)) for section in sections]


def survey(
    catalog: Catalog,
    *,
    encoder: str | None = None,
    references: Sequence[int] = (1, 2, 5, 10, 30),
    draws: int = 10,
    prompts: int = 8,
    ballots: Ballots | None = None,
    prices: Prices | None = None,
    wanted: Sequence[float] = (0.8, 0.9),
    folds: int = 5,
    label: str = "model",
    seed: int = 0,
    folder: Path | None = None,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Overview:
    """Measure how anonymous a leaderboard is, and what would help.

    Parameters
    ----------
    catalog : Catalog
    encoder : str, optional
        See :func:`morelli.leaderboard.embedding.attack_encoder`.
    references, draws
        As for :func:`morelli.leaderboard.attack.run_attack`.
    prompts : int, default 8
        Prompts that defences are judged on, which takes most of the time; 0 leaves defences out.
    ballots : Ballots, optional
        What is known of the votes; by default they are simulated.
    prices : Prices, optional
        What an image of each model costs; without them costs are left out.
    wanted : sequence of float
        Accuracies whose cheapest attack is looked for.
    folds, label, seed, folder, cache, workers
        As there.
    progress : callable, optional
        Called as ``(what, done, total)``.

    Raises
    ------
    NotEnoughDataError, MorelliError
        As the analyses do.
    """
    ballots = ballots or Ballots()
    tell: Progress = progress or (lambda what, done, of: None)
    names = [str(name) for name in catalog.codes(label)[1]] if ballots.votes is None else list(ballots.votes.models)
    if ballots.target is not None and ballots.target not in names:
        raise MorelliError(f"{ballots.target!r} is not on the board; there are: {', '.join(names)}.")
    reader = attack_encoder(encoder)
    with kept_features(cache) as store:
        board = attack_board(
            catalog,
            reader,
            label=label,
            cache=store,
            workers=workers,
            progress=lambda done, of: tell("Measuring images", done, of),
        )
        here = _Survey(catalog, reader, board, store, label, seed, workers, tell)
        attacked = here.attack(references, draws, folds, folder)
        middle = sorted(references)[len(references) // 2]
        sections = [*attacked.sections, *here.exposure(middle, draws), here.targets(references, draws)]
        if prompts:
            sections.append(here.defences(prompts, min(middle, 3)))
    sections += here.votes(ballots, _recognition(attacked), _price(prices, board.models, middle))
    if prices is not None:
        curve = _curve(attacked)
        result = measure_costs(prices, curve=curve, models=board.models, wanted=wanted, references=references)
        sections.append(cost_section(result))
    settings = {"references": list(references), "draws": draws, "defended_prompts": prompts, "wanted": list(wanted)}
    return Overview(tuple(sections), {**attacked.provenance, "settings": {**settings, "encoder": reader.name}})


def _noted(section: Section, note: str) -> Section:
    return replace(section, findings=replace(section.findings, notes=(note, *section.findings.notes)))


def _recognition(attacked: AttackResult) -> Recognition:
    table = attacked.sections[0].long["recognition"]
    return Recognition.of(table["truth"].to_pylist(), table["answer"].to_pylist(), table["n"].to_numpy())


def _curve(attacked: AttackResult) -> Curve:
    """Return how often the first attributor is right, by references."""
    rows = attacked.sections[0].long["accuracy"].to_pylist()
    own = sorted(
        (row for row in rows if (row["attributor"], row["reads"]) == (rows[0]["attributor"], "all")),
        key=lambda row: row["references"],
    )
    return Curve(
        tuple(row["references"] for row in own),
        tuple(row["accuracy"] for row in own),
        tuple(float("nan") if row["low"] is None else row["low"] for row in own),
        tuple(float("nan") if row["high"] is None else row["high"] for row in own),
        name=_ATTACKERS[0],
    )


def _price(prices: Prices | None, models: Sequence[str], references: int) -> Price:
    """Return what recognising a battle costs: the mean price of an image, where prices are known."""
    if prices is None:
        return Price(references=references, candidates=len(models))
    mean = float(np.mean([prices.price(name) for name in models]))
    return Price(mean, references, len(models))
