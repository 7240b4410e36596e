"""What a comparison of attributors came to: one score for each attributor and number of references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from morelli.trials._stored import restored, stored

__all__ = ["Comparison", "Score"]

_SCHEMA_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Score:
    """One attributor with one number of references per model.

    Shares lie in [0, 1]; None is undefined, never 0. Accuracy and its interval are over all images judged in all
    draws; the other metrics are means over the draws of what `morelli.trials.summarise` measured in each.

    Attributes
    ----------
    attributor, encoder : str
        As it is written, and what it reads.
    references : int or None
        Of each model; None is all that there were.
    n : int
        Images of candidates that were judged, over all draws.
    n_unanswered : int
        Of these, images for which no candidate was named. They count as not right and as not covered by a set;
        `log_loss`, `ece` and `set_size` leave them out.
    accuracy, low, high : float or None
        With its 95% interval by bootstrap over prompt clusters.
    top3, lineage, log_loss, ece, coverage, set_size : float or None
    right_at_half : float or None
        Accuracy on the surer half of the images.
    unknown_auroc : float or None
        Images of hidden models told from those of candidates; None where no model was hidden.
    n_unknown : int
        Images of hidden models, over all draws.
    fit_seconds, judge_microseconds : float
        Mean time of a fit, and of judging an image; measuring the image comes on top.
    behind, behind_low, behind_high : float or None
        Accuracy of the best attributor with as many references, minus this one's, on the same images; the interval is
        paired.
    risk_curve : tuple of (share answered, error rate)
        At shares 0.05, 0.10, ..., 1.
    """

    attributor: str
    encoder: str
    references: int | None
    n: int
    n_unanswered: int
    accuracy: float | None
    low: float | None
    high: float | None
    top3: float | None
    lineage: float | None
    log_loss: float | None
    ece: float | None
    coverage: float | None
    set_size: float | None
    right_at_half: float | None
    unknown_auroc: float | None
    n_unknown: int
    fit_seconds: float
    judge_microseconds: float
    behind: float | None
    behind_low: float | None
    behind_high: float | None
    risk_curve: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All scores of a comparison, and what they rest on.

    Attributes
    ----------
    scores : tuple of Score
        Attributors in the order asked for, and within each by number of references.
    attributors : tuple of str
    references : tuple of (int or None)
    label : str
        Column that was to be told.
    folds, repeats, hide, seed : int
        What was asked for.
    level : float
        What the conformal sets were made for.
    hidden : tuple of tuple of str
        Models without references, for each draw.
    n_images, n_classes, n_clusters : int
        Images judged in every draw, models, and prompt clusters.
    chance : float
        What guessing evenly among the candidates scores.
    nuisance : float or None
        Accuracy of a classifier that sees the container only.
    prompt_known : bool
    catalog, split : str
        SHA-256 of the images compared on with their labels, and of the folds.
    notes : tuple of str
        Sentences for the reader.
    """

    scores: tuple[Score, ...]
    attributors: tuple[str, ...]
    references: tuple[int | None, ...]
    label: str
    folds: int
    repeats: int
    hide: int
    seed: int
    level: float
    hidden: tuple[tuple[str, ...], ...]
    n_images: int
    n_classes: int
    n_clusters: int
    chance: float
    nuisance: float | None
    prompt_known: bool
    catalog: str
    split: str
    notes: tuple[str, ...]

    def at(self, references: int | None) -> list[Score]:
        """Return the scores with one number of references, the most accurate first."""
        chosen = [score for score in self.scores if score.references == references]
        return sorted(chosen, key=lambda score: -(score.accuracy or 0.0))

    def of(self, attributor: str) -> list[Score]:
        """Return the scores of one attributor, by number of references."""
        return [score for score in self.scores if score.attributor == attributor]

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts and lists, ready for `json.dumps(..., allow_nan=False)`."""
        return stored(self, _SCHEMA_VERSION)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Comparison:
        """Rebuild what `to_dict` gave.

        Raises
        ------
        MorelliError
            If a field is missing, foreign, or of another schema version.
        """

        def build(plain: dict[str, Any]) -> Comparison:
            plain["scores"] = tuple(
                Score(**{**score, "risk_curve": tuple((float(x), float(y)) for x, y in score["risk_curve"])})
                for score in plain["scores"]
            )
            for name in ("attributors", "references", "notes"):
                plain[name] = tuple(plain[name])
            plain["hidden"] = tuple(tuple(names) for names in plain["hidden"])
            return cls(**plain)

        return restored(values, _SCHEMA_VERSION, "comparison", build)
