r"""What an audit makes of images by models that its bundle does not know, and whether its false alarms are as stated.

    python benchmarks/strangers.py path/to/sdnext-gallery.csv --others path/to/other-pipeline.csv \
        --cache features.sqlite --answers answers --draws 200 --csv benchmarks/strangers.csv

(The rows ``as claimed`` of that file are of 400 sets each: ``--only exact --draws 400``.)

``benchmarks/audit.py`` swaps images among candidates; here are the cases beside it:

- ``as claimed``: whole folders of one model, with a rehearsal of other prompts only, and in simulated worlds, where the
  claim is true by construction and the references are independent of the folder;
- ``hidden model``: images swapped in are by a model that is no candidate;
- ``75 images``: shares, with images by a hidden model among them;
- ``7 candidates``: four of 15 images are swapped where only seven of the gallery's models are candidates, at random,
  and one or three of them claimed (answers among all candidates, taken among these seven);
- images by other software, of lineages that the candidates have too;
- ``clustered``: images of one to eight hidden models, three to fifteen of each.

Folds hold out whole prompts: every image is judged by an attributor that never saw its prompt, and each attributor's
rehearsal comes from its own references. A fifth of the models is hidden at a time, each once; all fits (five for each
fifth, and five more) are kept in the folder --answers, so that a second run is quick.

``flagged`` is how often the claim was rejected at a level of 0.05, with an interval of 95% (Wilson 1927); ``precision``
is how many of the N most suspicious images were swapped in, of N. Draws of one gallery share its images, so that the
intervals are narrower than the truth. Models are dealt to two halves at random, and claimed models of either have rows
of their own: what holds for one by luck does not for the other.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import adjusted_rand_score

from morelli._files import atomic_path
from morelli.attributors import fit_attributor
from morelli.attributors.rehearsal import Rehearsal
from morelli.audit.consistency import test_consistency
from morelli.audit.mixture import estimate_mixture
from morelli.audit.unknowns import cluster_unknowns
from morelli.catalog import Catalog, build_catalog
from morelli.encoders import FeatureCache, Features, default_encoder, extract, join_encoders

FOLDS, FIFTHS, SEED = 5, 5, 123
LEVEL, SIZE = 0.05, 15
SWAPPED = (1, 2, 3, 5, 8)
FEW, SWAPPED_OF_FEW = 7, 4
Row = tuple[str, str, int, str, int, float, float | None, float | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="table of images with model, lineage and prompt_id")
    parser.add_argument("--others", type=Path, help="table of images by other software, with lineages of the first")
    parser.add_argument("--cache", type=Path, help="keep features in this file")
    parser.add_argument("--answers", type=Path, required=True, help="keep fitted answers in this folder")
    parser.add_argument("--draws", type=int, default=300, help="sets of each kind")
    parser.add_argument("--only", nargs="*", default=[], help="sections: exact, hidden, mixture, others, clusters, few")
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()
    work = Work(arguments.source, arguments.others, arguments.cache, arguments.answers)
    rows: list[Row] = []
    for name, section in SECTIONS.items():
        if arguments.only and name not in arguments.only:
            continue
        for row in section(work, arguments.draws):
            print("  ".join("" if value is None else str(value) for value in row), flush=True)
            rows.append(row)
    if arguments.csv is not None:
        header = ("set", "models", "swapped", "measure", "n", "value", "low", "high")
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])
        print(f"written to {arguments.csv}", file=sys.stderr)


@dataclass(frozen=True)
class Answered:
    """The gallery as attributors judged it that had not seen its prompts; code -1 is a model that was hidden."""

    classes: NDArray[Any]
    log_proba: NDArray[np.float64]
    open_set_p: NDArray[np.float64]
    model: NDArray[Any]
    prompt: NDArray[Any]
    fold: NDArray[np.int64]
    rehearsals: list[Rehearsal]
    beside: list[dict[str, NDArray[Any]]]

    @property
    def codes(self) -> NDArray[np.int64]:
        """Candidate of each image, -1 for hidden models."""
        place = {name: i for i, name in enumerate(self.classes)}
        return np.array([place.get(name, -1) for name in self.model])

    def test(self, rows: NDArray[np.integer], claimed: int, seed: int) -> Any:
        """Test a set of images."""
        return test_consistency(
            self.log_proba[rows], self.open_set_p[rows], [claimed], self.rehearsals,
            judge=self.fold[rows], level=LEVEL, n_draws=500, seed=seed,
        )  # fmt: skip


class Work:
    """Fits what is not kept yet."""

    def __init__(self, source: Path, others: Path | None, cache: Path | None, folder: Path) -> None:
        self.source, self.others_source, self.cache, self.folder = source, others, cache, folder
        self._measured: dict[Path, tuple[Catalog, Features]] = {}
        with source.open(newline="") as file:
            self.lineage = {row["model"]: row["lineage"] for row in csv.DictReader(file)}
        names = sorted(self.lineage)
        self.half = dict(zip(np.random.default_rng(7).permutation(names), np.arange(len(names)) % 2, strict=True))
        self._answered: dict[int, Answered] = {}

    def answered(self, fifth: int = -1) -> Answered:
        """Return the gallery with one fifth of its models hidden, or (-1) none."""
        if fifth not in self._answered:
            self._answered[fifth] = _gather([self._fold(fifth, fold) for fold in range(FOLDS)])
        return self._answered[fifth]

    def _fold(self, fifth: int, fold: int) -> dict[str, NDArray[Any]]:
        path = self.folder / f"{fifth}_{fold}.npz"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **self._fit(fifth, fold))  # type: ignore[arg-type]
        return dict(np.load(path))

    def _fit(self, fifth: int, fold: int) -> dict[str, NDArray[Any]]:
        catalog, features = self._measure(self.source)
        model, prompt = catalog.text("model").astype(str), catalog.text("prompt_id").astype(str)
        names, prompts = np.unique(model), np.unique(prompt)
        rng = np.random.default_rng(SEED)
        fold_of = dict(zip(prompts, rng.permutation(len(prompts)) % FOLDS, strict=True))
        order, size = rng.permutation(len(names)), len(names) // FIFTHS
        hidden = set(names[order[fifth * size : (fifth + 1) * size]]) if fifth >= 0 else set()
        test = np.array([fold_of[name] == fold for name in prompt])
        train = ~test & np.array([name not in hidden for name in model])
        attributor, _ = fit_attributor(catalog.filter(train), [features.take(train)])
        answers = attributor.answer(features.X[test])
        kept = {
            "classes": attributor.classes_.astype(str), "model": model[test], "prompt": prompt[test],
            "proba": answers.proba, "open_set_p": answers.open_set_p,
            **{f"r_{name}": array for name, array in attributor.rehearsal.to_arrays().items()},
        }  # fmt: skip
        if self.others_source is not None:
            other, seen = self._measure(self.others_source)
            answers = attributor.answer(seen.X)
            kept |= {"o_proba": answers.proba, "o_p": answers.open_set_p, "o_model": other.text("model").astype(str)}
        print(f"fitted: models hidden {fifth}, fold {fold}", file=sys.stderr, flush=True)
        return kept

    def _measure(self, source: Path) -> tuple[Catalog, Features]:
        if source not in self._measured:
            catalog = build_catalog(source)
            features = extract(catalog, join_encoders(default_encoder()), cache=FeatureCache(self.cache))
            self._measured[source] = catalog.filter(features.ok), features.take(features.ok)
        return self._measured[source]


def _gather(parts: list[dict[str, NDArray[Any]]]) -> Answered:
    joined = {name: np.concatenate([part[name] for part in parts]) for name in ("model", "prompt", "open_set_p")}
    return Answered(
        parts[0]["classes"],
        np.log(np.concatenate([part["proba"] for part in parts])),
        joined["open_set_p"],
        joined["model"],
        joined["prompt"],
        np.repeat(np.arange(len(parts)), [len(part["model"]) for part in parts]),
        [Rehearsal.from_arrays({k[2:]: v for k, v in part.items() if k.startswith("r_")}) for part in parts],
        parts,
    )


def _rate(name: str, models: str, swapped: int, hits: list[bool]) -> Iterator[Row]:
    if hits:
        found = binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
        value = round(float(np.mean(hits)), 3)
        yield (name, models, swapped, "flagged", len(hits), value, round(found.low, 3), round(found.high, 3))


def _mean(name: str, models: str, swapped: int, measure: str, values: list[float]) -> Iterator[Row]:
    if values:
        yield (name, models, swapped, measure, len(values), round(float(np.mean(values)), 3), None, None)


def hidden(work: Work, draws: int) -> Iterator[Row]:
    """Images swapped for those of models that are no candidates."""
    for m in SWAPPED:
        hits: dict[int, list[bool]] = {0: [], 1: []}
        first: dict[int, list[float]] = {0: [], 1: []}
        for fifth in range(FIFTHS):
            given, rng = work.answered(fifth), np.random.default_rng([SEED, m])
            unknown = np.unique(given.model[given.codes < 0])
            for draw in range(draws // FIFTHS):
                k = int(rng.integers(len(given.classes)))
                place = {given.prompt[row]: row for row in np.flatnonzero(given.model == rng.choice(unknown))}
                own = np.flatnonzero(given.codes == k)
                out = rng.permutation(len(own))[:m]
                rows = own.copy()
                rows[out] = [place[given.prompt[row]] for row in own[out]]
                found = given.test(rows, k, draw)
                half = int(work.half[given.classes[k]])
                hits[half].append(not found.consistent)
                first[half].append(float(np.isin(found.order[:m], out).mean()))
        for name, halves in (("all", (0, 1)), ("first half", (0,)), ("second half", (1,))):
            yield from _rate("hidden model", name, m, [hit for half in halves for hit in hits[half]])
            yield from _mean("hidden model", name, m, "precision", [one for half in halves for one in first[half]])


def exact(work: Work, draws: int) -> Iterator[Row]:
    """Count false alarms where the truth is known: on other prompts of the gallery, and in simulated worlds."""
    given = work.answered()
    prompts, group = np.unique(given.prompt, return_inverse=True)
    codes, rng, hits = given.codes, np.random.default_rng(SEED), []
    for draw in range(max(1, draws // 40)):
        chosen = rng.permutation(len(prompts))[: len(prompts) // 2 + 1]
        seen = np.isin(group, chosen)
        rehearsal = Rehearsal(
            given.log_proba[seen], codes[seen], group[seen], given.open_set_p[seen],
            np.zeros((0, len(given.classes))), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0),
        )  # fmt: skip
        for k in range(len(given.classes)):
            rows = np.flatnonzero(~seen & (codes == k))
            found = test_consistency(
                given.log_proba[rows], given.open_set_p[rows], [k], rehearsal, level=LEVEL, n_draws=500, seed=draw
            )
            hits.append(not found.consistent)
    yield from _rate(f"as claimed, {len(prompts) - len(chosen)} prompts apart from the rehearsal's", "all", 0, hits)
    for per_class in (12, 40):
        hits = []
        for world in range(max(1, draws // 10)):
            made = Simulated(world, per_class)
            rehearsal = made.rehearsal()
            for k in np.random.default_rng(world).choice(made.k, 10, replace=False):
                words, p = made.draw(np.full(SIZE, k))
                found = test_consistency(words, p, [int(k)], rehearsal, level=LEVEL, n_draws=500, seed=world)
                hits.append(not found.consistent)
        yield from _rate(f"as claimed, simulated, {per_class} references of each", "simulated", 0, hits)


class Simulated:
    """Normal classes with relatives: a third of them lie close to another; answers are the exact posteriors."""

    def __init__(self, seed: int, per_class: int, k: int = 40, r: int = 12) -> None:
        self.rng, self.k, self.per_class = np.random.default_rng([9, seed]), k, per_class
        self.means = self.rng.normal(size=(k, r)) * self.rng.uniform(0.6, 1.6, size=(k, 1))
        kin = self.rng.permutation(k)[: k // 3]
        self.means[kin] = self.means[self.rng.integers(0, k, len(kin))] + 0.5 * self.rng.normal(size=(len(kin), r))

    def draw(self, codes: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return answers for images of some models."""
        x = self.means[codes] + self.rng.normal(size=(len(codes), self.means.shape[1]))
        words = -0.5 * ((x[:, None] - self.means) ** 2).sum(axis=2)
        words -= words.max(axis=1, keepdims=True)
        proba = np.exp(words)
        proba = 0.97 * proba / proba.sum(axis=1, keepdims=True) + 0.03 / self.k
        return np.log(proba), self.rng.uniform(0.001, 1, len(codes))

    def rehearsal(self) -> Rehearsal:
        """Return answers for references, each of a prompt of its own."""
        codes = np.repeat(np.arange(self.k), self.per_class)
        words, p = self.draw(codes)
        none = np.zeros(0, np.int64)
        groups = np.tile(np.arange(self.per_class), self.k)
        return Rehearsal(words, codes, groups, p, np.zeros((0, self.k)), none, none, np.zeros(0))


