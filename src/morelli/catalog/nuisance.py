"""The nuisance floor: how well the label can be told without looking at the picture.

A classifier sees only the container: format, size, quantisation tables, length, metadata. Where it beats chance, some
of any attributor's accuracy may be owed to how the files were saved. Note that the length of a file, and its bytes
per pixel, depend on the picture's content also (a detailed picture is longer), so that a floor a little above chance
need not be an artefact of saving: `NuisanceFloor.columns` says which column it comes from.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from morelli.catalog.catalog import Catalog
from morelli.catalog.folds import deal_groups
from morelli.catalog.groups import group_catalog
from morelli.errors import NotEnoughDataError

__all__ = ["NuisanceFloor", "container_features", "nuisance_floor"]

_NUMBERS = ("width", "height", "bytes", "bit_depth", "orientation", "metadata_bytes", "jpeg_quality")
_FLAGS = ("alpha", "animated", "icc_profile", "progressive")
_WORDS = ("format", "mode", "jpeg_tables", "subsampling")
_MAX_WORDS = 32
_TREES = 100
_PARALLEL_FROM = 2000  # rows; below, starting threads costs more than it saves
_SMALL_GAIN = 0.05


@dataclass(frozen=True)
class NuisanceFloor:
    """What a classifier scores that sees only the container.

    Attributes
    ----------
    label : str
        The column that was told.
    accuracy : float
        Cross-validated share of right answers, 0 to 1.
    interval : (float, float)
        95% interval of `accuracy`, by bootstrap over groups.
    chance : float
        Share of the most frequent class: what always naming it scores.
    uniform : float
        One over the number of classes.
    n, n_available : int
        Images used; images that could have been used (a sample is taken of very large catalogs).
    n_classes, n_groups, folds, seed : int
        Size of the question, and how it was cross-validated.
    leak_free : bool
        Whether all prompts were known.
    columns : dict of str to float
        Cross-validated accuracy from one column alone, best first: what gives the label away.
    gives_away : bool
        Whether the interval lies above chance and at least a twentieth of the way from chance to 1 is gained.
    sentence : str
        The result in plain words.
    """

    label: str
    accuracy: float
    interval: tuple[float, float]
    chance: float
    uniform: float
    n: int
    n_available: int
    n_classes: int
    n_groups: int
    folds: int
    seed: int
    leak_free: bool
    columns: dict[str, float]
    gives_away: bool
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {**asdict(self), "interval": list(self.interval)}


def nuisance_floor(
    catalog: Catalog, label: str = "model", *, seed: int = 0, folds: int = 5, max_images: int = 20_000
) -> NuisanceFloor:
    """Measure how well the container alone gives the label away.

    Extremely randomised trees [1]_ (100) on `container_features`, cross-validated by leak-proof group.

    Parameters
    ----------
    catalog : Catalog
        Unreadable and unlabelled rows are left out.
    label : str
        The column to tell.
    seed : int
        Of folds, trees, bootstrap and sample: the same catalog and seed give the same result.
    folds : int
        Number of folds; fewer when there are fewer groups.
    max_images : int
        More images than this are sampled by whole groups.

    Raises
    ------
    CatalogError
        There is no such column.
    NotEnoughDataError
        There are fewer than two classes or fewer than two groups.

    References
    ----------
    .. [1] Geurts, Ernst, Wehenkel: Extremely randomized trees. Machine Learning 63, 2006.
    """
    usable = catalog.filter(catalog.table["error"].is_null().to_numpy() & (catalog.codes(label)[0] >= 0))
    available = len(usable)
    groups = group_catalog(usable)
    if available > max_images:
        keep = _sample(groups.ids, max_images, seed)
        usable, ids = usable.filter(keep), groups.ids[keep]
    else:
        ids = groups.ids
    classes, values = usable.codes(label)
    if len(values) < 2:
        raise NotEnoughDataError(f"The nuisance floor needs at least two values of {label!r}; there are {len(values)}.")
    ids = np.unique(ids, return_inverse=True)[1]
    n_groups = int(ids.max()) + 1
    folds = min(folds, n_groups)
    if folds < 2:
        raise NotEnoughDataError(
            "The nuisance floor needs at least two groups of images that share no prompt and no near-duplicate; all "
            "images hang together in one."
        )
    parts = deal_groups(ids, classes, np.full(folds, 1.0 / folds), seed)
    matrix, origin = container_features(usable)
    right = _cross_validate(matrix, classes, parts, _TREES, seed)
    columns = {
        name: float(_cross_validate(matrix[:, origin == name], classes, parts, 0, seed).mean())
        for name in dict.fromkeys(origin.tolist())
        if np.ptp(matrix[:, origin == name], axis=0).any()
    }
    columns = dict(sorted(columns.items(), key=lambda item: (-item[1], item[0])))
    accuracy, chance = float(right.mean()), float(np.bincount(classes).max() / len(classes))
    interval = _group_interval(right, ids, seed)
    gives_away = interval[0] > chance and accuracy - chance >= _SMALL_GAIN * (1.0 - chance)
    return NuisanceFloor(
        label=label,
        accuracy=accuracy,
        interval=interval,
        chance=chance,
        uniform=1.0 / len(values),
        n=len(usable),
        n_available=available,
        n_classes=len(values),
        n_groups=n_groups,
        folds=folds,
        seed=seed,
        leak_free=groups.leak_free,
        columns=columns,
        gives_away=gives_away,
        sentence=_sentence(label, accuracy, interval, chance, columns, gives_away),
    )


def container_features(catalog: Catalog) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Describe every image by its container alone.

    Returns
    -------
    matrix : ndarray of float32, shape (n, d)
        Numbers as they are (-1 where there is none), flags as 0 and 1, words one-hot (the 32 most frequent).
    origin : ndarray of str, shape (d,)
        The column that each feature comes from; ``aspect`` and ``bytes_per_pixel`` are made from two.
    """
    features: list[tuple[str, NDArray[Any]]] = [
        (name, np.nan_to_num(catalog.column(name).astype(np.float64), nan=-1.0)) for name in _NUMBERS
    ]
    numbers = dict(features)
    pixels = np.maximum(numbers["width"] * numbers["height"], 1.0)
    features.append(("aspect", numbers["width"] / np.maximum(numbers["height"], 1.0)))
    features.append(("bytes_per_pixel", numbers["bytes"] / pixels))
    for name in _FLAGS:
        flags = pc.fill_null(pc.cast(catalog.table[name], pa.int8()), -1)
        features.append((name, flags.to_numpy()))
    for name in _WORDS:
        codes, words = catalog.codes(name)
        counts = np.bincount(codes[codes >= 0], minlength=len(words))
        common = np.argsort(-counts, kind="stable")[:_MAX_WORDS]
        features.extend((name, codes == code) for code in common)
    matrix = np.column_stack([values for _, values in features]).astype(np.float32)
    return matrix, np.array([name for name, _ in features])


