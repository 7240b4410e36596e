"""Running an attack: trials for all attributors, and the nearest centroid's curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morelli.catalog import Catalog
from morelli.encoders import FeatureCache
from morelli.errors import MorelliError
from morelli.leaderboard.attack.long import accuracy_table, long_tables, recognition_table
from morelli.leaderboard.attack.study import Attack, attack_frame, default_attackers, reading
from morelli.leaderboard.embedding import attack_board, attack_encoder
from morelli.leaderboard.exposure import attack_curve, curve_section
from morelli.studies.run import run_study
from morelli.studies.section import Section
from morelli.studies.study_result import StudyResult
from morelli.trials.runner import kept_features

__all__ = ["AttackResult", "run_attack"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class AttackResult:
    """A finished attack.

    Attributes
    ----------
    study : StudyResult
    sections : tuple of Section
        ``attack``, of all attributors, and ``attack-curve``, of the nearest centroid alone.
    provenance : mapping
        What the results rest on, JSON-ready.
    """

    study: StudyResult
    sections: tuple[Section, ...]
    provenance: Mapping[str, Any]


def run_attack(
    catalog: Catalog,
    *,
    attributors: Sequence[str] | None = None,
    encoder: str | None = None,
    references: Sequence[int] = (1, 2, 5, 10, 30),
    pools: Sequence[int] = (5, 10, 15, 20),
    draws: int = 10,
    candidates: int = 2,
    short: bool = False,
    parts: bool = True,
    folds: int = 5,
    label: str = "model",
    seed: int = 0,
    folder: Path | None = None,
    cache: FeatureCache | None = None,
    jobs: int | None = None,
    measuring: Progress | None = None,
    progress: Progress | None = None,
) -> AttackResult:
    """Attack a leaderboard.

    Parameters
    ----------
    catalog : Catalog
        Images with a model and a prompt.
    attributors : sequence of str, optional
        By default those of `default_attackers`.
    encoder : str, optional
        What attributors read that neither name an encoder nor have a special one of their own; see
        :func:`morelli.leaderboard.embedding.attack_encoder`.
    references, draws, candidates, short, parts
        As the settings of `Attack`; `parts` are its `families`.
    pools : sequence of int
        Numbers of candidates for the curve; those that are no smaller than the number of models are left out, for
        that is the curve itself.
    folds, label, seed
        As for `attack_frame`.
    folder, cache, jobs, measuring, progress
        As for :func:`morelli.trials.runner.run_trials`.

    Raises
    ------
    NotEnoughDataError
        There is nothing to tell, or too little to learn from.
    MorelliError
        An argument makes no sense.
    """
    catalog.column(label)
    reader = attack_encoder(encoder)
    study = Attack(references=tuple(references), draws=draws, candidates=candidates, short=short, families=parts)
    names = default_attackers(reader.name) if attributors is None else reading(attributors, reader.name)
    frame = attack_frame(catalog, names, label=label, folds=folds, seed=seed)
    if any(size < 2 for size in pools):  # before hours are spent on all else
        raise MorelliError(f"A pool has two candidates or more, not {min(pools)}.")
    with kept_features(cache) as store:
        board = attack_board(catalog, reader, label=label, cache=store, workers=jobs, progress=measuring)
        result = run_study(study, frame, folder=folder, cache=store, jobs=jobs, measuring=measuring, progress=progress)
    smaller = tuple(size for size in pools if size < len(board.models))
    curve = attack_curve(board, tuple(references), draws, seed, smaller)
    sections = (
        Section(
            "attack",
            study.title,
            study.question,
            result.findings,
            {"accuracy": accuracy_table(result), "recognition": recognition_table(result), **long_tables(result)},
        ),
        curve_section(curve),
    )
    about = result.provenance
    return AttackResult(
        result,
        sections,
        {
            "catalog": about.catalog,
            "images": about.n_images,
            "encoder": reader.name,
            "recipe": reader.recipe_hash,
            "environment": dict(about.environment),
            "label": label,
            "seed": seed,
            "settings": {**about.options, "pools": list(pools)},
            "missing": list(result.missing),
        },
    )
