"""Evaluating a defence: what is shown is made, embedded, and attacked by those who know and by those who do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError
from morelli.images import read_image
from morelli.leaderboard.attackers import Attacker, NearestCentroid
from morelli.leaderboard.board import Board
from morelli.leaderboard.defence.choosing import least_exposed, nearest_to_the_middle, prompt_exposure
from morelli.leaderboard.defence.measuring import Measurer
from morelli.leaderboard.defence.quality import gmsd, psnr, ssim
from morelli.leaderboard.defence.registry import Defence
from morelli.leaderboard.defence.results import DefenceResult, Encounter, ImageQuality, judge_defence
from morelli.leaderboard.defence.sample import Sample
from morelli.views import parse_view

__all__ = ["PURIFYING_VIEWS", "Scorer", "evaluate_defence"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]
Codes = NDArray[np.int64]
Scorer = Callable[[Board], NDArray[np.float64]]

PURIFYING_VIEWS = ("jpeg:75", "blur:1", "downup:0.5")
"""What an attacker puts images through to be rid of a defence."""

_PLAIN = "none"


@dataclass(frozen=True, slots=True)
class _Measured:
    """Embeddings of one draw, each by view: references as they are, references and shown images as defended."""

    references: dict[str, Float]
    defended: dict[str, Float]
    shown: dict[str, Float]
    plain: Float


def evaluate_defence(
    defence: Defence,
    sample: Sample,
    measurer: Measurer,
    *,
    attacker: Attacker | None = None,
    purifying: Sequence[str] = PURIFYING_VIEWS,
    exposure: Scorer = prompt_exposure,
    share: float = 0.5,
    seed: int = 0,
    n_boot: int = 2000,
) -> DefenceResult:
    """Measure what a defence is worth, against attackers who know it and those who do not.

    One who knows puts the references through the same defence ("retrains"), puts all images through a view that may
    take the defence away again ("purifies"), or does both. A defence by choice is known by choosing references in the
    same way, keeping half of them; one by prompts by learning from the prompts that are shown.

    Parameters
    ----------
    defence : Defence
        A stripped container changes nothing here: :func:`morelli.leaderboard.defence.evaluate_container` measures it.
    sample : Sample
        Of the measurer's catalog. A defence by choice wants several shown images of a model, one by prompts wants
        spare images: at least two of each model.
    measurer : Measurer
    attacker : Attacker, optional
        By default the nearest centroid of the paper.
    purifying : sequence of str
        Views; without any, retraining is the only adaptive attack.
    exposure : callable
        ``exposure(board)`` gives a number for each prompt, of the spare images alone; NaN where nothing is known.
    share : float, default 0.5
        Of the prompts, that a defence by prompts keeps.
    seed : int
        Of all that is random.
    n_boot : int, default 2000

    Raises
    ------
    MorelliError
        The defence is about containers, a view is unknown or named twice, or an image cannot be measured.
    NotEnoughDataError
        Nothing is left to be judged.
    """
    attacker = attacker or NearestCentroid()
    views = [parse_view(view).name for view in purifying]
    if len(set(views)) < len(views) or _PLAIN in views:
        raise MorelliError(f"Purifying views are named once, and none purifies nothing: {', '.join(purifying)}.")
    if defence.changes == "container":
        raise MorelliError(f"{defence.name} changes no pixel: evaluate_container measures it.")
    maker = {"images": _changed, "choice": _chosen, "prompts": _fewer}[defence.changes]
    task = _Task(defence, sample, measurer, [_PLAIN, *views], exposure, share, seed)
    draws = [maker(task, draw) for draw in range(len(sample.shown))]
    qualities = [quality for _, _, _, quality in draws if quality is not None]
    return judge_defence(
        defence.name,
        [before for before, _, _, _ in draws],
        [unaware for _, unaware, _, _ in draws],
        {what: [adaptive[what] for _, _, adaptive, _ in draws] for what in draws[0][2]},
        attacker,
        summary=defence.summary,
        changes=defence.changes,
        quality=_together(qualities) if qualities else None,
        notes=(*sample.notes, *task.notes),
        seed=seed,
        n_boot=n_boot,
    )


_Draw = tuple[Encounter, Encounter, dict[str, Encounter], ImageQuality | None]


class _Task:
    """One evaluation: the defence, the images, and what is common to its draws."""

    def __init__(
        self,
        defence: Defence,
        sample: Sample,
        measurer: Measurer,
        views: list[str],
        exposure: Scorer,
        share: float,
        seed: int,
    ) -> None:
        self.defence, self.sample, self.measurer, self.views = defence, sample, measurer, views
        self.exposure, self.share, self.seed = exposure, share, seed
        self.notes: list[str] = []

    def board(self, rows: Codes, X: Float) -> Board:
        of = self.sample
        return Board(X, of.model[rows], of.prompt[rows], of.models, of.prompts, rows=rows)

    def encounter(self, references: Board, rows: Codes, X: Float) -> Encounter:
        return Encounter(references, X, self.sample.model[rows], self.sample.prompt[rows])

    def plain(self, rows: Codes) -> dict[str, Float]:
        """Return undefended images by purifying view."""
        return {view: self.measurer.rows(rows, view) for view in self.views}

    def defended(self, rows: Codes, part: int) -> tuple[dict[str, Float], list[tuple[float, ...]]]:
        """Return defended images by purifying view, and for each (psnr, ssim, gmsd, largest change)."""
        figures: list[tuple[float, ...]] = []
        view = self.defence.view
        if view is not None:
            chains = {name: view if name == _PLAIN else f"{view}|{name}" for name in self.views}
            found = {name: self.measurer.rows(rows, chain) for name, chain in chains.items()}
            if part:
                seen = parse_view(view)
                for row in rows.tolist():
                    image = read_image(self.sample.catalog.paths[row])
                    figures.append(_compare(image.pixels, seen.apply(image)))
            return found, figures
        order = np.argsort(self.sample.prompt[rows], kind="stable")

        def images() -> Iterator[Pixels]:
            for prompt in np.unique(self.sample.prompt[rows]).tolist():
                own = rows[self.sample.prompt[rows] == prompt]
                before = [read_image(self.sample.catalog.paths[row]).pixels for row in own.tolist()]
                # Of the prompt's name and not of its place, so that more prompts change nothing for the others.
                name = crc32(self.sample.prompts[prompt].encode())
                rng = np.random.default_rng((self.seed, part, name))
                after = self.defence.apply(before, self.sample.model[own], rng)
                if len(after) != len(before):
                    raise MorelliError(f"The defence {self.defence.name} gave {len(after)} of {len(before)} images.")
                if part:
                    figures.extend(_compare(one, two) for one, two in zip(before, after, strict=True))
                yield from after

        found = self.measurer.pixels(images(), len(rows), self.views, self.defence.name)
        back = np.argsort(order)
        return {name: X[back] for name, X in found.items()}, [figures[i] for i in back] if part else []


def _attacks(
    task: _Task, measured: _Measured, references: Codes, defended: Codes, shown: Codes
) -> dict[str, Encounter]:
    """Return what attackers who know have: by what they do about the defence."""
    result = {}
    for view in task.views:
        retrained = task.board(defended, measured.defended[view])
        if view == _PLAIN:
            result["retrains"] = task.encounter(retrained, shown, measured.shown[view])
            continue
        plain = task.board(references, measured.references[view])
        result[f"purifies by {view}"] = task.encounter(plain, shown, measured.shown[view])
        result[f"retrains and purifies by {view}"] = task.encounter(retrained, shown, measured.shown[view])
    return result


def _changed(task: _Task, draw: int) -> _Draw:
    """Return one draw of a defence that changes images."""
    references, shown = task.sample.references[draw], task.sample.shown[draw]
    seen, figures = task.defended(shown, 1)
    known, _ = task.defended(references, 0)
    measured = _Measured(task.plain(references), known, seen, task.measurer.rows(shown))
    board = task.board(references, measured.references[_PLAIN])
    quality = _quality(shown, figures, measured.plain, seen[_PLAIN])
    if np.isnan(quality.ssim).any():
        task.notes.append("The quality of images that change their size, or are tiny, is not defined.")
    return (
        task.encounter(board, shown, measured.plain),
        task.encounter(board, shown, seen[_PLAIN]),
        _attacks(task, measured, references, references, shown),
        quality,
    )


def _chosen(task: _Task, draw: int) -> _Draw:
    """Return one draw of a defence that chooses among a model's images."""
    references, candidates = task.sample.references[draw], task.sample.shown[draw]
    all_shown, all_known = task.plain(candidates), task.plain(references)
    board = task.board(references, all_known[_PLAIN])
    picked = nearest_to_the_middle(task.board(candidates, all_shown[_PLAIN]))
    fewest = int(board.counts[board.counts > 0].min())
    kept = nearest_to_the_middle(board, keep=max(1, (fewest + 1) // 2))
    shown, chosen = candidates[picked], references[kept]
    if draw == 0:
        task.notes.append(
            f"Of {len(candidates)} candidates {len(shown)} are shown, chosen in the space of the attack's own encoder: "
            "no operator can choose better informed."
        )
    measured = _Measured(
        all_known,
        {view: X[kept] for view, X in all_known.items()},
        {view: X[picked] for view, X in all_shown.items()},
        all_shown[_PLAIN],
    )
    return (
        task.encounter(board, candidates, all_shown[_PLAIN]),
        task.encounter(board, shown, measured.shown[_PLAIN]),
        _attacks(task, measured, references, chosen, shown),
        None,
    )


def _fewer(task: _Task, draw: int) -> _Draw:
    """Return one draw of a defence that chooses among prompts: by the spare images, judged on the others."""
    sample = task.sample
    references, all_shown, spare = sample.references[draw], sample.shown[draw], sample.spare[draw]
    scores = task.exposure(task.board(spare, task.measurer.rows(spare)))
    kept = least_exposed(scores, task.share)
    if draw == 0:
        known = int(np.isfinite(scores).sum())
        task.notes.append(
            f"{len(kept)} of {known} prompts with a score are shown, chosen by {len(spare)} images that are neither "
            "references nor judged."
        )
    shown = all_shown[np.isin(sample.prompt[all_shown], kept)]
    inside = np.isin(sample.prompt[references], kept)
    measured_references, measured_shown = task.plain(references), task.plain(shown)
    plain = task.measurer.rows(all_shown)
    board = task.board(references, measured_references[_PLAIN])
    measured = _Measured(
        measured_references, {view: X[inside] for view, X in measured_references.items()}, measured_shown, plain
    )
    return (
        task.encounter(board, all_shown, plain),
        task.encounter(board, shown, measured_shown[_PLAIN]),
        _attacks(task, measured, references, references[inside], shown),
        None,
    )


def _compare(before: Pixels, after: Pixels) -> tuple[float, ...]:
    """Return psnr, ssim, gmsd and the largest change; NaN where the size is another."""
    if before.shape != after.shape:
        return (float("nan"),) * 4
    largest = float(np.abs(before.astype(np.int16) - after).max())
    return psnr(before, after), ssim(before, after), gmsd(before, after), largest


def _quality(rows: Codes, figures: list[tuple[float, ...]], before: Float, after: Float) -> ImageQuality:
    columns = np.array(figures, dtype=np.float64).reshape(-1, 4).T
    one, two = before.astype(np.float64), after.astype(np.float64)
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    cosine = (one * two).sum(axis=1) / np.where(length > 0, length, 1.0)
    return ImageQuality(rows, columns[0], columns[1], columns[2], 1.0 - cosine, columns[3])


def _together(parts: Sequence[ImageQuality]) -> ImageQuality:
    names = ("rows", "psnr", "ssim", "gmsd", "feature_distance", "largest")
    return ImageQuality(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