def _cross_validate(
    matrix: NDArray[np.float32], classes: NDArray[np.int64], parts: NDArray[np.int64], trees: int, seed: int
) -> NDArray[np.bool_]:
    """Return whether each image is told rightly by a model that saw other folds only; one tree when `trees` is 0."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.tree import DecisionTreeClassifier

    right = np.zeros(len(classes), dtype=bool)
    for part in np.unique(parts):
        held = parts == part
        model: Any
        if trees:
            # Within a percent or two of 200 trees, all features and a random forest on real and made-up clues; quicker.
            model = ExtraTreesClassifier(
                trees,
                min_samples_leaf=max(2, len(classes) // 2000),
                max_features=0.5,
                n_jobs=-1 if len(classes) >= _PARALLEL_FROM else None,
                random_state=seed,
            )
        else:
            model = DecisionTreeClassifier(min_samples_leaf=5, random_state=seed)
        right[held] = model.fit(matrix[~held], classes[~held]).predict(matrix[held]) == classes[held]
    return right


def _group_interval(
    right: NDArray[np.bool_], ids: NDArray[np.int64], seed: int, draws: int = 1000
) -> tuple[float, float]:
    """95% interval of the share of right answers, by drawing groups; Wilson's where all answers are alike."""
    sizes = np.bincount(ids).astype(np.float64)
    hits = np.bincount(ids, weights=right)
    count = len(sizes)
    if right.all() or not right.any():
        z2 = 1.96**2
        reach = z2 / (count + z2)
        return (1.0 - reach, 1.0) if right.all() else (0.0, reach)
    rng = np.random.default_rng(seed)
    shares = np.empty(draws)
    for draw in range(draws):
        picked = rng.integers(0, count, count)
        shares[draw] = hits[picked].sum() / sizes[picked].sum()
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def _sample(ids: NDArray[np.int64], wanted: int, seed: int) -> NDArray[np.bool_]:
    """Choose whole groups at random until `wanted` images are reached."""
    sizes = np.bincount(ids)
    order = np.random.default_rng(seed).permutation(len(sizes))
    chosen = order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), wanted, side="right")))]
    return np.isin(ids, chosen)


def _sentence(
    label: str,
    accuracy: float,
    interval: tuple[float, float],
    chance: float,
    columns: dict[str, float],
    gives_away: bool,
) -> str:
    low, high = (100 * end for end in interval)
    numbers = f"{100 * accuracy:.1f}% (95% interval {low:.1f} to {high:.1f}%, chance {100 * chance:.1f}%)"
    if gives_away:
        telling = [name for name, share in columns.items() if share - chance >= 0.5 * (accuracy - chance)][:3]
        why = f", above all {' and '.join(telling)}" if telling else ""
        extent = "gives the label away" if accuracy < 0.95 else "gives the label away entirely"
        return (
            f"The container alone {extent}: without looking at the picture {label} is told for {numbers}{why}. "
            "An accuracy on these files says little beyond this floor: save all images the same way first."
        )
    if interval[0] > chance:
        return f"The container alone tells {label} slightly better than chance: {numbers}."
    return f"The container alone does not tell {label}: {numbers}."
