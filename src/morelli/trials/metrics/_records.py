"""The records that a trial's metrics consist of: plain frozen dataclasses that are JSON as they stand."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from morelli.errors import MorelliError
from morelli.trials._stored import listed

__all__ = [
    "SCHEMA_VERSION",
    "ClassMetrics",
    "DecisionMetrics",
    "FamilyMetrics",
    "Metrics",
    "OpenSetMetrics",
    "ReliabilityBin",
]

SCHEMA_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One candidate. Shares in [0, 1]; None where undefined (no images, or the name was never given)."""

    model: str
    lineage: str | None
    support: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None
    coverage: float | None
    set_size: float | None
    confused_with: str | None
    confused_share: float | None


@dataclass(frozen=True, slots=True)
class FamilyMetrics:
    """One family alone, and everything but that family.

    ``drop`` is the fused accuracy minus ``without``, on the same images; its interval is paired.
    """

    family: str
    n: int
    accuracy: float | None
    low: float | None
    high: float | None
    without: float | None
    drop: float | None
    drop_low: float | None
    drop_high: float | None


@dataclass(frozen=True, slots=True)
class DecisionMetrics:
    """The images that got one decision.

    ``accuracy`` is the share of the labelled ones whose most probable candidate is right; an image of a model that is
    no candidate can only be wrong. ``set_coverage`` is the share of the candidates' images whose set holds the truth.
    """

    decision: str
    n: int
    share: float
    n_known: int
    n_unknown: int
    accuracy: float | None
    set_coverage: float | None


@dataclass(frozen=True, slots=True)
class OpenSetMetrics:
    """Telling images of the candidates from images of other models by the open-set p-value."""

    n_known: int
    n_unknown: int
    unknown_models: int
    auroc: float | None
    fpr_at_95_tpr: float | None
    oscr: float | None
    unknown_flagged: float
    known_flagged: float | None


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of the reliability diagram; ``confidence`` and ``accuracy`` are None where it is empty."""

    left: float
    right: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that the report shows, as `summarise` measured it.

    Accuracy and whatever says no other is about the ``n`` readable images whose label is a candidate. Those for which
    no candidate was named count as not right, as not covered by a set, and as least sure. Shares lie in [0, 1]. None
    means undefined, never 0.

    Attributes
    ----------
    n_rows, n, n_unreadable, n_unknown, n_unlabelled : int
        All rows; the rows measured; not read; readable of a model that is no candidate; readable without label.
    n_unanswered : int
        Of the n, those for which no candidate was named.
    n_classes, n_clusters : int
        Candidates; prompt clusters among the n rows.
    chance, majority : float
        1 / K; share of the most frequent candidate, the best that a constant answer can score.
    accuracy, accuracy_low, accuracy_high : float or None
        With the interval at ``level`` by prompt-cluster bootstrap (seeded by ``seed``, ``n_boot`` resamples).
    accuracy_answered : float or None
        Among those of the n for which a candidate was named.
    nuisance, lift : float or None
        The container-only floor, and accuracy minus it.
    top3, lineage_accuracy, lineage_chance : float or None
        ``lineage_chance`` is what guessing a candidate evenly scores at naming the lineage.
    ece, ece_mass, brier, log_loss, mean_confidence : float or None
        Calibration error over 15 bins of equal width and of equal mass; Brier in [0, 2]; log loss in nats. All are over
        the answered, for without an answer there is no probability.
    coverage, target_coverage, mean_set_size : float or None
        Of the conformal sets; their mean size is over the answered, and so is that of each class.
    aurc, risk_at_half : float or None
        Area under the risk-coverage curve; error rate on the surer half.
    risk_curve : tuple of (coverage, risk)
        At coverages 0.05, 0.10, ..., 1.
    confusion : tuple of tuple of int
        Counts, true candidates in rows, in the order of ``per_class``.
    prompt_known : bool
        False: nothing but near-duplicates ties images together, so the interval is too narrow if prompts repeat.
    """

    schema_version: int
    n_rows: int
    n: int
    n_unreadable: int
    n_unknown: int
    n_unlabelled: int
    n_unanswered: int
    n_classes: int
    n_lineages: int
    n_clusters: int
    prompt_known: bool
    seed: int
    n_boot: int
    level: float
    chance: float
    majority: float | None
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    accuracy_answered: float | None
    nuisance: float | None
    lift: float | None
    top3: float | None
    lineage_accuracy: float | None
    lineage_chance: float | None
    ece: float | None
    ece_mass: float | None
    brier: float | None
    log_loss: float | None
    mean_confidence: float | None
    coverage: float | None
    target_coverage: float | None
    mean_set_size: float | None
    aurc: float | None
    risk_at_half: float | None
    risk_curve: tuple[tuple[float, float], ...]
    reliability: tuple[ReliabilityBin, ...]
    decisions: tuple[DecisionMetrics, ...]
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    families: tuple[FamilyMetrics, ...]
    open_set: OpenSetMetrics | None

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain dicts and lists, ready for `json.dumps(..., allow_nan=False)`."""
        plain: dict[str, Any] = listed(dataclasses.asdict(self))
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Metrics:
        """Rebuild what `to_dict` gave.

        Raises
        ------
        MorelliError
            If a field is missing, foreign, or of another schema version.
        """
        if values.get("schema_version") != SCHEMA_VERSION:
            found = values.get("schema_version")
            raise MorelliError(f"These metrics have schema version {found!r}; this Morelli reads {SCHEMA_VERSION}.")
        built = dict(values)
        try:
            built["risk_curve"] = tuple((float(c), float(r)) for c, r in values["risk_curve"])
            built["reliability"] = tuple(ReliabilityBin(**item) for item in values["reliability"])
            built["decisions"] = tuple(DecisionMetrics(**item) for item in values["decisions"])
            built["per_class"] = tuple(ClassMetrics(**item) for item in values["per_class"])
            built["confusion"] = tuple(tuple(int(c) for c in row) for row in values["confusion"])
            built["families"] = tuple(FamilyMetrics(**item) for item in values["families"])
            built["open_set"] = None if values["open_set"] is None else OpenSetMetrics(**values["open_set"])
            return cls(**built)
        except (KeyError, TypeError, ValueError) as problem:
            raise MorelliError(f"These metrics are damaged or of another version ({problem}).") from problem
