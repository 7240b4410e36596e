"""How often drift is found where there is some, and where there is none, on measured images of many models.

    python benchmarks/drift.py sdnext-gallery.csv --cache features.sqlite [--csv benchmarks/drift.csv] [--draws N]
    python benchmarks/drift.py imagen-prompts.csv --same-prompts ...    # several images of a prompt and model

Rows of the table:

- ``versions``: two models by name (HunyuanDiT 1.1 and 1.2 where the catalog has them), with all prompts, and with
  random parts of them: how many pairs it takes.
- ``lineage`` and ``across``: random pairs of models within and across lineages, with 5, 6, 8, 10 and 15 images of each
  on the same prompts, and with as many on different prompts.
- ``halves``: one model against itself, prompts dealt at random: nothing has changed, and the share that is called
  changed is the rate of false alarms.
- ``exchanged``: two models, whose images are exchanged at random within prompts: neither sample is more the one than
  the other, so that nothing has changed either; this is the paired comparison's rate of false alarms.
- ``same``: one model against itself on the same prompts, where it has several images of each.

Where nothing has changed there are four times as many draws. ``found`` is the share of draws with p of 0.05 or less,
``low`` and ``high`` its 95% interval (Clopper & Pearson).
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from morelli.audit.drift import compare_samples
from morelli.catalog import Catalog, build_catalog
from morelli.encoders import FeatureCache, default_encoder, extract, join_encoders
from morelli.errors import NotEnoughDataError

LEVEL = 0.05
VERSIONS = ("Tencent-Hunyuan_HunyuanDiT-v1.1-Diffusers", "Tencent-Hunyuan_HunyuanDiT-v1.2-Diffusers")


class Images:
    """All that is measured, and comparisons of some of it."""

    def __init__(self, catalog: Catalog, cache: FeatureCache | None) -> None:
        features = extract(catalog, join_encoders(default_encoder()), cache=cache)
        catalog, self.features = catalog.filter(features.ok), features.take(features.ok)
        self.model, self.prompt = catalog.text("model"), catalog.codes("prompt_id")[0]
        self.lineage = dict(zip(self.model, catalog.text("lineage"), strict=True))
        self.models = sorted(set(self.model))

    def test(self, before: np.ndarray, now: np.ndarray, design: str, seed: int) -> float | None:
        """Return the p-value between rows, or None where there are too few."""
        rows = np.concatenate([before, now])
        new = np.arange(len(rows)) >= len(before)
        part = self.features.take(rows)
        try:
            found = compare_samples(
                part.X, new, self.prompt[rows], blocks=part.blocks, within=part.within, n_contrasts=part.n_contrasts,
                design=design, n_permutations=999, n_simulations=0, seed=seed,
            )  # fmt: skip
        except NotEnoughDataError:
            return None
        return found.p

    def rows(self, model: str, prompts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return one row of a model for each prompt."""
        own = np.flatnonzero(self.model == model)
        return np.array([rng.choice(own[self.prompt[own] == prompt]) for prompt in prompts])

    def prompts(self, *models: str) -> np.ndarray:
        """Return the prompts that all of these models have."""
        sets = [set(self.prompt[self.model == model]) for model in models]
        return np.array(sorted(set.intersection(*sets)))


def pairs(images: Images) -> dict[str, list[tuple[str, str]]]:
    """Return pairs of models within and across lineages."""
    every = list(itertools.combinations(images.models, 2))
    same = [(a, b) for a, b in every if images.lineage[a] is not None and images.lineage[a] == images.lineage[b]]
    return {"lineage": same, "across": [pair for pair in every if pair not in set(same)]}


def comparisons(images: Images, draws: int) -> Iterator[tuple[str, str, int, list[float | None]]]:
    """Yield what was compared, the design, images of each sample, and p-values."""
    rng = np.random.default_rng(0)
    if set(VERSIONS) <= set(images.models):
        shared = images.prompts(*VERSIONS)
        for n in [n for n in (6, 8, 10, 12, 14) if n < len(shared)]:
            chosen = [rng.choice(shared, n, replace=False) for _ in range(draws)]
            yield "versions", "paired", n, [both(images, VERSIONS, some, rng, k) for k, some in enumerate(chosen)]
        yield "versions", "paired", len(shared), [both(images, VERSIONS, shared, rng, 0)]
    for kind, every in pairs(images).items():
        if not every:
            continue
        for n in (5, 6, 8, 10, 15):
            found = []
            for k in range(draws):
                pair = every[rng.integers(len(every))]
                shared = images.prompts(*pair)
                if len(shared) >= n:
                    found.append(both(images, pair, rng.choice(shared, n, replace=False), rng, k))
            yield kind, "paired", n, found
        for n in (5, 7):
            found = []
            for k in range(draws):
                pair = every[rng.integers(len(every))]
                mixed = rng.permutation(images.prompts(*pair))
                if len(mixed) >= 2 * n:
                    before = images.rows(pair[0], mixed[:n], rng)
                    found.append(images.test(before, images.rows(pair[1], mixed[n : 2 * n], rng), "grouped", k))
            yield kind, "grouped", n, found


