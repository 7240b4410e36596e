"""A bundle with one candidate more, or with other references of one, without fitting the rest anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from morelli.attributors._references import References as Measured
from morelli.attributors.bundle import Bundle, References
from morelli.attributors.conformal import SplitConformal
from morelli.attributors.doubt import DoubtedTemperature
from morelli.attributors.enrolment.expert import MIN_IMAGES, MODES, Enrolled, Make, enrol_in_expert
from morelli.attributors.enrolment.ordering import class_order, conformal_reordered
from morelli.attributors.familiarity import UnfamiliarPool
from morelli.attributors.fitting import JOURNEYS, lineages_of, prompt_hash, versions_of
from morelli.attributors.fused import FusedAttributor
from morelli.attributors.view_trained import ViewTrainedAttributor
from morelli.catalog import Catalog, group_catalog
from morelli.encoders import FeatureCache, Features, extract
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.views import parse_view

__all__ = ["enrol", "views_of"]

REFIT_FOLDS = 3
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
        The images that the bundle was fitted to, all of them: then its discriminants are fitted anew, which is slower
        and better. A background that they were fitted with is not.
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
    usable, notes = _usable(bundle, catalog, mode)
    views = list(bundle.attributor.experts_)
    shown = [view for condition in views for view in views_of(condition)]
    tables = _extract(usable, bundle, shown, cache, workers, progress)
    ok = np.all([table.ok for table in tables.values()], axis=0)
    usable, tables = usable.filter(ok), {view: table.take(ok) for view, table in tables.items()}
    if not ok.all():
        notes.append(f"{int((~ok).sum())} images could not be measured, and were left out.")
    labels = usable.text(bundle.label)
    names = sorted({str(label) for label in labels})
    least = 1 if mode == "add" else MIN_IMAGES
    for model in sorted({str(label) for label in catalog.text(bundle.label) if label is not None}):
        count = int((labels == model).sum())
        if count < least:
            raise NotEnoughDataError(
                f"{model}: {count} references can be used, and a candidate needs at least {least}; better a dozen, of "
                "as many prompts."
            )
    old = None if references is None else _old(bundle, references, shown, cache, workers)
    groups = group_catalog(usable)
    attributor, facts = bundle.attributor, {}
    for model in names:
        rows = np.flatnonzero(labels == model)
        attributor, facts[model], old = _enrol_one(
            attributor, model, {view: table.take(rows) for view, table in tables.items()}, groups.ids[rows], mode, old
        )
        notes.append(_note(model, facts[model], mode, refit=old is not None))
        if not groups.leak_free:
            notes.append(f"{model}: {groups.note}")
    return _with(bundle, attributor, usable, names, mode, notes, name, version), facts


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


def _usable(bundle: Bundle, catalog: Catalog, mode: str) -> tuple[Catalog, list[str]]:
    """Return the rows that can become references, after refusing what would go wrong without notice."""
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
    notes = [] if first.all() else [f"{int((~first).sum())} files were given more than once, and count once."]
    return labelled.filter(first), notes


def _extract(
    catalog: Catalog,
    bundle: Bundle,
    views: Sequence[str],
    cache: FeatureCache | None,
    workers: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Features]:
    tables = {}
    for number, view in enumerate(views):

        def step(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, len(views) * total)

        tables[view] = extract(catalog, bundle.encoder, view=view, cache=cache, workers=workers, progress=step)
    return tables


class _Old:
    """The measured references of a bundle, for fitting its discriminants anew."""

    def __init__(self, labels: NDArray[np.object_], tables: dict[str, Features]) -> None:
        self.labels, self.tables = labels, tables

    def make(
        self, expert: FusedAttributor, name: str, views: Sequence[str], own: dict[str, Features], mode: str
    ) -> Make:
        """Return what fits the discriminants of one view to the old references and some of the new."""
        kept = np.flatnonzero(self.labels != name) if mode == "replace" else np.arange(len(self.labels))
        tables = [self.tables[view].take(kept) for view in views] + [own[view] for view in views]
        classes = [str(one) for one in expert.classes_]
        classes += [name] if name not in classes else []
        codes = np.array([classes.index(str(one)) for one in self.labels[kept]])
        n_new = len(own[views[0]])
        whole = Measured(
            np.concatenate([table.X for table in tables]).astype(np.float64),
            np.concatenate([np.tile(codes, len(views)), np.full(n_new * len(views), classes.index(name))]),
            len(classes),
            None,
            np.concatenate([table.within for table in tables]),
            np.concatenate([table.n_contrasts for table in tables]),
            expert.named_blocks(tables[0].X.shape[1]),
            None,
            expert.shrinkage,
            expert.within_share,
        )
        start = len(kept) * len(views)
        return lambda rows: whole.discriminants(np.concatenate([np.arange(start), start + rows]))

    def with_more(self, name: str, own: dict[str, Features], mode: str) -> _Old:
        """Return the references after one candidate was enrolled, for the next."""
        kept = np.flatnonzero(self.labels != name) if mode == "replace" else np.arange(len(self.labels))
        tables = {view: Features.concat([table.take(kept), own[view]]) for view, table in self.tables.items()}
        added = np.full(len(next(iter(own.values()))), name, dtype=object)
        return _Old(np.concatenate([self.labels[kept], added]), tables)


def _old(
    bundle: Bundle, catalog: Catalog, views: Sequence[str], cache: FeatureCache | None, workers: int | None
) -> _Old:
    """Measure the bundle's own references, after a check that they are its own."""
    mine = np.array([one in bundle.references.image_ids for one in catalog.column("image_id")], dtype=np.bool_)
    mine &= catalog.codes(bundle.label)[0] >= 0
    found = catalog.filter(mine)
    missing = len(bundle.references.image_ids) - len(set(found.column("image_id")))
    if missing:
        raise MorelliError(
            f"{missing} of the {len(bundle.references.image_ids)} images that this bundle was fitted to are not among "
            "those given as its references; without them its discriminants cannot be fitted anew."
        )
    foreign = sorted(set(found.text(bundle.label)) - set(bundle.classes))
    if foreign:
        raise MorelliError(f"{', '.join(foreign[:5])}: labels of references that are no candidates of this bundle.")
    tables = _extract(found, bundle, views, cache, workers)
    ok = np.all([table.ok for table in tables.values()], axis=0)
    if not ok.all():
        raise MorelliError(f"{int((~ok).sum())} references of this bundle can no longer be measured.")
    return _Old(found.text(bundle.label), tables)


