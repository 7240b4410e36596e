"""From a catalog of references to a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.bundle import Bundle, References
from morelli.attributors.fused import FusedAttributor
from morelli.catalog import Catalog, group_catalog
from morelli.encoders import FeatureCache, Features, default_encoder, extract, join_encoders
from morelli.errors import NotEnoughDataError

__all__ = ["fit_attributor", "fit_bundle", "lineages_of", "prompt_hash"]

OPEN_SET_LEVEL = 0.05


def fit_bundle(
    catalog: Catalog,
    *,
    name: str = "unnamed",
    version: str = "1",
    label: str = "model",
    encoder: str | None = None,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    level: float = 0.9,
    open_set_level: float = OPEN_SET_LEVEL,
    seed: int = 0,
) -> Bundle:
    """Measure all references of a catalog and fit the default attributor to them.

    Parameters
    ----------
    catalog : Catalog
        References: readable rows with a value in the column `label`.
    name, version : str
        For the bundle, and so for every verdict.
    label : str, default "model"
        Column to learn.
    encoder : str, optional
        Name of the encoder, or of several joined by ``+``; by default :func:`morelli.encoders.default_encoder`.
    cache : FeatureCache, optional
        Where features are looked for and kept; with one, an interrupted fit goes on where it stopped.
    workers, progress
        As for :func:`morelli.encoders.extract`.
    level : float, default 0.9
        Coverage of the conformal sets.
    open_set_level : float, default 0.05
        Images with a lower open-set p-value are called unknown; about this share of the candidates' own images is too.
    seed : int, default 0

    Returns
    -------
    Bundle

    Raises
    ------
    MorelliError
        An encoder is unknown, or what it needs is not there.
    NotEnoughDataError
        No readable reference, one class, or a class with too few images.
    """
    measuring = join_encoders(default_encoder() if encoder is None else encoder)
    labelled = catalog.filter(catalog.codes(label)[0] >= 0)
    if not len(labelled):
        raise NotEnoughDataError(
            f'None of the {len(catalog)} references can be used: no row has a value in the column "{label}".'
        )
    features = extract(labelled, measuring, cache=cache, workers=workers, progress=progress)
    if not features.ok.any():
        raise NotEnoughDataError(
            f"None of the {len(catalog)} references can be used. The first error: {features.error[0]}"
        )
    references = labelled.filter(features.ok)
    attributor, notes = fit_attributor(references, features.take(features.ok), label=label, level=level, seed=seed)
    lineages, lineage_notes = lineages_of(references, label, [str(c) for c in attributor.classes_])
    failed = len(catalog) - len(references)
    if failed:
        notes.append(f"{failed} of {len(catalog)} references could not be used.")
    if attributor.smallest_p >= open_set_level:
        notes.append(
            f"With {len(references)} references no open-set p-value can fall below {open_set_level:g}: "
            "nothing will be called unknown."
        )
    if not attributor.conformal_.informative:
        notes.append(f"There are too few references for sets at level {level:g}: they hold all candidates.")
    return Bundle(
        name=name,
        version=version,
        label=label,
        attributor=attributor,
        encoder=measuring,
        lineages=lineages,
        references=References(
            image_ids=frozenset(references.column("image_id")),
            prompt_hashes=frozenset(prompt_hash(p) for p in references.column("prompt_id") if p is not None),
            fingerprint=references.fingerprint,
            n_unreadable=failed,
        ),
        open_set_level=open_set_level,
        notes=tuple(notes + lineage_notes),
        self_test=measuring.self_test_vector(),
    )


def fit_attributor(
    references: Catalog, features: Features, *, label: str = "model", level: float = 0.9, seed: int = 0
) -> tuple[FusedAttributor, list[str]]:
    """Fit the default attributor to measured references, grouped by prompt and near-duplicates.

    Parameters
    ----------
    references : Catalog
    features : Features
        Of the same rows, all of them without error.
    label : str, default "model"
    level : float, default 0.9
        Coverage of the conformal sets.
    seed : int, default 0

    Returns
    -------
    FusedAttributor
    list of str
        Notes for the reader of a result.
    """
    groups = group_catalog(references)
    # With no prompt known at all, groups are near-duplicate clusters: worth keeping together, but no proof of anything.
    attributor = FusedAttributor(dict(features.blocks), level=level, random_state=seed)
    attributor.fit(
        features.X,
        references.text(label).astype(str),
        groups.ids,
        within=features.within,
        n_contrasts=features.n_contrasts,
    )
    if not groups.leak_free:
        training = attributor.training_
        attributor.training_ = replace(training, leak_free=False, notes=(*training.notes, groups.note))
    return attributor, list(attributor.training_.notes)


def lineages_of(catalog: Catalog, label: str, classes: list[str]) -> tuple[tuple[str | None, ...], list[str]]:
    """Return the lineage of each class, and a note for each class whose rows disagree (the most frequent is taken)."""
    labels, lineages = catalog.text(label), catalog.column("lineage")
    notes, result = [], []
    for name in classes:
        values, counts = _counted(lineages[labels == name])
        result.append(values[int(np.argmax(counts))] if len(values) else None)
        if len(values) > 1:
            notes.append(f"Rows of {name} name several lineages ({', '.join(values)}); the most frequent is used.")
    return tuple(result), notes


def prompt_hash(prompt_id: str) -> str:
    """Return 16 hexadecimal digits that tell prompts apart; whoever guesses a prompt can confirm the guess."""
    return hashlib.sha256(prompt_id.encode()).hexdigest()[:16]


def _counted(values: NDArray[Any]) -> tuple[list[str], NDArray[np.int64]]:
    known = [value for value in values if value is not None]
    names, counts = np.unique(np.array(known, dtype=object).astype(str), return_counts=True)
    return [str(name) for name in names], counts
