"""The engine: a trial takes references and images to be judged, and gives a table of predictions.

Every study and every evaluation is a list of trials that differ in what they select and how they view it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from morelli.attributors import Answers, Bundle, FusedAttributor, decide, fit_attributor
from morelli.attributors.fitting import OPEN_SET_LEVEL, lineages_of, prompt_hash
from morelli.catalog import Catalog, Groups, group_catalog
from morelli.encoders import FeatureCache, Features, extract
from morelli.errors import MorelliError
from morelli.trials.predictions import Predictions

__all__ = ["cross_validate", "evaluate", "overlap_notes"]


def evaluate(
    bundle: Bundle,
    catalog: Catalog,
    *,
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
    cache, workers, progress
        As for :func:`morelli.encoders.extract`.

    Returns
    -------
    Predictions
        One row for each row of the catalog, unreadable ones included.
    """
    features = extract(catalog, bundle.encoder, cache=cache, workers=workers, progress=progress)
    groups = group_catalog(catalog)
    return _predict(bundle.attributor, bundle.lineages, bundle.open_set_level, catalog, features, groups, bundle.label)


def cross_validate(
    catalog: Catalog,
    features: Features,
    folds: NDArray[np.integer],
    *,
    label: str = "model",
    open_set_level: float = OPEN_SET_LEVEL,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Judge every fold by the default attributor, fitted to the other folds.

    Parameters
    ----------
    catalog : Catalog
    features : Features
        Of the same rows.
    folds : ndarray of int, shape (n,)
        As from :meth:`morelli.catalog.Split.folds`.
    label : str, default "model"
    open_set_level : float, default 0.05
    seed : int, default 0
    progress : callable, optional
        Called as ``progress(done, total)`` after every fold.

    Returns
    -------
    Predictions
        Rows in the order of folds, then of the catalog.

    Raises
    ------
    MorelliError
        The folds' attributors have different classes, because a class is in one fold only.
    """
    groups = group_catalog(catalog)
    names = np.unique(folds)
    parts = []
    for done, fold in enumerate(names, start=1):
        train, test = np.flatnonzero((folds != fold) & features.ok), np.flatnonzero(folds == fold)
        references = catalog.take(train)
        attributor, _ = fit_attributor(references, features.take(train), label=label, seed=seed)
        lineages, _ = lineages_of(references, label, [str(name) for name in attributor.classes_])
        chosen = Groups(groups.ids[test], groups.n_groups, groups.leak_free, groups.n_without_prompt, groups.note)
        parts.append(
            _predict(attributor, lineages, open_set_level, catalog.take(test), features.take(test), chosen, label)
        )
        if progress is not None:
            progress(done, len(names))
    if len({part.classes for part in parts}) > 1:
        raise MorelliError("A class is in one fold only, so that no attributor without that fold knows it.")
    return Predictions.concat(parts)


def overlap_notes(bundle: Bundle, catalog: Catalog) -> list[str]:
    """Say in sentences how the catalog overlaps with the bundle's references; empty where it does not."""
    ids = catalog.column("image_id")
    prompts = {prompt_hash(prompt) for prompt in catalog.column("prompt_id") if prompt is not None}
    same = sum(image_id in bundle.references.image_ids for image_id in ids)
    shared = len(prompts & bundle.references.prompt_hashes)
    notes = []
    if same:
        notes.append(
            f"{same} of {len(catalog)} images are references of this bundle: figures on them "
            f"say nothing about new images."
        )
    if shared:
        notes.append(
            f"{shared} of {len(prompts)} prompts occur among the references too: expect lower figures on new prompts."
        )
    return notes


def _predict(
    attributor: FusedAttributor,
    lineages: Sequence[str | None],
    open_set_level: float,
    catalog: Catalog,
    features: Features,
    groups: Groups,
    label: str,
) -> Predictions:
    ok = features.ok
    n, k = len(catalog), len(attributor.classes_)
    answers = attributor.answer(features.X[ok]) if ok.any() else None

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
    if answers is not None:
        sets[ok] = answers.prediction_set
        decision[ok] = decide(answers, open_set_level)
    return Predictions(
        classes=tuple(str(name) for name in attributor.classes_),
        lineages=tuple(lineages),
        image_id=catalog.column("image_id"),
        uri=np.array([str(path) for path in catalog.paths], dtype=object),
        label=catalog.column(label),
        group=groups.ids,
        proba=spread(None if answers is None else answers.proba, (n, k)),
        prediction_set=sets,
        open_set_p=spread(None if answers is None else answers.open_set_p, (n,)),
        decision=decision,
        evidence=per_family(lambda a, name: a.evidence[name]),
        family_proba=per_family(lambda a, name: a.family_proba[name]),
        without_family=per_family(attributor.without),
        error=features.error,
        prompt_known=groups.leak_free,
    )
