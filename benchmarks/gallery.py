r"""Cross-validate the default attributor on a gallery of text-to-image models, and write what it scores as CSV.

    python benchmarks/gallery.py path/to/sdnext-gallery.csv --encoder forensic --csv benchmarks/gallery.csv
    python benchmarks/gallery.py path/to/sdnext-gallery.csv --encoder forensic+clip-vit-b16.openai-int8 \
        --csv benchmarks/gallery-clip.csv
    python benchmarks/gallery.py path/to/sdnext-gallery.csv --encoder forensic+clip-vit-b16.openai-int8 \
        --view "scale:0.5|jpeg:85" --csv benchmarks/gallery-clip-half.csv

The table needs a path column and should name model, lineage and prompt_id; any catalog source will do. Folds hold out
whole prompts, so that every image is judged by an attributor that has never seen its prompt.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from morelli._files import atomic_path
from morelli.attributors.pooling import SetPooling, draw_sets
from morelli.catalog import build_catalog, nuisance_floor, split_catalog
from morelli.encoders import FeatureCache, extract, join_encoders
from morelli.trials import Metrics, Predictions, cross_validate, summarise
from morelli.trials.metrics import calibration_error_floor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="table of images with labels, or a folder per model")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="deals prompts to folds")
    parser.add_argument("--label", default="model")
    parser.add_argument("--encoder", default="forensic", help="one name, or several joined by +")
    parser.add_argument("--view", default="none", help="what references and images are seen through")
    parser.add_argument("--cache", type=Path, help="keep features in this file; by default everything is measured anew")
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()

    catalog = build_catalog(arguments.source)
    begin = time.perf_counter()
    encoder, cache = join_encoders(arguments.encoder), FeatureCache(arguments.cache)
    features = extract(catalog, encoder, view=arguments.view, cache=cache)
    measured = time.perf_counter()
    folds = split_catalog(catalog, folds=arguments.folds, seed=arguments.seed, label=arguments.label).folds(catalog)
    predictions = cross_validate(catalog, features, folds, label=arguments.label, seed=arguments.seed)
    judged = time.perf_counter()
    floor = nuisance_floor(catalog, arguments.label, seed=arguments.seed).accuracy
    metrics = summarise(predictions, nuisance=floor, seed=arguments.seed)

    rows = [
        ("what", "value", "n"),
        *_rows(metrics),
        *_more(predictions),
        ("seconds to measure", round(measured - begin, 1), len(catalog)),
    ]
    rows.append(("seconds to fit and judge all folds", round(judged - measured, 1), arguments.folds))
    for row in rows:
        print(f"{row[0]:<40} {row[1]!s:>8} {row[2]!s:>6}")
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        print(f"written to {arguments.csv}", file=sys.stderr)


def _rows(metrics: Metrics) -> Iterator[tuple[str, float | None, int]]:
    n = metrics.n
    yield "candidates", metrics.n_classes, n
    yield "chance", _rounded(metrics.chance), n
    yield "nuisance floor", _rounded(metrics.nuisance), n
    yield "accuracy", _rounded(metrics.accuracy), n
    yield "accuracy, 95% interval, low", _rounded(metrics.accuracy_low), n
    yield "accuracy, 95% interval, high", _rounded(metrics.accuracy_high), n
    yield "top-3 accuracy", _rounded(metrics.top3), n
    yield "lineage accuracy", _rounded(metrics.lineage_accuracy), n
    yield "log loss", _rounded(metrics.log_loss), n
    yield "expected calibration error", _rounded(metrics.ece), n
    yield "risk at 50% coverage", _rounded(metrics.risk_at_half), n
    yield "conformal coverage (made for 0.9)", _rounded(metrics.coverage), n
    yield "mean size of conformal sets", _rounded(metrics.mean_set_size), n
    for decision in metrics.decisions:
        if decision.n:
            yield f"{decision.decision}: share of images", _rounded(decision.share), decision.n
            yield f"{decision.decision}: accuracy", _rounded(decision.accuracy), decision.n
    for family in metrics.families:
        yield f"{family.family} alone", _rounded(family.accuracy), n
    for family in metrics.families:
        yield f"without {family.family}", _rounded(family.without), n


def _more(predictions: Predictions) -> Iterator[tuple[str, float | None, int]]:
    known = {name: code for code, name in enumerate(predictions.classes)}
    y = np.array([known.get(label, -1) for label in predictions.label])
    ok = np.isfinite(predictions.proba).all(axis=1) & (y >= 0)
    proba, y, group = predictions.proba[ok], y[ok], predictions.group[ok]
    yield "calibration error if perfectly calibrated", _rounded(calibration_error_floor(proba.max(axis=1))), len(y)
    pooling = SetPooling(dependence=0.5, doubt=0.01)  # neither number moves the first place much
    for size in (2, 4, 8):
        sets = draw_sets(y, group, size, n_draws=25, seed=0)
        right = [pooling.pool(proba[rows]).argmax() == y[rows[0]] for rows in sets]
        yield f"{size} images of one model together: accuracy", _rounded(float(np.mean(right))), len(sets)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


if __name__ == "__main__":
    main()
