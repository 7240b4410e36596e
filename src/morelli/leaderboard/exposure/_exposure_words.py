"""Sentences about the exposure of models."""

from __future__ import annotations

import numpy as np

from morelli.leaderboard.exposure._resampling import mean_defined
from morelli.leaderboard.exposure.assessment import Assessment
from morelli.studies.words import percent
from morelli.trials.metrics import none_for_nan

__all__ = ["confused", "foretold", "notes_of", "separable", "varied", "within"]

_WORST = 3


def within(low: float, high: float) -> str:
    """Return an interval of shares in words.

    >>> within(0.25, 0.5), within(float("nan"), float("nan"))
    ('95% interval 25 to 50', 'no interval')
    """
    if not np.isfinite([low, high]).all():
        return "no interval"
    return f"95% interval {percent(low)} to {percent(high)}"


def _plain(interval: tuple[float, float]) -> str:
    if not np.isfinite(interval).all():
        return "no interval"
    return f"95% interval {interval[0]:.2f} to {interval[1]:.2f}"


def separable(found: Assessment) -> list[str]:
    exposure = found.exposure
    pairs, prompts = int(exposure.defined.sum()), int(np.isfinite(exposure.D).sum())
    n = int(exposure.n[exposure.defined].sum())
    chance = float(mean_defined(mean_defined(exposure.chance, axis=1)))
    lines = [
        f"A model is separable on a prompt in {percent(exposure.mean_D)} of 100 cases ({within(*exposure.interval)}; "
        f"{prompts} prompts, {pairs} pairs of prompt and model, {n:,} images): more than {percent(exposure.tau)} of "
        "100 of its images have their nearest neighbour among its own.",
        f"Of all images, {percent(exposure.mean_frac)} of 100 have it there ({within(*exposure.interval_frac)}; "
        f"{percent(chance)} if models did not differ).",
    ]
    if (exposure.balanced != exposure.frac)[exposure.defined].any():
        lines.append(
            "Models have different numbers of images, and many attract neighbours; with as many of each, "
            f"{percent(exposure.mean_D_balanced)} of 100 pairs are separable ({within(*exposure.interval_balanced)})."
        )
    order = np.array([i for i in found.ranking.order if found.compared.counts[i].any()], dtype=np.int64)
    if len(order) > _WORST:
        said = [f"{exposure.prompts[i]} ({percent(exposure.D[i])})" for i in order]
        most, least = "; ".join(said[:_WORST]), "; ".join(said[: -_WORST - 1 : -1])
        same = "" if found.compared is found.board else f" of the {len(order)} prompts with the same models"
        lines.append(f"Most exposing by D{same}: {most}; least: {least}. The order is uncertain, see the ranks.")
    return lines


def varied(found: Assessment) -> list[str]:
    spread = found.variation
    if not np.isfinite(spread.ratio):
        return ["Images of one model for a prompt are all identical, so that variation cannot be compared."]
    return [
        f"Images of two models for one prompt are {spread.ratio:.2f} times as far apart as images of one model with "
        f"other seeds ({_plain(spread.ratio_interval)}): of two such distances, the one between models is larger in "
        f"{percent(spread.mean_superiority)} of 100 cases ({within(*spread.superiority_interval)}; 50 is no "
        f"difference), and the means are {spread.effect:.2f} standard deviations apart "
        f"({_plain(spread.effect_interval)})."
    ]


def foretold(found: Assessment) -> list[str]:
    success, agreements = found.success, found.agreements
    low, high = found.success_interval
    lines = [
        f"The attacker, with {success.k} references of each model or as many as there are, names the right one for "
        f"{percent(success.accuracy)} of 100 other images ({within(low, high)}; n {success.n:,} in {success.draws} "
        f"draws; chance {percent(success.chance)})."
    ]
    first = agreements.rows[0]
    best = max(agreements.rows[:-1] if agreements.disjoint else agreements.rows, key=lambda row: _or(row.rho, -2.0))
    own = (
        f"measured on other images of the same {agreements.prompts} prompts, over {agreements.splits} random halves"
        if agreements.disjoint
        else f"measured on the same images of {agreements.prompts} prompts, as there are too few for halves, which "
        "flatters"
    )
    if np.isfinite(first.rho):
        line = f"D foretells on which prompts it succeeds with a rank correlation of {first.rho:.2f} "
        line += f"({_plain(first.interval)}), {own}"
        if best is not first:
            line += f"; the best score is {best.score}, {best.rho:.2f} ({_plain(best.interval)})"
        last = agreements.rows[-1]
        if agreements.disjoint and np.isfinite(last.rho):
            line += f". Success on one half foretells that on the other with {last.rho:.2f}"
        lines.append(f"{line}.")
    else:
        lines.append("Whether D foretells success cannot be told: one of them is the same for all prompts.")
    return lines


def _or(value: float, other: float) -> float:
    return value if np.isfinite(value) else other


def confused(found: Assessment) -> list[str]:
    confusion = found.confusion
    if confusion is None:
        return ["What models are taken for cannot be told: no two of them were judged on one prompt."]
    first = confusion.pairs[0]
    lines = [
        f"Most confused are {first.first} and {first.second}: {percent(first.confusion)} of 100 images of one are said "
        f"to be the other's ({within(*first.interval)}; {first.prompts} prompts; {percent(confusion.even)} if errors "
        "fell on all alike)."
    ]
    kin = confusion.kinship
    if kin is None:
        lines.append(
            "Whether kinship explains it cannot be told: the catalog does not name lineages for three models or more "
            "of which some, and not all, are kin."
        )
    else:
        lines.append(
            f"The {kin.pairs} pairs of one lineage are {percent(kin.expected)} of 100 pairs and "
            f"{percent(none_for_nan(kin.share))} of 100 confusions; lineage explains {percent(kin.explained)} of 100 "
            f"of the variance between pairs (p {kin.p:.3g}, one-sided, by relabelling models)."
        )
    near = confusion.nearness
    if near is not None and near.r is not None:
        lines.append(
            f"Models whose mean offsets from the prompts lie near each other are confused: rank correlation "
            f"{near.r:.2f} over pairs (p {near.p:.3g}, Mantel)."
        )
    return lines


def notes_of(found: Assessment) -> tuple[str, ...]:
    board, exposure = found.board, found.exposure
    notes = list(board.notes)
    present = board.counts > 0
    single = int((present & ~exposure.defined & board.contested[:, None]).sum())
    if single:
        notes.append(
            f"{single} pairs of prompt and model have a single image, which has no other of its model to be near to: "
            "their frac is undefined. They are rivals to the others all the same."
        )
    alone = int((present.any(axis=1) & ~board.contested).sum())
    if alone:
        notes.append(f"{alone} prompts have images of one model only, so that there is nothing to tell: left out.")
    if found.compared is not board:
        there = found.compared.counts > 0
        models = [name for name, some in zip(board.models, np.any(there, axis=0).tolist(), strict=True) if some]
        notes.append(
            f"Prompts differ in their models, and fewer are told apart more easily: prompts are compared with one "
            f"another among the {int(there.any(axis=1).sum())} that all have {', '.join(models)}."
        )
    smallest = int(exposure.n[exposure.defined].min())
    notes.append(
        f"A model has {smallest} to {int(exposure.n.max())} images for a prompt. With few, frac has few values: above "
        f"{percent(exposure.tau)} of 100 can mean all of them."
    )
    notes.append(
        "Intervals of a prompt's D resample its models, and images within them; those of means resample prompts. "
        "A neighbour of another model at the same distance counts against."
    )
    return tuple(notes)
