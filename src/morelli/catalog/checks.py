"""What is wrong, or will mislead, in a catalog."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.catalog.catalog import Catalog
from morelli.catalog.duplicates import DEFAULT_RADIUS, cluster_ids
from morelli.catalog.nuisance import NuisanceFloor, nuisance_floor
from morelli.catalog.reviewed import reviewed_rows
from morelli.errors import NotEnoughDataError

__all__ = ["CatalogReport", "ClassFacts", "Repeats", "check_catalog"]

_EXAMPLES = 5
_FEW = 10


@dataclass(frozen=True)
class Repeats:
    """Images that occur more than once.

    Attributes
    ----------
    sets : int
        Sets of images that are the same (exact duplicates) or joined by nearness (near-duplicates).
    images : int
        Images in those sets.
    largest : int
        Images in the largest set.
    across_labels, across_splits : int
        Sets that hold two labels, or two splits.
    examples : list of list of str
        Uris of a few sets, first of those across labels or splits, with the label in front.
    """

    sets: int
    images: int
    largest: int
    across_labels: int
    across_splits: int
    examples: list[list[str]]


@dataclass(frozen=True)
class ClassFacts:
    """One class: readable images, prompts, formats and sizes (most frequent first), median length of the files."""

    images: int
    prompts: int
    formats: dict[str, int]
    sizes: dict[str, int]
    median_bytes: int


@dataclass(frozen=True)
class CatalogReport:
    """The result of `check_catalog`.

    Attributes
    ----------
    label : str
        The column that is looked at as the class.
    n, n_readable, n_unlabelled : int
        Rows; rows whose file could be read; readable rows without label.
    errors : dict of str to int
        Unreadable rows by kind of error.
    error_examples : list of dict
        uri, kind and error of the first few.
    classes : dict of str to ClassFacts
        Per class, most images first.
    splits : dict of str to int
        Readable images by value of the ``split`` column.
    exact, near : Repeats
        Equal bytes; different bytes but near-duplicates by perceptual hash.
    n_reviewed, n_reviewed_in_test : int
        Readable images whose label is a reviewer's, see `reviewed_rows`; those of them in the split "test".
    n_prompts, n_without_prompt : int
        Different prompt_ids; readable images without one.
    straddling_prompts : list of str
        Prompts in more than one split.
    nuisance : NuisanceFloor or None
        None when it could not be measured; the reason is among the warnings.
    warnings : list of str
        In plain words, gravest first.
    """

    label: str
    n: int
    n_readable: int
    n_unlabelled: int
    errors: dict[str, int]
    error_examples: list[dict[str, str]]
    classes: dict[str, ClassFacts]
    splits: dict[str, int]
    exact: Repeats
    near: Repeats
    n_reviewed: int
    n_reviewed_in_test: int
    n_prompts: int
    n_without_prompt: int
    straddling_prompts: list[str]
    nuisance: NuisanceFloor | None
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {**asdict(self), "nuisance": self.nuisance.to_dict() if self.nuisance else None}


def check_catalog(
    catalog: Catalog, label: str = "model", *, radius: int = DEFAULT_RADIUS, nuisance: bool = True, seed: int = 0
) -> CatalogReport:
    """Look for unreadable files, duplicates, leaks between splits, imbalance, and labels that the container gives away.

    Parameters
    ----------
    catalog : Catalog
    label : str
        The column that is the class.
    radius : int
        Of near-duplicates, in bits of 64.
    nuisance : bool
        Whether to measure the nuisance floor (the slowest part).
    seed : int
        Of the nuisance floor.

    Raises
    ------
    CatalogError
        There is no such column.
    """
    good = catalog.readable
    labels, label_values = good.codes(label)
    splits, split_values = good.codes("split")
    prompts, prompt_values = good.codes("prompt_id")
    exact, near = _repeats(good, labels, label_values, splits, radius)
    straddling = _straddling(prompts, prompt_values, splits)
    warnings: list[str] = []
    floor = None
    if nuisance:
        try:
            floor = nuisance_floor(catalog, label, seed=seed)
        except NotEnoughDataError as error:
            warnings.append(str(error))
    errors, examples = _errors(catalog)
    reviewed = reviewed_rows(good)
    report = CatalogReport(
        label=label,
        n=len(catalog),
        n_readable=len(good),
        n_unlabelled=int(np.count_nonzero(labels < 0)),
        errors=errors,
        error_examples=examples,
        classes=_classes(good, labels, label_values, prompts),
        splits=_tally(split_values[code] for code in splits[splits >= 0]),
        exact=exact,
        near=near,
        n_reviewed=int(reviewed.sum()),
        n_reviewed_in_test=int(np.count_nonzero(reviewed & (good.column("split") == "test"))),
        n_prompts=len(prompt_values),
        n_without_prompt=int(np.count_nonzero(prompts < 0)),
        straddling_prompts=straddling,
        nuisance=floor,
        warnings=warnings,
    )
    warnings[:0] = _warnings(report)
    return report


def _errors(catalog: Catalog) -> tuple[dict[str, int], list[dict[str, str]]]:
    bad = catalog.table.filter(catalog.table["error"].is_valid())
    first = bad.slice(0, _EXAMPLES).select(["uri", "error_kind", "error"]).to_pylist()
    examples = [{"uri": row["uri"], "kind": row["error_kind"] or "unknown", "error": row["error"]} for row in first]
    return _tally(kind or "unknown" for kind in bad["error_kind"].to_pylist()), examples


def _tally(values: Iterable[Any]) -> dict[str, int]:
    """Count values, most frequent first, then by name."""
    counts: dict[str, int] = {}
    for value in values:
        counts[str(value)] = counts.get(str(value), 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _repeats(
    catalog: Catalog, labels: NDArray[np.int64], values: list[Any], splits: NDArray[np.int64], radius: int
) -> tuple[Repeats, Repeats]:
    files, _ = catalog.codes("image_id")
    clusters = cluster_ids(catalog, radius)
    distinct = np.unique(np.column_stack([clusters, files]), axis=0)
    several = np.flatnonzero(np.bincount(distinct[:, 0], minlength=1) > 1)
    uris = catalog.table["uri"].to_pylist()
    names = ["no label" if code < 0 else str(values[code]) for code in labels]

    def summary(keys: NDArray[np.int64]) -> Repeats:
        """Describe the sets of rows with equal key; key -1 is in no set."""
        sizes = np.bincount(keys[keys >= 0], minlength=1)
        repeated = np.flatnonzero(sizes > 1)
        inside = (keys >= 0) & np.isin(keys, repeated)
        by_label, by_split = _varied(keys, labels, inside), _varied(keys, splits, inside)
        ranked = sorted(repeated.tolist(), key=lambda key: (key not in by_label, key not in by_split, -sizes[key], key))
        examples = [
            [f"{names[row]}: {uris[row]}" for row in np.flatnonzero(keys == key)[:4]] for key in ranked[:_EXAMPLES]
        ]
        largest = int(sizes[repeated].max()) if len(repeated) else 0
        return Repeats(len(repeated), int(inside.sum()), largest, len(by_label), len(by_split), examples)

    return summary(files), summary(np.where(np.isin(clusters, several), clusters, -1))


def _varied(keys: NDArray[np.int64], values: NDArray[np.int64], inside: NDArray[np.bool_]) -> set[int]:
    """Return the keys that occur with two different values (-1, unknown, does not count)."""
    known = inside & (values >= 0)
    pairs = np.unique(np.column_stack([keys[known], values[known]]), axis=0)
    return set(np.flatnonzero(np.bincount(pairs[:, 0], minlength=1) > 1).tolist())


def _straddling(prompts: NDArray[np.int64], values: list[Any], splits: NDArray[np.int64]) -> list[str]:
    return [str(values[key]) for key in sorted(_varied(prompts, splits, prompts >= 0))]


def _classes(
    catalog: Catalog, labels: NDArray[np.int64], values: list[Any], prompts: NDArray[np.int64]
) -> dict[str, ClassFacts]:
    formats, format_names = catalog.codes("format")
    sides = np.column_stack([catalog.column("width"), catalog.column("height")]).astype(np.int64)
    lengths = catalog.column("bytes")
    facts = {}
    order = np.argsort(labels, kind="stable")
    edges = np.searchsorted(labels[order], np.arange(len(values) + 1))
    for code in np.argsort(-np.diff(edges), kind="stable"):
        rows = order[edges[code] : edges[code + 1]]
        shapes, counts = np.unique(sides[rows], axis=0, return_counts=True)
        sizes = {
            f"{shapes[k][0]}x{shapes[k][1]}": int(counts[k]) for k in np.lexsort((shapes[:, 1], shapes[:, 0], -counts))
        }
        facts[str(values[code])] = ClassFacts(
            images=len(rows),
            prompts=len(np.unique(prompts[rows][prompts[rows] >= 0])),
            formats=_tally(format_names[index] for index in formats[rows]),
            sizes=sizes,
            median_bytes=int(np.median(lengths[rows])),
        )
    return facts


def _warnings(report: CatalogReport) -> list[str]:
    found = []
    if report.nuisance is not None and report.nuisance.gives_away:
        found.append(report.nuisance.sentence)
    if report.straddling_prompts:
        found.append(
            f"{len(report.straddling_prompts)} prompts stand in more than one split: an attributor can learn the "
            "prompt instead of the model. Make the split with `morelli catalog split`."
        )
    if report.n_reviewed_in_test:
        found.append(
            f"{report.n_reviewed_in_test} images of the split test have a reviewer's label (source review:...): the "
            "reviewer saw a machine's answer, so that accuracy on them would measure agreement. Move them to train."
        )
    if report.exact.across_splits or report.near.across_splits:
        found.append(
            f"{report.exact.across_splits} sets of equal files and {report.near.across_splits} sets of "
            "near-duplicates stand in more than one split: test images were seen in training."
        )
    if report.exact.across_labels:
        found.append(
            f"{report.exact.across_labels} files stand under more than one {report.label}: at least one of the "
            "labels is wrong."
        )
    if report.near.across_labels:
        found.append(
            f"{report.near.across_labels} sets of near-duplicates hold more than one {report.label}: look whether "
            "images were put into the wrong class, or whether the models were given the same seed."
        )
    if report.exact.sets and not report.exact.across_labels:
        found.append(f"{report.exact.images} rows are {report.exact.sets} files that occur more than once.")
    if report.near.largest > max(_FEW, report.n_readable // 10):
        found.append(
            f"One set of near-duplicates holds {report.near.largest} of {report.n_readable} images: look whether "
            "they are blank or refused images, or whether the radius is too large for these pictures."
        )
    if report.n > report.n_readable:
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.errors.items())
        found.append(f"{report.n - report.n_readable} of {report.n} files cannot be used ({kinds}).")
    if report.n_unlabelled:
        found.append(f"{report.n_unlabelled} images have no {report.label}.")
    if report.n_without_prompt:
        found.append(
            f"{report.n_without_prompt} of {report.n_readable} images have no prompt_id: a split cannot promise that "
            "no prompt stands on both sides."
        )
    counts = [facts.images for facts in report.classes.values()]
    if len(counts) > 1 and max(counts) > 2 * min(counts):
        found.append(f"The classes are uneven: from {min(counts)} to {max(counts)} images.")
    few = [name for name, facts in report.classes.items() if facts.images < _FEW]
    if few:
        shown = ", ".join(few[:_EXAMPLES]) + (", ..." if len(few) > _EXAMPLES else "")
        found.append(f"{len(few)} classes have fewer than {_FEW} images: {shown}.")
    return found