def mixture(work: Work, draws: int) -> Iterator[Row]:
    """75 images of five candidates in random shares, and of three candidates and two hidden models."""
    for kind in ("5 candidates", "4 candidates and 1 hidden model"):
        error: list[float] = []
        overall: list[float] = []
        held: list[bool] = []
        zero: list[bool] = []
        strange: list[float] = []
        strange_held: list[bool] = []
        for draw in range(draws):
            rng = np.random.default_rng([SEED, draw])
            given = work.answered(-1 if kind == "5 candidates" else draw % FIFTHS)
            codes, k = given.codes, len(given.classes)
            chosen = rng.choice(k, 5, replace=False)
            counts = rng.multinomial(5 * SIZE, rng.dirichlet(np.ones(5)))
            rows = [rng.choice(np.flatnonzero(codes == one), n) for one, n in zip(chosen, counts, strict=True)]
            truth = np.zeros(k + 1)
            truth[chosen] = counts / counts.sum()
            if kind != "5 candidates":
                name = rng.choice(np.unique(given.model[codes < 0]))
                rows[0] = rng.choice(np.flatnonzero(given.model == name), counts[0])
                truth[-1], truth[chosen[0]] = truth[chosen[0]], 0.0
            index = np.concatenate(rows)
            found = estimate_mixture(
                given.log_proba[index], given.open_set_p[index], given.rehearsals[draw % FOLDS],
                unknown=kind != "5 candidates", n_boot=200, seed=draw,
            )  # fmt: skip
            present = np.flatnonzero(truth[:-1] > 0)
            inside = (found.lower - 1e-9 <= truth) & (truth <= found.upper + 1e-9)
            error += np.abs(found.shares - truth)[present].tolist()
            overall += np.abs(found.shares - truth)[:k].tolist()
            held += inside[present].tolist()
            zero += inside[:k][truth[:-1] == 0].tolist()
            strange.append(float(abs(found.shares[-1] - truth[-1])))
            strange_held.append(bool(inside[-1]))
        name = f"75 images of {kind}"
        yield from _mean(name, "all", 0, "absolute error of the shares of candidates in it", error)
        yield from _mean(name, "all", 0, "absolute error of the shares of all candidates", overall)
        yield from _mean(name, "all", 0, "coverage at 0.95, candidates in it", [float(one) for one in held])
        yield from _mean(name, "all", 0, "coverage at 0.95, other candidates", [float(one) for one in zero])
        if kind != "5 candidates":
            yield from _mean(name, "all", 0, "absolute error of the unknown share", strange)
            yield from _mean(name, "all", 0, "coverage at 0.95, unknown share", [float(one) for one in strange_held])


