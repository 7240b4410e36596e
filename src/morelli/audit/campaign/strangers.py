"""Images that look like none of the candidates, grouped by what they look like, so that a person can name a source."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from morelli.attributors import Bundle
from morelli.audit.campaign.gathered import Gathered
from morelli.audit.campaign.records import Records
from morelli.audit.campaign.statements import Cluster
from morelli.audit.unknowns import LONER, cluster_unknowns

__all__ = ["group_unknowns"]

LONERS = "loners"

_NEAREST = 3
_PATHS = 100
"""Paths that a group keeps in memory, for its contact sheet."""


def group_unknowns(records: Records, gathered: Gathered, bundle: Bundle) -> tuple[Cluster, ...]:
    """Group the unknown images of an audit.

    Parameters
    ----------
    records : Records
    gathered : Gathered
    bundle : Bundle

    Returns
    -------
    tuple of Cluster
        The largest first, and last the images that are like no other, if there are any. Where sources cannot be told
        apart (the bundle rehearsed too few hidden models), all unknown images are together in that last one.
    """
    rows = np.flatnonzero(gathered.unknown)
    if not len(rows):
        return ()
    rehearsal = bundle.attributor.rehearsal
    found = cluster_unknowns(gathered.log_proba[rows], rehearsal)
    named: list[tuple[str, NDArray[np.intp]]] = []
    loners = rows
    if found is not None:
        named = [(f"source-{i}", rows[members]) for i, members in enumerate(found.central, start=1)]
        loners = rows[found.labels == LONER]
    if len(loners):
        named.append((LONERS, loners))
    return tuple(_cluster(name, members, records, gathered, bundle) for name, members in named)


def _cluster(name: str, rows: NDArray[np.intp], records: Records, gathered: Gathered, bundle: Bundle) -> Cluster:
    nearest = Counter(bundle.classes[k] for k in gathered.log_proba[rows].argmax(axis=1))
    numbers = tuple(int(number) for number in gathered.number[rows])
    paths = tuple(records.verdict(number).uri for number in numbers[:_PATHS])
    return Cluster(name, len(rows), tuple(nearest.most_common(_NEAREST)), paths[0], numbers, paths)
