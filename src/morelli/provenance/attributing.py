"""From image files to verdicts by their pixels and by what is declared about them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace

from morelli.attributors import Bundle, Verdict, judge_extraction
from morelli.images import Limits
from morelli.provenance.combination import combine
from morelli.provenance.layers import Settings, make_layers
from morelli.provenance.looking import look_at

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
    workers : int, optional
        Processes that read, examine and measure images, as for :func:`morelli.attributors.attribute`.
    limits : Limits, optional

    Yields
    ------
    Verdict
        One for each path, in the order given. Each file is read once: facts and pixels are those of the same bytes.

    Raises
    ------
    MorelliError
        A layer cannot be set up, or there are no workers, before anything is judged; a worker process died.
    """
    settings = settings or Settings()
    if limits is not None:
        settings = replace(settings, limits=limits)
    known = {**(lineages or {}), **dict(zip(bundle.classes, bundle.lineages, strict=True))}
    given = (os.fspath(path) for path in paths)
    looks = look_at(given, bundle.encoder, settings, make_layers(settings, layers), workers)

    def combined() -> Iterator[Verdict]:
        with closing(looks):
            for look in looks:
                verdict = judge_extraction(bundle, look.extraction, look.image_id)
                yield combine(verdict, look.provenance, classes=bundle.classes, lineages=known, photographs=photographs)

    return combined()
