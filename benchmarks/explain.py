r"""How well maps of evidence point to the region that a trace lies in.

    python benchmarks/explain.py sdnext-gallery.csv --csv benchmarks/explain.csv
    python benchmarks/explain.py sdnext-gallery.csv --encoder forensic+clip-vit-b16.openai-int8 --pairs 3
    python benchmarks/explain.py sdnext-gallery.csv --view jpeg:90 --pairs 3 --csv benchmarks/explain-jpeg.csv

Planted traces: photographs that ship with Morelli, of which three classes are made by faint patterns. A new photograph
has the pattern of one class in one quarter, and of another class elsewhere.

Composites, where a table of a gallery is given (path, model, prompt_id): the left half of one model's image beside the
right half of another's for the same prompt, judged by bundles that were fitted to other prompts. For comparison also
the first image alone, which has nothing to find. With --view, the composites are seen through it and the bundles are
fitted to untouched images, as if somebody had joined two images and saved the result.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli._files import atomic_path
from morelli.attributors import Bundle, fit_bundle
from morelli.catalog import Catalog, build_catalog, split_catalog
from morelli.encoders import FeatureCache
from morelli.explain import TraceMap, count_votes
from morelli.explain.trace_map import Box
from morelli.images import read_image
from morelli.sample import sample_path
from morelli.views import View, parse_view

Pixels = NDArray[np.uint8]
Row = tuple[str, str, str, float | str, int]
Note = Callable[[str, str, float], None]

MODEL = "realesrgan-x4plus"
REFERENCES = 24
QUARTERS = ("top left", "top right", "bottom left", "bottom right")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, nargs="?", help="table of a gallery, for composites")
    parser.add_argument("--encoder", default="forensic", help="of the composites; one name, or several joined by +")
    parser.add_argument("--pairs", type=int, default=6, help="composites of each prompt")
    parser.add_argument("--view", default="none", help="what the composites are seen through")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--window", type=int, help="side of the windows in pixels")
    parser.add_argument("--cache", type=Path, help="keep features in this file; by default everything is measured anew")
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()

    rows: list[Row] = [*planted(arguments.seed, arguments.window)]
    if arguments.source is not None:
        rows += composites(arguments)
    for row in rows:
        print(f"{row[0]:<12} {row[1]:<44} {row[2]:<44} {row[3]!s:>8} {row[4]:>5}")
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("images", "asked", "what", "value", "n"), *rows])


# --- planted traces -----------------------------------------------------------------------------------------------


def plant(pixels: Pixels, kind: str, levels: int, seed: int) -> Pixels:
    """Add a pattern of some grey levels: stripes four pixels apart, white noise, or another level for every block."""
    height, width = pixels.shape[:2]
    rng = np.random.default_rng(seed)
    if kind == "stripes":
        pattern = np.where(np.arange(width)[None] % 4 < 2, 1.0, -1.0) * np.ones((height, 1))
    elif kind == "noise":
        pattern = rng.standard_normal((height, width))
    else:
        coarse = rng.standard_normal((-(-height // 8), -(-width // 8)))
        pattern = np.kron(coarse, np.ones((8, 8)))[:height, :width]
    return np.clip(np.rint(pixels + levels * pattern[:, :, None]), 0, 255).astype(np.uint8)


def planted(seed: int, window: int | None) -> Iterator[Row]:
    """Yield shares of positive mass in the quarter with the trace, for pairs of patterns and several strengths."""
    kinds = ("blocks", "noise", "stripes")
    with (sample_path() / "catalog.csv").open(encoding="utf-8", newline="") as stream:
        photographs = [row["path"] for row in csv.DictReader(stream) if row["model"] == MODEL]
    photographs = sorted(photographs)
    pixels = [read_image(sample_path() / name).pixels for name in photographs]
    for levels in (1, 2, 4):
        with tempfile.TemporaryDirectory() as name:
            bundle = fit_bundle(_references(Path(name), pixels[:REFERENCES], kinds, levels), encoder="forensic")
        shares: dict[str, list[float]] = {"the other class": [], "mean of all": []}
        for number, (image, (one, other)) in enumerate(
            zip(
                itertools.islice(itertools.cycle(pixels[REFERENCES:]), 24),
                itertools.cycle(itertools.permutations(kinds, 2)),
            )
        ):
            picture, box = _quarter(image, one, other, levels, number, seed)
            votes = count_votes(bundle, picture, window=window)
            shares["the other class"].append(votes.map(one, other).mass_inside(box) or 0.0)
            shares["mean of all"].append(votes.map(one).mass_inside(box) or 0.0)
        for asked, found in shares.items():
            yield "planted", f"{levels} grey levels, against {asked}", "positive mass in the quarter", _mean(found), 24


def _references(folder: Path, pixels: list[Pixels], kinds: tuple[str, ...], levels: int) -> Catalog:
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "model", "prompt_id"])
        for number, image in enumerate(pixels):
            for kind in kinds:
                path = folder / f"{kind}-{number}.png"
                Image.fromarray(plant(image, kind, levels, number)).save(path)
                writer.writerow([path, kind, number])
    return build_catalog(folder / "table.csv")


def _quarter(image: Pixels, one: str, other: str, levels: int, number: int, seed: int) -> tuple[Pixels, Box]:
    """Return an image with one class's pattern in one quarter and another's elsewhere, and the quarter."""
    height, width = image.shape[:2]
    middle_y, middle_x = height // 2 // 16 * 16, width // 2 // 16 * 16
    down, across = divmod(number % 4, 2)
    ys = slice(middle_y, height) if down else slice(0, middle_y)
    xs = slice(middle_x, width) if across else slice(0, middle_x)
    result = plant(image, other, levels, seed + 1000 + number)
    result[ys, xs] = plant(image, one, levels, seed + 2000 + number)[ys, xs]
    return result, (float(xs.start), float(ys.start), float(xs.stop), float(ys.stop))


# --- composites ---------------------------------------------------------------------------------------------------


def composites(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield how often maps point to the half that is by the model asked about."""
    catalog = build_catalog(arguments.source)
    folds = split_catalog(catalog, folds=arguments.folds, seed=arguments.seed, label="model").folds(catalog)
    prompts = catalog.text("prompt_id").astype(str)
    rng = np.random.default_rng(arguments.seed)
    found: dict[tuple[str, str], list[float]] = {}

    def note(asked: str, what: str, value: float) -> None:
        found.setdefault((asked, what), []).append(float(value))

    view = parse_view(arguments.view)
    for fold in range(arguments.folds):
        bundle = fit_bundle(
            catalog.filter(folds != fold), encoder=arguments.encoder, cache=FeatureCache(arguments.cache)
        )
        test = np.flatnonzero(folds == fold)
        for prompt in np.unique(prompts[test]):
            rows = test[prompts[test] == prompt]
            for _ in range(arguments.pairs):
                pair = rng.choice(rows, 2, replace=False)
                begin = time.process_time()
                _judge(bundle, catalog, pair, view, arguments.window, note)
                note("two maps of about 1024 x 1024 pixels", "seconds of the processor", time.process_time() - begin)
        print(f"fold {fold + 1} of {arguments.folds}", file=sys.stderr)
    for (asked, what), values in found.items():
        seen = "" if view.name == "none" else f", {view.name}"
        yield f"composites, {arguments.encoder}{seen}", asked, what, _mean(values), len(values)


