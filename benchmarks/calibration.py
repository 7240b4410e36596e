r"""What each part of calibration is worth on new prompts: temperature, biases, doubt, and the learning curve.

    python benchmarks/calibration.py path/to/sdnext-gallery.csv --csv benchmarks/calibration.csv

Folds hold out whole prompts, as in gallery.py. Discriminants and weights are those of the default attributor; every
calibrator is fitted to the out-of-fold answers for its references, and used with the temperature that it learned and
with the one that the learning curve says.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from morelli._files import atomic_path
from morelli.attributors import FusedAttributor
from morelli.attributors import fused as module
from morelli.attributors.calibration import BiasCorrectedTemperature, TemperatureCalibrator
from morelli.attributors.doubt import DoubtedBiases, DoubtedTemperature
from morelli.catalog import build_catalog, group_ids, split_catalog
from morelli.encoders import FeatureCache, ForensicEncoder, extract
from morelli.trials.metrics import expected_calibration_error

CALIBRATORS = (TemperatureCalibrator, DoubtedTemperature, BiasCorrectedTemperature, DoubtedBiases)


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
    seen: dict[str, np.ndarray] = {}
    choose = module.choose_calibrator

    def spy(logits: np.ndarray, y: np.ndarray, *rest: object) -> object:
        """Keep the out-of-fold answers that the attributor calibrates by."""
        seen.update(logits=logits, y=y)
        return choose(logits, y, *rest)

    module.choose_calibrator = spy
    answers: dict[tuple[str, bool], list[np.ndarray]] = {}
    truth, chosen = [], []
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        attributor = FusedAttributor(dict(features.blocks)).fit(
            features.X[train],
            labels[train],
            groups[train],
            within=features.within[train],
            n_contrasts=features.n_contrasts[train],
        )
        chosen.append(attributor.calibration_.name)
        _, fused = attributor._judge(features.X[test])
        for kind in CALIBRATORS:
            fitted = kind().fit(seen["logits"], seen["y"])
            for curve in (False, True):
                used = fitted.sharpened(attributor.calibration_.sharpening) if curve else fitted
                answers.setdefault((fitted.name, curve), []).append(used.transform(fused))
        truth.append(np.searchsorted(attributor.classes_, labels[test]))
    y = np.concatenate(truth)
    rows: list[tuple[object, ...]] = [("calibrator", "learning_curve", "accuracy", "log_loss", "ece", "chosen", "n")]
    for (name, curve), parts in answers.items():
        log_proba = np.concatenate(parts)
        proba, right = np.exp(log_proba), log_proba.argmax(axis=1) == y
        error = expected_calibration_error(right, proba.max(axis=1))
        loss = -log_proba[np.arange(len(y)), y].mean()
        scores = (round(float(value), 4) for value in (right.mean(), loss, error))
        rows.append((name, curve, *scores, chosen.count(name), len(y)))
    for row in rows:
        print("  ".join(str(value) for value in row))
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
