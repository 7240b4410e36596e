"""Two bundles on the same images, of which neither has seen a picture or a prompt.

References
----------
Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika
12, 1947.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from morelli.attributors import Answers, Bundle, decide
from morelli.attributors.fitting import prompt_hash
from morelli.audit.versions.intervals import expanded
from morelli.catalog import Catalog, Groups, group_catalog
from morelli.encoders import FeatureCache, Features, extract
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.trials.metrics import (
    cluster_bootstrap_difference,
    cluster_bootstrap_interval,
    expected_calibration_error,
    log_loss,
    mean_set_size,
    none_for_nan,
    set_coverage,
)

__all__ = ["CommonTest", "OnClass", "OnCommon", "compare_on"]

Bools = NDArray[np.bool_]
Interval = tuple[float, float] | None

LEVEL = 0.95
"""Coverage that intervals aim at; a difference is told where the test of McNemar says so at 1 - LEVEL too."""


@dataclass(frozen=True, slots=True)
class OnCommon:
    """What one bundle makes of the common images.

    Attributes
    ----------
    accuracy : float
        Share whose most probable candidate is the truth.
    interval : tuple of float or None
        95% interval over prompts; None where there are fewer than two.
    log_loss : float
        Mean of minus the logarithm (nats) of the probability that the truth is given.
    calibration_error : float
        Expected calibration error of the top candidate's probability.
    coverage, set_size : float
        How often prediction sets hold the truth, and how many candidates they hold.
    unknown : float
        Share that is called unknown.
    """

    accuracy: float
    interval: Interval
    log_loss: float
    calibration_error: float
    coverage: float
    set_size: float
    unknown: float


@dataclass(frozen=True, slots=True)
class OnClass:
    """The common images of one class: how many there are, and how many of them each bundle names right."""

    name: str
    n: int
    first: int
    second: int


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
        95% interval of the difference over prompts, paired; None with fewer than two prompts, or where no image tells
        the two apart. That of so few prompts is made wider, see :func:`~morelli.audit.versions.intervals.expanded`.
    only_first, only_second : int
        Images that one alone names right.
    p : float
        Exact test of McNemar: the two are right equally often. It takes images as independent.
    agreement : float
        Share of images of which both name the same candidate.
    classes : tuple of OnClass
        By name.
    seen_images, seen_prompts, foreign, unreadable : int
        Images that were left out: a reference of either; of a prompt that either has seen, or nearly the same picture
        as such an image; of a class that not both have (or of none); without measurements.
    notes : tuple of str
    """

    n: int
    n_groups: int
    first: OnCommon
    second: OnCommon
    difference: float
    interval: Interval
    only_first: int
    only_second: int
    p: float
    agreement: float
    classes: tuple[OnClass, ...]
    seen_images: int
    seen_prompts: int
    foreign: int
    unreadable: int
    notes: tuple[str, ...]

    @property
    def told(self) -> bool:
        """Whether one is right more often: the interval over prompts and the test over images both say so."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1] and self.p < 1 - LEVEL

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {**asdict(self), "told": self.told}


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
    groups = group_catalog(catalog)
    kept, counts = _unseen(first, second, catalog, groups)
    left, ids = catalog.filter(kept), groups.ids[kept]
    tables = _measured(left, [first, second], cache, workers, progress) if len(left) else []
    ok = np.all([table.ok for table in tables], axis=0) if tables else np.zeros(0, dtype=np.bool_)
    counts["unreadable"] = int((~ok).sum())
    if not ok.any():
        raise NotEnoughDataError(
            f"None of the {len(catalog)} images can be put to both bundles. {counts['foreign']} are of no class that "
            f"both have; of the others, {counts['seen_images']} are references, {counts['seen_prompts']} are of "
            f"prompts that a bundle has seen, and {counts['unreadable']} could not be measured. Give labelled images "
            "of other prompts."
        )
    left, ids = left.filter(ok), np.unique(ids[ok], return_inverse=True)[1]
    truth = left.text(first.label).astype(str)
    answers = [bundle.attributor.answer(table.X[ok]) for bundle, table in zip((first, second), tables, strict=True)]
    named = [np.array(b.classes)[a.proba.argmax(axis=1)] for b, a in zip((first, second), answers, strict=True)]
    hits = [names == truth for names in named]
    one, other = int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum())
    return CommonTest(
        n=len(left),
        n_groups=int(ids.max()) + 1,
        first=_judged(first, answers[0], truth, hits[0], ids, seed),
        second=_judged(second, answers[1], truth, hits[1], ids, seed),
        difference=float(hits[1].mean() - hits[0].mean()),
        interval=_difference(hits[0], hits[1], ids, seed) if one + other else None,
        only_first=one,
        only_second=other,
        p=float(binomtest(one, one + other).pvalue) if one + other else 1.0,
        agreement=float((named[0] == named[1]).mean()),
        classes=tuple(
            OnClass(str(name), int(own.sum()), int(hits[0][own].sum()), int(hits[1][own].sum()))
            for name, own in ((name, truth == name) for name in np.unique(truth))
        ),
        notes=tuple(_notes(first, second, left)),
        **counts,
    )


def _unseen(first: Bundle, second: Bundle, catalog: Catalog, groups: Groups) -> tuple[Bools, dict[str, int]]:
    """Return which rows both bundles may be judged on, and how many are left out for each reason.

    A bundle knows hashes of its images and prompt ids, and nothing of captions or of how its images looked. Where the
    catalog holds what was seen, its groups carry that on to rows with the same caption or nearly the same picture.
    """
    both = set(first.classes) & set(second.classes)
    known = np.array([label in both for label in catalog.text(first.label)], dtype=np.bool_)
    ids = first.references.image_ids | second.references.image_ids
    hashes = first.references.prompt_hashes | second.references.prompt_hashes
    seen = np.array([one in ids for one in catalog.column("image_id")], dtype=np.bool_)
    of_prompt = np.array(
        [prompt is not None and prompt_hash(str(prompt)) in hashes for prompt in catalog.column("prompt_id")],
        dtype=np.bool_,
    )
    beside = np.isin(groups.ids, groups.ids[seen | of_prompt]) & ~seen
    return known & ~seen & ~beside, {
        "seen_images": int((seen & known).sum()),
        "seen_prompts": int((beside & known).sum()),
        "foreign": int((~known).sum()),
    }


def _measured(
    catalog: Catalog,
    bundles: list[Bundle],
    cache: FeatureCache | None,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> list[Features]:
    """Measure images as each bundle does, once where their recipes are the same."""
    encoders = {bundle.encoder.recipe_hash: bundle.encoder for bundle in bundles}
    found: dict[str, Features] = {}
    for number, (recipe, encoder) in enumerate(encoders.items()):

        def step(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, len(encoders) * total)

        found[recipe] = extract(catalog, encoder, cache=cache, workers=workers, progress=step)
    return [found[bundle.encoder.recipe_hash] for bundle in bundles]


def _judged(
    bundle: Bundle, answers: Answers, truth: NDArray[Any], hits: Bools, groups: NDArray[np.intp], seed: int
) -> OnCommon:
    y = np.array([bundle.classes.index(name) for name in truth])
    level = expanded(int(groups.max()) + 1, LEVEL)
    return OnCommon(
        accuracy=float(hits.mean()),
        interval=_interval(cluster_bootstrap_interval(hits, groups, seed=seed, level=level)),
        log_loss=log_loss(y, answers.proba),
        calibration_error=expected_calibration_error(hits, answers.proba.max(axis=1)),
        coverage=set_coverage(y, answers.prediction_set),
        set_size=mean_set_size(answers.prediction_set),
        unknown=float(np.mean([word == "unknown" for word in decide(answers, bundle.open_set_level)])),
    )


def _difference(first: Bools, second: Bools, groups: NDArray[np.intp], seed: int) -> Interval:
    level = expanded(int(groups.max()) + 1, LEVEL)
    return _interval(cluster_bootstrap_difference(second, first, groups, seed=seed, level=level))


def _interval(found: tuple[float, float]) -> Interval:
    low, high = none_for_nan(found[0]), none_for_nan(found[1])
    return None if low is None or high is None else (low, high)


def _notes(first: Bundle, second: Bundle, left: Catalog) -> list[str]:
    notes = []
    without = sum(prompt is None for prompt in left.column("prompt_id"))
    if without:
        notes.append(
            f"{without} of {len(left)} images have no prompt_id: whether a bundle has seen their prompts cannot be "
            "told."
        )
    for which, bundle in (("first", first), ("second", second)):
        if not bundle.references.prompt_hashes:
            notes.append(f"The {which} bundle does not know the prompts of its references: images may share them.")
    if first.classes != second.classes:
        notes.append(
            f"The bundles choose among {len(first.classes)} and {len(second.classes)} candidates: with more of them "
            "the same images are harder to name."
        )
    return notes
