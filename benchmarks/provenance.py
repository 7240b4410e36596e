"""How often the pixels contradict honest declarations, and how many forged ones they find.

    python benchmarks/provenance.py path/to/sdnext-gallery.csv --csv benchmarks/provenance.csv

The table needs model and prompt_id and should name the lineage. Every image is judged by an attributor that never saw
its prompt, and `morelli.provenance.combine` is given a declaration in metadata that anybody can write:

- ``honest``: the image's own model, which is a candidate.
- ``forged``: another candidate of another lineage; ``sister``: another of the same lineage.
- ``stranger``: the image's own model, which is no candidate (a quarter of the models is hidden in each of the draws).
- ``stranger forged``: the image is of a hidden model, and a candidate of another lineage is declared.
- ``few honest``, ``few forged``, ``few sister``: as above, with 4 candidates instead of all, drawn anew each time.

``lineages``: whether the lineages of models are known to the combination. ``excluded``: below which probability a
candidate outside the prediction set counts as excluded. The other columns are shares of declarations by outcome;
``low`` and ``high`` are a 95 % interval of the share of conflicts, by a bootstrap of prompts.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from morelli._files import atomic_path
from morelli.attributors import Candidate, Verdict, decide, fit_attributor
from morelli.attributors.leave_out import leave_classes_out
from morelli.catalog import Catalog, build_catalog, group_ids
from morelli.catalog.folds import deal_groups
from morelli.encoders import FeatureCache, Features, extract, join_encoders
from morelli.encoders.default import default_encoder
from morelli.provenance import OUTCOMES, Fact, LayerReport, Provenance, combine
from morelli.provenance.combination import EXCLUDED

LEVEL = 0.05
THRESHOLDS = (0.005, EXCLUDED, 0.02, 0.05, 1.0)
COLUMNS = ("case", "lineages", "excluded", "n", *OUTCOMES, "low", "high")
DECLARED_PER_IMAGE = 3
FEW = 4


@dataclass(frozen=True)
class Judged:
    """An image by a known model, as its pixels were judged."""

    verdict: Verdict
    model: str
    prompt: str
    classes: tuple[str, ...]


def judge(catalog: Catalog, features: Features, train: NDArray[np.int64], test: NDArray[np.int64]) -> Iterator[Judged]:
    """Yield verdicts for the test rows by an attributor that is fitted to the train rows."""
    with threadpool_limits(limits=1, user_api="blas"):
        attributor, _ = fit_attributor(catalog.filter(np.isin(np.arange(len(catalog)), train)), [features.take(train)])
        answers = attributor.answer(features.X[test])
    classes = tuple(str(name) for name in attributor.classes_)
    models, prompts = catalog.text("model"), catalog.text("prompt_id")
    for i, (row, decision) in enumerate(zip(test, decide(answers, LEVEL), strict=True)):
        order = np.argsort(-answers.proba[i], kind="stable")
        verdict = Verdict(
            "image",
            None,
            decision,
            candidates=tuple(Candidate(classes[k], float(answers.proba[i, k]), 0.0) for k in order),
            prediction_set=tuple(classes[k] for k in order if answers.prediction_set[i, k]),
            open_set_p=float(answers.open_set_p[i]),
        )
        yield Judged(verdict, str(models[row]), str(prompts[row]), classes)


def outcome(one: Judged, declared: str, lineages: dict[str, str | None], excluded: float) -> str:
    fact = Fact("metadata", "png:parameters", "generator", declared, declared)
    given = Provenance("image", None, (LayerReport("metadata", "found", (fact,)),))
    done = combine(one.verdict, given, classes=one.classes, lineages=lineages, excluded=excluded)
    return str(done.provenance["outcome"])


def cases(one: Judged, lineages: dict[str, str | None], rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Yield what can be declared about an image: the name of the case, and the model."""
    own = lineages.get(one.model) or one.model
    others = [name for name in one.classes if name != one.model]
    kin = [name for name in others if (lineages.get(name) or name) == own]
    far = [name for name in others if name not in kin]
    if one.model in one.classes:
        yield "honest", one.model
        for name in rng.permutation(kin)[:DECLARED_PER_IMAGE]:
            yield "sister", str(name)
        for name in rng.permutation(far)[:DECLARED_PER_IMAGE]:
            yield "forged", str(name)
    else:
        yield "stranger", one.model
        for name in rng.permutation(far)[:DECLARED_PER_IMAGE]:
            yield "stranger forged", str(name)


