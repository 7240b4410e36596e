"""The pooled verdict: one answer for several images that are known to be of one model.

The images' probabilities are summed as :class:`~morelli.attributors.pooling.SetPooling` has learned to. Images that are
called unknown take part in the sum, as what they say for one candidate or another is not worthless. They decide
together whether the set is unknown: it is where more than half of them are. A majority is a blunt test, and meant to
be one. That a few more images are called unknown than the open-set level predicts says little: it happens to sets by
candidates, and hardly more often to sets by other models (``benchmarks/together.py``). A majority is safe from that,
and for images that go astray independently it is wrong no more often than the level.

However many images agree, the answer stays no surer than the references can bear out: a share of ``1 / (n + 2)`` for n
references is spread evenly over the candidates, as in :mod:`morelli.attributors.doubt` (Laplace's rule of succession).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.bundle import Bundle
from morelli.attributors.lineage import lineage_probabilities, set_lineage
from morelli.attributors.pooling import SetPooling
from morelli.attributors.verdict import Lineage, Verdict, json_line, known_fields
from morelli.errors import MorelliError, NotEnoughDataError

__all__ = ["POOLED", "PooledCandidate", "PooledVerdict", "VerdictPool", "pool_verdicts"]

SCHEMA_VERSION: Final = 1
"""Raised when a field of the JSON changes its meaning or goes away; new fields may come without it."""

POOLED: Final = "pooled"
"""What tells the JSON of a pooled verdict from that of an image's: its field `kind`."""


@dataclass(frozen=True, slots=True)
class PooledCandidate:
    """One candidate in a pooled verdict.

    Attributes
    ----------
    model : str
    probability : float
        To have made all images, among the candidates given; 0 to 1.
    """

    model: str
    probability: float


