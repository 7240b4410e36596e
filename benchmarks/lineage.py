"""How often images that are none match by their looks, and how often copies do: benchmarks/lineage.csv.

    python benchmarks/lineage.py sdnext-gallery.csv imagen-prompts.csv -o benchmarks/lineage.csv

Arguments are tables with columns path, model and prompt_id. Two images of different files are different images here; of
the same file, a view of it is a copy. A rate of matches has the upper end of a 95% Clopper-Pearson interval beside it,
as if pairs were independent.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
from scipy.stats import beta

from morelli.catalog import build_catalog
from morelli.images import hamming, perceptual_hash, read_image
from morelli.provenance.lineage import is_telling
from morelli.views import parse_view

DISTANCES = (0, 2, 4, 6, 8, 10, 12, 14)
VIEWS = ("jpeg:75", "jpeg:40", "webp:60", "resize:512", "crop:0.98", "crop:0.95", "blur:2", "brightness:1.25")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/lineage.csv"))
    parser.add_argument("--copies", type=int, default=60, help="images of which copies are made")
    parser.add_argument("--views", nargs="*", default=VIEWS)
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    for table in options.tables:
        catalog = build_catalog(table)
        hashes = catalog.column("phash").astype(np.uint64)
        tells = np.array([is_telling(int(phash)) for phash in hashes])
        files = catalog.column("image_id")
        kept = np.flatnonzero(tells)
        first, second = np.triu_indices(len(kept), 1)
        first, second = kept[first], kept[second]
        other = files[first] != files[second]
        apart = hamming(hashes[first[other]], hashes[second[other]])
        print(
            f"{table.stem}: {len(hashes)} images, {int((~tells).sum())} too plain, {len(apart)} pairs", file=sys.stderr
        )
        rows += [_row(table.stem, "different images", d, int((apart <= d).sum()), len(apart)) for d in DISTANCES]
        chosen = kept[:: max(1, len(kept) // options.copies)][: options.copies]
        for view in map(parse_view, options.views):
            moved = [int(hamming(perceptual_hash(view.apply(read_image(catalog.paths[i]))), hashes[i])) for i in chosen]
            rows += [
                _row(table.stem, view.name, d, int((np.array(moved) <= d).sum()), len(moved)) for d in DISTANCES[1:5]
            ]
    with options.output.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _row(table: str, what: str, distance: int, matches: int, n: int) -> dict[str, object]:
    upper = 1.0 if matches == n else float(beta.ppf(0.975, matches + 1, n - matches))
    return {
        "images": table,
        "what": what,
        "distance": distance,
        "n": n,
        "matches": matches,
        "rate": f"{matches / n:.3g}",
        "upper": f"{upper:.3g}",
    }


if __name__ == "__main__":
    main()
