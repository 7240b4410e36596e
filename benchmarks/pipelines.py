r"""Judge images that other software made with relatives of the candidates, and write which lineage was named as CSV.

    python benchmarks/pipelines.py path/to/sdnext-gallery.csv path/to/other-pipeline.csv --encoder forensic \
        --csv benchmarks/pipelines.csv

None of the models of the second table need be a candidate, so that only the lineage can be right. Sets are all images
of one source and model, and random ones of eight among them.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from morelli._files import atomic_path
from morelli.attributors.fitting import DEGRADED_VIEWS, extract_views, fit_attributor, lineages_of
from morelli.attributors.lineage import lineage_probabilities
from morelli.attributors.pooling import SetPooling
from morelli.catalog import build_catalog
from morelli.encoders import FeatureCache, extract, join_encoders

COLUMNS = (
    *("trained", "source", "model", "lineage", "n", "lineage_named", "lineage_probability", "called_unknown"),
    *("unfamiliar", "set_lineage_probability", "set_lineage_named", "eights_named", "n_eights"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("references", type=Path, help="table with path, model, lineage and prompt_id")
    parser.add_argument("images", type=Path, help="table with path, source, model and lineage")
    parser.add_argument("--encoder", default="forensic", help="one name, or several joined by +")
    parser.add_argument("--views", default=",".join(DEGRADED_VIEWS), help="to train on besides the untouched images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="keep features in this file")
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()

    references, images = build_catalog(arguments.references), build_catalog(arguments.images)
    encoder, cache = join_encoders(arguments.encoder), FeatureCache(arguments.cache)
    tables = extract_views(references, encoder, arguments.views.split(","), cache=cache)
    asked = extract(images, encoder, cache=cache)
    truth, sources, models = (images.text(column).astype(str) for column in ("lineage", "source", "model"))
    rows: list[tuple[object, ...]] = []
    for how, some in (("clean", tables[:1]), ("views", tables)):
        attributor, _ = fit_attributor(references, some, seed=arguments.seed)
        classes = [str(name) for name in attributor.classes_]
        lineages, _ = lineages_of(references, "model", classes)
        answers = attributor.answer(asked.X)
        names, by_lineage = lineage_probabilities(answers.proba, lineages, classes)
        named = np.array(names, dtype=object)[by_lineage.argmax(axis=1)] == truth
        pooling = attributor.pooling_
        for source, model in dict.fromkeys(zip(sources, models, strict=True)):
            own = np.flatnonzero((sources == source) & (models == model))
            lineage = truth[own[0]]
            column = names.index(lineage)

            def pooled(sets: np.ndarray, pooling: SetPooling = pooling) -> np.ndarray:
                # As `morelli attribute --pool` does: candidates pooled, and lineages pooled, believed alike.
                together = pooling.pool(answers.proba[sets])  # noqa: B023  (called before the loop goes on)
                by_models = lineage_probabilities(together, lineages, classes)[1]  # noqa: B023
                return (by_models + pooling.pool(by_lineage[sets])) / 2  # noqa: B023

            rng = np.random.default_rng([arguments.seed, len(rows)])
            eights = np.stack([rng.permutation(own)[:8] for _ in range(200)])
            whole, eight = pooled(own[None])[0], pooled(eights)
            strange = None if answers.judged_as is None else (answers.judged_as[own] == "unfamiliar").mean()
            rows.append(
                (
                    how,
                    source,
                    model,
                    lineage,
                    len(own),
                    named[own].mean(),
                    by_lineage[own, column].mean(),
                    (answers.open_set_p[own] < 0.05).mean(),
                    "" if strange is None else strange,
                    whole[column],
                    bool(whole.argmax() == column),
                    (eight.argmax(axis=1) == column).mean(),
                    len(eights),
                )
            )
    shown = [[round(value, 4) if isinstance(value, float) else value for value in row] for row in rows]
    for row in (COLUMNS, *shown):
        print("  ".join(str(value) for value in row))
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *shown])


if __name__ == "__main__":
    sys.exit(main())
