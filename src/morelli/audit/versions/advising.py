"""Which candidates need more references, how many, and what the last ones bought; and where that cannot be said."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli.attributors import Bundle
from morelli.audit.versions.curve import Curve
from morelli.audit.versions.law import ErrorLaw, Estimate, Needed
from morelli.audit.versions.recalls import Recalls, measure_recalls
from morelli.audit.versions.using import Usage, Used
from morelli.errors import MorelliError

__all__ = ["Advice", "ClassAdvice", "advise"]

Ints = NDArray[np.int64]

LEAST_FOR_FAR: Final = 10
"""Images below which no candidate is called out of reach: of five, none or one right is mostly bad luck."""


@dataclass(frozen=True, slots=True)
class ClassAdvice:
    """What is known of one candidate.

    Attributes
    ----------
    name : str
    images : int
        References that were judged, each without its prompt.
    recall : float
        Share of these that were named right, with its 95% interval, see
        :meth:`~morelli.audit.versions.recalls.Recalls.interval`.
    low, high : float
    to_know : int or None
        Images with which that interval would lie on one side of the target; None where a thousand would not do.
    claims : float or None
        Images of others that were named so, as a share of its own; None where that was not seen.
    rival : str or None
        Who is named instead most often, and `lost` the share of images that go there.
    lost : float
    gained : Estimate or None
        By how much more references, from half to all of them, raised the probability of the truth, with a 95%
        interval; None without a learning curve, as the next two.
    foreseen : Estimate or None
        Recall with twice as many references of every candidate, with an 80% interval.
    needed : Needed or None
        References of every candidate with which the target is foreseen.
    advice : {"enough", "more", "far", "cannot say"}
        Whether the interval of `recall` lies above the target, below it, or on both sides. Far: below, and so many
        references as can be foreseen would not do; only said of ten images or more.
    used : Used or None
        What it meets in use.
    """

    name: str
    images: int
    recall: float
    low: float
    high: float
    to_know: int | None
    claims: float | None
    rival: str | None
    lost: float
    gained: Estimate | None
    foreseen: Estimate | None
    needed: Needed | None
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
    n, recall : int, float
        Images that were judged, and the share of them that was named right.
    known : float or None
        References of a candidate behind an answer, on average; None without a learning curve, as the next two.
    steepness : Estimate or None
        Exponent with which errors fall with the number of references, over all candidates; 95% interval over prompts.
    foreseen : Estimate or None
        `recall` with twice as many references of each as there are; 80% interval.
    usage : Usage or None
    notes : tuple of str
    """

    classes: tuple[ClassAdvice, ...]
    target: float
    n: int
    recall: float
    known: float | None
    steepness: Estimate | None
    foreseen: Estimate | None
    usage: Usage | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


def advise(
    bundle: Bundle,
    *,
    target: float = 0.8,
    curve: Curve | None = None,
    usage: Usage | None = None,
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
    usage : Usage, optional
        What candidates meet in use, as :func:`~morelli.audit.versions.using.count_verdicts` finds it.
    seed : int, default 0
        Of draws.

    Raises
    ------
    MorelliError
        The target is no share.
    """
    if not 0 < target < 1:
        raise MorelliError(f"A share of images that shall be named right lies between 0 and 1, and is not {target:g}.")
    rehearsal, k = bundle.attributor.rehearsal, len(bundle.classes)
    if curve is None:
        codes, groups, named = rehearsal.codes, rehearsal.groups, rehearsal.log_proba.argmax(axis=1)
    else:
        codes, groups, named = curve.codes, curve.groups, curve.named[-1]
    recalls = measure_recalls(codes, named, groups, k)
    law = None if curve is None else ErrorLaw(curve, recalls, seed)
    late = np.zeros(k, dtype=np.bool_) if curve is not None else _enrolled(bundle)
    found = [
        _advise_on(bundle.classes, place, target, codes, named, recalls, law, usage, bool(late[place]))
        for place in range(k)
        if recalls.n[place]
    ]
    found.sort(key=lambda one: (one.recall, one.name))
    return Advice(
        classes=tuple(found),
        target=target,
        n=len(codes),
        recall=float((codes == named).mean()),
        known=None if law is None else law.known_of_all,
        steepness=None if law is None else law.steepness,
        foreseen=None if law is None else law.foreseen_of_all(2.0 * len(codes) / len(found)),
        usage=usage,
        notes=tuple(_notes(bundle, curve, recalls, late, usage)),
    )


def _advise_on(
    classes: tuple[str, ...],
    place: int,
    target: float,
    codes: Ints,
    named: Ints,
    recalls: Recalls,
    law: ErrorLaw | None,
    usage: Usage | None,
    late: bool,
) -> ClassAdvice:
    own = codes == place
    n, hits = int(recalls.n[place]), int(recalls.hits[place])
    low, high = recalls.interval(place)
    wrong = Counter(named[own & (named != place)].tolist())
    rival, lost = min(wrong.items(), key=lambda item: (-item[1], item[0])) if wrong else (None, 0)
    advice = "enough" if low >= target else "more" if high < target else "cannot say"
    needed = None if law is None or advice == "enough" else law.needed(place, target)
    if advice == "more" and n >= LEAST_FOR_FAR and needed is not None and needed.low is None:
        advice = "far"
    return ClassAdvice(
        name=classes[place],
        images=n,
        recall=hits / n,
        low=low,
        high=high,
        to_know=recalls.images_to_know(place, target) if advice == "cannot say" else n,
        claims=None if late else float((~own & (named == place)).sum() / n),
        rival=None if rival is None else classes[rival],
        lost=lost / n,
        gained=None if law is None else law.gained(place),
        foreseen=None if law is None else law.foreseen(place, 2.0 * n),
        needed=needed,
        advice=advice,
        used=None if usage is None else usage.candidates.get(classes[place]),
    )


def _enrolled(bundle: Bundle) -> NDArray[np.bool_]:
    """Return which candidates came after the fit: they were shown no hidden model, or a note of the bundle says so."""
    unseen = bundle.attributor.rehearsal.hidden_log_proba
    late = np.array([any(note.startswith(f"{name} was enrolled") for note in bundle.notes) for name in bundle.classes])
    return np.asarray(late | np.isnan(unseen).all(axis=0) if len(unseen) else late)


def _notes(
    bundle: Bundle, curve: Curve | None, recalls: Recalls, late: NDArray[np.bool_], usage: Usage | None
) -> list[str]:
    notes = [] if curve is None else list(curve.notes)
    if curve is None:
        notes.append("Without the references themselves (--catalog) it is not known what the last of them bought.")
    absent = [name for name, n in zip(bundle.classes, recalls.n, strict=True) if not n]
    if absent:
        notes.append(f"None of the images is of {', '.join(absent)}.")
    if late.any():
        names = ", ".join(name for name, one in zip(bundle.classes, late, strict=True) if one)
        notes.append(
            f"Enrolled after the fit: {names}. From the bundle alone, how many of their images are named right was "
            "partly set and not found, and which images of others they claim was not seen; --catalog finds out both."
        )
    if usage is not None:
        strangers = sum(used.named for name, used in usage.candidates.items() if name not in bundle.classes)
        if strangers:
            notes.append(f"{strangers} of {usage.n} verdicts name somebody who is no candidate of this bundle.")
        if usage.problems:
            notes.append(f"Lines that are no verdicts, and were not counted: {usage.problems}.")
    return notes
