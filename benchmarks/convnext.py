r"""ConvNeXt from scratch: how quickly images are decoded, seen and learned from, and how often it is right.

    python benchmarks/convnext.py path/to/sdnext-gallery.csv --models 10 --epochs 40 --csv benchmarks/convnext.csv

Speed: images decoded into a pixel store, in one process; pictures that the loader gives alone, with the augmentation of
the published recipe and with that for a processor; pictures a second of training, for each SIZE:SIDE of ``--speed``.

Accuracy: whole images resized against native patches, with the same references, epochs and pixels on a side; and the
fused default. Folds hold out whole prompts and are the same for all three. On a GPU:

    python benchmarks/convnext.py path/to/sdnext-gallery.csv --recipe few --size tiny --side 224 --epochs 300 \
        --speed tiny:224 --at-once 256 --device cuda --csv convnext-gpu.csv

Published for comparison: training ConvNeXt-Tiny at 224 pixels with automatic mixed precision makes 813 to 819 images a
second on one RTX 3090 (the training benchmark of PyTorch Image Models, batches of 256).
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from morelli._files import atomic_path
from morelli.attributors.pixels import PUBLISHED, RECIPES, PixelNetwork, PixelStore, Recipe, train_pictures
from morelli.attributors.pixels.crops import stored_side
from morelli.attributors.pixels.loader import Loader
from morelli.attributors.pixels.recipe import native
from morelli.catalog import Catalog, build_catalog, group_ids, split_catalog
from morelli.encoders import FeatureCache, ForensicEncoder, extract
from morelli.trials import cross_validate
from morelli.trials.metrics import cluster_bootstrap_interval

DRAWS = 2000
PATCHES = 16


class Row(NamedTuple):
    """One line of the table."""

    question: str
    what: str
    value: float
    unit: str
    low: float | str = ""  # 95 % interval by bootstrap over prompts
    high: float | str = ""
    n: int | str = ""
    seconds: float | str = ""
    utilisation: float | str = ""  # of the GPU, mean, in percent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="table of images with labels, or a folder per model")
    parser.add_argument("--models", type=int, help="evenly among all, in alphabetical order; all by default")
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="processor", help="for the accuracy")
    parser.add_argument("--size", default="atto")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--speed", default="atto:64,atto:224,tiny:224", help="SIZE:SIDE, separated by commas")
    parser.add_argument("--speed-steps", type=int, default=4, help="of 32 images each, or of --at-once")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--threads", type=int, help="that augment; one for each processor by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="keep decoded pictures here; a temporary folder by default")
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()

    catalog = build_catalog(arguments.source)
    if arguments.models:
        names = sorted(set(catalog.text("model")))
        chosen = [names[i * len(names) // arguments.models] for i in range(arguments.models)]
        catalog = catalog.select(model=chosen)
    rows: list[Row] = []

    def tell(row: Row) -> None:
        rows.append(row)
        print("  ".join(str(value) for value in row), flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        for row in speeds(catalog, work, arguments):
            tell(row)
        for row in accuracies(catalog, work, arguments):
            tell(row)
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([Row._fields, *rows])


def speeds(catalog: Catalog, work: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Measure decoding, the loader alone, and training."""
    some = catalog.take(np.arange(min(len(catalog), 60)))
    begin = time.perf_counter()
    PixelStore.build(some, "thumbnail-256", work / f"speed-{os.getpid()}.bin", workers=1)
    yield Row("decoding", "thumbnail-256, one process", per_second(len(some), begin), "images/s", n=len(some))
    store = PixelStore.build(catalog, "thumbnail-256", work / "thumbnail-256.bin")
    pictures, codes = store.pixels, catalog.codes("model")[0]
    for name, recipe in (("published", PUBLISHED), ("processor", RECIPES["processor"])):
        recipe = replace(recipe, side=224, batch=64, at_once=64, epochs=4)
        loader = Loader(
            pictures, codes, np.flatnonzero(store.ok), 40, recipe, 0, threads=arguments.threads or os.cpu_count() or 1
        )
        begin, seen = time.perf_counter(), 0
        for portion in loader.portions(0):
            seen += len(portion.pixels)
        what = f"{name} recipe at 224 pixels, {arguments.threads or os.cpu_count()} threads"
        yield Row("loader alone", what, per_second(seen, begin), "images/s", n=seen)
    for word in arguments.speed.split(","):
        size, side = word.split(":")
        recipe = replace(
            PUBLISHED, size=size, side=int(side), batch=arguments.at_once, at_once=arguments.at_once,
            epochs=1 + arguments.speed_steps * arguments.at_once // len(pictures), check=0.0,
        )  # fmt: skip
        begin = time.perf_counter()
        with utilisation(arguments.device) as used:
            trained = train_pictures(
                pictures, codes, int(codes.max()) + 1, recipe, rows=np.flatnonzero(store.ok), device=arguments.device,
                threads=arguments.threads, stop_after=1 + arguments.speed_steps,
            )  # fmt: skip
        yield Row(
            "training",
            f"convnext-{size} at {side} pixels, published recipe in passes of {arguments.at_once}, {trained.device}",
            round(trained.images_per_second, 2),
            "images/s",
            n=arguments.speed_steps * arguments.at_once,
            seconds=round(time.perf_counter() - begin, 1),
            utilisation=used(),
        )


