"""A bundle with one candidate more, or with other references of one, without fitting the rest anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.bundle import Bundle, References
from morelli.attributors.conformal import SplitConformal
from morelli.attributors.doubt import DoubtedTemperature
from morelli.attributors.enrolment.expert import MIN_IMAGES, MODES, Enrolled, enrol_in_expert
from morelli.attributors.enrolment.measurements import Measurements
from morelli.attributors.enrolment.ordering import class_order, conformal_reordered
from morelli.attributors.familiarity import UnfamiliarPool
from morelli.attributors.fitting import JOURNEYS, extract_views, lineages_of, prompt_hash, versions_of
from morelli.attributors.view_trained import ViewTrainedAttributor
from morelli.catalog import COLUMNS, Catalog, group_catalog
from morelli.encoders import FeatureCache, Features
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.views import parse_view

__all__ = ["enrol", "views_of"]

REFIT_FOLDS = 5
"""Folds of a newcomer's prompts where discriminants are fitted anew for each."""


def enrol(
    bundle: Bundle,
    catalog: Catalog,
    *,
    mode: str = "new",
    references: Catalog | None = None,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    name: str | None = None,
    version: str | None = None,
) -> tuple[Bundle, dict[str, Enrolled]]:
    """Enrol models in a bundle.

    Parameters
    ----------
    bundle : Bundle
        Is left as it is.
    catalog : Catalog
        References of one model or several, with the bundle's label.
    mode : {"new", "add", "replace"}, default "new"
        New: none is a candidate yet. Add: more references of candidates. Replace: other references for candidates,
        such as those of a new version that goes by the old name.
    references : Catalog, optional
        The images that the bundle was fitted to, all of them, among others or not: then its discriminants are fitted
        anew, which is slower and better. A background that they were fitted with is left out.
    cache, workers, progress
        As for :func:`morelli.encoders.extract`.
    name, version : str, optional
        Of the new bundle; by default as they are.

    Returns
    -------
    Bundle
        With a note for each candidate on how it came in.
    dict of str to Enrolled
        By candidate, for the first view.

    Raises
    ------
    NotEnoughDataError
        Too few references that can be used.
    MorelliError
        A model is a candidate already, or is none; an image is a reference already; `references` are not the bundle's.
    """
    if mode not in MODES:
        raise MorelliError(f"References are enrolled as {', '.join(MODES)}, not {mode!r}.")
    known = None if references is None else _own_references(bundle, references)
    measure = partial(extract_views, encoder=bundle.encoder, cache=cache, workers=workers, progress=progress)
    usable, tables, notes, n_lost = _newcomers(bundle, catalog, mode, measure)
    labels = usable.text(bundle.label)
    names = sorted({str(label) for label in labels})
    groups = group_catalog(usable)
    old, ids = (None, groups.ids) if known is None else _measured(bundle, known, usable, measure)
    seen = _seen(bundle, usable)
    met = set(ids[seen].tolist())
    attributor, facts = bundle.attributor, {}
    for model in names:
        rows = np.flatnonzero(labels == model)
        own = {view: table.take(rows) for view, table in tables.items()}
        unmet = set(ids[rows].tolist()) - met
        met |= unmet
        attributor, fact = _enrol_one(attributor, model, own, ids[rows], mode, old, len(unmet))
        if old is not None:
            old = old.with_more(model, own, ids[rows], mode)
        elif mode == "add" and (seen[rows].any() or not groups.leak_free):
            fact = replace(fact, leak_free=False)  # its mean may have learned from images of these prompts
        facts[model] = fact
        notes.append(_note(model, fact, mode, groups.leak_free, refit=old is not None))
    return _with(bundle, attributor, usable, names, mode, notes, name, version, n_lost), facts


def views_of(condition: str) -> list[str]:
    """Return the views through which an expert's references are seen: random ones several times.

    Examples
    --------
    >>> views_of("jpeg:85"), views_of("resaved")
    (['jpeg:85'], ['resaved:1', 'resaved:2', 'resaved:3', 'resaved:4'])
    """
    try:
        return [parse_view(condition).name]
    except MorelliError:
        steps = condition.split("|")
        found = []
        for number in range(1, JOURNEYS + 1):
            names = [step if _is_view(step) else f"{step}:{number}" for step in steps]
            found.append(parse_view("|".join(names)).name)
        return found


def _is_view(step: str) -> bool:
    try:
        parse_view(step)
    except MorelliError:
        return False
    return True


def _newcomers(
    bundle: Bundle, catalog: Catalog, mode: str, measure: Callable[..., list[Features]]
) -> tuple[Catalog, dict[str, Features], list[str], int]:
    """Return the images that can be enrolled, what was measured of them by view, notes, and how many cannot be."""
    usable, n_twice = _usable(bundle, catalog, mode)
    views = _views(bundle)
    measured = measure(usable, views=views)
    ok = np.all([table.ok for table in measured], axis=0)
    usable = usable.filter(ok)
    labels, least = usable.text(bundle.label), 1 if mode == "add" else MIN_IMAGES
    for model in sorted({str(label) for label in catalog.text(bundle.label) if label is not None}):
        count = int((labels == model).sum())
        if count < least:
            raise NotEnoughDataError(
                f"{model}: {count} references can be used, and {least} are needed at least; better a dozen, each of "
                "a prompt of its own."
            )
    notes, n_lost = [], len(catalog) - len(usable) - n_twice
    if n_twice:
        notes.append(f"{n_twice} files were given more than once, and count once.")
    if n_lost:
        notes.append(f"{n_lost} of {len(catalog)} images could not be enrolled.")
    return usable, {view: table.take(ok) for view, table in zip(views, measured, strict=True)}, notes, n_lost


