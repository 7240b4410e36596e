"""Does a small network, trained on references, add to the forensic families? On models it has seen, and on others.

    python benchmarks/fingerprint.py path/to/sdnext-gallery.csv --work DIR --steps 500 --csv benchmarks/fingerprint.csv

Networks, each trained on the references of one fold by prompt only (the first of five), so that test prompts are new:

- ``transfer-a``, ``transfer-b``: on every second model each; used as an encoder for the *other* models.
- ``own``: on all models.
- ``untrained``: as ``transfer-a``, with no learning rate to speak of: what is the structure of the network alone worth?

They are kept in the work folder, and a training that was interrupted goes on. ``--train NAME`` trains one only,
``--measure`` trains none and measures those that are there.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from morelli._files import atomic_path
from morelli.attributors._folding import deal_references
from morelli.attributors.discriminant import Discriminant, fit_discriminant
from morelli.attributors.fusion import fit_fusion_weights
from morelli.catalog import Catalog, build_catalog, group_ids, split_catalog
from morelli.encoders import Encoder, FeatureCache, Features, ForensicEncoder, extract
from morelli.encoders.fingerprint import FingerprintEncoder, TrainingProgress, TrainingSettings, train_fingerprint

NETWORKS = ("transfer-a", "transfer-b", "own", "untrained")
HALF = "resize:512|jpeg:85"
CONDITIONS = (("none", ("none", HALF)), (HALF, (HALF,)))
"""The view of the references, and the views of the images that are judged by them."""
FORENSIC = ForensicEncoder()
Float = NDArray[np.float64]
SEED = 0
DRAWS = 2000


class Row(NamedTuple):
    """One line of the table."""

    question: str
    references: str  # view that the references were seen through
    images: str  # view that the judged images were seen through
    evidence: str
    accuracy: float
    low: float  # 95 % interval by bootstrap over prompts
    high: float
    claimed: float  # accuracy out of fold, on the references
    gain: float  # in accuracy over the families alone, on the same images
    gain_low: float
    gain_high: float
    weight: float  # share of the fingerprint in the fusion's weights
    n: int
    prompts: int
    candidates: int
    steps: int


class Words(NamedTuple):
    """What discriminants say, log-likelihoods (families, images, candidates), in one fold."""

    held_out: Float  # of the references, out of fold
    references: NDArray[np.int64]  # their candidates
    test: dict[str, Float]  # of the images to be judged, by view
    images: NDArray[np.int64]
    groups: NDArray[np.int64]


def training_rows(name: str, labels: Any, fold: Any) -> NDArray[np.bool_]:
    rows = fold != 0
    if name != "own":
        return rows & (model_half(labels) == name.endswith("b"))
    return np.asarray(rows)


def model_half(labels: Any) -> NDArray[np.bool_]:
    """Every second model in alphabetical order: relatives are on both sides."""
    return np.unique(labels, return_inverse=True)[1] % 2 == 1


def train(name: str, catalog: Catalog, rows: NDArray[np.bool_], arguments: argparse.Namespace) -> None:
    last = 0.0

    def report(at: TrainingProgress) -> None:
        nonlocal last
        if time.monotonic() - last > 30 or at.share >= 1:
            last = time.monotonic()
            minutes = time.process_time() / 60
            print(
                f"{name}: step {at.step}, {minutes:.1f} CPU min, loss {at.loss:.3f}, right {at.accuracy:.3f}",
                flush=True,
            )

    model = train_fingerprint(
        catalog.filter(rows),
        minutes=arguments.minutes,
        steps=60 if name == "untrained" else arguments.steps,
        seed=SEED,
        threads=arguments.threads,
        settings=TrainingSettings(learning_rate=1e-9, patches=3) if name == "untrained" else None,
        checkpoint=arguments.work / f"{name}.safetensors",
        progress=report,
    )
    model.save(arguments.work / f"{name}.onnx")


def interval(values: Float, groups: Any) -> tuple[float, float]:
    """95 % interval of a mean by bootstrap over prompts."""
    names, codes = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(codes, values), np.bincount(codes)
    drawn = np.random.default_rng(SEED).integers(len(names), size=(DRAWS, len(names)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


class Bench:
    """Catalog, caches and networks."""

    def __init__(self, catalog: Catalog, labels: Any, groups: Any, fold: Any, arguments: argparse.Namespace) -> None:
        self.catalog, self.labels, self.groups, self.fold = catalog, labels, groups, fold
        self.workers, self.cache = arguments.workers, FeatureCache(arguments.cache)
        self._words: dict[tuple[object, ...], Words] = {}
        files = {name: arguments.work / f"{name}.onnx" for name in NETWORKS}
        self.networks = {name: FingerprintEncoder(file) for name, file in files.items() if file.exists()}

    def measured(self, encoder: Encoder, view: str, rows: Any) -> Features:
        """Measure some rows of the catalog."""
        return extract(self.catalog.filter(rows), encoder, view=view, cache=self.cache, workers=self.workers)

    def words(self, encoder: Encoder, rows: Any, fold: int, view: str, test_views: tuple[str, ...]) -> Words:
        """Fit a discriminant for each family to the references of a fold among `rows`."""
        key = (encoder.recipe_hash, rows.tobytes(), fold, view)
        if key not in self._words:
            self._words[key] = self._fitted_words(encoder, rows, fold, view, test_views)
        return self._words[key]

    def _fitted_words(self, encoder: Encoder, rows: Any, fold: int, view: str, test_views: tuple[str, ...]) -> Words:
        train, test = rows & (self.fold != fold), rows & (self.fold == fold)
        names, codes = np.unique(self.labels[train], return_inverse=True)
        groups = np.unique(self.groups[train], return_inverse=True)[1].astype(np.int64)
        features = self.measured(encoder, view, train)
        values, blocks = features.X.astype(np.float64), dict(features.blocks)

        def fitted(images: Any) -> dict[str, Discriminant]:
            result = {}
            for name, block in blocks.items():
                pairs = zip(images, features.n_contrasts[images], strict=True)
                within = np.concatenate([features.within[i, :n, block] for i, n in pairs])
                within = within[within.any(axis=1)]
                result[name] = fit_discriminant(
                    values[images][:, block], codes[images], len(names), within=within if len(within) else None
                )
            return result

        def said(discriminants: dict[str, Discriminant], images: Float) -> Float:
            return np.stack([each.log_likelihood(images[:, blocks[name]]) for name, each in discriminants.items()])

        dealt, _ = deal_references(codes, groups, names, 10, SEED)
        held_out = np.empty((len(blocks), len(codes), len(names)))
        for part in range(int(dealt.max()) + 1):
            held_out[:, dealt == part] = said(fitted(np.flatnonzero(dealt != part)), values[dealt == part])
        final = fitted(np.arange(len(codes)))
        seen = {each: said(final, self.measured(encoder, each, test).X.astype(np.float64)) for each in test_views}
        return Words(held_out, codes, seen, np.searchsorted(names, self.labels[test]), self.groups[test])

    def compare(self, question: str, names: list[str], rows_of: Any, folds: list[int]) -> Iterator[Row]:
        """Judge by families, by a network, and by both; images of several networks' questions are put together."""
        encoders: dict[str, list[int]] = {"families": [0], "fingerprint": [1], "families + fingerprint": [0, 1]}
        for view, test_views in CONDITIONS:
            fits = [
                [self.words(each, rows_of(name), fold, view, test_views) for each in (FORENSIC, self.networks[name])]
                for name in names
                for fold in folds
            ]
            for test_view in test_views:
                base = np.zeros(0)
                for evidence, parts in encoders.items():
                    right, claimed, weight = [], [], []
                    for fit in fits:
                        held_out = np.concatenate([fit[part].held_out for part in parts])
                        test = np.concatenate([fit[part].test[test_view] for part in parts])
                        weights = fit_fusion_weights(held_out, fit[0].references)
                        right.append(np.tensordot(weights, test, 1).argmax(axis=1) == fit[0].images)
                        claimed.append((np.tensordot(weights, held_out, 1).argmax(axis=1) == fit[0].references).mean())
                        weight.append(weights[-1] / weights.sum() if 1 in parts else 0.0)
                    found = np.concatenate(right).astype(np.float64)
                    groups = np.concatenate([fit[0].groups for fit in fits])
                    base = base if len(base) else found
                    gain = found - base
                    numbers = (
                        found.mean(),
                        *interval(found, groups),
                        np.mean(claimed),
                        gain.mean(),
                        *interval(gain, groups),
                        np.mean(weight),
                    )
                    rounded = [round(float(each), 4) for each in numbers]
                    sizes = len(found), len(np.unique(groups)), fits[0][0].held_out.shape[2]
                    steps = int(self.networks[names[0]].metadata["steps"])
                    yield Row(question, view, test_view, evidence, *rounded, *sizes, steps)

    def rows(self) -> Iterator[Row]:
        """Answer all questions that the networks allow."""
        half, everything = model_half(self.labels), np.ones(len(self.labels), dtype=bool)
        transfer = [name for name in self.networks if name.startswith("transfer")]

        def others(name: str) -> Any:
            return half != name.endswith("b")

        if "own" in self.networks:
            yield from self.compare("own references", ["own"], lambda _: everything, [0])
        if transfer:
            yield from self.compare("other models", transfer, others, list(range(5)))
        if "untrained" in self.networks:
            yield from self.compare("untrained network", ["untrained"], lambda _: half, list(range(5)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="table of images with labels, or a folder per model")
    parser.add_argument("--work", type=Path, required=True, help="folder for networks and checkpoints")
    parser.add_argument("--steps", type=int, help="of each training")
    parser.add_argument("--minutes", type=float, help="of each training, at most")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--train", choices=NETWORKS, help="train this network only, and measure nothing")
    parser.add_argument("--measure", action="store_true", help="train nothing")
    parser.add_argument("--cache", type=Path, help="keep features in this file")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()

    catalog = build_catalog(arguments.source)
    labels, groups = catalog.column("model").astype(str), group_ids(catalog)
    fold = split_catalog(catalog, folds=5).folds(catalog)
    for name in [] if arguments.measure else [arguments.train] if arguments.train else NETWORKS:
        train(name, catalog, training_rows(name, labels, fold), arguments)
    if arguments.train:
        return
    rows = []
    for row in Bench(catalog, labels, groups, fold, arguments).rows():
        rows.append(row)
        print(*row, sep="\t", flush=True)
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([Row._fields, *rows])


if __name__ == "__main__":
    main()