def summarise(prompts: list[str], outcomes: list[str], rng: np.random.Generator) -> list[object]:
    said = np.array(outcomes)
    shares = [round(float((said == word).mean()), 4) for word in OUTCOMES]
    names, group = np.unique(prompts, return_inverse=True)
    hits, sizes = np.bincount(group, said == "conflict"), np.bincount(group)
    draws = rng.integers(0, len(names), (2000, len(names)))
    low, high = np.quantile(hits[draws].sum(axis=1) / sizes[draws].sum(axis=1), [0.025, 0.975])
    return [len(said), *shares, round(float(low), 4), round(float(high), 4)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="table of images with labels, or a catalog")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--draws", type=int, default=4, help="of hidden models")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="keep features in this file")
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()

    is_catalog = arguments.source.suffix == ".parquet"
    catalog = Catalog.read(arguments.source) if is_catalog else build_catalog(arguments.source)
    features = extract(catalog, join_encoders(default_encoder()), cache=FeatureCache(arguments.cache))
    catalog, features = catalog.filter(features.ok), features.take(features.ok)
    codes, names = catalog.codes("model")
    lineages = dict(zip(catalog.text("model"), catalog.column("lineage"), strict=True))
    groups = group_ids(catalog)
    fold = deal_groups(groups, codes, np.full(arguments.folds, 1 / arguments.folds), arguments.seed)
    judged: list[Judged] = []
    for held in np.unique(fold):
        judged += judge(catalog, features, np.flatnonzero(fold != held), np.flatnonzero(fold == held))
        print(f"fold {held}", flush=True)
    n_hide = len(names) // 4
    hiding = leave_classes_out(
        codes.astype(np.int64), n_hide, arguments.draws, arguments.seed, groups=groups, test_share=1 / arguments.folds
    )
    for number, draw in enumerate(hiding):
        judged += judge(catalog, features, draw.train, draw.hidden_test)
        print(f"draw {number}", flush=True)

    rng = np.random.default_rng(arguments.seed)
    few: list[Judged] = []
    for number in range(arguments.draws):
        rows_of = np.flatnonzero(np.isin(codes, rng.choice(len(names), FEW, replace=False)))
        part, seen = catalog.filter(np.isin(np.arange(len(catalog)), rows_of)), features.take(rows_of)
        for held in np.unique(fold):
            few += judge(part, seen, np.flatnonzero(fold[rows_of] != held), np.flatnonzero(fold[rows_of] == held))
        print(f"{FEW} candidates, draw {number}", flush=True)

    declared = [(one, case, model) for one in judged for case, model in cases(one, lineages, rng)]
    declared += [(one, f"few {case}", model) for one in few for case, model in cases(one, lineages, rng)]
    rows: list[tuple[object, ...]] = [COLUMNS]
    for case in dict.fromkeys(of for _, of, _ in declared):
        chosen = [(one, model) for one, of, model in declared if of == case]
        for known in (True, False):
            for excluded in THRESHOLDS:
                found = [outcome(one, model, lineages if known else {}, excluded) for one, model in chosen]
                prompts = [one.prompt for one, _ in chosen]
                measured = summarise(prompts, found, np.random.default_rng(arguments.seed))
                rows.append((case, "known" if known else "unknown", excluded, *measured))
    for row in rows:
        print(*row, sep="\t")
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
