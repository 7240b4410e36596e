"""How well images of models that are no candidates are told from images of the candidates, score by score.

    python benchmarks/unknown.py path/to/sdnext-gallery.csv --csv benchmarks/unknown.csv

The table needs model and prompt_id and should name the lineage. In each draw, a quarter of the models is hidden and a
fifth of the prompts is held out; everything, the rehearsals with hidden candidates included, is fitted to the rest, and
the held-out images of known and of hidden models are scored. Figures are means over draws.

- ``auroc``, ``fpr95``, ``oscr``: known against all hidden models; 0.5 is chance for the first.
- ``auroc_kin``, ``auroc_alone``: against hidden models whose lineage is among the candidates, and whose is not.
- ``known_called``, ``hidden_called``: share of images with an open-set p-value of at most 0.05.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, log_softmax, softmax
from threadpoolctl import threadpool_limits

from morelli._files import atomic_path
from morelli.attributors._judging import Spread
from morelli.attributors.discriminant import Discriminant, fit_discriminant
from morelli.attributors.leave_out import leave_classes_out
from morelli.attributors.open_set import OpenSetModel, ScoreCombiner
from morelli.attributors.rejection import fit_rejector
from morelli.attributors.sighting import Sighting, see
from morelli.attributors.strangeness import entropy_score, knn_score, mahalanobis_score
from morelli.attributors.strangeness import max_logit_score as unlikeliness
from morelli.attributors.strangeness import max_probability_score as doubt
from morelli.catalog import build_catalog, group_ids
from morelli.catalog.folds import deal_groups
from morelli.encoders import FeatureCache, Features, extract
from morelli.encoders.registry import get_encoder
from morelli.trials.metrics import auroc, fpr_at_tpr, oscr

Float = NDArray[np.float64]
Int = NDArray[np.int64]

METRICS = ("auroc", "fpr95", "oscr", "auroc_kin", "auroc_alone", "known_called", "hidden_called")
LEVEL = 0.05


class World:
    """The references of one draw, and the discriminants fitted to some of them."""

    def __init__(self, features: Features, rows: Int) -> None:
        self.X = features.X[rows].astype(np.float64)
        self.blocks = dict(features.blocks)
        self.spread = Spread(features.within[rows], features.n_contrasts[rows], self.X.shape)

    def fit(self, train: Int, codes: Int, n_classes: int) -> dict[str, Discriminant]:
        """Fit one discriminant for each family to some references."""
        return {
            name: fit_discriminant(self.X[train, block], codes, n_classes, within=self.spread.of(train, block))
            for name, block in self.blocks.items()
        }

    def look(self, train: Int, codes: Int, n_classes: int, test: Int) -> Sighting:
        """Fit to some references, and see others."""
        return see(self.fit(train, codes, n_classes), self.blocks, self.X[test])


def out_of_fold(world: World, codes: Int, fold: Int) -> Sighting:
    """Let every reference be seen by discriminants that have not seen its prompt."""
    parts, rows = [], []
    for held in np.unique(fold):
        train, test = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        parts.append(world.look(train, codes[train], codes.max() + 1, test))
        rows.append(test)
    return Sighting.concat(parts).take(np.argsort(np.concatenate(rows)))


def single_scores(seen: Sighting, weights: Float, temperatures: Float) -> Iterator[tuple[str, Float]]:
    """Yield scores from the words of the families; higher is stranger."""
    fused = np.tensordot(weights, seen.log_likelihood, axes=1)
    winner, rows = fused.argmax(axis=1), np.arange(len(fused))
    top = np.sort(fused, axis=1)
    proba = softmax(seen.log_likelihood / temperatures[:, None, None], axis=2)
    mean = proba.mean(axis=0)
    better = seen.log_likelihood > seen.log_likelihood[:, rows, winner][:, :, None]
    yield "doubt", doubt(fused)
    yield "unlikeliness", unlikeliness(fused)
    yield "entropy", entropy_score(fused)
    yield "margin", top[:, -2] - top[:, -1]
    yield "entropy of the families' mean", entr(mean).sum(axis=1)
    yield "divergence between families", entr(mean).sum(axis=1) - entr(proba).sum(axis=2).mean(axis=0)
    yield "families without winner in top 3", (better.sum(axis=2) >= 3).sum(axis=0).astype(float)
    yield (
        "dissent, mean of families",
        -log_softmax(seen.log_likelihood / temperatures[:, None, None], axis=2)[:, rows, winner].mean(axis=0),
    )
    yield "angle, mean of families", -seen.alignment[:, rows, winner].mean(axis=0)


def distances(fitted: dict[str, Discriminant], world: World, X: Float) -> Iterator[tuple[str, Float]]:
    """Yield distances in the families' coordinates, means over families of distances per dimension."""
    found: dict[str, list[Float]] = {}
    for name, block in world.blocks.items():
        part = fitted[name]
        x, root = part.coordinates(X[:, block]), np.sqrt(part.variance)
        nearest = mahalanobis_score(x / root, part.means / root)
        background = mahalanobis_score(x, np.zeros((1, x.shape[1])))
        basis, _ = np.linalg.qr(part.projection)
        Z = np.clip((X[:, block] - part.centre) / part.scale, -6, 6) - part.origin
        for what, values in (
            ("Mahalanobis distance", nearest),
            ("Mahalanobis distance, relative", nearest - background),
            ("distance to the 5th nearest reference", knn_score(x, part.coordinates(world.X[:, block]))),
            ("residual outside the discriminant space", (Z**2).sum(axis=1) - ((Z @ basis) ** 2).sum(axis=1)),
        ):
            found.setdefault(what, []).append(values / x.shape[1])
    for what, values in found.items():
        yield what, np.mean(values, axis=0)


