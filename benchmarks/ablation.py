"""What the choices of the default attributor are worth on a gallery: one row a choice, everything else as it is.

    python benchmarks/ablation.py path/to/sdnext-gallery.csv --csv benchmarks/ablation.csv

Folds hold out whole prompts, as in gallery.py.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from morelli._files import atomic_path
from morelli.attributors import FusedAttributor
from morelli.catalog import build_catalog, group_ids, split_catalog
from morelli.encoders import FeatureCache, Features, ForensicEncoder, extract

Make = Callable[[Features], FusedAttributor]


def _settings(**settings: float) -> Make:
    return lambda features: FusedAttributor(dict(features.blocks), **settings)


def _one_vector(features: Features) -> FusedAttributor:
    return FusedAttributor()


CHOICES: dict[str, Make] = {
    "as it is": _settings(),
    "shrinkage 0.0003": _settings(shrinkage=0.0003),
    "shrinkage 0.03": _settings(shrinkage=0.03),
    "shrinkage 0.3": _settings(shrinkage=0.3),
    "no within-image covariance": _settings(within_share=0.0),
    "half within-image covariance": _settings(within_share=0.5),
    "weights from 3 folds": _settings(n_folds=3),
    "one discriminant over all families": _one_vector,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="table of images with labels, or a folder per model")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="keep features in this file")
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()

    catalog = build_catalog(arguments.source)
    features = extract(catalog, ForensicEncoder(), cache=FeatureCache(arguments.cache))
    folds = split_catalog(catalog, folds=arguments.folds).folds(catalog)
    labels, groups = catalog.column("model").astype(str), group_ids(catalog)
    rows: list[tuple[object, ...]] = [("choice", "accuracy", "log_loss", "n")]
    for name, make in CHOICES.items():
        right, loss = [], []
        for fold in np.unique(folds):
            train, test = folds != fold, folds == fold
            attributor = make(features)
            attributor.fit(
                features.X[train],
                labels[train],
                groups[train],
                within=features.within[train],
                n_contrasts=features.n_contrasts[train],
            )
            proba = attributor.predict_proba(features.X[test])
            true = np.searchsorted(attributor.classes_, labels[test])
            right.append(proba.argmax(axis=1) == true)
            loss.append(-np.log(np.maximum(proba[np.arange(len(true)), true], 1e-300)))
        rows.append(
            (
                name,
                round(float(np.concatenate(right).mean()), 4),
                round(float(np.concatenate(loss).mean()), 4),
                len(labels),
            )
        )
        print(*rows[-1], sep="\t", flush=True)
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
