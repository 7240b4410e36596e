"""Which candidates need more references, how many, and what the last ones bought; and where that cannot be said."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from morelli.attributors import Bundle
from morelli.audit.versions.curve import SHARES, Curve
from morelli.errors import MorelliError

__all__ = ["Advice", "ClassAdvice", "Used", "advise", "count_verdicts"]

Float = NDArray[np.float64]
_Three = tuple[float | None, float | None, float | None]
_Numbers = tuple[int | None, int | None, int | None]

N_BOOT: Final = 400
MOST_TIMES: Final = 8.0
"""How many times as many references are foreseen at most: beyond, a law from so few is no guide."""

_LEAST_LOST: Final = 0.02


@dataclass(frozen=True, slots=True)
class Used:
    """What a candidate meets in use.

    Attributes
    ----------
    named, ambiguous : int
        Verdicts in which it is the most probable candidate, and those of them with several that cannot be excluded.
    rival : str or None
        Who most often stands beside it then.
    """

    named: int
    ambiguous: int
    rival: str | None


@dataclass(frozen=True, slots=True)
class ClassAdvice:
    """What is known of one candidate.

    Attributes
    ----------
    name : str
    images : int
        References that were judged, each without its prompt.
    recall : float
        Share of these that were named right, with its 95% interval (Clopper & Pearson 1934).
    low, high : float
    claims : float
        Images of others that were named so, as a share of its own.
    rival : str or None
        Who is named instead most often, and `lost` the share of images that go there.
    lost : float
    gained : float or None
        By how much more references, from half to all of them, raised the probability of the truth; None without a
        learning curve.
    gained_low, gained_high : float or None
        95% interval over prompts.
    needed : int or None
        References with which the target is foreseen; None where that cannot be said, or no number would do.
    needed_low, needed_high : int or None
        80% interval; None for a limit that cannot be said.
    advice : {"enough", "more", "others", "cannot say"}
        Others: more references alone will hardly help.
    used : Used or None
    """

    name: str
    images: int
    recall: float
    low: float
    high: float
    claims: float
    rival: str | None
    lost: float
    gained: float | None
    gained_low: float | None
    gained_high: float | None
    needed: int | None
    needed_low: int | None
    needed_high: int | None
    advice: str
    used: Used | None


@dataclass(frozen=True, slots=True)
class Advice:
    """What is known of all candidates of a bundle.

    Attributes
    ----------
    classes : tuple of ClassAdvice
        The worst first.
    target : float
        Recall that is asked for.
    steepness, steepness_low, steepness_high : float or None
        Exponent with which errors fall with the number of references, over all candidates, and its 95% interval over
        prompts; None without a learning curve.
    notes : tuple of str
    """

    classes: tuple[ClassAdvice, ...]
    target: float
    steepness: float | None
    steepness_low: float | None
    steepness_high: float | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain["notes"] = list(self.notes)
        plain["classes"] = [
            {
                name: getattr(one, name)
                if name != "used" or one.used is None
                else {field: getattr(one.used, field) for field in one.used.__dataclass_fields__}
                for name in one.__dataclass_fields__
            }
            for one in self.classes
        ]
        return plain


def advise(
    bundle: Bundle,
    *,
    target: float = 0.8,
    curve: Curve | None = None,
    used: Mapping[str, Used] | None = None,
    seed: int = 0,
) -> Advice:
    """Say which candidates need more references.

    Parameters
    ----------
    bundle : Bundle
        From it alone is known how its references were named out of fold, when it was fitted.
    target : float, default 0.8
        Share of a candidate's images that shall be named right.
    curve : Curve, optional
        What more references bought, as :func:`~morelli.audit.versions.curve.measure_curve` finds it.
    used : mapping of str to Used, optional
        What candidates meet in use, as `count_verdicts` finds it.
    seed : int, default 0
        Of the bootstrap.

    Raises
    ------
    MorelliError
        The target is no share.
    """
    if not 0 < target < 1:
        raise MorelliError(f"A share of images that shall be named right lies between 0 and 1, and is not {target:g}.")
    rehearsal = bundle.attributor.rehearsal
    if curve is None:
        codes, named = rehearsal.codes, rehearsal.log_proba.argmax(axis=1)
    else:
        codes, named = curve.codes, curve.named[-1]
    slopes = None if curve is None else _Slopes(curve, seed)
    notes = []
    if curve is None:
        notes.append("Without the references themselves (--catalog) it is not known what the last of them bought.")
    found = []
    for place, name in enumerate(bundle.classes):
        own = codes == place
        n, hits = int(own.sum()), int((own & (named == place)).sum())
        if not n:
            notes.append(f"{name}: none of the images is of this candidate.")
            continue
        low, high = (float(value) for value in binomtest(hits, n).proportion_ci())
        wrong = Counter(int(other) for other in named[own] if other != place)
        rival, lost = wrong.most_common(1)[0] if wrong else (None, 0)
        gain: _Three = (None, None, None) if slopes is None else slopes.gained(place)
        needed: _Numbers = (None, None, None) if slopes is None else slopes.needed(place, hits / n, target)
        found.append(
            ClassAdvice(
                name, n, hits / n, low, high, float((~own & (named == place)).sum() / n),
                None if rival is None else bundle.classes[rival], lost / n, *gain, *needed,
                _advice(low, high, target, needed, slopes is not None), None if used is None else used.get(name),
            )
        )  # fmt: skip
    overall: _Three = (None, None, None) if slopes is None else slopes.overall()
    found.sort(key=lambda one: (one.recall, one.name))
    return Advice(tuple(found), target, *overall, tuple(notes))


def count_verdicts(verdicts: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Used], int, int]:
    """Count what candidates meet in use.

    Parameters
    ----------
    verdicts : iterable of mapping
        As from ``morelli attribute --json``.

    Returns
    -------
    dict of str to Used
    int
        Verdicts that name somebody, or nobody.
    int
        Those of them that are ``unknown``.
    """
    named: Counter[str] = Counter()
    ambiguous: Counter[str] = Counter()
    rivals: dict[str, Counter[str]] = {}
    n = unknown = 0
    for verdict in verdicts:
        decision, label = verdict.get("decision"), verdict.get("label")
        if decision == "unknown":
            n, unknown = n + 1, unknown + 1
        elif decision in ("attributed", "ambiguous") and label is not None:
            n += 1
            named[str(label)] += 1
            if decision == "ambiguous":
                ambiguous[str(label)] += 1
                others = [str(one) for one in verdict.get("prediction_set", ()) if one != label]
                rivals.setdefault(str(label), Counter()).update(others)
    found = {}
    for label, count in named.items():
        beside = rivals.get(label)
        found[label] = Used(count, ambiguous[label], beside.most_common(1)[0][0] if beside else None)
    return found, n, unknown


def _advice(low: float, high: float, target: float, needed: _Numbers, measured: bool) -> str:
    if low >= target:
        return "enough"
    if high >= target:
        return "cannot say"
    if not measured or needed[0] is not None:
        return "more"
    return "others" if needed[1] is None else "more"


class _Slopes:
    """Exponents with which errors fall, for each candidate and for all, with resamples over prompts.

    The error is what the truth's probability lacks of 1: a dozen images say far more by it than by how many are named
    right. A candidate's own exponent is shrunk towards that of all, as far as candidates differ by no more than chance.
    """

    def __init__(self, curve: Curve, seed: int) -> None:
        self._curve = curve
        n_groups, k = int(curve.groups.max()) + 1, curve.known.shape[1]
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=N_BOOT)
        weights = np.concatenate([np.ones((1, n_groups)), drawn])[:, curve.groups]
        of_class = np.eye(k)[curve.codes]
        totals = weights @ of_class
        errors = np.stack([(weights * (1 - row)) @ of_class for row in curve.truth])
        with np.errstate(invalid="ignore", divide="ignore"):
            self._errors = np.where(totals > 0, errors / totals, np.nan)
        self._pooled = errors.sum(axis=2) / totals.sum(axis=1)
        known = np.log(np.maximum(curve.known, 1.0))
        self._own = _slope(np.log(np.maximum(self._errors, _LEAST_LOST)), known[:, None, :])
        self._all = _slope(np.log(np.maximum(self._pooled, _LEAST_LOST)), known.mean(axis=1)[:, None])
        self._shrunk = self._shrink()

    def _shrink(self) -> Float:
        own, spread = self._own[0], np.nanvar(self._own[1:], axis=0)
        there = np.isfinite(own) & np.isfinite(spread)
        between = max(0.0, float(np.var(own[there]) - spread[there].mean())) if there.sum() > 1 else 0.0
        share = between / (between + np.where(there, spread, np.inf)) if between > 0 else np.zeros(len(own))
        own_or_all = np.where(np.isfinite(self._own), self._own, self._all[:, None])
        return np.asarray(share * own_or_all + (1 - share) * self._all[:, None])

    def overall(self) -> _Three:
        low, high = np.quantile(self._all[1:], [0.025, 0.975])
        return float(self._all[0]), float(low), float(high)

    def gained(self, place: int) -> _Three:
        lost = self._errors[:, :, place]
        gain = lost[0] - lost[-1]
        if not np.isfinite(gain[0]):
            return None, None, None
        low, high = np.nanquantile(gain[1:], [0.025, 0.975])
        return float(gain[0]), float(low), float(high)

    def needed(self, place: int, recall: float, target: float) -> _Numbers:
        """Return with how many references the target is foreseen, and an 80% interval of it."""
        now = max(float(self._curve.known[-1, place]), 1.0)
        if recall >= target:
            return None, None, None
        wanted = math.log((1 - recall) / (1 - target))
        slopes = self._shrunk[:, place]
        middle, (high, low) = float(slopes[0]), np.quantile(slopes[1:], [0.1, 0.9])

        def number(slope: float) -> int | None:
            times = wanted / slope if slope > 0 else math.inf
            return math.ceil(now * math.exp(times)) if times <= math.log(MOST_TIMES) else None

        return number(middle), number(float(low)), number(float(high))


def _slope(errors: Float, known: Float) -> Float:
    """Return minus the slope of errors against numbers, both logarithms, along the first axis (least squares)."""
    assert len(errors) == len(SHARES)
    x = known - known.mean(axis=0)
    square = (x**2).sum(axis=0)
    return np.asarray(-(x * errors).sum(axis=0) / np.where(square > 0, square, np.nan))