def measure(score: Float, hidden: NDArray[np.bool_], kin: NDArray[np.bool_], right: NDArray[np.bool_]) -> list[float]:
    known = -score[~hidden]
    return [
        auroc(known, -score[hidden]),
        fpr_at_tpr(known, -score[hidden]),
        oscr(known, right[~hidden], -score[hidden]),
        auroc(known, -score[hidden & kin]),
        auroc(known, -score[hidden & ~kin]),
    ]


def one_draw(
    features: Features, labels: Int, lineages: NDArray[np.object_], groups: Int, draw: tuple[Int, Int], n_folds: int
) -> dict[str, list[float]]:
    train, test = draw
    candidates, codes = np.unique(labels[train], return_inverse=True)
    world = World(features, train)
    fold = deal_groups(groups[train], codes, np.full(n_folds, 1 / n_folds), 0)
    held_out = out_of_fold(world, codes, fold)
    rejector, calibration = fit_rejector(held_out, codes, fold, world.look, list(world.blocks))
    fitted = world.fit(np.arange(len(train)), codes, len(candidates))
    X = features.X[test].astype(np.float64)
    seen = see(fitted, world.blocks, X)
    weights, temperatures = rejector.frame.weights, rejector.frame.temperatures

    hidden = ~np.isin(labels[test], candidates)
    kin = np.isin(lineages[test].astype(str), lineages[train].astype(str))
    winner = np.tensordot(weights, seen.log_likelihood, axes=1).argmax(axis=1)
    right = candidates[winner] == labels[test]

    def called(p: Float) -> list[float]:
        return [float((p[~hidden] <= LEVEL).mean()), float((p[hidden] <= LEVEL).mean())]

    def row(score: Float) -> list[float]:
        return measure(score, hidden, kin, right)

    table = {name: row(score) for name, score in single_scores(seen, weights, temperatures)}
    table |= {name: row(score) for name, score in distances(fitted, world, X)}
    table |= {name: row(score) for name, score in zip(rejector.names, rejector.scores(seen), strict=True)}
    two = [dict(single_scores(s, weights, temperatures)) for s in (held_out, seen)]
    combiner = ScoreCombiner()
    reference = combiner.fit_transform([two[0]["doubt"], two[0]["unlikeliness"]])
    fisher = combiner.transform([two[1]["doubt"], two[1]["unlikeliness"]])
    table["doubt and unlikeliness (Fisher)"] = row(fisher) + called(OpenSetModel().fit(reference).p_values(fisher))
    scaled = np.clip((rejector.scores(seen) - rejector.centres[:, None]) / rejector.scales[:, None], -4, 4)
    table["all scores of the rejector, equal weights"] = row(scaled.mean(axis=0))
    strangeness = rejector.strangeness(seen)
    table["trained rejector"] = row(strangeness) + called(OpenSetModel().fit(calibration).p_values(strangeness))
    table["(AUROC that its rehearsals promised)"] = [rejector.rehearsed_auroc["all"]]
    table["(accuracy among candidates)"] = [float(right[~hidden].mean())]
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="table of images with labels")
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--folds", type=int, default=6, help="for the out-of-fold predictions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", default="forensic")
    parser.add_argument("--cache", type=Path, help="keep features in this file; by default everything is measured anew")
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()

    catalog = build_catalog(arguments.source)
    features = extract(catalog, get_encoder(arguments.encoder), cache=FeatureCache(arguments.cache))
    catalog, features = catalog.filter(features.ok), features.take(features.ok)
    labels, groups = catalog.codes("model")[0].astype(np.int64), group_ids(catalog)
    n_hide = len(np.unique(labels)) // 4
    draws = leave_classes_out(labels, n_hide, arguments.draws, arguments.seed, groups=groups, test_share=0.2)
    tables = []
    for number, draw in enumerate(draws):
        test = np.concatenate([draw.known_test, draw.hidden_test])
        with threadpool_limits(limits=1, user_api="blas"):
            tables.append(
                one_draw(features, labels, catalog.column("lineage"), groups, (draw.train, test), arguments.folds)
            )
        print(f"draw {number + 1}: {tables[-1]['trained rejector'][0]:.3f}", flush=True)
    rows: list[tuple[object, ...]] = [("score", *METRICS, "draws")]
    for name in sorted(tables[0], key=lambda name: float(np.mean([table[name][0] for table in tables]))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a metric that no draw has stays empty
            means = np.nanmean([table[name] for table in tables], axis=0)
        values = ["" if np.isnan(mean) else round(float(mean), 4) for mean in means]
        rows.append((name, *values, *[""] * (len(METRICS) - len(values)), len(tables)))
    for one in rows:
        print(*one, sep="\t")
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
