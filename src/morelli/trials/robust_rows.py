"""What a study of robustness came to: one row for each way of training and each condition of the images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from morelli.errors import MorelliError
from morelli.trials._stored import restored, stored

__all__ = ["CLEAN", "VIEWS", "Robustness", "RobustnessRow"]

_SCHEMA_VERSION: Final = 1
CLEAN: Final = "clean"
VIEWS: Final = "views"


@dataclass(frozen=True, slots=True)
class RobustnessRow:
    """One attributor on images in one condition.

    Shares lie in [0, 1]; None is undefined, never 0.

    Attributes
    ----------
    trained : str
        ``clean``: on untouched references only. ``views``: on the references in all training views.
    view : str or None
        What the images were seen through; None in rows by quality.
    bucket : str or None
        Measured condition, see :class:`morelli.images.Quality`, over all test views; None in rows by view.
    known : bool or None
        Whether this attributor was trained on the view; None in rows by quality.
    n : int
        Images judged.
    accuracy, low, high : float or None
        With its 95% interval by bootstrap over prompt clusters.
    lineage, log_loss, ece, confidence : float or None
        `confidence` is the mean probability of the answer given; above `accuracy`, the attributor is too sure.
    coverage, set_size : float or None
        Of the conformal sets.
    called_unknown : float or None
        Share of the images, all of them by candidates, with an open-set p-value below the level.
    unfamiliar : float or None
        Share that the gate took for a condition it does not know; None where there is no gate.
    n_sets : int
        Sets of images of one model that were judged together; 0 in rows by quality.
    set_accuracy, set_lineage, set_confidence : float or None
        Of the pooled answers.
    """

    trained: str
    view: str | None
    bucket: str | None
    known: bool | None
    n: int
    accuracy: float | None
    low: float | None
    high: float | None
    lineage: float | None
    log_loss: float | None
    ece: float | None
    confidence: float | None
    coverage: float | None
    set_size: float | None
    called_unknown: float | None
    unfamiliar: float | None
    n_sets: int
    set_accuracy: float | None
    set_lineage: float | None
    set_confidence: float | None


@dataclass(frozen=True, slots=True)
class Robustness:
    """All rows of a study of robustness, and what they rest on.

    Attributes
    ----------
    rows : tuple of RobustnessRow
        By view, in the order of `test_views`, each clean-trained and view-trained; then by quality.
    train_views, test_views : tuple of str
    label, encoder : str
    folds, set_images, seed : int
    level, open_set_level : float
        What the conformal sets were made for, and below which p-value an image is called unknown.
    n_images, n_classes, n_clusters : int
        Images judged in every view, models, and prompt clusters.
    chance : float
    prompt_known : bool
    catalog, split : str
        SHA-256 of the images with their labels, and of the folds.
    notes : tuple of str
        Sentences for the reader.
    """

    rows: tuple[RobustnessRow, ...]
    train_views: tuple[str, ...]
    test_views: tuple[str, ...]
    label: str
    encoder: str
    folds: int
    set_images: int
    seed: int
    level: float
    open_set_level: float
    n_images: int
    n_classes: int
    n_clusters: int
    chance: float
    prompt_known: bool
    catalog: str
    split: str
    notes: tuple[str, ...]

    def at(self, trained: str, view: str) -> RobustnessRow:
        """Return the row of one way of training in one test view.

        Raises
        ------
        MorelliError
            There is no such row.
        """
        for row in self.rows:
            if (row.trained, row.view) == (trained, view):
                return row
        raise MorelliError(f"This study has no row for {trained} training and the view {view}.")

    @property
    def by_view(self) -> tuple[RobustnessRow, ...]:
        """Rows by view."""
        return tuple(row for row in self.rows if row.view is not None)

    @property
    def by_quality(self) -> tuple[RobustnessRow, ...]:
        """Rows by measured quality."""
        return tuple(row for row in self.rows if row.view is None)

    def seen(self, view: str) -> bool:
        """Say whether a test view is among the training views."""
        return view in self.train_views

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts and lists, ready for `json.dumps(..., allow_nan=False)`."""
        return stored(self, _SCHEMA_VERSION)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Robustness:
        """Rebuild what `to_dict` gave.

        Raises
        ------
        MorelliError
            If a field is missing, foreign, or of another schema version.
        """

        def build(plain: dict[str, Any]) -> Robustness:
            plain["rows"] = tuple(RobustnessRow(**row) for row in plain["rows"])
            for name in ("train_views", "test_views", "notes"):
                plain[name] = tuple(plain[name])
            return cls(**plain)

        return restored(values, _SCHEMA_VERSION, "study", build)
