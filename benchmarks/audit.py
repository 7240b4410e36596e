r"""What the statements of a campaign audit are worth: false alarms, intruders found, shares and their intervals.

    python benchmarks/audit.py path/to/sdnext-gallery.csv --draws 120 --csv benchmarks/audit.csv
    python benchmarks/audit.py path/to/imagen-prompts.csv --draws 120 --repeats 40 --csv benchmarks/audit-prompts.csv \
        --kin glid-3-xl,latent-diffusion --kin pixray-simulacra,stable-diffusion-beta

The table needs model and prompt_id and should name the lineage; models should have images of the same prompts. Sets are
of one image for each of at most 15 prompts. Every image is judged by an attributor that never saw its prompt (five
folds), with the rehearsal of that very attributor.

- ``clean``: the images of one claimed model. ``flagged`` is the rate of false alarms at 0.05.
- ``swapped N other|within``: N images of the set are another model's, of another lineage or of the same.
- ``mixture``: 75 images of five models, 15 of each or in random shares. ``error`` is the mean absolute error of
  the five shares, ``error_all`` of those of all candidates; ``coverage`` is how often their 95% intervals hold.

``half`` is the part of the claimed (or mixed) models by name: constants were chosen on all models of
the gallery, and on no other table. ``low`` and ``high`` are a 95% Wilson interval of ``flagged``; sets share images, so
that it is too narrow.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from morelli._files import atomic_path
from morelli.attributors import fit_attributor
from morelli.attributors.rehearsal import Rehearsal
from morelli.audit.consistency import test_consistency
from morelli.audit.mixture import estimate_mixture
from morelli.catalog import build_catalog
from morelli.catalog.folds import deal_groups
from morelli.encoders import FeatureCache, extract, join_encoders
from morelli.encoders.default import default_encoder

FOLDS = 5
LEVEL = 0.05
SIZE = 15
COLUMNS = (
    "case", "half", "n", "flagged", "low", "high", "precision", "share", "error", "error_all", "coverage",
    "coverage_all",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """Answers for all images, each by the attributor of its fold."""

    log_proba: NDArray[np.float64]
    open_set_p: NDArray[np.float64]
    model: NDArray[np.int64]
    prompt: NDArray[np.int64]
    fold: NDArray[np.int64]
    rehearsals: list[Rehearsal]
    lineage: NDArray[np.object_]

    @property
    def k(self) -> int:
        """How many candidates there are."""
        return self.log_proba.shape[1]

    def of(self, model: int) -> NDArray[np.intp]:
        """Return the rows of a model's images."""
        return np.flatnonzero(self.model == model)

    def draw(self, models: tuple[int, ...], rng: np.random.Generator) -> list[NDArray[np.intp]]:
        """Return one row for each of at most 15 prompts that all models have, the same prompts for all."""
        rows = [self.of(model) for model in models]
        prompts = sorted(set.intersection(*(set(self.prompt[own]) for own in rows)))
        if len(prompts) > SIZE:
            prompts = list(rng.permutation(prompts)[:SIZE])
        found = []
        for own in rows:
            of = [own[self.prompt[own] == prompt] for prompt in prompts]
            found.append(np.array([one[0] if len(one) == 1 else rng.choice(one) for one in of]))
        return found


def world(table: Path, cache: Path, kin: list[str]) -> World:
    catalog = build_catalog(table)
    features = extract(catalog, join_encoders(default_encoder()), cache=FeatureCache(cache))
    names, model = np.unique(catalog.text("model").astype(str), return_inverse=True)
    lineages = catalog.text("lineage")
    prompts = np.unique(catalog.text("prompt_id").astype(str), return_inverse=True)[1]
    fold = deal_groups(prompts, model, np.full(FOLDS, 1 / FOLDS), 0)
    words, p = np.zeros((len(model), len(names))), np.zeros(len(model))
    rehearsals = []
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        attributor, _ = fit_attributor(catalog.filter(train), [features.take(train)])
        answers = attributor.answer(features.X[test])
        words[test], p[test] = np.log(np.maximum(answers.proba, 1e-300)), answers.open_set_p
        rehearsals.append(attributor.rehearsal)
        print(f"fold {number + 1} of {FOLDS}", flush=True)
    first = [lineages[np.flatnonzero(model == k)[0]] for k in range(len(names))]
    lineage = np.array([name if of is None else str(of) for name, of in zip(names, first, strict=True)], dtype=object)
    for together in kin:
        lineage[np.isin(names, together.split(","))] = together
    return World(words, p, model, prompts, fold, rehearsals, lineage)