def alarms(images: Images, draws: int) -> Iterator[tuple[str, str, int, list[float | None]]]:
    """Yield comparisons in which nothing has changed."""
    rng = np.random.default_rng(1)
    for n in (5, 7):
        found = []
        for k in range(4 * draws):
            model = images.models[rng.integers(len(images.models))]
            mixed = rng.permutation(images.prompts(model))
            if len(mixed) >= 2 * n:
                before = images.rows(model, mixed[:n], rng)
                found.append(images.test(before, images.rows(model, mixed[n : 2 * n], rng), "grouped", k))
        yield "halves", "grouped", n, found
    every = list(itertools.combinations(images.models, 2))
    for n in (6, 10, 15):
        found = []
        for k in range(4 * draws):
            pair = every[rng.integers(len(every))]
            shared = images.prompts(*pair)
            if len(shared) >= n:
                some = rng.choice(shared, n, replace=False)
                sides = np.stack([images.rows(model, some, rng) for model in pair])
                turned = rng.integers(2, size=n)
                found.append(images.test(sides[turned, np.arange(n)], sides[1 - turned, np.arange(n)], "paired", k))
        yield "exchanged", "paired", n, found


def same_prompts(images: Images, draws: int) -> Iterator[tuple[str, str, int, list[float | None]]]:
    """Yield comparisons of a model with itself on the same prompts, and of pairs of models."""
    rng = np.random.default_rng(2)
    for n in (6, 10, 15):
        found = []
        for k in range(4 * draws):
            model = images.models[rng.integers(len(images.models))]
            own = images.model == model
            several = np.flatnonzero(np.bincount(images.prompt[own], minlength=images.prompt.max() + 1) > 1)
            if len(several) >= n:
                two = [
                    rng.choice(np.flatnonzero(own & (images.prompt == prompt)), 2, replace=False)
                    for prompt in rng.choice(several, n, replace=False)
                ]
                found.append(images.test(*np.array(two).T, "paired", k))
        yield "same", "paired", n, found


def both(
    images: Images, pair: tuple[str, str], prompts: np.ndarray, rng: np.random.Generator, seed: int
) -> float | None:
    """Compare two models on the same prompts."""
    before, now = (images.rows(model, prompts, rng) for model in pair)
    return images.test(before, now, "paired", seed)


def main() -> None:
    """Measure and print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="catalog, or table with a path column")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--csv", type=Path, help="append to this table")
    parser.add_argument("--draws", type=int, default=120)
    parser.add_argument("--same-prompts", action="store_true", help="models have several images of a prompt")
    given = parser.parse_args()
    catalog = Catalog.read(given.images) if given.images.suffix == ".parquet" else build_catalog(given.images)
    images = Images(catalog, None if given.cache is None else FeatureCache(given.cache))
    kinds = [same_prompts] if given.same_prompts else [comparisons, alarms]
    rows = []
    for what, design, n, found in itertools.chain.from_iterable(kind(images, given.draws) for kind in kinds):
        known = [p for p in found if p is not None]
        hits = sum(p <= LEVEL for p in known)
        low, high = binomtest(hits, len(known)).proportion_ci() if known else (float("nan"),) * 2
        rows.append(
            {
                "data": given.images.stem, "what": what, "design": design, "images_each": n, "draws": len(found),
                "too_few": len(found) - len(known), "found": round(hits / len(known), 4) if known else "",
                "low": round(low, 4) if known else "", "high": round(high, 4) if known else "",
                "median_p": round(float(np.median(known)), 4) if known else "",
            }
        )  # fmt: skip
        print(*rows[-1].values(), flush=True)
    if given.csv is not None and rows:
        fresh = not given.csv.exists()
        with given.csv.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            if fresh:
                writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
