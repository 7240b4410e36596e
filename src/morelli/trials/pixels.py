"""Trained networks judge the images of a catalog, in the same table as bundles do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from morelli.attributors.fitting import OPEN_SET_LEVEL
from morelli.attributors.pixels.model import PixelModel
from morelli.attributors.pixels.store import PixelStore
from morelli.catalog import Catalog, group_catalog
from morelli.trials.engine import overlap_with, tabulate
from morelli.trials.predictions import Predictions

__all__ = ["evaluate_network", "network_notes"]


def evaluate_network(
    model: PixelModel,
    catalog: Catalog,
    *,
    store: Path | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Judge the images of a labelled catalog by a trained network.

    Parameters
    ----------
    model : PixelModel
    catalog : Catalog
        Rows whose label is no class of the network count as unknown models.
    store : pathlib.Path, optional
        File for the decoded pictures, which another call finds there; a temporary one by default.
    workers : int, optional
        Processes that decode.
    progress : callable, optional
        Called as ``progress(done, total)`` after each image that is decoded.

    Returns
    -------
    Predictions
        One row for each row of the catalog, unreadable ones included.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "pixels.bin" if store is None else store
        kept = PixelStore.build(catalog, model.layout, place, workers=workers, progress=progress)
        rows = np.flatnonzero(kept.ok)
        answers = model.answer_rows(kept.pixels, rows) if len(rows) else None
        errors = np.array(kept.errors, dtype=object)
        del kept  # a mapped file cannot be deleted everywhere
    groups = group_catalog(catalog)
    return tabulate(model, answers, model.lineages, OPEN_SET_LEVEL, catalog, errors, groups, model.label)


def network_notes(model: PixelModel, catalog: Catalog) -> list[str]:
    """Return the sentences that belong beside figures of a network on a catalog."""
    return [*model.training.notes, *overlap_with(model.references, catalog, "network")]
