"""The engine: a trial takes references and images to be judged, and gives a table of predictions.

Every study and every evaluation is a list of trials that differ in what they select and how they view it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors import Answers, Bundle, References, decide
from morelli.attributors.fitting import OPEN_SET_LEVEL, lineages_of, prompt_hash
from morelli.attributors.registry import (
    DEFAULT_ATTRIBUTOR,
    Attributor,
    AttributorInfo,
    Prompts,
    fit_registered,
    get_attributor_info,
)
from morelli.catalog import Catalog, Groups, group_catalog, refuse_reviewed, reviewed_rows
from morelli.encoders import FeatureCache, Features, extract
from morelli.errors import MorelliError
from morelli.trials.predictions import Predictions

__all__ = ["cross_validate", "evaluate", "judge", "overlap_notes", "overlap_with", "tabulate"]


def evaluate(
    bundle: Bundle,
    catalog: Catalog,
    *,
    view: str = "none",
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Judge the images of a labelled catalog by a bundle.

    Parameters
    ----------
    bundle : Bundle
    catalog : Catalog
        Rows whose label is no class of the bundle count as unknown models.
    view : str, default "none"
        What the images are seen through before they are measured, see :func:`morelli.views.parse_view`.
    cache, workers, progress
        As for :func:`morelli.encoders.extract`.

    Returns
    -------
    Predictions
        One row for each row of the catalog, unreadable ones included.

    Raises
    ------
    CatalogError
        Rows have a reviewer's label, by which nothing can be measured, see :func:`morelli.catalog.reviewed_rows`.
    """
    refuse_reviewed(catalog)
    features = extract(catalog, bundle.encoder, view=view, cache=cache, workers=workers, progress=progress)
    groups = group_catalog(catalog)
    return judge(bundle.attributor, bundle.lineages, bundle.open_set_level, catalog, features, groups, bundle.label)


def cross_validate(
    catalog: Catalog,
    features: Features,
    folds: NDArray[np.integer],
    *,
    label: str = "model",
    open_set_level: float = OPEN_SET_LEVEL,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    attributor: str | AttributorInfo = DEFAULT_ATTRIBUTOR,
    options: Mapping[str, Any] | None = None,
) -> Predictions:
    """Judge every fold by an attributor that is fitted to the other folds.

    Parameters
    ----------
    catalog : Catalog
        Rows without a label are judged, but nothing is learned from them.
    features : Features
        Of the same rows.
    folds : ndarray of int, shape (n,)
        As from :meth:`morelli.catalog.Split.folds`: at least two folds, -1 for rows that could not be read.
    label : str, default "model"
    open_set_level : float, default 0.05
    seed : int, default 0
    progress : callable, optional
        Called as ``progress(done, total)`` after every fold.
    attributor : str or AttributorInfo, default "fused"
        A registered one. `features` have to be of the encoder that it shall read.
    options : mapping, optional
        Settings of the attributor's estimator.

    Returns
    -------
    Predictions
        Rows in the order of folds, then of the catalog; those of fold -1 come last. Rows with a reviewer's label are
        learned from and have no answer.

    Raises
    ------
    MorelliError
        The arguments do not belong together, there is one fold only, or a class is in one fold only, so that no
        attributor without that fold knows it.
    """
    info = get_attributor_info(attributor) if isinstance(attributor, str) else attributor
    groups = group_catalog(catalog)
    codes, values = catalog.codes(label)
    usable = features.ok & (codes >= 0)
    judged = ~reviewed_rows(catalog)
    if not judged.any():
        refuse_reviewed(catalog)
    names = _checked_folds(folds, features, np.where(usable, codes, -1), [str(value) for value in values])
    parts = []
    for done, fold in enumerate(names, start=1):
        train = np.flatnonzero((folds != fold) & usable)
        references = catalog.take(train)
        fitted = fit_registered(info, references, features.take(train), label=label, seed=seed, options=options)
        lineages, _ = lineages_of(references, label, [str(name) for name in fitted.classes_])
        selections = [(folds == fold) & judged]
        if done == len(names) and (folds < 0).any():
            selections.append((folds < 0) & judged)
        for test in filter(len, map(np.flatnonzero, selections)):
            chosen = replace(groups, ids=groups.ids[test])
            parts.append(
                judge(fitted, lineages, open_set_level, catalog.take(test), features.take(test), chosen, label)
            )
        if progress is not None:
            progress(done, len(names))
    return Predictions.concat(parts)