def _enrol_one(
    attributor: ViewTrainedAttributor,
    name: str,
    tables: dict[str, Features],
    groups: NDArray[np.int64],
    mode: str,
    old: _Old | None,
) -> tuple[ViewTrainedAttributor, Enrolled, _Old | None]:
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
            make=None if old is None else old.make(expert, name, views, tables, mode),
            n_folds=None if old is None else REFIT_FOLDS,
        )
        images = made.training_.n_images | {name: made.training_.n_images[name] - len(groups) * (len(views) - 1)}
        made.training_ = replace(made.training_, n_images=images)
        new.experts_[condition] = made
        facts.append(replace(fact, n_images=len(groups)))
    known = name in attributor.classes_
    new.classes_ = new.home.classes_
    if hasattr(new, "pool_") and not known:
        new.pool_ = _pool(new.pool_, np.append(attributor.classes_, name))
    return new, facts[0], None if old is None else old.with_more(name, tables, mode)


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


def _note(name: str, fact: Enrolled, mode: str, *, refit: bool) -> str:
    how = {"new": "was enrolled", "add": "got more references", "replace": "got other references"}[mode]
    leak = "" if fact.leak_free else " (of one prompt, so that this is too good)"
    rest = (
        "discriminants were fitted anew, weights and calibration were not"
        if refit
        else "nothing else was fitted anew: directions in which it alone differs are missing, and what images of "
        "others it claims was not seen"
    )
    return (
        f"{name} {how} with {fact.n_images} images of {fact.n_prompts} prompts, of which {100 * fact.recall:.0f} of "
        f"100 are named right without their prompt{leak}; {rest}."
    )


def _with(
    bundle: Bundle,
    attributor: ViewTrainedAttributor,
    catalog: Catalog,
    names: Sequence[str],
    mode: str,
    notes: Sequence[str],
    name: str | None,
    version: str | None,
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
            n_unreadable=bundle.references.n_unreadable,
        ),
        notes=(*bundle.notes, *notes, *lineage_notes),
        class_versions=tuple(versions[one] for one in classes) if any(versions.values()) else (),
    )
