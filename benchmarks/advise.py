"""Whether the recalls that ``morelli bundle advise`` foresees come true.

    python benchmarks/advise.py sdnext-gallery.csv --cache features.sqlite [--csv benchmarks/advise.csv] [--draws N]

In each draw a third of the prompts is held out. A bundle is fitted to half of the others and advice asked for; another
is fitted to all of them, which is twice as many references of each candidate. Both judge the held-out prompts. The
table has a row for each draw and candidate: what was measured out of fold (``recall``), foreseen with twice as many
(``foreseen``, 80% interval), and seen on ``n`` held-out images with half (``right_half``) and all (``right_all``).

Printed are, over all draws: the share foreseen and the share that came, and in how many draws the interval of all
candidates together held the latter (with the scatter of the held-out prompts, of which it cannot know); candidates in
four parts by what was foreseen; the root mean square of what is foreseen for single candidates less what came, beside
that of taking the measured recall as it is, or the mean of all; and how far intervals of candidates hold, simulated as
if what came had been drawn from them.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from morelli.attributors import Bundle, fit_bundle
from morelli.audit.versions import advise, measure_curve
from morelli.catalog import Catalog, build_catalog
from morelli.encoders import FeatureCache, extract

HELD_OUT = 3
"""One of so many prompts."""


def right(bundle: Bundle, X: np.ndarray, truth: np.ndarray) -> dict[str, int]:
    """Return how many held-out images of each candidate a bundle names right."""
    named = np.array(bundle.classes)[bundle.attributor.answer(X).proba.argmax(axis=1)]
    return {name: int((named == truth)[truth == name].sum()) for name in bundle.classes}


def draw(catalog: Catalog, cache: FeatureCache, number: int) -> tuple[list[dict], tuple[float, float, float]]:
    """Return the rows of one draw, and the recall that is foreseen over all candidates, with its interval.

    The interval is for the held-out prompts: it is as wide as the foreseen one and the scatter of prompts together.
    """
    prompts = catalog.text("prompt_id").astype(str)
    names = np.random.default_rng(number).permutation(np.unique(prompts))
    held = len(names) // HELD_OUT
    rest = names[held:]
    parts = [catalog.filter(np.isin(prompts, some)) for some in (names[:held], rest[: len(rest) // 2], rest)]
    judged, half, all_of_them = parts
    bundles = [fit_bundle(part, cache=cache, workers=1) for part in (half, all_of_them)]
    advice = advise(bundles[0], curve=measure_curve(bundles[0], half, cache=cache, workers=1))
    features = extract(judged, bundles[0].encoder, cache=cache, workers=1)
    truth = judged.text("model").astype(str)
    with_half, with_all = (right(bundle, features.X, truth) for bundle in bundles)
    rows = [
        {
            "draw": number, "candidate": one.name, "references": one.images, "recall": round(one.recall, 4),
            "advice": one.advice, "needed": "" if one.needed is None else one.needed.value or f">{one.needed.most}",
            "foreseen": round(one.foreseen.value, 4), "low": round(one.foreseen.low, 4),
            "high": round(one.foreseen.high, 4), "n": int((truth == one.name).sum()),
            "right_half": with_half[one.name], "right_all": with_all[one.name],
        }
        for one in sorted(advice.classes, key=lambda one: one.name)
    ]  # fmt: skip
    named = np.array(bundles[1].classes)[bundles[1].attributor.answer(features.X).proba.argmax(axis=1)]
    by_prompt = [float((named == truth)[judged.text("prompt_id") == prompt].mean()) for prompt in names[:held]]
    scatter = 1.2816 * np.std(by_prompt, ddof=1) / np.sqrt(held)
    value, low, high = advice.foreseen.value, advice.foreseen.low, advice.foreseen.high
    return rows, (value, value - np.hypot(value - low, scatter), value + np.hypot(high - value, scatter))


def main() -> None:
    """Measure and print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="catalog, or table with a path column")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--draws", type=int, default=6)
    given = parser.parse_args()
    catalog = Catalog.read(given.images) if given.images.suffix == ".parquet" else build_catalog(given.images)
    cache = FeatureCache(given.cache)
    rows, held = [], 0
    for number in range(given.draws):
        began = time.process_time()
        found, (value, low, high) = draw(catalog, cache, number)
        rows += found
        came, before = (
            sum(row[key] for row in found) / sum(row["n"] for row in found) for key in ("right_all", "right_half")
        )
        held += low <= came <= high
        print(
            f"draw {number}: with half {before:.3f}; with all foreseen {value:.3f} ({low:.3f} to {high:.3f}), "
            f"came {came:.3f}; {time.process_time() - began:.0f} s of processor",
            flush=True,
        )
    if given.csv:
        with given.csv.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    report(rows, held, given.draws)


def report(rows: list[dict], held: int, draws: int) -> None:
    """Print what the table says."""
    columns = ("recall", "foreseen", "low", "high", "n", "right_half", "right_all")
    recall, foreseen, low, high, n, half, full = (np.array([row[key] for row in rows], dtype=float) for key in columns)
    came = full / n
    print(f"foreseen {foreseen.mean():.3f}, came {came.mean():.3f}, with half {(half / n).mean():.3f}")
    print(f"intervals of all candidates together hold in {held} of {draws} draws (nominal 0.8)")
    for part in np.array_split(np.argsort(foreseen, kind="stable"), 4):
        print(
            f"  foreseen {foreseen[part].mean():.2f}: came {came[part].mean():.2f} (half {(half / n)[part].mean():.2f})"
        )
    for word in ("enough", "cannot say", "more", "far"):
        own = np.array([row["advice"] == word for row in rows])
        if own.any():
            print(
                f"  advice {word}: {own.sum()} rows, foreseen {foreseen[own].mean():.2f}, came {came[own].mean():.2f}"
            )
    chance = np.sqrt((foreseen * (1 - foreseen) / n).mean())
    for name, guess in (("foreseen", foreseen), ("recall as measured", recall), ("mean of all", foreseen.mean())):
        print(f"root mean square error of {name}: {np.sqrt(((came - guess) ** 2).mean()):.3f}")
    print(f"  ({chance:.3f} is what so few held-out images scatter by themselves)")
    # An interval is of a recall, and few images show it coarsely: beta distributions with these limits are drawn from.
    rng = np.random.default_rng(0)
    spread = np.maximum((high - low) / (2 * 1.2816), 1e-3)
    middle = np.clip(foreseen, 0.01, 0.99)
    worth = np.maximum(middle * (1 - middle) / spread**2 - 1, 0.5)
    drawn = rng.binomial(n.astype(int), rng.beta(worth * middle, worth * (1 - middle), size=(4000, len(rows)))) / n
    inside = (came >= np.quantile(drawn, 0.1, axis=0)) & (came <= np.quantile(drawn, 0.9, axis=0))
    expected = ((drawn >= np.quantile(drawn, 0.1, axis=0)) & (drawn <= np.quantile(drawn, 0.9, axis=0))).mean()
    print(f"recalls within what intervals of candidates let expect: {inside.mean():.3f} (if they hold: {expected:.3f})")


if __name__ == "__main__":
    main()
