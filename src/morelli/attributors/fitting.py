"""From a catalog of references to a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.bundle import Bundle, References
from morelli.attributors.conformal import METHODS
from morelli.attributors.registry import DEFAULT_ATTRIBUTOR, fit_registered, get_attributor_info
from morelli.attributors.view_trained import ViewTrainedAttributor
from morelli.catalog import Catalog
from morelli.encoders import Encoder, FeatureCache, Features, default_encoder, extract, join_encoders
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.views import parse_view

__all__ = [
    "DEGRADED_VIEWS",
    "ONE_VIEW_NOTE",
    "extract_views",
    "fit_attributor",
    "fit_bundle",
    "lineages_of",
    "prompt_hash",
    "versions_of",
]

OPEN_SET_LEVEL = 0.05

JOURNEYS = 4
"""Random journeys of each image and kind in `DEGRADED_VIEWS`."""

DEGRADED_VIEWS = (
    "none",
    "jpeg:85",
    "jpeg:65",
    "webp:80",
    "scale:0.75|jpeg:90",
    "scale:0.5|jpeg:85",
    *(f"{kind}:{number}" for kind in ("resaved", "shrunk") for number in range(1, JOURNEYS + 1)),
)
"""What happens to images on their way through the web, as views to fit on; the untouched image is home.

The first six are common and worth an expert each; random journeys teach what survives where nobody knows the journey.
"""

ONE_VIEW_NOTE = (
    "The references were seen as they are, in no other view: "
    "images that were recompressed or resized since will be judged less well."
)
"""For bundles that were fitted to one view."""


def fit_bundle(
    catalog: Catalog,
    *,
    name: str = "unnamed",
    version: str = "1",
    label: str = "model",
    encoder: str | None = None,
    views: Sequence[str] = ("none",),
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    level: float = 0.9,
    set_method: str = "lac",
    set_per_class: bool = False,
    open_set_level: float = OPEN_SET_LEVEL,
    seed: int = 0,
    background: Catalog | None = None,
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
    views : sequence of str, default ("none",)
        What the references are seen through, the first as home: an expert is fitted to each, and images are judged by
        the one whose view they resemble. :data:`DEGRADED_VIEWS` are a good choice for images from the open web.
    cache : FeatureCache, optional
        Where features are looked for and kept; with one, an interrupted fit goes on where it stopped.
    workers, progress
        As for :func:`morelli.encoders.extract`.
    level : float, default 0.9
        Coverage of the conformal sets.
    set_method : {"lac", "aps"}, default "lac"
        How they are made: the smallest sets on average, or sets that grow where an image is hard; see
        :class:`~morelli.attributors.conformal.SplitConformal`.
    set_per_class : bool, default False
        Whether they hold the coverage for each candidate by itself, as far as its references suffice.
    open_set_level : float, default 0.05
        Images with a lower open-set p-value are called unknown; about this share of the candidates' own images is too.
    seed : int, default 0
    background : Catalog, optional
        Images by other models, of which none becomes a candidate: with few candidates they teach what few references
        cannot, how measurements vary from image to image. Rows of candidates in it are left out.

    Returns
    -------
    Bundle

    Raises
    ------
    MorelliError
        An encoder or a set method is unknown, or what an encoder needs is not there.
    NotEnoughDataError
        No readable reference, one class, or a class with too few images.
    """
    if set_method not in METHODS:  # before the images are measured
        raise MorelliError(f"Prediction sets are made by {' or '.join(METHODS)}, not by {set_method!r}.")
    measuring = join_encoders(default_encoder() if encoder is None else encoder)
    labelled = catalog.filter(catalog.codes(label)[0] >= 0)
    if not len(labelled):
        raise NotEnoughDataError(
            f'None of the {len(catalog)} references can be used: no row has a value in the column "{label}".'
        )
    tables = extract_views(labelled, measuring, views, cache=cache, workers=workers, progress=progress)
    ok = np.all([features.ok for features in tables], axis=0)
    if not ok.any():
        errors = [error for features in tables for error in features.error if error is not None]
        raise NotEnoughDataError(f"None of the {len(catalog)} references can be used. The first error: {errors[0]}")
    references = labelled.filter(ok)
    tables = [features.take(ok) for features in tables]
    beside: tuple[Catalog, list[Features]] | None = None
    beside_notes: list[str] = []
    if background is not None:
        beside, beside_notes = _measured_background(
            background, references, label, measuring, views, cache, workers, progress
        )
    attributor, notes = fit_attributor(
        references,
        tables,
        label=label,
        level=level,
        set_method=set_method,
        set_per_class=set_per_class,
        seed=seed,
        background=beside,
    )
    notes += beside_notes
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
    elif attributor.conformal_.fallback_classes:
        few = ", ".join(str(attributor.classes_[k]) for k in attributor.conformal_.fallback_classes)
        notes.append(f"There are too few references for sets at level {level:g} of their own: {few}.")
    if [features.view for features in tables] == ["none"]:
        notes.append(ONE_VIEW_NOTE)
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
        class_versions=versions_of(references, label, [str(c) for c in attributor.classes_]),
    )