@dataclass(frozen=True, slots=True)
class PooledVerdict:
    """The answer for several images of one model.

    Attributes
    ----------
    folder : str or None
        The folder whose images these are; None for all images together.
    decision : str
        ``attributed``: `prediction_set` has one member. ``ambiguous``: it has several. ``unknown``: more than half
        of the images are called so by themselves. ``unreadable``: there was no image that could be judged.
    label, probability : str or None, float or None
        The most probable candidate, for ``attributed`` and ``ambiguous``.
    lineage : Lineage
    candidates : tuple of PooledCandidate
        All candidates, the most probable first; empty if unreadable.
    prediction_set : tuple of str
        The fewest candidates whose probabilities add up to the bundle's level, the most probable first.
    n_images : int
        Different images that were judged, and pooled here.
    n_effective : float
        How many independent images they are worth.
    agreement : int
        Images that are not called unknown and name the most probable candidate by themselves.
    n_against : int
        Images that are not called unknown and whose own prediction set leaves that candidate out.
    n_unknown : int
        Images that are called unknown by themselves.
    n_unreadable, n_repeated : int
        Files left out: those that could not be judged, and those that were there before.
    bundle : dict
        `name`, `version`, `id` of the bundle that answered.
    kind : str
        Always :data:`POOLED`.
    schema_version : int
    """

    folder: str | None
    decision: str
    label: str | None = None
    probability: float | None = None
    lineage: Lineage = field(default_factory=Lineage)
    candidates: tuple[PooledCandidate, ...] = ()
    prediction_set: tuple[str, ...] = ()
    n_images: int = 0
    n_effective: float = 0.0
    agreement: int = 0
    n_against: int = 0
    n_unknown: int = 0
    n_unreadable: int = 0
    n_repeated: int = 0
    bundle: dict[str, str] = field(default_factory=dict)
    kind: str = POOLED
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-able values, the schema version and the kind first."""
        values = asdict(self)
        values["candidates"] = list(values["candidates"])
        values["prediction_set"] = list(values["prediction_set"])
        return {"schema_version": values.pop("schema_version"), "kind": values.pop("kind"), **values}

    def to_json(self) -> str:
        """Return the verdict as one line of JSON."""
        return json_line(self.to_dict())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PooledVerdict:
        """Rebuild a verdict from :meth:`to_dict`; fields that this Morelli does not know are left out.

        Raises
        ------
        ValueError
            If it is no pooled verdict, or has another schema version.
        """
        known = known_fields(cls, values)
        if known.get("kind") != POOLED:
            raise ValueError("this is no pooled verdict: it does not say so in its field kind")
        if known.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(
                f"this pooled verdict has schema version {known.get('schema_version')!r}; "
                f"this Morelli reads {SCHEMA_VERSION}"
            )
        known["lineage"] = Lineage(**known_fields(Lineage, known["lineage"]))
        known["candidates"] = tuple(
            PooledCandidate(**known_fields(PooledCandidate, given)) for given in known["candidates"]
        )
        known["prediction_set"] = tuple(known["prediction_set"])
        return cls(**known)

    @property
    def counts(self) -> str:
        """What went into the verdict, in one sentence or a few."""
        left_out = [f"{self.n_unreadable} that could not be judged"] * bool(self.n_unreadable)
        left_out += [f"{self.n_repeated} given before"] * bool(self.n_repeated)
        rest = f" Left out: {', '.join(left_out)}." if left_out else ""
        if not self.n_images:
            return f"No image could be judged.{rest}"
        best = self.candidates[0].model
        if self.decision != "unknown" and 2 * (self.n_against + self.n_unknown) > self.n_images:
            rest += f" More than half speak against {best} by themselves: are they really of one model?"
        images = "1 image"
        if self.n_images > 1:
            images = f"{self.n_images} images, worth {self.n_effective:.3g} independent ones"
        return (
            f"{images}: by themselves {self.agreement} name {best}, {self.n_against} rule it out, "
            f"{self.n_unknown} are called unknown.{rest}"
        )


class VerdictPool:
    """Pools verdicts as they come, in memory that grows by one hash for each image.

    Parameters
    ----------
    bundle : Bundle
        The one that judged the images.
    by_folder : bool, default False
        Make one pooled verdict for each folder that images lie in, instead of one for all.

    Raises
    ------
    NotEnoughDataError
        The bundle's references did not show how images of one model go together.
    """

    def __init__(self, bundle: Bundle, *, by_folder: bool = False) -> None:
        pooling = bundle.attributor.pooling_
        if pooling is None:
            raise NotEnoughDataError(
                f"{bundle.name}: this bundle cannot judge images together, because no candidate has references of two "
                "prompts to learn that from; fit it to images of several prompts."
            )
        self._bundle, self._pooling, self._by_folder = bundle, pooling, by_folder
        self._sets: dict[str | None, _Sums] = {}

    def add(self, verdict: Verdict) -> None:
        """Take the verdict for one image.

        Raises
        ------
        MorelliError
            It is of another bundle.
        """
        if verdict.bundle.get("id") != self._bundle.id:
            raise MorelliError(
                f"{verdict.uri}: judged by another bundle than {self._bundle.name} ({self._bundle.id}); "
                "only answers of one bundle can be pooled."
            )
        folder = str(PurePath(verdict.uri).parent) if self._by_folder else None
        if folder not in self._sets:
            self._sets[folder] = _Sums(self._bundle.classes, self._bundle.lineages, self._pooling)
        self._sets[folder].add(verdict)

    def verdicts(self) -> list[PooledVerdict]:
        """Return the pooled verdict for each set of images so far, in the order in which the sets began."""
        return [sums.verdict(folder, self._bundle) for folder, sums in self._sets.items()]


def pool_verdicts(bundle: Bundle, verdicts: Iterable[Verdict], *, by_folder: bool = False) -> list[PooledVerdict]:
    """Pool verdicts for images that are known to be of one model.

    Parameters
    ----------
    bundle : Bundle
        The one that judged the images.
    verdicts : iterable of Verdict
        As :func:`~morelli.attributors.attribute` yields them, or read from JSON that was written earlier.
    by_folder : bool, default False
        One for each folder that images lie in, instead of one for all.

    Returns
    -------
    list of PooledVerdict
        One, or one for each folder in the order of their first images; none where there is no verdict.

    Raises
    ------
    NotEnoughDataError
        The bundle's references did not show how images of one model go together.
    MorelliError
        A verdict is of another bundle.
    """
    pool = VerdictPool(bundle, by_folder=by_folder)
    for verdict in verdicts:
        pool.add(verdict)
    return pool.verdicts()


class _Sums:
    """What is kept of one set of images."""

    def __init__(self, classes: tuple[str, ...], lineages: tuple[str | None, ...], pooling: SetPooling) -> None:
        self._classes, self._lineages, self._pooling = classes, lineages, pooling
        self._total = np.zeros(len(classes))
        self._lineage_total: NDArray[np.float64] | float = 0.0
        self._named, self._excluded = np.zeros((2, len(classes)), dtype=np.int64)
        self._seen: set[str] = set()
        self._n = self._n_unknown = self._n_unreadable = self._n_repeated = 0

    def add(self, verdict: Verdict) -> None:
        if verdict.image_id is not None:
            if verdict.image_id in self._seen:
                self._n_repeated += 1
                return
            self._seen.add(verdict.image_id)
        if verdict.decision == "unreadable":
            self._n_unreadable += 1
            return
        given = {candidate.model: candidate.probability for candidate in verdict.candidates}
        if set(given) != set(self._classes):
            raise MorelliError(f"{verdict.uri}: its verdict does not list the candidates of the bundle.")
        proba = np.array([given[name] for name in self._classes])
        self._total += self._pooling.words(proba)
        self._lineage_total += self._pooling.words(
            lineage_probabilities(proba[None], self._lineages, self._classes)[1][0]
        )
        self._n += 1
        if verdict.decision == "unknown":
            self._n_unknown += 1
        else:
            self._named[self._classes.index(verdict.candidates[0].model)] += 1
            self._excluded += [name not in verdict.prediction_set for name in self._classes]

    def verdict(self, folder: str | None, bundle: Bundle) -> PooledVerdict:
        facts = {"name": bundle.name, "version": bundle.version, "id": bundle.id}
        unreadable = PooledVerdict(
            folder, "unreadable", n_unreadable=self._n_unreadable, n_repeated=self._n_repeated, bundle=facts
        )
        if self._n == 0:
            return unreadable
        doubt = 1 / (sum(bundle.attributor.training_.n_images.values()) + 2)

        def pooled(total: NDArray[np.float64]) -> NDArray[np.float64]:
            return (1 - doubt) * self._pooling.of_words(total, self._n) + doubt / len(total)

        proba = pooled(self._total)
        order = np.argsort(-proba, kind="stable")
        members = order[: _fewest(proba[order], bundle.attributor.level)]
        certain = 2 * self._n_unknown <= self._n
        lineage = Lineage()
        if any(name is not None for name in self._lineages):
            names, by_models = lineage_probabilities(proba[None], self._lineages, self._classes)
            # Images by a model that is no candidate point now to this relative, now to that, and agree on the lineage
            # alone; images by a candidate agree on the candidate. Both are asked, and believed alike.
            both = (by_models[0] + pooled(np.asarray(self._lineage_total))) / 2
            (shared,) = set_lineage(np.isin(np.arange(len(proba)), members)[None], self._lineages, self._classes)
            name = names[int(both.argmax())]
            lineage = Lineage(name, float(both.max()), certain and shared == name)
        best = int(order[0])
        return replace(
            unreadable,
            decision="unknown" if not certain else "attributed" if len(members) == 1 else "ambiguous",
            label=self._classes[best] if certain else None,
            probability=float(proba[best]) if certain else None,
            lineage=lineage,
            candidates=tuple(PooledCandidate(self._classes[k], float(proba[k])) for k in order),
            prediction_set=tuple(self._classes[k] for k in members),
            n_images=self._n,
            n_effective=self._n / self._pooling.design_effect(self._n),
            agreement=int(self._named[best]),
            n_against=int(self._excluded[best]),
            n_unknown=self._n_unknown,
        )


def _fewest(falling: NDArray[np.float64], level: float) -> int:
    """Return how many of the probabilities, which fall, add up to `level`; all where rounding leaves them short."""
    return min(len(falling), int(np.searchsorted(np.cumsum(falling), level)) + 1)
