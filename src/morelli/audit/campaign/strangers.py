"""Images that look like none of the candidates, grouped by what they look like, so that a person can name a source."""

from __future__ import annotations

from typing import Final

import numpy as np

from morelli.attributors import Bundle
from morelli.audit.campaign.gathered import Gathered
from morelli.audit.campaign.records import Records
from morelli.audit.campaign.statements import Cluster
from morelli.audit.unknowns import cluster_unknowns

__all__ = ["LONERS", "MOST_CLUSTERS", "group_unknowns"]

LONERS: Final = "loners"
"""Name of what is in no group."""

MOST_CLUSTERS: Final = 30
"""Groups that are listed, the largest; the images of smaller ones are among the loners."""

_NEAREST: Final = 3
_PATHS: Final = 48


def group_unknowns(
    records: Records, gathered: Gathered, bundle: Bundle, seed: int = 0
) -> tuple[tuple[Cluster, ...], tuple[str, ...]]:
    """Group the images whose open-set p-value is below the bundle's level.

    Returns
    -------
    tuple of Cluster
        The largest group first, loners last.
    tuple of str
        What belongs beside them.
    """
    rows = np.flatnonzero(gathered.unknown)
    if not len(rows):
        return (), ()
    words = gathered.log_proba[rows]
    found = cluster_unknowns(words, bundle.attributor.rehearsal, seed=seed)
    label = np.where(found.label >= MOST_CLUSTERS, -1, found.label)
    best = words.argmax(axis=1)
    clusters = []
    for k in [*range(min(found.n_groups, MOST_CLUSTERS)), -1]:
        own = np.flatnonzero(label == k)
        if not len(own):
            continue
        own = own[np.argsort(found.distance[own], kind="stable")]
        counts = np.bincount(best[own], minlength=len(bundle.classes))
        nearest = np.argsort(-counts, kind="stable")[:_NEAREST]
        members = tuple(int(number) for number in gathered.number[rows[own]])
        clusters.append(
            Cluster(
                name=LONERS if k < 0 else f"unknown-{k + 1}",
                size=len(own),
                nearest=tuple((bundle.classes[i], int(counts[i])) for i in nearest if counts[i]),
                example=records.first_file(members[0]).name,
                members=members,
                paths=tuple(records.first_file(number).path for number in members[:_PATHS]),
            )
        )
    return tuple(clusters), found.notes