def _views(bundle: Bundle) -> list[str]:
    return [view for condition in bundle.attributor.experts_ for view in views_of(condition)]


def _seen(bundle: Bundle, catalog: Catalog) -> NDArray[np.bool_]:
    """Return for each row whether its prompt is one of the bundle's."""
    known = bundle.references.prompt_hashes
    prompts = catalog.column("prompt_id")
    return np.array([p is not None and prompt_hash(str(p)) in known for p in prompts], dtype=np.bool_)


def _usable(bundle: Bundle, catalog: Catalog, mode: str) -> tuple[Catalog, int]:
    """Return the rows that may become references and how many stood twice; refuse what would go wrong unnoticed."""
    labelled = catalog.readable.filter(catalog.readable.codes(bundle.label)[0] >= 0)
    if not len(labelled):
        raise NotEnoughDataError(
            f"None of the {len(catalog)} images can be enrolled: none is readable and has a value in the column "
            f'"{bundle.label}".'
        )
    names = {str(name) for name in labelled.text(bundle.label)}
    there = sorted(names & set(bundle.classes))
    if mode == "new" and there:
        raise MorelliError(
            f"{', '.join(there)}: a candidate of this bundle already. Add the images to its references, or "
            "replace these."
        )
    if mode != "new" and len(there) < len(names):
        missing = ", ".join(sorted(names - set(there)))
        raise MorelliError(
            f"{missing}: no candidate of this bundle, so that there is nothing to {mode}; enrol it as new."
        )
    ids = labelled.column("image_id").astype(str)
    known = [one for one in ids if one in bundle.references.image_ids]
    if known:
        raise MorelliError(
            f"{len(known)} of {len(ids)} images are references of this bundle already (the first: {known[0][:12]}...); "
            "an image counts once. Leave them out."
        )
    first = np.zeros(len(ids), dtype=np.bool_)
    first[np.unique(ids, return_index=True)[1]] = True
    if not first.all():
        of_two = {one for one in ids[~first] if len(set(labelled.text(bundle.label)[ids == one])) > 1}
        if of_two:
            raise MorelliError(f"{len(of_two)} images stand for two models (the first: {min(of_two)[:12]}...).")
    return labelled.filter(first), int((~first).sum())


def _own_references(bundle: Bundle, catalog: Catalog) -> Catalog:
    """Return the bundle's own references among those given, after a check that they are all there."""
    mine = np.array([one in bundle.references.image_ids for one in catalog.column("image_id")], dtype=np.bool_)
    found = catalog.filter(mine & (catalog.codes(bundle.label)[0] >= 0))
    names, counts = np.unique(found.text(bundle.label).astype(str), return_counts=True)
    there = dict(zip(names.tolist(), counts.tolist(), strict=True))
    wanted = bundle.attributor.training_.n_images
    wrong = [name for name in sorted(wanted | there) if there.get(name, 0) != wanted.get(name, 0)]
    if wrong:
        few = ", ".join(f"{name} ({there.get(name, 0)} instead of {wanted.get(name, 0)})" for name in wrong[:5])
        raise MorelliError(
            f"The images given as references are not those that this bundle has learned from: {few}"
            f"{', ...' if len(wrong) > 5 else ''}. Without them its discriminants cannot be fitted anew."
        )
    return found


def _measured(
    bundle: Bundle, own: Catalog, newcomers: Catalog, measure: Callable[..., list[Features]]
) -> tuple[Measurements, NDArray[np.int64]]:
    """Measure the bundle's own references; return these, and the prompts of the newcomers by the same numbers."""
    views = _views(bundle)
    measured = measure(own, views=views)
    lost = int((~np.all([table.ok for table in measured], axis=0)).sum())
    if lost:
        raise MorelliError(f"{lost} references of this bundle can no longer be measured.")
    groups = group_catalog(Catalog.concat([_bare(own), _bare(newcomers)])).ids
    tables = dict(zip(views, measured, strict=True))
    return Measurements(own.text(bundle.label), groups[: len(own)], tables), groups[len(own) :]


def _bare(catalog: Catalog) -> Catalog:
    """Return the catalog without columns of the user's own, which need not fit to another's."""
    return Catalog(catalog.table.select(COLUMNS.names), catalog.base)


