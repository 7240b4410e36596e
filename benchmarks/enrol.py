"""What enrolling a model into a bundle is worth beside fitting it anew, and how long both take.

    python benchmarks/enrol.py sdnext-gallery.csv --cache features.sqlite [--csv benchmarks/enrol.csv] [--classes N]

For each of some models: a bundle is fitted to all the others, and the model enrolled with 5, 10 and 12 references,
from the bundle alone (``alone``) and with the others' measured references at hand (``references``). Images of prompts
that no bundle has seen are judged by these and by a bundle that was fitted to all models with all references
(``fitted``).

``recall`` is the share of the newcomer's images that are named right, ``claims`` the share of others' images that are
named as it, ``others`` the share of these that are named right, ``ece`` the calibration error and ``coverage`` how
often sets made for 0.9 hold the truth, over all images, ``own_coverage`` over the newcomer's; ``unknown`` and
``own_unknown`` are the shares of others' and of its own images that are called unknown. Printed are means over all
models in the table, with 95% intervals by the bootstrap over models. Seconds are of one process with measured features
in a cache. --first goes on with other models, and adds them to the table.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from morelli.attributors import Bundle, fit_bundle
from morelli.attributors.enrolment import enrol
from morelli.catalog import Catalog, build_catalog
from morelli.encoders import FeatureCache, extract
from morelli.trials.metrics import expected_calibration_error

HELD_OUT = 3


def judged(bundle: Bundle, X: np.ndarray, truth: np.ndarray, newcomer: str) -> dict[str, float]:
    """Measure one bundle on held-out images."""
    answers = bundle.attributor.answer(X)
    classes = np.array(bundle.classes)
    named, own = classes[answers.proba.argmax(axis=1)], truth == newcomer
    inside = answers.prediction_set[np.arange(len(truth)), np.searchsorted(classes, truth)]
    return {
        "recall": float((named == truth)[own].mean()),
        "claims": float((named == newcomer)[~own].mean()),
        "others": float((named == truth)[~own].mean()),
        "ece": expected_calibration_error(named == truth, answers.proba.max(axis=1)),
        "coverage": float(inside.mean()),
        "own_coverage": float(inside[own].mean()),
        "unknown": float((answers.open_set_p < bundle.open_set_level)[~own].mean()),
        "own_unknown": float((answers.open_set_p < bundle.open_set_level)[own].mean()),
        "set_size": float(answers.prediction_set.sum(axis=1).mean()),
    }


def main() -> None:
    """Measure and print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="catalog, or table with a path column")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="of the models, in random order")
    given = parser.parse_args()
    catalog = Catalog.read(given.images) if given.images.suffix == ".parquet" else build_catalog(given.images)
    cache = FeatureCache(given.cache)
    models, prompts = catalog.text("model"), catalog.text("prompt_id")
    order = np.random.default_rng(0).permutation(sorted(set(models)))
    rows: list[dict[str, object]] = []
    for number in range(given.first, given.first + given.classes):
        rng = np.random.default_rng(number)
        newcomer = order[number]
        mixed = rng.permutation(sorted(set(prompts)))
        test, learned = np.isin(prompts, mixed[:HELD_OUT]), ~np.isin(prompts, mixed[:HELD_OUT])
        bundles: list[tuple[str, int, float, Bundle]] = []
        started = time.perf_counter()
        old = fit_bundle(catalog.filter(learned & (models != newcomer)), cache=cache, workers=1)
        without = time.perf_counter() - started
        started = time.perf_counter()
        whole = fit_bundle(catalog.filter(learned), cache=cache, workers=1)
        bundles.append(("fitted", int((learned & (models == newcomer)).sum()), time.perf_counter() - started, whole))
        for n in (5, 10, 12):
            own = catalog.filter(np.isin(prompts, mixed[HELD_OUT : HELD_OUT + n]) & (models == newcomer))
            for how, known in (("alone", None), ("references", catalog.filter(learned & (models != newcomer)))):
                started = time.perf_counter()
                made, _ = enrol(old, own, references=known, cache=cache, workers=1)
                bundles.append((how, len(own), time.perf_counter() - started, made))
        X = extract(catalog.filter(test), old.encoder, cache=cache, workers=1).X
        for how, n, seconds, bundle in bundles:
            row = {"model": newcomer, "how": how, "references": n, "seconds": round(seconds, 2)}
            rows.append(row | {k: round(v, 4) for k, v in judged(bundle, X, models[test], newcomer).items()})
        print(newcomer, f"{without:.0f} s", flush=True)
    if given.csv is not None:
        fresh = not given.csv.exists()
        with given.csv.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            if fresh:
                writer.writeheader()
            writer.writerows(rows)
        with given.csv.open(encoding="utf-8", newline="") as stream:
            rows = [dict(row) for row in csv.DictReader(stream)]
    tell(rows)


def tell(rows: list[dict[str, object]]) -> None:
    """Print means over models."""
    for how, n in dict.fromkeys((row["how"], row["references"]) for row in rows):
        chosen = [row for row in rows if (row["how"], row["references"]) == (how, n)]
        words = []
        for what in tuple(rows[0])[3:]:
            values = np.array([float(str(row[what])) for row in chosen])
            means = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
            low, high = np.quantile(means, [0.025, 0.975])
            words.append(f"{what} {values.mean():.3f} ({low:.3f} to {high:.3f})")
        print(how, n, f"{len(chosen)} models:", ", ".join(words))


if __name__ == "__main__":
    main()
