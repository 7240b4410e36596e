"""Two bundles on the same images, of which neither has seen a picture or a prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from morelli.attributors import Answers, Bundle, decide
from morelli.attributors.fitting import prompt_hash
from morelli.catalog import Catalog, group_catalog
from morelli.encoders import FeatureCache, extract
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials.metrics import (
    cluster_bootstrap_difference,
    cluster_bootstrap_interval,
    expected_calibration_error,
    none_for_nan,
    set_coverage,
)

__all__ = ["CommonTest", "OnCommon", "compare_on"]

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class OnCommon:
    """What one bundle makes of the common images.

    Attributes
    ----------
    accuracy : float
        Share whose most probable candidate is the truth.
    interval : tuple of float or None
        95% interval over prompts; None where there are fewer than two.
    calibration_error : float
        Expected calibration error of the top candidate's probability.
    coverage, set_size : float
        How often prediction sets hold the truth, and how many candidates they hold.
    unknown : float
        Share that is called unknown.
    """

    accuracy: float
    interval: tuple[float, float] | None
    calibration_error: float
    coverage: float
    set_size: float
    unknown: float


@dataclass(frozen=True, slots=True)
class CommonTest:
    """Two bundles compared image by image.

    Attributes
    ----------
    n, n_groups : int
        Images, and prompts (or other groups).
    first, second : OnCommon
    difference : float
        Accuracy of the second less that of the first.
    interval : tuple of float or None
        95% interval of the difference over prompts, paired.
    only_first, only_second : int
        Images that one alone names right.
    p : float
        Exact test of McNemar: the two are right equally often. It takes images as independent.
    agreement : float
        Share of images of which both name the same candidate.
    seen_images, seen_prompts, foreign, unreadable : int
        Images that were left out: a reference of either, of a prompt that either has seen, of a class that not both
        have (or of none), and without measurements.
    notes : tuple of str
    """

    n: int
    n_groups: int
    first: OnCommon
    second: OnCommon
    difference: float
    interval: tuple[float, float] | None
    only_first: int
    only_second: int
    p: float
    agreement: float
    seen_images: int
    seen_prompts: int
    foreign: int
    unreadable: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for side in ("first", "second"):
            one = getattr(self, side)
            plain[side] = {name: getattr(one, name) for name in one.__dataclass_fields__}
        return plain


def compare_on(
    first: Bundle,
    second: Bundle,
    catalog: Catalog,
    *,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    seed: int = 0,
) -> CommonTest:
    """Judge the same images by two bundles.

    Parameters
    ----------
    first, second : Bundle
        Of the same label; each answers among its own candidates.
    catalog : Catalog
        Images of classes that both have. What either has seen, image or prompt, is left out and counted.
    cache, workers, progress
        As for :func:`morelli.encoders.extract`.
    seed : int, default 0
        Of the bootstrap.

    Raises
    ------
    MorelliError
        The bundles name different things.
    NotEnoughDataError
        No image is left.
    """
    if first.label != second.label:
        raise MorelliError(
            f"One bundle names a {first.label} and the other a {second.label}: their answers cannot be compared."
        )
    labels = catalog.text(first.label)
    both = set(first.classes) & set(second.classes)
    known = np.array([label in both for label in labels], dtype=np.bool_)
    ids = first.references.image_ids | second.references.image_ids
    hashes = first.references.prompt_hashes | second.references.prompt_hashes
    seen = np.array([one in ids for one in catalog.column("image_id")], dtype=np.bool_)
    prompts = [p is not None and prompt_hash(str(p)) in hashes for p in catalog.column("prompt_id")]
    of_prompt = np.array(prompts, dtype=np.bool_) & ~seen
    kept = known & ~seen & ~of_prompt
    left = catalog.filter(kept)
    tables = []
    encoders = (
        [first.encoder] if first.encoder.recipe_hash == second.encoder.recipe_hash else [first.encoder, second.encoder]
    )
    for number, encoder in enumerate(encoders):

        def step(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, len(encoders) * total)

        tables.append(extract(left, encoder, cache=cache, workers=workers, progress=step))
    ok = np.all([table.ok for table in tables], axis=0)
    counts = {
        "seen_images": int((seen & known).sum()),
        "seen_prompts": int((of_prompt & known).sum()),
        "foreign": int((~known).sum()),
        "unreadable": int((~ok).sum()),
    }
    if not ok.any():
        words = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        raise NotEnoughDataError(f"No image is left that both bundles may be judged on; left out: {words}.")
    left = left.filter(ok)
    truth = left.text(first.label).astype(str)
    groups = group_catalog(left)
    answers = [bundle.attributor.answer(table.X[ok]) for bundle, table in ((first, tables[0]), (second, tables[-1]))]
    named = [np.array(b.classes)[a.proba.argmax(axis=1)] for b, a in zip((first, second), answers, strict=True)]
    hits = [names == truth for names in named]
    one, other = int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum())
    notes = [] if groups.leak_free else [groups.note]
    if first.classes != second.classes:
        notes.append(
            f"The bundles choose among {len(first.classes)} and {len(second.classes)} candidates: with more of them "
            "the same images are harder to name."
        )
    return CommonTest(
        n=len(left),
        n_groups=groups.n_groups,
        first=_judged(first, answers[0], truth, hits[0], groups.ids, seed),
        second=_judged(second, answers[1], truth, hits[1], groups.ids, seed),
        difference=float(hits[1].mean() - hits[0].mean()),
        interval=_interval(cluster_bootstrap_difference(hits[1], hits[0], groups.ids, seed=seed)),
        only_first=one,
        only_second=other,
        p=float(binomtest(one, one + other).pvalue) if one + other else 1.0,
        agreement=float((named[0] == named[1]).mean()),
        notes=tuple(notes),
        **counts,
    )


def _judged(
    bundle: Bundle, answers: Answers, truth: NDArray[Any], hits: Bools, groups: NDArray[np.int64], seed: int
) -> OnCommon:
    y = np.searchsorted(np.array(bundle.classes), truth)
    return OnCommon(
        accuracy=float(hits.mean()),
        interval=_interval(cluster_bootstrap_interval(hits, groups, seed=seed)),
        calibration_error=expected_calibration_error(hits, answers.proba.max(axis=1)),
        coverage=set_coverage(y, answers.prediction_set),
        set_size=float(answers.prediction_set.sum(axis=1).mean()),
        unknown=float(np.mean([word == "unknown" for word in decide(answers, bundle.open_set_level)])),
    )


def _interval(found: tuple[float, float]) -> tuple[float, float] | None:
    low, high = none_for_nan(found[0]), none_for_nan(found[1])
    return None if low is None or high is None else (low, high)
