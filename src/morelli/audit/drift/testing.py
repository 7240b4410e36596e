"""Has this model changed? Two samples of its images, compared by every family of traces and by all of them together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli.audit._holm import holm
from morelli.audit.drift.design import Design, make_design
from morelli.audit.drift.effects import Effect, measure_effect, resampled_groups
from morelli.audit.drift.power import Power, simulate_power
from morelli.audit.drift.statistics import (
    gaussian_kernel,
    of_all_relabellings,
    overall,
    p_value,
    squared_distances,
    standard,
)
from morelli.audit.drift.trace import make_traces
from morelli.errors import NotEnoughDataError

__all__ = ["DriftTest", "FamilyShift", "compare_samples"]

N_PERMUTATIONS: Final = 1999

_MOST_LABELS: Final = 20_000_000
"""Labels that are dealt, where a small level asks for many relabellings."""

MOST_IMAGES: Final = 1000
"""Images that are compared at most; more would only be found sooner."""


@dataclass(frozen=True, slots=True)
class FamilyShift:
    """What one family of traces says.

    Attributes
    ----------
    name : str
    effect : Effect
        Of the scores of a discriminant that had not seen the image.
    p : float
        By permutation.
    p_adjusted : float
        Holm's, over the families.
    """

    name: str
    effect: Effect
    p: float
    p_adjusted: float


@dataclass(frozen=True, slots=True, eq=False)
class DriftTest:
    """What was found between two samples.

    Attributes
    ----------
    design : Design
    level : float
        False-alarm rate of this look.
    p : float
        Of all tests together; see :func:`morelli.audit.drift.statistics.overall`.
    classifier : Effect
        Of all families fused.
    classifier_p, discrepancy, discrepancy_p : float
        The classifier's test by itself, and the maximum mean discrepancy with its own.
    families : tuple of FamilyShift
    n_permutations : int
        Relabellings behind every p-value, the observed one included.
    exhaustive : bool
        They are all that there are.
    power : Power or None
    notes : tuple of str
    """

    design: Design
    level: float
    p: float
    classifier: Effect
    classifier_p: float
    discrepancy: float
    discrepancy_p: float
    families: tuple[FamilyShift, ...]
    n_permutations: int
    exhaustive: bool
    power: Power | None
    notes: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether a change was found at this level."""
        return self.p <= self.level

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {
            "changed": self.changed,
            "p": self.p,
            "level": self.level,
            "design": self.design.kind,
            "reference_images": int((~self.design.new).sum()),
            "new_images": int(self.design.new.sum()),
            "groups": self.design.n_groups,
            "relabellings": self.n_permutations,
            "exhaustive": self.exhaustive,
            "classifier": {"p": self.classifier_p, **self.classifier.to_dict()},
            "discrepancy": {"p": self.discrepancy_p, "squared_mmd": self.discrepancy},
            "families": {
                one.name: {"p": one.p, "p_adjusted": one.p_adjusted, **one.effect.to_dict()} for one in self.families
            },
            "power": None if self.power is None else self.power.to_dict(),
            "notes": list(self.notes),
        }


