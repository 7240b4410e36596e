"""How often images are called unknown on new subjects, and what a test of their number would say of whole sets.

    python benchmarks/together.py --csv benchmarks/together.csv

Uses the images that ship with Morelli: in each draw the references are each candidate's images of random prompts, the
sets are all other images of each candidate, and all images of each model that is none.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from morelli._files import atomic_path
from morelli.attributors import attribute, fit_bundle
from morelli.catalog import build_catalog
from morelli.sample import sample_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=20, help="of the references")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()

    catalog = build_catalog(sample_path() / "catalog.csv")
    split, prompts, models = (
        catalog.text("split"),
        catalog.text("prompt_id").astype(str),
        catalog.text("model").astype(str),
    )
    candidates = sorted(set(models[split == "reference"]))
    every = sorted(set(prompts[split == "reference"]))
    rows: list[tuple[object, ...]] = [("draw", "model", "candidate", "n", "called_unknown", "excess_p", "by_majority")]
    for draw in range(arguments.draws):
        chosen = np.random.default_rng(draw).permutation(every)[: arguments.prompts]
        known = np.isin(models, candidates) & np.isin(prompts, chosen)
        bundle = fit_bundle(catalog.filter(known), encoder="forensic")
        for model in sorted(set(models)):
            own = np.flatnonzero((models == model) & ~known)
            verdicts = list(attribute(bundle, [catalog.paths[row] for row in own]))
            unknown = sum(verdict.decision == "unknown" for verdict in verdicts)
            excess = binomtest(unknown, len(own), bundle.open_set_level, alternative="greater").pvalue
            share, p = round(unknown / len(own), 4), round(float(excess), 4)
            rows.append((draw, model, model in candidates, len(own), share, p, 2 * unknown > len(own)))
    for row in rows:
        print("  ".join(str(value) for value in row))
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
