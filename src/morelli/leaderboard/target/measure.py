"""How well one model is told from the rest: with references of all models, and with references of the target only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard._drawing import clip_references, draw_references
from morelli.leaderboard._resampled import PromptBootstrap, area, areas_by_group, bounded, sums_by_prompt
from morelli.leaderboard.board import Board
from morelli.leaderboard.target.rules import RULES, Judged
from morelli.leaderboard.target.thresholds import check_alphas

__all__ = ["ALPHAS", "AREAS", "Decisions", "Figure", "TargetResult", "measure_targets"]

Float = NDArray[np.float64]
Codes = NDArray[np.int64]

ALPHAS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""The paper's shares of references that are accepted, and some around them."""

AREAS: Final = ("margin", "distance", "distance-within", "conformal")
"""Threshold-free areas: of the margin, of minus the distance over all prompts, the same inside prompts, of p."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Shares with their 95% intervals; the last column is the mean over targets, of all targets equally.

    Attributes
    ----------
    value : ndarray, shape (..., T + 1)
        NaN where nothing was decided.
    interval : ndarray, shape (..., T + 1, 2)
    """

    value: Float
    interval: Float


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What a decision between "target" and "other" is worth.

    Attributes
    ----------
    accuracy : Figure
        At the leaderboard's own base rate: one image by the target for one by each other model.
    balanced : Figure
        ``(kept + refused) / 2``: accuracy where half of the images are the target's. This is also the area under the
        ROC curve of the single decision (its curve has one corner), which is how we read the paper's "AUC" at an alpha.
    kept : Figure
        Share of the target's images that are called the target's.
    refused : Figure
        Share of the other models' images that are not.
    others : ndarray, shape (..., T + 1)
        Accuracy of always saying "other".
    n : ndarray of int64, shape (..., T + 1)
        Decisions.
    """

    accuracy: Figure
    balanced: Figure
    kept: Figure
    refused: Figure
    others: Float
    n: Codes


@dataclass(frozen=True, slots=True, eq=False)
class TargetResult:
    """One model against the rest.

    Attributes
    ----------
    targets : tuple of str
        T models, each in turn the target.
    models : tuple of str
        All of the board.
    references : tuple of int
        K numbers of references for each prompt and model.
    used : tuple of float
        Mean number that there was for a prompt and model.
    alphas : tuple of float
        A shares.
    rules : tuple of str
        R one-class rules.
    nearest : Decisions
        All models accessible: "target" if its centroid is the nearest; shape (K, T + 1).
    one_class : Decisions
        Only the target accessible; shape (R, K, A, T + 1).
    areas : mapping of str to Figure
        Each of `AREAS`, shape (K, T + 1).
    n_prompts, n_draws : int
    seed : int
    notes : tuple of str
    """

    targets: tuple[str, ...]
    models: tuple[str, ...]
    references: tuple[int, ...]
    used: tuple[float, ...]
    alphas: tuple[float, ...]
    rules: tuple[str, ...]
    nearest: Decisions
    one_class: Decisions
    areas: Mapping[str, Figure]
    n_prompts: int
    n_draws: int
    seed: int
    notes: tuple[str, ...] = field(default=())


def measure_targets(
    board: Board,
    *,
    targets: Sequence[str] | None = None,
    references: Sequence[int] = (1, 2, 5, 10, 30),
    alphas: Sequence[float] = ALPHAS,
    draws: int = 10,
    seed: int = 0,
    n_boot: int = 1000,
    progress: Callable[[int, int], None] | None = None,
) -> TargetResult:
    """Measure how well one model is told from the rest, for each model as the target and each number of references.

    In each draw one image of each prompt and model is judged, with the first k of its other images in random order as
    references. Judged are, for a target, images of all models for the prompts that the target has references for.
    Distances are Euclidean (Naseh et al. 2026, section 3 and one-vs-rest).

    Parameters
    ----------
    board : Board
    targets : sequence of str, optional
        Models to be told; all by default.
    references : sequence of int
        Those above what there is stand for all that there are.
    alphas : sequence of float
        In (0, 1).
    draws : int
    seed : int
        Of draws and of the bootstrap.
    n_boot : int
        Resamples of prompts.
    progress : callable, optional
        ``progress(done, total)``, in draws.

    Raises
    ------
    NotEnoughDataError
        Fewer than two models, or no image can be judged.
    MorelliError
        A target is not on the board; alphas or numbers make no sense.
    """
    alphas = tuple(alphas)
    check_alphas(alphas)
    if len(board.models) < 2:
        raise NotEnoughDataError("One model against the rest needs two models or more.")
    foreign = sorted(set(targets or ()) - set(board.models))
    if foreign:
        raise MorelliError(f"Not on the board: {', '.join(foreign)}; there are: {', '.join(board.models)}.")
    asked = [m for m, name in enumerate(board.models) if not targets or name in targets]
    ks, notes = clip_references(board, references)
    tallies = [_Tally(len(board.prompts), len(board.models), alphas) for _ in ks]
    for number, draw in enumerate(draw_references(board, draws, seed)):
        for k, tally in zip(ks, tallies, strict=True):
            tally.add(Judged.of(board, draw.judged, draw.references(k)), board.model[draw.judged])
        if progress is not None:
            progress(number + 1, draws)
    used = np.flatnonzero(tallies[0].sizes.any(axis=(0, 2)))
    boot = PromptBootstrap(len(used), n_boot, seed)
    one_class = [tally.one_class(boot, used, asked) for tally in tallies]
    missing = sum(bool(np.isnan(d.balanced.value).any()) for d in one_class)
    if missing:
        notes += (
            "With one reference for each prompt there is no distance between references: rules that leave one out, and "
            "p-values, are undefined there.",
        )
    return TargetResult(
        targets=tuple(board.models[m] for m in asked),
        models=board.models,
        references=ks,
        used=tuple(tally.mean_references for tally in tallies),
        alphas=alphas,
        rules=tuple(RULES),
        nearest=_stack([tally.nearest(boot, used, asked) for tally in tallies], 0),
        one_class=_stack(one_class, 1),
        areas={name: _stack_figures([tally.area(name, boot, used, asked) for tally in tallies], 0) for name in AREAS},
        n_prompts=len(used),
        n_draws=draws,
        seed=seed,
        notes=(*board.notes, *notes),
    )


class _Tally:
    """What was decided at one number of references, summed over draws: counts by prompt, and scores for areas."""

    def __init__(self, n_prompts: int, n_models: int, alphas: tuple[float, ...]) -> None:
        self.alphas = alphas
        # First axis: images by others, images by the target. Last axis: the target.
        self.sizes = np.zeros((2, n_prompts, n_models))
        self.hits = np.zeros((2, n_prompts, n_models))
        shape = (len(RULES), len(alphas), 2, n_prompts, n_models)
        self.rule_sizes, self.rule_hits = np.zeros(shape), np.zeros(shape)
        self.scores: list[dict[str, Float]] = []
        self.truth: list[Codes] = []
        self.prompt: list[Codes] = []
        self.mean_references = 0.0

    def add(self, judged: Judged, truth: Codes) -> None:
        d, prompt, n_prompts = judged.distances, judged.prompt, self.sizes.shape[1]
        counts = judged.spread.counts
        self.mean_references = float(counts[counts > 0].mean())
        is_own = truth[:, None] == np.arange(d.shape[1])
        margin = _nearest_other(d) - d
        asked = np.isfinite(d) & np.isfinite(_nearest_other(d))
        decisions = [rule.decide(judged, self.alphas).transpose(1, 0, 2) for rule in RULES.values()]
        for kind, of in enumerate((~is_own, is_own)):
            of &= asked
            self.sizes[kind] += sums_by_prompt(of, prompt, n_prompts)
            self.hits[kind] += sums_by_prompt(of & ((margin > 0) == bool(kind)), prompt, n_prompts)
            for r, accepted in enumerate(decisions):
                known = of[:, None] & ~np.isnan(accepted)
                self.rule_sizes[r, :, kind] += sums_by_prompt(known, prompt, n_prompts).transpose(1, 0, 2)
                self.rule_hits[r, :, kind] += sums_by_prompt(known & (accepted == kind), prompt, n_prompts).transpose(
                    1, 0, 2
                )
        closeness = np.where(asked, -d, np.nan)
        self.scores.append(
            {
                "margin": np.where(asked, margin, np.nan),
                "distance": closeness,
                "distance-within": closeness,
                "conformal": np.where(asked, judged.p_values, np.nan),
            }
        )
        self.truth.append(truth)
        self.prompt.append(prompt)

    def nearest(self, boot: PromptBootstrap, used: Codes, targets: list[int]) -> Decisions:
        return _decisions(self.hits[:, used][..., targets], self.sizes[:, used][..., targets], boot)

    def one_class(self, boot: PromptBootstrap, used: Codes, targets: list[int]) -> Decisions:
        each = [
            [_decisions(hits[:, used][..., targets], sizes[:, used][..., targets], boot) for hits, sizes in pairs]
            for pairs in (zip(*pair, strict=True) for pair in zip(self.rule_hits, self.rule_sizes, strict=True))
        ]
        return _stack([_stack(row, 0) for row in each], 0)

    def area(self, name: str, boot: PromptBootstrap, used: Codes, targets: list[int]) -> Figure:
        truth, prompt = np.concatenate(self.truth), np.searchsorted(used, np.concatenate(self.prompt))
        scores = np.concatenate([score[name] for score in self.scores])
        values, resampled, numbers = [], [], []
        for m in targets:
            known = ~np.isnan(scores[:, m])
            own, s, p = truth[known] == m, scores[known, m], prompt[known]
            numbers.append(len(np.unique(p[own])))
            if name.endswith("-within"):
                areas = areas_by_group(s, own, p, len(used))
                there = ~np.isnan(areas)
                values.append(float(areas[there].mean()) if there.any() else np.nan)
                resampled.append(boot.ratios(np.where(there, areas, 0.0), there.astype(np.float64)))
            else:
                values.append(area(s[own], s[~own]))
                resampled.append(boot.areas(s[own], p[own], s[~own], p[~own]))
        return _figure(np.array(values), np.stack(resampled, axis=1), np.array(numbers))


def _nearest_other(d: Float) -> Float:
    """Return for each image and target the distance to the nearest of the other models, shape (n, M)."""
    nearest = np.argmin(d, axis=1)
    first = d[np.arange(len(d)), nearest]
    rest = d.copy()
    rest[np.arange(len(d)), nearest] = np.inf
    second = rest.min(axis=1)
    return np.asarray(np.where(np.arange(d.shape[1]) == nearest[:, None], second[:, None], first[:, None]))


def _decisions(hits: Float, sizes: Float, boot: PromptBootstrap) -> Decisions:
    """Return what decisions (2, P, T) are worth."""
    hits, sizes = np.moveaxis(hits, 1, -1), np.moveaxis(sizes, 1, -1)  # (2, T, P)
    prompts = (sizes.sum(axis=0) > 0).sum(axis=-1)
    of_target = (sizes[1] > 0).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        refused, kept = hits.sum(axis=-1) / sizes.sum(axis=-1)
        accuracy = hits.sum(axis=(0, -1)) / sizes.sum(axis=(0, -1))
        others = sizes[0].sum(axis=-1) / sizes.sum(axis=(0, -1))
    refused_b, kept_b = boot.ratios(hits[0], sizes[0]), boot.ratios(hits[1], sizes[1])
    accuracy_b = boot.ratios(hits.sum(axis=0), sizes.sum(axis=0))
    n = sizes.sum(axis=(0, -1))
    return Decisions(
        accuracy=_figure(accuracy, accuracy_b, prompts),
        balanced=_figure((kept + refused) / 2, (kept_b + refused_b) / 2, of_target),
        kept=_figure(kept, kept_b, of_target),
        refused=_figure(refused, refused_b, prompts),
        others=np.append(others, _mean(others)),
        n=np.append(n, n.sum()).astype(np.int64),
    )


def _figure(value: Float, resampled: Float, n_prompts: Codes) -> Figure:
    """Return figures by target (T,) with the mean over targets behind them."""
    whole = np.append(value, _mean(value))
    with_mean = np.concatenate([resampled, _row_means(resampled)[:, None]], axis=1)
    prompts = np.append(n_prompts, n_prompts.max(initial=0))
    return Figure(whole, bounded(whole, PromptBootstrap.interval(with_mean), prompts))


def _mean(values: Float) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _row_means(values: Float) -> Float:
    known = ~np.isnan(values)
    n = known.sum(axis=1)
    return np.asarray(np.where(n > 0, np.where(known, values, 0.0).sum(axis=1) / np.maximum(n, 1), np.nan))


def _stack_figures(figures: Sequence[Figure], axis: int) -> Figure:
    return Figure(np.stack([f.value for f in figures], axis=axis), np.stack([f.interval for f in figures], axis=axis))


def _stack(parts: Sequence[Decisions], axis: int) -> Decisions:
    return Decisions(
        accuracy=_stack_figures([part.accuracy for part in parts], axis),
        balanced=_stack_figures([part.balanced for part in parts], axis),
        kept=_stack_figures([part.kept for part in parts], axis),
        refused=_stack_figures([part.refused for part in parts], axis),
        others=np.stack([part.others for part in parts], axis=axis),
        n=np.stack([part.n for part in parts], axis=axis),
    )