def _enrol_one(
    attributor: ViewTrainedAttributor,
    name: str,
    tables: dict[str, Features],
    groups: NDArray[np.int64],
    mode: str,
    old: Measurements | None,
    n_new_groups: int,
) -> tuple[ViewTrainedAttributor, Enrolled]:
    """Enrol one candidate in the experts for all views."""
    new = ViewTrainedAttributor.from_parts(*attributor.to_parts())
    facts: list[Enrolled] = []
    for condition, expert in attributor.experts_.items():
        views = views_of(condition)
        made, fact = enrol_in_expert(
            expert,
            name,
            np.concatenate([tables[view].X for view in views]).astype(np.float64),
            np.tile(groups, len(views)),
            mode=mode,
            refit=None if old is None else old.refit(expert, name, views, tables, groups, mode),
            n_folds=None if old is None else REFIT_FOLDS,
            images=np.tile(np.arange(len(groups)), len(views)),
        )
        made.training_ = replace(made.training_, n_groups=made.training_.n_groups + n_new_groups)
        new.experts_[condition] = made
        facts.append(fact)
    new.classes_ = new.home.classes_
    if hasattr(new, "pool_") and name not in attributor.classes_:
        new.pool_ = _pool(new.pool_, np.append(attributor.classes_, name))
    return new, facts[0]


def _pool(pool: UnfamiliarPool, classes: NDArray[np.str_]) -> UnfamiliarPool:
    """Return the pool of experts for one candidate more; its thresholds stay, as it has not seen the newcomer."""
    state = pool.calibrator.to_dict()
    state |= {"bias": [*state["bias"], 0.0], "n_classes": len(classes)}
    conformal = pool.conformal.to_dict()
    conformal["thresholds"] = [*conformal["thresholds"], conformal["threshold"]]
    if conformal["class_conditional"]:
        conformal["fallback_classes"] = [*conformal["fallback_classes"], len(classes) - 1]
    return UnfamiliarPool(
        pool.sharpness, pool.trust, pool.asks, DoubtedTemperature.from_dict(state),
        conformal_reordered(SplitConformal.from_dict(conformal), class_order(classes)), pool.open_set,
    )  # fmt: skip


def _note(name: str, fact: Enrolled, mode: str, prompts_known: bool, *, refit: bool) -> str:
    how = {"new": "was enrolled", "add": "got more references", "replace": "got other references"}[mode]
    images = f"{fact.n_images} image{'s' if fact.n_images > 1 else ''}"
    prompts = (
        f"of {fact.n_prompts} prompt{'s' if fact.n_prompts > 1 else ''}"
        if prompts_known
        else "whose prompts are not all known"
    )
    judged = ", judged by what may have seen their prompts, so that this is too good"
    if fact.leak_free:
        judged = ", each judged without its prompt" if prompts_known else ", each judged without itself"
    if not refit and mode != "add":
        right = f"Its bias was chosen so that {100 * fact.recall:.0f} of 100 of these are named right{judged}"
    else:
        right = f"{100 * fact.recall:.0f} of 100 of these are named right{judged}"
    rest = (
        "Discriminants were fitted anew, weights and calibration were not"
        if refit
        else "Nothing else was fitted anew: directions in which it alone differs are missing"
    )
    claimed = "what images of others it claims was not seen"
    if fact.claims is not None:
        claimed = f"of the others' references {100 * fact.claims:.1f} of 100 are named as it"
    return f"{name} {how}: {images} {prompts}. {right}. {rest}; {claimed}."


def _with(
    bundle: Bundle,
    attributor: ViewTrainedAttributor,
    catalog: Catalog,
    names: Sequence[str],
    mode: str,
    notes: Sequence[str],
    name: str | None,
    version: str | None,
    n_unreadable: int,
) -> Bundle:
    classes = [str(one) for one in attributor.classes_]
    before = dict(zip(bundle.classes, bundle.lineages, strict=True))
    lineages, lineage_notes = lineages_of(catalog, bundle.label, list(names))
    found = before | {one: line for one, line in zip(names, lineages, strict=True) if line or one not in before}
    versions = {one: dict(bundle.versions_of(one)) for one in bundle.classes}
    for one, counts in zip(names, versions_of(catalog, bundle.label, list(names)) or [{}] * len(names), strict=True):
        if mode == "add":
            own = versions[one]
            versions[one] = {v: own.get(v, 0) + counts.get(v, 0) for v in {**own, **counts}}
        else:
            versions[one] = counts
    prompts = [prompt_hash(str(prompt)) for prompt in catalog.column("prompt_id") if prompt is not None]
    fingerprint = hashlib.sha256(f"{bundle.references.fingerprint} {mode} {catalog.fingerprint}".encode()).hexdigest()
    return replace(
        bundle,
        name=bundle.name if name is None else name,
        version=bundle.version if version is None else version,
        attributor=attributor,
        lineages=tuple(found[one] for one in classes),
        references=References(
            image_ids=bundle.references.image_ids | frozenset(catalog.column("image_id")),
            prompt_hashes=bundle.references.prompt_hashes | frozenset(prompts),
            fingerprint=fingerprint,
            n_unreadable=bundle.references.n_unreadable + n_unreadable,
        ),
        notes=(*bundle.notes, *notes, *lineage_notes),
        class_versions=tuple(versions[one] for one in classes) if any(versions.values()) else (),
    )