def others(work: Work, draws: int) -> Iterator[Row]:
    """Images by other software: all of them under a claim of their lineage, and three in a folder of another's."""
    given = work.answered()
    if work.others_source is None:
        return
    with work.others_source.open(newline="") as file:
        line = {row["model"]: row["lineage"] for row in csv.DictReader(file)}
    own_line = np.array([work.lineage[name] for name in given.classes])
    codes, rng = given.codes, np.random.default_rng(SEED)
    for name in sorted(line):
        own = np.flatnonzero(own_line == line[name]).tolist()
        hits = []
        for part, rehearsal in zip(given.beside, given.rehearsals, strict=True):
            rows = np.flatnonzero(part["o_model"] == name)
            found = test_consistency(
                np.log(part["o_proba"][rows]), part["o_p"][rows], own, rehearsal, level=LEVEL, n_draws=500
            )
            hits.append(not found.consistent)
        yield from _rate(f"all {len(rows)} of {name}, claimed {line[name]}", "other software", 0, hits)
        hits, first = [], []
        for draw in range(draws // 4):
            k = int(rng.choice(np.flatnonzero(own_line != line[name])))
            rows = np.flatnonzero(codes == k)
            out = rng.permutation(len(rows))[:3]
            words, p = given.log_proba[rows].copy(), given.open_set_p[rows].copy()
            for place in out:
                part = given.beside[given.fold[rows[place]]]
                swap = rng.choice(np.flatnonzero(part["o_model"] == name))
                words[place], p[place] = np.log(part["o_proba"][swap]), part["o_p"][swap]
            found = test_consistency(
                words, p, [k], given.rehearsals, judge=given.fold[rows], level=LEVEL, n_draws=500, seed=draw
            )
            hits.append(not found.consistent)
            first.append(float(np.isin(found.order[:3], out).mean()))
        yield from _rate(f"{name} in a folder of another lineage", "other software", 3, hits)
        yield from _mean(f"{name} in a folder of another lineage", "other software", 3, "precision", first)


def clusters(work: Work, draws: int) -> Iterator[Row]:
    """Images of one to eight hidden models, three to fifteen of each: how many sources are found."""
    for kind, fifths in (("fifths 1 to 3", (0, 1, 2)), ("fifths 4 and 5", (3, 4))):
        agreement: list[float] = []
        off: list[float] = []
        for draw in range(draws):
            rng = np.random.default_rng([SEED, draw])
            given = work.answered(fifths[draw % len(fifths)])
            names = np.unique(given.model[given.codes < 0])
            chosen = rng.choice(names, rng.integers(1, len(names) + 1), replace=False)
            rows = np.concatenate(
                [rng.permutation(np.flatnonzero(given.model == name))[: rng.integers(3, SIZE + 1)] for name in chosen]
            )
            found = cluster_unknowns(given.log_proba[rows], given.rehearsals[draw % FOLDS])
            # An image in no group is a group of its own here, so that leaving images out is no way to score.
            alone = found.label < 0
            label = np.where(alone, found.n_groups + np.cumsum(alone), found.label)
            agreement.append(float(adjusted_rand_score(given.model[rows], label)))
            off.append(float(found.n_groups - len(chosen)))
        name = "hidden models, clustered"
        yield from _mean(name, kind, 0, "adjusted Rand index", agreement)
        yield from _mean(name, kind, 0, "groups found less models", off)
        yield from _mean(name, kind, 0, "the same, absolute", np.abs(off).tolist())


def few(work: Work, draws: int) -> Iterator[Row]:
    """Test sets of 15 images where there are few candidates: as claimed, and with images by another lineage's model."""
    for n_claimed in (1, 3):
        for who in ("nobody", "another candidate", "no candidate"):
            hits, first = [], []
            for draw in range(draws):
                given, rng = work.answered(draw % FIFTHS), np.random.default_rng([SEED, n_claimed, draw])
                chosen = np.sort(rng.choice(len(given.classes), FEW, replace=False))
                claimed = rng.choice(FEW, n_claimed, replace=False)
                own_lines = {work.lineage[given.classes[chosen[k]]] for k in claimed}
                inside = set(given.classes[chosen])
                rivals = [
                    name
                    for name in np.unique(given.model)
                    if work.lineage[name] not in own_lines and (name in inside) == (who == "another candidate")
                ]
                rows = np.flatnonzero(np.isin(given.codes, chosen[claimed]))
                rows = np.sort(rng.permutation(rows)[:SIZE])
                out = rng.permutation(SIZE)[: 0 if who == "nobody" else SWAPPED_OF_FEW]
                if len(out) and not rivals:
                    continue
                if len(out):
                    place = {given.prompt[row]: row for row in np.flatnonzero(given.model == rng.choice(rivals))}
                    rows[out] = [place[given.prompt[row]] for row in rows[out]]
                found = test_consistency(
                    _among(given.log_proba[rows], chosen), given.open_set_p[rows], claimed,
                    [_rehearsed_among(one, chosen) for one in given.rehearsals],
                    judge=given.fold[rows], level=LEVEL, n_draws=500, seed=draw, power=False,
                )  # fmt: skip
                hits.append(not found.consistent)
                first.append(float(np.isin(found.order[: len(out)], out).mean()) if len(out) else 0.0)
            name = f"{FEW} candidates, {n_claimed} claimed, swapped for images by {who}"
            yield from _rate(name, "all", len(out), hits)
            if who != "nobody":
                yield from _mean(name, "all", len(out), "precision", first)


def _among(log_proba: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    words = log_proba[:, chosen]
    return np.minimum(words - np.log(np.exp(words).sum(axis=1, keepdims=True)), 0.0)


def _rehearsed_among(rehearsal: Rehearsal, chosen: NDArray[np.int64]) -> Rehearsal:
    """Return a rehearsal of some candidates only; nothing is asked of hidden models here."""
    own, nothing = np.isin(rehearsal.codes, chosen), np.zeros(0, np.int64)
    return Rehearsal(
        _among(rehearsal.log_proba[own], chosen), np.searchsorted(chosen, rehearsal.codes[own]), rehearsal.groups[own],
        rehearsal.open_set_p[own], np.zeros((0, len(chosen))), nothing, nothing, np.zeros(0),
    )  # fmt: skip


SECTIONS: dict[str, Callable[[Work, int], Iterator[Row]]] = {
    "exact": exact,
    "hidden": hidden,
    "mixture": mixture,
    "others": others,
    "clusters": clusters,
    "few": few,
}


if __name__ == "__main__":
    main()