def sets(world: World, swapped: int, kind: str, draws: int, seed: int) -> list[dict[str, object]]:
    rng = np.random.default_rng([seed, swapped])
    rows = []
    for draw in range(draws):
        claimed = draw % world.k if kind == "clean" else int(rng.integers(world.k))
        intruders = np.empty(0, dtype=np.int64)
        if kind == "clean":
            (own,) = world.draw((claimed,), rng)
        else:
            kin = world.lineage == world.lineage[claimed]
            rivals = np.flatnonzero(~kin if kind == "other" else kin & (np.arange(world.k) != claimed))
            if not len(rivals):
                continue
            places = rng.permutation(min(SIZE, len(world.of(claimed))))[:swapped]
            own, others = world.draw((claimed, int(rng.choice(rivals))), rng)
            places = places[places < len(own)]
            own[places] = intruders = others[places]
        found = test_consistency(
            world.log_proba[own], world.open_set_p[own], [claimed], world.rehearsals, judge=world.fold[own],
            level=LEVEL, n_draws=400, seed=draw, power=False,
        )  # fmt: skip
        hit = np.isin(own[found.order[:swapped]], intruders).mean() if swapped else None
        rows.append(
            {"half": claimed % 2, "flagged": not found.consistent, "precision": hit, "share": found.share_estimate}
        )
    return rows


def mixtures(world: World, draws: int, seed: int) -> list[dict[str, object]]:
    rng = np.random.default_rng([seed, 99])
    rows = []
    for draw in range(draws):
        half = draw % 2
        of_half = np.flatnonzero(np.arange(world.k) % 2 == half)
        models = rng.choice(of_half if len(of_half) >= 5 else world.k, 5, replace=False)
        if draw // 2 % 2:
            counts = np.minimum(rng.multinomial(75, rng.dirichlet(np.full(5, 2.0))), 15)
        else:
            counts = np.full(5, 15)
        own = np.concatenate([rng.permutation(world.of(int(m)))[:n] for m, n in zip(models, counts, strict=True)])
        truth = np.bincount(world.model[own], minlength=world.k) / len(own)
        # Shares are estimated with the rehearsal of one fold; no image's own answer is in what they are made of.
        found = estimate_mixture(
            world.log_proba[own], world.open_set_p[own], world.rehearsals[draw % FOLDS], n_boot=200, seed=draw
        )
        error = np.abs(found.shares[:-1] - truth)
        held = (found.lower[:-1] <= truth + 1e-9) & (truth <= found.upper[:-1] + 1e-9)
        rows.append(
            {
                "half": half, "share": found.shares[-1], "error": error[models].mean(), "error_all": error.mean(),
                "coverage": held[models].mean(), "coverage_all": held.mean(),
            }
        )  # fmt: skip
    return rows


def summed(case: str, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    result = []
    for half in ("both", 0, 1):
        own = [row for row in rows if half in ("both", row["half"])]
        line: dict[str, object] = {"case": case, "half": half, "n": len(own)}
        for name in COLUMNS[3:]:
            values = [float(row[name]) for row in own if row.get(name) is not None]  # type: ignore[arg-type]
            if values:
                line[name] = round(float(np.mean(values)), 4)
        if own and "flagged" in own[0]:
            interval = binomtest(sum(bool(row["flagged"]) for row in own), len(own)).proportion_ci(method="wilson")
            line |= {"low": round(interval.low, 4), "high": round(interval.high, 4)}
        result.append(line)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=1, help="sets of each model without swaps, where it has more")
    parser.add_argument("--kin", action="append", default=[], help="models of one lineage, where the table names none")
    parser.add_argument("--cache", type=Path, default=Path("audit-features.sqlite"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()

    made = world(arguments.table, arguments.cache, arguments.kin)
    lines = summed("clean", sets(made, 0, "clean", made.k * arguments.repeats, arguments.seed))
    for swapped in (1, 2, 3, 5, 8):
        for kind in ("other", "within"):
            lines += summed(f"swapped {swapped} {kind}", sets(made, swapped, kind, arguments.draws, arguments.seed))
            print(lines[-3], flush=True)
    lines += summed("mixture", mixtures(made, arguments.draws, arguments.seed))
    for line in lines:
        print("  ".join(str(line.get(name, "")) for name in COLUMNS))
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)


if __name__ == "__main__":
    main()
