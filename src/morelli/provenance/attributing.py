"""From image files to verdicts by their pixels and by what is declared about them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from morelli.attributors import Bundle, Verdict, attribute
from morelli.images import Limits
from morelli.provenance.combination import combine
from morelli.provenance.inspecting import inspect_file
from morelli.provenance.layers import Settings, make_layers

__all__ = ["attribute_with_provenance"]


def attribute_with_provenance(
    bundle: Bundle,
    paths: Iterable[str | os.PathLike[str]],
    settings: Settings | None = None,
    *,
    layers: tuple[str, ...] | None = None,
    lineages: Mapping[str, str | None] | None = None,
    photographs: Collection[str] = (),
    workers: int | None = None,
    limits: Limits | None = None,
) -> Iterator[Verdict]:
    """Judge images as :func:`morelli.attributors.attribute` does, and combine that with what is declared.

    Parameters
    ----------
    bundle : Bundle
    paths : iterable of path-like
        May be endless.
    settings : Settings, optional
        For the layers of provenance; `limits` beats the one in it.
    layers : tuple of str, optional
        Which layers are examined; by default all.
    lineages : mapping, optional
        Model -> lineage of models that are no candidates but may be declared. Candidates have those of the bundle.
    photographs : collection of str
        Candidates that stand for photographs.
    workers, limits
        As for :func:`morelli.attributors.attribute`.

    Yields
    ------
    Verdict
        One for each path, in the order given. A file that changed between the two looks gets an ``unreadable`` one.

    Raises
    ------
    MorelliError
        A layer cannot be set up, before anything is judged.
    """
    settings = settings or Settings()
    if limits is not None:
        settings = replace(settings, limits=limits)
    made = make_layers(settings, layers)
    known = {**(lineages or {}), **dict(zip(bundle.classes, bundle.lineages, strict=True))}
    waiting: deque[str | os.PathLike[str]] = deque()

    def passing() -> Iterator[str | os.PathLike[str]]:
        for path in paths:
            waiting.append(path)
            yield path

    def combined() -> Iterator[Verdict]:
        for verdict in attribute(bundle, passing(), workers=workers, limits=settings.limits):
            provenance = inspect_file(waiting.popleft(), made, settings)
            if None not in (verdict.image_id, provenance.image_id) and verdict.image_id != provenance.image_id:
                changed = f"{verdict.uri}: the file changed while it was examined; give it again."
                yield Verdict(verdict.uri, verdict.image_id, "unreadable", bundle=verdict.bundle, error=changed)
                continue
            yield combine(verdict, provenance, classes=bundle.classes, lineages=known, photographs=photographs)

    return combined()
