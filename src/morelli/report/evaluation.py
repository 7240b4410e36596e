"""The three files of an evaluation: predictions, metrics, and the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from morelli._files import write_text
from morelli.errors import NotEnoughDataError
from morelli.report.html import write_report
from morelli.report.maps import MapCard

if TYPE_CHECKING:
    from morelli.catalog import Catalog
    from morelli.trials import Metrics, Predictions

__all__ = ["write_evaluation"]


def write_evaluation(
    predictions: Predictions,
    catalog: Catalog,
    folder: Path,
    *,
    title: str,
    label: str = "model",
    notes: Sequence[str] = (),
    seed: int = 0,
    target_coverage: float | None = None,
    maps: Sequence[MapCard] = (),
) -> tuple[Metrics, list[str]]:
    """Write ``predictions.parquet``, ``metrics.json`` and ``report.html`` into `folder`.

    The nuisance floor is measured on the readable rows of `catalog` whose label is a class of the predictions; where
    there are too few of them for cross-validation, it is left out and a note says so.

    Parameters
    ----------
    predictions : Predictions
    catalog : Catalog
        The images that were judged.
    folder : pathlib.Path
        Made where it is missing.
    title : str
        Of the page.
    label : str, default "model"
        Column of `catalog` that was to be told.
    notes : sequence of str
        Sentences that belong beside the figures.
    seed : int, default 0
        Of the bootstrap and the nuisance floor.
    target_coverage : float, optional
        What the conformal sets were made for.
    maps : sequence of MapCard
        Maps of evidence to show on the page, see :func:`evaluation_maps`.

    Returns
    -------
    Metrics
    list of str
        `notes`, and what the nuisance floor adds to them.
    """
    import numpy as np

    from morelli.catalog import nuisance_floor
    from morelli.trials import summarise

    notes = list(notes)
    nuisance: float | None = None
    known = np.array([name in predictions.classes for name in catalog.text(label)], dtype=bool)
    try:
        floor = nuisance_floor(catalog.filter(known), label, seed=seed)
        nuisance = floor.accuracy
        if floor.gives_away:
            notes.append(floor.sentence)
    except NotEnoughDataError as error:
        notes.append(f"The nuisance floor was not measured: {error}")
    metrics = summarise(predictions, nuisance=nuisance, seed=seed, target_coverage=target_coverage)
    folder.mkdir(parents=True, exist_ok=True)
    predictions.write(folder / "predictions.parquet")
    document = json.dumps({**metrics.to_dict(), "notes": notes}, ensure_ascii=False, indent=2)
    write_text(folder / "metrics.json", document + "\n")
    write_report(
        predictions,
        metrics,
        folder / "report.html",
        title=title,
        subtitle=" ".join(f"Note: {note}" for note in notes),
        maps=maps,
    )
    return metrics, notes