def _judge(
    bundle: Bundle, catalog: Catalog, pair: NDArray[np.integer], view: View, window: int | None, note: Note
) -> None:
    models = catalog.text("model").astype(str)[pair]
    one, other = (read_image(catalog.paths[row]).pixels for row in pair)
    height, width = min(one.shape[0], other.shape[0]), min(one.shape[1], other.shape[1])
    middle = width // 2 // 16 * 16
    halves = ((0.0, 0.0, float(middle), float(height)), (float(middle), 0.0, float(width), float(height)))
    joined = one[:height, :width].copy()
    joined[:, middle:] = other[:height, middle:width]

    votes = count_votes(bundle, view(joined), window=window)
    known = votes.map(models[0], models[1])
    asked = "one model against the other"
    note(asked, "the true half has more", _difference(known, halves) > 0)
    note(asked, "positive mass in the true half", known.mass_inside(halves[0]) or 0.0)
    note(asked, "strength", known.strength or 0.0)
    for family in known.families:
        note(f"the same, {family} alone", "the true half has more", _difference(known.of_family(family), halves) > 0)
    for own in (0, 1):
        alone = votes.map(models[own])
        note(
            "one model against the mean of all",
            "the true half has more",
            _difference(alone, halves[:: 1 - 2 * own]) > 0,
        )
    first = votes.ranking[0]
    note("the first answer", "is one of the two models", first in models)
    if first in models:
        own = list(models).index(first)
        for against, name in ((None, "mean of all"), (votes.ranking[1], "the second answer")):
            shown = votes.map(first, against)
            asked = f"the first answer against {name}"
            note(asked, "the true half has more", _difference(shown, halves[:: 1 - 2 * own]) > 0)
            note(asked, "positive mass in the true half", shown.mass_inside(halves[own]) or 0.0)
    whole = count_votes(bundle, view(one[:height, :width]), window=window).map(models[0], models[1])
    note("nothing to find: an image by one model", "strength", whole.strength or 0.0)
    note("nothing to find: an image by one model", "the left half has more", _difference(whole, halves) > 0)


def _difference(shown: TraceMap, halves: tuple[Box, ...]) -> float:
    """Return by how much the mean of the cells in the first half exceeds that in the second."""
    inside = [shown.grid.share_inside(box) for box in halves]
    means = [float((shown.values * share).sum() / share.sum()) for share in inside]
    return means[0] - means[1]


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 3)


if __name__ == "__main__":
    main()
