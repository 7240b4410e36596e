"""What a cache does not have yet: how much there is to measure, before it is measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.catalog import Catalog
from morelli.encoders.cache import CacheKey, FeatureCache, cache_view
from morelli.encoders.encoder import Encoder
from morelli.encoders.joint import JointEncoder
from morelli.views import parse_view

__all__ = ["missing_rows"]

_CHUNK = 256


def missing_rows(
    catalog: Catalog, encoder: Encoder, *, view: str = "none", cache: FeatureCache | None = None
) -> NDArray[np.int64]:
    """Return the readable rows that :func:`morelli.encoders.extract` would have to measure.

    Parameters
    ----------
    catalog : Catalog
    encoder : Encoder
        A row is missing when one of the parts of a joint encoder is.
    view : str, default "none"
    cache : FeatureCache, optional
        Without one, all readable rows are missing.
    """
    readable = np.flatnonzero(catalog.table["error"].is_null().to_numpy())
    if cache is None:
        return readable.astype(np.int64)
    parts = encoder.parts if isinstance(encoder, JointEncoder) else (encoder,)
    shown = cache_view(parse_view(view).key)
    ids = catalog.column("image_id")
    missing: set[int] = set()
    for part in parts:
        for begin in range(0, len(readable), _CHUNK):
            keys = {
                int(row): CacheKey(str(ids[row]), shown, part.recipe_hash) for row in readable[begin : begin + _CHUNK]
            }
            found = cache.get_many(list(dict.fromkeys(keys.values())))
            missing |= {row for row, key in keys.items() if key not in found}
    return np.array(sorted(missing), dtype=np.int64)
