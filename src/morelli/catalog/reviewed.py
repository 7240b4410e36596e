"""Labels that a reviewer gave who had seen a machine's answer: good to learn from, unfit to measure by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from morelli.errors import CatalogError

if TYPE_CHECKING:
    from morelli.catalog.catalog import Catalog

__all__ = ["REVIEW_SOURCE", "refuse_reviewed", "reviewed_rows"]

REVIEW_SOURCE: Final = "review:"
"""How the column ``source`` of such a row begins; the reviewer's name follows. ``morelli ledger export`` writes it."""


def reviewed_rows(catalog: Catalog) -> NDArray[np.bool_]:
    """Return which rows have a reviewer's label, shape (n,).

    Whoever has seen an answer tends towards it (anchoring: Tversky and Kahneman, Judgment under uncertainty, Science
    185, 1974), so that a model's accuracy on such labels says how often it was believed, not how often it is right.
    """
    sources = catalog.column("source")
    return np.array(
        [source is not None and str(source).startswith(REVIEW_SOURCE) for source in sources], dtype=np.bool_
    )


def refuse_reviewed(catalog: Catalog) -> None:
    """Refuse to measure by labels of reviewers.

    Raises
    ------
    CatalogError
        A row has one; the sentence says how many and what to do.
    """
    count = int(reviewed_rows(catalog).sum())
    if count:
        raise CatalogError(
            f"{count} of {len(catalog)} images have a reviewer's label (source {REVIEW_SOURCE}...). The reviewer saw a "
            "machine's answer, so that accuracy on them would measure agreement. Judge other rows, for instance "
            "those of a test split by `morelli catalog split --test`, which holds none of them."
        )
