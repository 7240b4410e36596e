"""The long tables of an attack, among them those that other commands of this desk read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from morelli.attributors.registry import parse_attributor
from morelli.leaderboard.attack.tables import CROSS
from morelli.studies.study_result import StudyResult

__all__ = ["accuracy_table", "long_tables", "recognition_table"]


def long_tables(result: StudyResult) -> dict[str, pa.Table]:
    """Return the study's own tables by name."""
    return {"cells": result.cells, "classes": result.classes, "confusion": result.confusion}


def accuracy_table(result: StudyResult) -> pa.Table:
    """Return accuracies by attributor, what it reads, and references: what ``morelli leaderboard cost --curve`` reads.

    Cells whose attributor knew no references are left out, and those where no model had enough images to be judged.

    Returns
    -------
    pyarrow.Table
        Columns ``references``, ``attributor``, ``encoder``, ``reads`` (families), ``accuracy``, ``low``, ``high`` and
        ``n``.
    """
    cells = result.cells
    known = cells.filter(pc.and_(pc.not_equal(cells["k"], CROSS), pc.is_valid(cells["accuracy"])))
    # Whoever asks for rows by name writes the short one, as tables for people have it.
    specs = [parse_attributor(name) for name in known["attributor"].to_pylist()]
    return pa.table(
        {
            "references": known["k"],
            "attributor": pa.array([spec.info.name for spec in specs], pa.string()),
            "encoder": pa.array([spec.encoder for spec in specs], pa.string()),
            **{name: known[name] for name in ("reads", "accuracy", "low", "high", "n")},
        }
    )


def recognition_table(result: StudyResult) -> pa.Table:
    """Return whom the first attributor takes for whom: what ``morelli leaderboard rig --confusion`` reads.

    Of the numbers of references the largest is taken at which all models are judged: with many references, models of
    which there are few images drop out.

    Returns
    -------
    pyarrow.Table
        Columns ``truth``, ``answer`` and ``n``; no row where nothing was judged.
    """
    table = result.confusion
    first = str(result.provenance.options["attributors"][0])
    own = table.filter(pc.and_(pc.equal(table["attributor"], first), pc.equal(table["reads"], "all")))
    truths = {k: set(own.filter(pc.equal(own["k"], k))["truth"].to_pylist()) for k in pc.unique(own["k"]).to_pylist()}
    most = max((len(names) for names in truths.values()), default=0)
    chosen = max((k for k, names in truths.items() if len(names) == most), default=CROSS)
    return own.filter(pc.equal(own["k"], chosen)).select(["truth", "answer", "n"])
