"""Which domains each image shows, asked of somebody who can look: the table that the domain study compares with.

Who looks is a `Judge`: a network that compares texts with images (`morelli.studies.presence_by_text`), a model that
answers questions, or a function of one's own. The judge gives numbers; what numbers mean "yes" is decided here, after
all images have been looked at.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from morelli._files import atomic_path
from morelli.catalog import Catalog
from morelli.errors import CatalogError, MissingExtraError, MorelliError, NetworkError, NotEnoughDataError
from morelli.images import read_image
from morelli.studies.presence_journal import AnswerJournal

__all__ = ["COLUMN", "Judge", "Presence", "by_recall", "domains_of", "look", "separation", "write_presence"]

Matrix = NDArray[np.float64]
Pixels = NDArray[np.uint8]

COLUMN = "shows"
"""Name of the column that is written."""

NOTHING = ";"
"""Is written of an image that shows none of the domains: an empty field would mean that nobody has looked."""

MIN_OWN = 10
"""Fewest images that were asked for a domain, for a threshold to be read off them."""

_BATCH = 16


class Judge(Protocol):
    """Who looks at images."""

    @property
    def key(self) -> str:
        """What answers depend on besides the images and the domains: another key, and all are asked for anew."""

    def __call__(self, images: Sequence[Pixels], domains: Sequence[str]) -> Matrix:
        """Return how much each image shows of each domain, shape (n, k): more is more.

        A judge that says yes or no gives 1 or 0; NaN is "not known". A `MorelliError` means that these images cannot be
        judged, but for a `NetworkError`: then none can.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """What a judge said of the images of a catalog.

    Attributes
    ----------
    image_ids : tuple of str, length n
        Different, readable images, in the order of the catalog.
    domains : tuple of str, length k
    scores : ndarray of float64, shape (n, k)
        NaN where nothing is known.
    asked : ndarray of int64, shape (n,)
        The place in `domains` of what each image was asked for; -1 where that is not known.
    errors : dict of str to str
        What went wrong, by image.
    """

    image_ids: tuple[str, ...]
    domains: tuple[str, ...]
    scores: Matrix
    asked: NDArray[np.int64]
    errors: dict[str, str]

    def shown(self, thresholds: Sequence[float] | Matrix) -> list[str | None]:
        """Return for each image the domains that reach their thresholds, as the study reads them.

        Returns
        -------
        list of str or None
            Names with ``;`` between them, ``;`` alone for none, and None where something is not known.
        """
        limits = np.asarray(thresholds, dtype=np.float64)
        found: list[str | None] = []
        for row in self.scores:
            if np.isnan(row).any():
                found.append(None)
                continue
            names = [name for name, there in zip(self.domains, row >= limits, strict=True) if there]
            found.append(";".join(names) or NOTHING)
        return found


def domains_of(catalog: Catalog, column: str) -> tuple[str, ...]:
    """Return the domains that images of a catalog were asked for, sorted.

    Raises
    ------
    CatalogError
        There is no such column.
    NotEnoughDataError
        It names fewer than two.
    """
    domains = tuple(str(value) for value in catalog.codes(column)[1])
    if len(domains) < 2:
        raise NotEnoughDataError(
            f'The column "{column}" names {len(domains)} domains; presence is asked of two or more.'
        )
    if strange := [name for name in domains if ";" in name]:
        raise CatalogError(f'The domain "{strange[0]}" has a semicolon in its name, which separates names.')
    return domains


