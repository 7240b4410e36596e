"""The leak-proof groups: what must stay together on one side of a split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from morelli.catalog.catalog import Catalog
from morelli.catalog.duplicates import DEFAULT_RADIUS, cluster_ids, connected_through

__all__ = ["Groups", "group_catalog", "group_ids"]


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of a catalog's rows.

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
        Group of every row, numbered from 0 in order of first appearance.
    n_groups : int
        Number of groups.
    leak_free : bool
        Whether the prompt of every readable image is known, so that no prompt can stand on both sides of a split.
    n_without_prompt : int
        Number of readable images with neither prompt_id nor prompt.
    note : str
        One sentence on the above, for a reader of results.
    """

    ids: NDArray[np.int64]
    n_groups: int
    leak_free: bool
    n_without_prompt: int
    note: str


def group_ids(catalog: Catalog, radius: int = DEFAULT_RADIUS) -> NDArray[np.int64]:
    """Return the leak-proof group of every row, shape (n,): see `group_catalog`."""
    return group_catalog(catalog, radius).ids


def group_catalog(catalog: Catalog, radius: int = DEFAULT_RADIUS) -> Groups:
    """Group the rows that share a prompt or are near-duplicates, directly or through others.

    Groups are the connected components over shared prompt_id and shared near-duplicate cluster, so that a
    near-duplicate of two prompts joins both. An image without prompt_id takes its prompt's text (case and spacing
    aside) for one; with neither, it is a group of its own, but for its near-duplicates, and `Groups.leak_free` is
    False. Rows that could not be read are groups of their own unless their prompts are known.

    Parameters
    ----------
    catalog : Catalog
    radius : int, default 4
        See `near_duplicate_pairs`.
    """
    count = len(catalog)
    prompts, _ = catalog.codes("prompt_id")
    texts = _text_codes(catalog)
    # A text joins rows only where some row has nothing else; rows with that text and a prompt_id come along.
    needed = np.unique(texts[(prompts < 0) & (texts >= 0)])
    texts = np.where(np.isin(texts, needed), texts, -1)
    clusters = cluster_ids(catalog, radius)
    ids = connected_through(
        count,
        [
            (np.arange(count), clusters),
            (np.flatnonzero(prompts >= 0), prompts[prompts >= 0]),
            (np.flatnonzero(texts >= 0), texts[texts >= 0]),
        ],
    )
    readable = catalog.table["error"].is_null().to_numpy()
    unknown = int(np.count_nonzero((prompts < 0) & (texts < 0) & readable))
    total = int(np.count_nonzero(readable))
    if unknown == 0:
        note = "No prompt and no near-duplicate stands in two groups."
    elif unknown == total:
        note = "No prompt is known: only near-duplicates are kept together, and one prompt may stand on both sides."
    else:
        note = f"{unknown} of {total} images have no prompt: only near-duplicates keep these together with others."
    return Groups(ids, int(ids.max()) + 1 if count else 0, unknown == 0, unknown, note)


def _text_codes(catalog: Catalog) -> NDArray[np.int64]:
    """Prompt text of every row as integer codes, -1 where there is none; case and spacing do not count."""
    texts = catalog.table["prompt"].combine_chunks()
    plain = pc.utf8_lower(pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, r"\s+", " ")))
    encoded = pc.fill_null(pc.dictionary_encode(plain).indices, -1)
    return np.asarray(encoded.to_numpy(zero_copy_only=False), dtype=np.int64)
