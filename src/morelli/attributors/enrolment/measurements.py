"""Measured references of a bundle, for fitting its discriminants anew with a newcomer among the candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from morelli.attributors._references import References
from morelli.attributors.discriminant import Discriminant
from morelli.attributors.enrolment.expert import Refit, Rows
from morelli.attributors.fused import FusedAttributor
from morelli.encoders import Features

__all__ = ["Measurements"]

Ints = NDArray[np.int64]


class Measurements:
    """References of n images in every view.

    Parameters
    ----------
    labels : ndarray of str, shape (n,)
    groups : ndarray of int, shape (n,)
        Prompts, by the same numbers as a newcomer's.
    tables : mapping of str to Features
        By view.
    """

    def __init__(self, labels: NDArray[np.object_], groups: Ints, tables: Mapping[str, Features]) -> None:
        self.labels, self.groups, self.tables = labels, groups, tables

    def refit(
        self,
        expert: FusedAttributor,
        name: str,
        views: Sequence[str],
        own: Mapping[str, Features],
        groups: Ints,
        mode: str,
    ) -> Refit:
        """Return these references as one expert sees them, and what fits its discriminants to them and a newcomer's.

        Parameters
        ----------
        expert : FusedAttributor
        name : str
            Of the newcomer.
        views : sequence of str
            What the references are seen through by this expert.
        own : mapping of str to Features
            The newcomer's references, by view.
        groups : ndarray of int
            Their prompts.
        mode : str
            As for :func:`~morelli.attributors.enrolment.enrol`.
        """
        kept = self._kept(name, mode)
        classes = [str(one) for one in expert.classes_]
        classes += [name] if name not in classes else []
        codes = np.array([classes.index(str(one)) for one in self.labels[kept]], dtype=np.int64)
        n_new = len(groups)
        tables = [self.tables[view].take(kept) for view in views] + [own[view] for view in views]
        whole = References(
            np.concatenate([table.X for table in tables]).astype(np.float64),
            np.concatenate([np.tile(codes, len(views)), np.full(n_new * len(views), classes.index(name))]),
            len(classes),
            None,
            np.concatenate([table.within for table in tables]),
            np.concatenate([table.n_contrasts for table in tables]),
            expert.named_blocks(tables[0].X.shape[1]),
            None,
            expert.shrinkage,
            expert.within_share,
        )
        n_old = len(kept) * len(views)

        def fit(new: Rows, others: Rows) -> Mapping[str, Discriminant]:
            return whole.discriminants(np.concatenate([others, n_old + new]))

        return Refit(whole.X[:n_old], np.tile(codes, len(views)), np.tile(self.groups[kept], len(views)), fit)

    def with_more(self, name: str, own: Mapping[str, Features], groups: Ints, mode: str) -> Measurements:
        """Return the references after a candidate was enrolled, for the next one; parameters as for :meth:`refit`."""
        kept = self._kept(name, mode)
        return Measurements(
            np.concatenate([self.labels[kept], np.full(len(groups), name, dtype=object)]),
            np.concatenate([self.groups[kept], groups]),
            {view: Features.concat([table.take(kept), own[view]]) for view, table in self.tables.items()},
        )

    def _kept(self, name: str, mode: str) -> NDArray[np.intp]:
        return np.flatnonzero(self.labels != name) if mode == "replace" else np.arange(len(self.labels))