def extract_views(
    catalog: Catalog,
    encoder: Encoder,
    views: Sequence[str],
    *,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Features]:
    """Measure all images in each view; parameters as for :func:`morelli.encoders.extract`.

    Raises
    ------
    MorelliError
        There is no view, one is unknown, or two are the same.
    """
    parsed = [parse_view(view) for view in views]
    names = [view.name for view in parsed]
    if not names or len(set(names)) < len(names):
        raise MorelliError(f"Name one or more different views, not: {', '.join(names) or 'none at all'}.")
    tables: list[Features] = []
    for number, view in enumerate(parsed):

        def step(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, len(parsed) * total)

        tables.append(extract(catalog, encoder, view=view, cache=cache, workers=workers, progress=step))
    return tables


def fit_attributor(
    references: Catalog,
    tables: Sequence[Features],
    *,
    label: str = "model",
    level: float = 0.9,
    set_method: str = "lac",
    set_per_class: bool = False,
    seed: int = 0,
    background: tuple[Catalog, Sequence[Features]] | None = None,
) -> tuple[ViewTrainedAttributor, list[str]]:
    """Fit the default attributor to measured references, grouped by prompt and near-duplicates.

    Parameters
    ----------
    references : Catalog
    tables : sequence of Features
        Of the same rows in each view, all of them without error.
    label : str, default "model"
    level : float, default 0.9
        Coverage of the conformal sets.
    set_method, set_per_class : str and bool
        As for :func:`fit_bundle`.
    seed : int, default 0
    background : tuple of Catalog and sequence of Features, optional
        As for :func:`~morelli.attributors.registry.fit_registered`.

    Returns
    -------
    ViewTrainedAttributor
    list of str
        Notes for the reader of a result.
    """
    attributor = fit_registered(
        get_attributor_info(DEFAULT_ATTRIBUTOR),
        references,
        tables,
        label=label,
        level=level,
        seed=seed,
        options={"set_method": set_method, "set_per_class": set_per_class},
        background=background,
    )
    assert isinstance(attributor, ViewTrainedAttributor)
    return attributor, list(attributor.training_.notes)


def _measured_background(
    background: Catalog,
    references: Catalog,
    label: str,
    encoder: Encoder,
    views: Sequence[str],
    cache: FeatureCache | None,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[tuple[Catalog, list[Features]] | None, list[str]]:
    """Measure images by models that are no candidates; return them, if there are any, and notes."""
    candidates = {str(name) for name in references.text(label)}
    names = background.text(label)
    others = np.array([name is not None and name not in candidates for name in names], dtype=np.bool_)
    images = background.filter(others)
    notes = []
    if len(images):
        tables = extract_views(images, encoder, views, cache=cache, workers=workers, progress=progress)
        ok = np.all([table.ok for table in tables], axis=0)
        images, tables = images.filter(ok), [table.take(ok) for table in tables]
    if not len(images):
        return None, ["The background has no readable image of a model that is no candidate, and was not used."]
    models = len(set(images.text(label)))
    notes.append(f"{len(images)} images of {models} other models taught how measurements vary from image to image.")
    return (images, tables), notes


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


def versions_of(catalog: Catalog, label: str, classes: list[str]) -> tuple[dict[str, int], ...]:
    """Return how many rows of each class are of each version, or nothing where no row names one."""
    labels, versions = catalog.text(label), catalog.text("version")
    found = []
    for name in classes:
        values, counts = _counted(versions[labels == name])
        found.append(dict(zip(values, counts.tolist(), strict=True)))
    return tuple(found) if any(found) else ()


def prompt_hash(prompt_id: str) -> str:
    """Return 16 hexadecimal digits that tell prompts apart; whoever guesses a prompt can confirm the guess."""
    return hashlib.sha256(prompt_id.encode()).hexdigest()[:16]


def _counted(values: NDArray[Any]) -> tuple[list[str], NDArray[np.int64]]:
    known = [value for value in values if value is not None]
    names, counts = np.unique(np.array(known, dtype=object).astype(str), return_counts=True)
    return [str(name) for name in names], counts