def look(
    catalog: Catalog,
    judge: Judge,
    *,
    column: str = "domain",
    journal: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Presence:
    """Ask a judge about every different image of a catalog.

    Parameters
    ----------
    catalog : Catalog
    judge : Judge
    column : str
        What images were asked for; its values are the domains.
    journal : path-like, optional
        Where answers are kept as they come: the same call goes on where an earlier one stopped.
    progress : callable, optional
        Called as ``progress(done, total)`` with images.

    Raises
    ------
    MorelliError
        The judge cannot judge at all, gives another shape than it should, or the journal cannot be written.
    """
    domains = domains_of(catalog, column)
    ids, asked = catalog.column("image_id"), catalog.text(column)
    readable = catalog.table["error"].is_null().to_numpy()
    rows: dict[str, int] = {}
    for row in np.flatnonzero(readable):
        rows.setdefault(str(ids[row]), int(row))
    place = {name: i for i, name in enumerate(domains)}
    paths = catalog.paths
    errors: dict[str, str] = {}
    with AnswerJournal(
        None if journal is None else Path(journal), {"judge": judge.key, "domains": list(domains)}
    ) as kept:
        todo = [image_id for image_id in rows if image_id not in kept.answers]
        done = len(rows) - len(todo)
        for begin in range(0, len(todo), _BATCH):
            some = todo[begin : begin + _BATCH]
            for image_id, answer in _ask(judge, [(i, paths[rows[i]]) for i in some], domains, errors):
                kept.add(image_id, answer)
            done += len(some)
            if progress is not None:
                progress(done, len(rows))
        scores = [kept.answers.get(image_id, [np.nan] * len(domains)) for image_id in rows]
    return Presence(
        image_ids=tuple(rows),
        domains=domains,
        scores=np.array(scores, dtype=np.float64).reshape(len(rows), len(domains)),
        asked=np.array([place.get(str(asked[row]), -1) for row in rows.values()], dtype=np.int64),
        errors=errors,
    )


def by_recall(presence: Presence, recall: float) -> Matrix:
    """Return a threshold for each domain, at which images that were asked for it are seen to show it.

    What a score means differs between domains: some texts fit every image better than others. The images that were
    asked for a domain are its known examples. The threshold is the highest at which at least a share `recall` of them
    is seen, so that "shows" means: as clearly as images that were asked for.

    Parameters
    ----------
    presence : Presence
    recall : float
        Above 0, at most 1.

    Returns
    -------
    ndarray of float64, shape (k,)

    Raises
    ------
    NotEnoughDataError
        A domain has fewer than 10 images with scores.
    MorelliError
        `recall` is no such share.
    """
    if not 0 < recall <= 1:
        raise MorelliError(f"The share of images that are seen to show what they were asked for is no {recall:g}.")
    found = []
    for i, name in enumerate(presence.domains):
        own = presence.scores[presence.asked == i, i]
        own = np.sort(own[~np.isnan(own)])
        if len(own) < MIN_OWN:
            raise NotEnoughDataError(
                f'A threshold is read off the images that were asked for a domain, and "{name}" has {len(own)} of the '
                f"{MIN_OWN} that it takes."
            )
        # The greatest allowed number that may lie below; the margin is for shares that binary numbers do not hold.
        found.append(own[int(np.floor((1 - recall) * len(own) + 1e-9))])
    return np.array(found)


def separation(presence: Presence) -> Matrix:
    """Return how well the scores of each domain tell images that were asked for it from others.

    Returns
    -------
    ndarray of float64, shape (k,)
        The probability that of two images, one asked for it and one for another, the first has the higher score (the
        area under the ROC curve): 0.5 is chance. NaN where there is nothing to compare. Others may well show the domain
        too, so that it need not come to 1.
    """
    found = []
    for i in range(len(presence.domains)):
        known = ~np.isnan(presence.scores[:, i]) & (presence.asked >= 0)
        own = presence.scores[known & (presence.asked == i), i]
        other = np.sort(presence.scores[known & (presence.asked != i), i])
        if not len(own) or not len(other):
            found.append(np.nan)
            continue
        below = np.searchsorted(other, own, "left") + np.searchsorted(other, own, "right")
        found.append(float(below.mean() / (2 * len(other))))
    return np.array(found)


def write_presence(
    presence: Presence, thresholds: Sequence[float] | Matrix, path: str | os.PathLike[str], *, scores: bool
) -> None:
    """Write a table that ``--join`` takes: ``image_id``, ``shows`` and, if wanted, the score of each domain.

    Images that are not known in some domain are left out.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    header = ["image_id", COLUMN, *([f"score {name}" for name in presence.domains] if scores else [])]
    with atomic_path(path) as place, place.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        rows = zip(presence.image_ids, presence.shown(thresholds), presence.scores, strict=True)
        for image_id, shown, values in rows:
            if shown is not None:
                writer.writerow([image_id, shown, *([f"{value:.4f}" for value in values] if scores else [])])


# -- asking ------------------------------------------------------------------------------------------------------------


def _ask(
    judge: Judge, some: Sequence[tuple[str, Path]], domains: Sequence[str], errors: dict[str, str]
) -> Iterator[tuple[str, list[float]]]:
    """Yield answers; images that fail together are asked about one by one."""
    ready = []
    for image_id, path in some:
        try:
            image = read_image(path)
            if image.facts.sha256 != image_id:
                raise CatalogError(f"{path}: the file has changed since the catalog was made; build the catalog again.")
        except MorelliError as error:
            errors[image_id] = str(error)
            continue
        ready.append((image_id, image.pixels))
    if ready:
        yield from _judged(judge, ready, domains, errors)


def _judged(
    judge: Judge, ready: Sequence[tuple[str, Pixels]], domains: Sequence[str], errors: dict[str, str]
) -> Iterator[tuple[str, list[float]]]:
    try:
        scores = np.asarray(judge([pixels for _, pixels in ready], domains), dtype=np.float64)
    except (NetworkError, MissingExtraError):
        raise
    except MorelliError as error:
        if len(ready) == 1:
            errors[ready[0][0]] = str(error)
            return
        for one in ready:
            yield from _judged(judge, [one], domains, errors)
        return
    if scores.shape != (len(ready), len(domains)):
        raise MorelliError(f"The judge gives numbers of shape {scores.shape}, not {(len(ready), len(domains))}.")
    yield from zip((image_id for image_id, _ in ready), scores.tolist(), strict=True)