def _checked_folds(
    folds: NDArray[np.integer], features: Features, codes: NDArray[np.int64], names: Sequence[str]
) -> NDArray[np.integer]:
    """Return the folds' numbers, before time is spent on what cannot come out; `codes` are -1 for unusable rows."""
    if not len(folds) == len(features.ok) == len(codes):
        raise MorelliError(
            f"Cross-validation needs as many folds and features as images: {len(codes)} images, {len(folds)} folds, "
            f"{len(features.ok)} rows of features."
        )
    if (features.ok & (folds < 0)).any():
        raise MorelliError("Images that could be read are in no fold; split this catalog anew.")
    numbers: NDArray[np.integer] = np.unique(folds[folds >= 0])
    if len(numbers) < 2:
        raise MorelliError(f"Cross-validation needs at least two folds, there are {len(numbers)}.")
    for fold in numbers:
        only = np.setdiff1d(codes[folds == fold], codes[folds != fold])
        lost = [names[code] for code in only if code >= 0]
        if lost:
            raise MorelliError(
                f"All images of {', '.join(lost[:5])} are in fold {fold}, so that no attributor without that fold "
                "knows them; give more images, of more prompts, or leave these out."
            )
    return numbers


def overlap_notes(bundle: Bundle, catalog: Catalog) -> list[str]:
    """Say in sentences how the catalog overlaps with the bundle's references; empty where it does not."""
    return overlap_with(bundle.references, catalog, "bundle")


def overlap_with(references: References, catalog: Catalog, what: str) -> list[str]:
    """Say in sentences how the catalog overlaps with references; `what` is theirs, such as a bundle."""
    ids = catalog.column("image_id")
    prompts = {prompt_hash(prompt) for prompt in catalog.column("prompt_id") if prompt is not None}
    same = sum(image_id in references.image_ids for image_id in ids)
    shared = len(prompts & references.prompt_hashes)
    notes = []
    if same:
        notes.append(
            f"{same} of {len(catalog)} images are references of this {what}: figures on them "
            f"say nothing about new images."
        )
    if shared:
        notes.append(
            f"{shared} of {len(prompts)} prompts occur among the references too: expect lower figures on new prompts."
        )
    return notes


def judge(
    attributor: Attributor,
    lineages: Sequence[str | None],
    open_set_level: float,
    catalog: Catalog,
    features: Features,
    groups: Groups,
    label: str,
    prompts: Prompts | None = None,
) -> Predictions:
    """Let a fitted attributor judge measured images.

    Parameters
    ----------
    attributor : Attributor
    lineages : sequence of (str or None), length K
        Of the attributor's classes.
    open_set_level : float
        Images with a lower open-set p-value are called unknown.
    catalog, features, groups
        Of the images to be judged, row by row.
    label : str
        Column with the truth.
    prompts : Prompts, optional
        Of the images; for attributors that are told.

    Returns
    -------
    Predictions
    """
    ok = features.ok
    told = {} if prompts is None else prompts.take(ok).told()
    answers = attributor.answer(features.X[ok], **told) if ok.any() else None
    return tabulate(attributor, answers, lineages, open_set_level, catalog, features.error, groups, label)


def tabulate(
    attributor: Attributor,
    answers: Answers | None,
    lineages: Sequence[str | None],
    open_set_level: float,
    catalog: Catalog,
    errors: NDArray[np.object_],
    groups: Groups,
    label: str,
) -> Predictions:
    """Put an attributor's answers for the images that have no error into a table with a row for each.

    Parameters
    ----------
    attributor, lineages, open_set_level, catalog, groups, label
        As for `judge`.
    answers : Answers or None
        For the images without an error, in their order; None where there are none.
    errors : ndarray of object, shape (n,)
        None, or why an image was not judged.
    """
    ok = np.array([error is None for error in errors], dtype=np.bool_)
    n, k = len(catalog), len(attributor.classes_)

    def spread(values: NDArray[np.floating] | None, shape: tuple[int, ...]) -> NDArray[np.float64]:
        table = np.full(shape, np.nan)
        if values is not None:
            table[ok] = values
        return table

    def per_family(select: Callable[[Answers, str], NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        return {
            name: spread(None if answers is None else select(answers, name), (n, k)) for name in attributor.weights_
        }

    sets = np.zeros((n, k), dtype=bool)
    decision = np.full(n, "unreadable", dtype=object)
    judged_as = np.full(n, None, dtype=object)
    unanswered = np.full(n, None, dtype=object)
    if answers is not None:
        sets[ok] = answers.prediction_set
        decision[ok] = decide(answers, open_set_level)
        if answers.judged_as is not None:
            judged_as[ok] = answers.judged_as
        if answers.unanswered is not None:
            unanswered[ok] = answers.unanswered
    return Predictions(
        classes=tuple(str(name) for name in attributor.classes_),
        lineages=tuple(lineages),
        image_id=catalog.column("image_id"),
        uri=np.array([str(path) for path in catalog.paths], dtype=object),
        label=catalog.text(label),
        group=groups.ids,
        proba=spread(None if answers is None else answers.proba, (n, k)),
        prediction_set=sets,
        open_set_p=spread(None if answers is None else answers.open_set_p, (n,)),
        decision=decision,
        evidence=per_family(lambda a, name: a.evidence[name]),
        family_proba=per_family(lambda a, name: a.family_proba[name]),
        without_family=per_family(attributor.without),
        error=errors,
        judged_as=judged_as,
        unanswered=unanswered,
        prompt_known=groups.leak_free,
    )
