"""The long tables of an attack, among them those that other commands of this desk read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from morelli.leaderboard.attack.tables import CROSS
from morelli.studies.study_result import StudyResult

__all__ = ["accuracy_table", "long_tables", "recognition_table"]


def long_tables(result: StudyResult) -> dict[str, pa.Table]:
    """Return the study's own tables by name."""
    return {"cells": result.cells, "classes": result.classes, "confusion": result.confusion}


def accuracy_table(result: StudyResult) -> pa.Table:
    """Return accuracies by attributor, what it reads, and references: what ``morelli leaderboard cost --curve`` reads.

    Cells whose attributor knew no references are left out.
    """
    known = result.cells.filter(pc.not_equal(result.cells["k"], CROSS))
    names = ("attributor", "reads", "accuracy", "low", "high", "n")
    return pa.table({"references": known["k"], **{name: known[name] for name in names}})


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