def compare_samples(
    X: NDArray[np.floating],
    new: NDArray[np.bool_],
    groups: NDArray[np.integer],
    *,
    blocks: Mapping[str, slice] | None = None,
    within: NDArray[np.floating] | None = None,
    n_contrasts: NDArray[np.integer] | None = None,
    design: str = "auto",
    level: float = 0.05,
    n_permutations: int = N_PERMUTATIONS,
    n_simulations: int = 200,
    seed: int = 0,
) -> DriftTest:
    """Test whether two samples of images come from the same model.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Finite measurements.
    new : ndarray of bool, shape (n,)
        Which images are of the new sample.
    groups : ndarray of int, shape (n,)
        Prompt, or other group that belongs together, of each.
    blocks : mapping of str to slice, optional
        Columns of each family; by default all are one.
    within, n_contrasts : ndarray, shapes (n, c, d) and (n,), optional
        Differences between the regions of each image, see :class:`morelli.encoders.Encoded`.
    design : {"auto", "paired", "grouped"}, default "auto"
        As for :func:`~morelli.audit.drift.design.make_design`.
    level : float, default 0.05
        False-alarm rate.
    n_permutations : int, default 1999
        Random relabellings; more are taken where `level` is so small that it needs them.
    n_simulations : int, default 200
        Of the detectable change; 0 leaves it out.
    seed : int, default 0

    Returns
    -------
    DriftTest

    Raises
    ------
    NotEnoughDataError
        Too few images or prompts for a p-value below `level`, or no measurement varies.
    MorelliError
        There is no such design.
    """
    codes = np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)
    rows, notes = _at_most(np.asarray(new), codes, seed)
    plan = make_design(np.asarray(new)[rows], codes[rows], kind=design, level=level, seed=seed)
    chosen = rows[plan.rows]
    traces, silent = make_traces(
        X[chosen],
        blocks if blocks is not None else {"features": slice(0, X.shape[1])},
        plan,
        within=None if within is None else within[chosen],
        n_contrasts=None if n_contrasts is None else np.asarray(n_contrasts)[chosen],
        seed=seed,
    )
    if not traces:
        raise NotEnoughDataError("All images measure the same: there is nothing to compare.")
    if silent:
        notes.append(f"Without variation, and so left out: {', '.join(silent)}.")
    labels, exhaustive = plan.relabel(_number(n_permutations, level, len(chosen)), seed)
    distances = squared_distances(traces)
    shifts, discrepancy, scores = of_all_relabellings(traces, gaussian_kernel(distances), labels, plan)
    combined, fused = overall(shifts, discrepancy)

    weights = resampled_groups(plan, seed)
    scale = np.array([max(float(values.std()), 1e-300) for values in shifts])
    p = [p_value(values) for values in shifts]
    power = None
    if n_simulations:
        power = simulate_power(
            traces, distances, plan, level=level, seen=float(standard(combined)[0]), n=n_simulations, seed=seed
        )
    return DriftTest(
        design=plan,
        level=level,
        p=p_value(combined),
        classifier=measure_effect(np.sum([s / one for s, one in zip(scores, scale, strict=True)], 0), plan, weights),
        classifier_p=p_value(fused),
        discrepancy=float(discrepancy[0]),
        discrepancy_p=p_value(discrepancy) if np.isfinite(discrepancy).all() else 1.0,
        families=tuple(
            FamilyShift(trace.name, measure_effect(s, plan, weights), one, adjusted)
            for trace, s, one, adjusted in zip(traces, scores, p, holm(p).tolist(), strict=True)
        ),
        n_permutations=len(labels),
        exhaustive=exhaustive,
        power=power,
        notes=(*notes, *plan.notes),
    )


def _number(n_permutations: int, level: float, n_images: int) -> int:
    """Return how many relabellings to draw: twenty below the level, fewer where there are many images."""
    wanted = min(math.ceil(20 / level), max(math.ceil(2 / level), _MOST_LABELS // n_images))
    return max(n_permutations, wanted)


def _at_most(new: NDArray[np.bool_], groups: NDArray[np.int64], seed: int) -> tuple[NDArray[np.intp], list[str]]:
    """Keep whole prompts, prompts of both samples first, as far as there is room for their images."""
    if len(new) <= MOST_IMAGES:
        return np.arange(len(new)), []
    n_groups = int(groups.max()) + 1
    rng = np.random.default_rng(seed)
    sizes = np.bincount(groups, minlength=n_groups)
    if sizes.max() > MOST_IMAGES // 2:  # few prompts with very many images each
        rows = np.sort(
            np.concatenate([rng.permutation(np.flatnonzero(side))[: MOST_IMAGES // 2] for side in (new, ~new)])
        )
        return rows, [f"{len(rows)} of {len(new)} images were compared, drawn at random: more add little."]
    both = np.zeros(n_groups, dtype=np.bool_)
    both[np.intersect1d(groups[new], groups[~new])] = True
    order = np.lexsort((rng.random(n_groups), ~both))
    kept = np.zeros(n_groups, dtype=np.bool_)
    kept[order[np.cumsum(sizes[order]) <= MOST_IMAGES]] = True
    rows = np.flatnonzero(kept[groups])
    return rows, [f"{len(rows)} of {len(new)} images were compared, in whole prompts: more add little."]
