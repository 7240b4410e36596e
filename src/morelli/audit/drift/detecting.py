"""From two catalogs to an answer whether the model has changed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from morelli.audit.drift.looks import Look, add_look, level_of_look
from morelli.audit.drift.testing import N_PERMUTATIONS, DriftTest, compare_samples
from morelli.catalog import COLUMNS, Catalog, group_catalog
from morelli.encoders import FeatureCache, default_encoder, extract, join_encoders
from morelli.errors import NotEnoughDataError

__all__ = ["Drift", "detect_drift", "file_differences"]

_NEW: Final = "morelli_new"
_APART: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """Whether a model has changed, and what that was measured on.

    Attributes
    ----------
    test : DriftTest
    reference, new : str
        What the samples are called.
    encoder : str
    rate : float
        Of false alarms over all looks.
    look : int or None
        Which look it was, counted from 1; None where it is the only one.
    looks : tuple of Look
        All so far, this one included; none where it is the only one.
    notes : tuple of str
    """

    test: DriftTest
    reference: str
    new: str
    encoder: str
    rate: float
    look: int | None
    looks: tuple[Look, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {
            "reference": self.reference,
            "new": self.new,
            "encoder": self.encoder,
            "rate": self.rate,
            "look": self.look,
            **self.test.to_dict(),
            "notes": list(self.notes),
        }


def detect_drift(
    reference: Catalog,
    new: Catalog,
    *,
    names: tuple[str, str] = ("reference", "new"),
    encoder: str | None = None,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    design: str = "auto",
    rate: float = 0.05,
    looks: Sequence[Look] | None = None,
    n_permutations: int = N_PERMUTATIONS,
    n_simulations: int = 200,
    seed: int = 0,
) -> Drift:
    """Measure two samples of a model's images and test whether they differ.

    Parameters
    ----------
    reference, new : Catalog
        Unreadable images, and images whose bytes are in both samples, are left out.
    names : tuple of str
        What the samples are called.
    encoder : str, optional
        By default :func:`morelli.encoders.default_encoder`.
    cache, workers, progress
        As for :func:`morelli.encoders.extract`.
    design : {"auto", "paired", "grouped"}, default "auto"
        As for :func:`~morelli.audit.drift.design.make_design`.
    rate : float, default 0.05
        Of false alarms, over all looks together.
    looks : sequence of Look, optional
        Earlier looks at this model; see :mod:`morelli.audit.drift.looks`. None: this is the only one.
    n_permutations, n_simulations, seed
        As for :func:`~morelli.audit.drift.testing.compare_samples`.

    Returns
    -------
    Drift

    Raises
    ------
    NotEnoughDataError
        Too few images that can be read, or too few prompts for a p-value below the level.
    MorelliError
        The encoder or the design is unknown, or what an encoder needs is not there.
    """
    measuring = join_encoders(default_encoder() if encoder is None else encoder)
    both, notes = _together(reference, new, names)
    features = extract(both, measuring, cache=cache, workers=workers, progress=progress)
    failed = int((~features.ok).sum())
    if failed:
        notes.append(f"{failed} images could not be measured, and were left out.")
    both, features = both.filter(features.ok), features.take(features.ok)
    labels = np.array([value == "1" for value in both.text(_NEW)], dtype=np.bool_)
    for side, name in ((~labels, names[0]), (labels, names[1])):
        if side.sum() < 2:
            raise NotEnoughDataError(f"{name}: {int(side.sum())} images can be compared, and it takes more.")
    groups = group_catalog(both)
    if not groups.leak_free:
        notes.append(groups.note)
    key = _key(both, labels, measuring.recipe_hash, design, seed)
    number = None if looks is None else _number(looks, key)
    level = rate if number is None else level_of_look(number, rate)
    test = compare_samples(
        features.X, labels, groups.ids, blocks=features.blocks, within=features.within,
        n_contrasts=features.n_contrasts, design=design, level=level, n_permutations=n_permutations,
        n_simulations=n_simulations, seed=seed,
    )  # fmt: skip
    counts = (int((~test.design.new).sum()), int(test.design.new.sum()))
    made = Look(key, *counts, p=test.p, level=level, changed=test.changed)
    return Drift(
        test=test,
        reference=names[0],
        new=names[1],
        encoder=measuring.name,
        rate=rate,
        look=number,
        looks=() if looks is None else tuple(add_look(looks, made)),
        notes=(*notes, *test.notes, *file_differences(both.take(test.design.rows), test.design.new)),
    )


def file_differences(catalog: Catalog, new: NDArray[np.bool_]) -> list[str]:
    """Say in which ways the files of two samples differ, which may explain a drift as well as the model.

    Parameters
    ----------
    catalog : Catalog
    new : ndarray of bool, shape (n,)

    Returns
    -------
    list of str
        A sentence for each property of which half of one sample's images would have to change to match the other's.
    """
    size = [f"{w} x {h}" for w, h in zip(catalog.column("width"), catalog.column("height"), strict=True)]
    quality = [None if np.isnan(value) else 5 * round(value / 5) for value in _floats(catalog, "jpeg_quality")]
    sentences = []
    for what, values in (("format", list(catalog.column("format"))), ("size", size), ("JPEG quality", quality)):
        sides = [Counter(v for v, is_new in zip(values, new, strict=True) if is_new == side) for side in (False, True)]
        totals = [sum(side.values()) for side in sides]
        apart = sum(abs(sides[0][v] / totals[0] - sides[1][v] / totals[1]) for v in {*sides[0], *sides[1]}) / 2
        if apart >= _APART:
            usual = [side.most_common(1)[0][0] for side in sides]
            words = ["none" if value is None else str(value) for value in usual]
            sentences.append(
                f"The files differ in {what}: mostly {words[0]} before, and {words[1]} now. What was done to the files "
                "leaves traces too, and may be all that has changed."
            )
    return sentences


def _together(reference: Catalog, new: Catalog, names: tuple[str, str]) -> tuple[Catalog, list[str]]:
    """Put the readable images of both samples into one catalog, without those that are in both."""
    notes, parts = [], []
    ids = [set(catalog.readable.column("image_id")) for catalog in (reference, new)]
    shared = ids[0] & ids[1]
    for name, catalog, mark in ((names[0], reference, "0"), (names[1], new, "1")):
        readable = catalog.readable
        if len(readable) < len(catalog):
            notes.append(f"{name}: {len(catalog) - len(readable)} images could not be read, and were left out.")
        own = readable.column("image_id")
        first = np.zeros(len(own), dtype=np.bool_)
        first[np.unique(own.astype(str), return_index=True)[1]] = True
        kept = readable.filter(first & np.array([one not in shared for one in own], dtype=np.bool_))
        if first.sum() < len(own):
            notes.append(
                f"{name}: {len(own) - int(first.sum())} files are there more than once, and were counted once."
            )
        models = sorted({str(model) for model in kept.text("model") if model is not None})
        if len(models) > 1:
            notes.append(
                f"{name}: images of {len(models)} models; a change of their shares would look like drift as well."
            )
        if not len(kept):
            raise NotEnoughDataError(
                f"{name}: no image is left to compare; {len(shared)} are in both samples, and say nothing of a change."
            )
        parts.append(Catalog(kept.table.select(COLUMNS.names), kept.base).with_column(_NEW, [mark] * len(kept)))
    if shared:
        notes.append(f"{len(shared)} images are in both samples, and were left out.")
    return Catalog.concat(parts), notes


def _floats(catalog: Catalog, name: str) -> NDArray[np.float64]:
    return np.asarray(catalog.column(name), dtype=np.float64)


def _key(catalog: Catalog, new: NDArray[np.bool_], recipe_hash: str, design: str, seed: int) -> str:
    ids = catalog.column("image_id")
    content = [sorted(ids[~new]), sorted(ids[new]), recipe_hash, design, seed]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _number(looks: Sequence[Look], key: str) -> int:
    """Return which look this is: one that was taken before keeps its number."""
    return next((number for number, look in enumerate(looks, 1) if look.key == key), len(looks) + 1)