def accuracies(catalog: Catalog, work: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Let networks and the fused default judge the same folds of whole prompts."""
    folds = split_catalog(catalog, folds=arguments.folds, seed=arguments.seed).folds(catalog)
    labels, groups = catalog.text("model").astype(str), group_ids(catalog)
    base = replace(
        RECIPES[arguments.recipe], size=arguments.size, side=arguments.side, epochs=arguments.epochs,
        at_once=arguments.at_once, check=0.0,
    )  # fmt: skip
    inputs: list[tuple[str, str, Recipe]] = [
        ("whole images", f"thumbnail-{stored_side(arguments.side)}", base),
        ("native patches", f"patches-{arguments.side}x{PATCHES}", native(base, arguments.side)),
    ]
    for name, layout, recipe in inputs:
        store = PixelStore.build(catalog, layout, work / f"{layout}.bin")
        begin = time.perf_counter()
        right = np.zeros(len(catalog), dtype=bool)
        with utilisation(arguments.device) as used:
            for fold in range(arguments.folds):
                train, test = store.ok & (folds != fold), store.ok & (folds == fold)
                network = PixelNetwork(
                    recipe,
                    patches=store.pixels.shape[1],
                    device=arguments.device,
                    threads=arguments.threads,
                    random_state=arguments.seed,
                ).fit(store.pixels[train], labels[train])
                right[test] = network.predict(store.pixels[test]) == labels[test]
        yield judged(
            f"convnext-{arguments.size} on {name} ({layout}), {arguments.recipe} recipe, {arguments.epochs} epochs",
            right[store.ok], groups[store.ok], begin, used(),
        )  # fmt: skip
    begin = time.perf_counter()
    features = extract(catalog, ForensicEncoder(), cache=FeatureCache(work / "features.sqlite"))
    predictions = cross_validate(catalog, features, folds, seed=arguments.seed)
    known = predictions.known
    right = predictions.top[known] == predictions.y[known]
    yield judged("fused default on the same folds, with its measuring", right, predictions.group[known], begin, "")
    chance = 1 / len(set(labels))
    yield Row("accuracy", "chance", round(chance, 4), "share", n=len(catalog))


def judged(what: str, right: np.ndarray, groups: np.ndarray, begin: float, used: float | str) -> Row:
    low, high = cluster_bootstrap_interval(right, groups, DRAWS, 0, 0.95)
    return Row(
        "accuracy", what, round(float(right.mean()), 4), "share", round(low, 4), round(high, 4), len(right),
        round(time.perf_counter() - begin, 1), used,
    )  # fmt: skip


def per_second(count: int, begin: float) -> float:
    return round(count / (time.perf_counter() - begin), 1)


@contextmanager
def utilisation(device: str) -> Iterator[object]:
    """Ask nvidia-smi once a second how busy the first GPU is; gives a function that returns the mean, or nothing."""
    import torch

    if device == "cpu" or not torch.cuda.is_available():
        yield lambda: ""
        return
    seen: list[float] = []
    over = threading.Event()
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]

    def look() -> None:
        while not over.wait(1.0):
            answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            if answer.isdigit():
                seen.append(float(answer))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield lambda: round(float(np.mean(seen)), 1) if seen else ""
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    main()
