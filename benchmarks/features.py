"""How long the forensic families take, beside decoding alone, on one core.

    python benchmarks/features.py FOLDER_OR_MANIFEST [--n 60] [--csv benchmarks/features.csv]

All stages of one image are timed one after the other, image by image, so that a disturbance of the machine meets all of
them; the medians are over images. ``ratio_to_decode`` is what to compare between machines.

``planes`` holds the tiles and every plane that two or more families may share; the rows of families are without them.
``end-to-end`` starts from the bytes of the file: SHA-256, decoding, quality, planes, all families.
"""

# ruff: noqa: E402 -- the number of threads has to be set before numpy is imported

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import csv
import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from morelli._files import atomic_path
from morelli.catalog import read_source
from morelli.encoders.encoder import ForensicEncoder
from morelli.encoders.forensic import MIN_SIDE, Planes, list_families
from morelli.errors import MorelliError
from morelli.images import estimate_quality, read_image

T = TypeVar("T")

COLUMNS = ("what", "median_ms", "images_per_s", "ratio_to_decode", "n", "width", "height")


class Clock:
    """Milliseconds of each stage, image after image."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def __call__(self, what: str, stage: Callable[[], T]) -> T:
        """Run a stage and note how long it took."""
        begin = time.perf_counter()
        result = stage()
        self.times.setdefault(what, []).append(1000 * (time.perf_counter() - begin))
        return result


def shared_planes(pixels: np.ndarray) -> Planes:
    planes = Planes(pixels)
    for name, attribute in vars(Planes).items():
        if isinstance(attribute, functools.cached_property):
            getattr(planes, name)
    return planes


def choose(source: Path, n: int) -> list[Path]:
    """Return n images spread evenly over a folder or a manifest."""
    rows = read_source(source)
    paths = [Path(rows.path(row)) for row in range(len(rows)) if row not in rows.problems]
    step = max(1, len(paths) // n)
    return paths[::step][:n]


def measure(paths: list[Path]) -> tuple[dict[str, list[float]], list[tuple[int, int]], int]:
    """Return the milliseconds of every stage, the sizes of the images, and how many were left out."""
    encoder, families = ForensicEncoder(), list_families()
    encoder.self_test_vector()  # what is imported and computed once
    clock, skipped = Clock(), 0
    sizes: list[tuple[int, int]] = []
    for number, path in enumerate([*paths[:2], *paths]):
        if number == 2:
            clock, sizes, skipped = Clock(), [], 0  # the first two only warmed up
        try:
            data = path.read_bytes()
            image = read_image(data)
        except (MorelliError, OSError):
            skipped += 1
            continue
        height, width = image.pixels.shape[:2]
        if min(height, width) < MIN_SIDE:
            skipped += 1
            continue
        sizes.append((width, height))
        image = clock("decode", functools.partial(read_image, data))
        clock("quality", functools.partial(estimate_quality, image))
        planes = clock("planes", functools.partial(shared_planes, image.pixels))
        for family in families:
            clock(family.name, functools.partial(family.measure, planes))
        clock("all families", functools.partial(encoder.encode, image.pixels))

        def everything(data: bytes = data) -> None:
            loaded = read_image(data)
            estimate_quality(loaded)
            encoder.encode(loaded.pixels)

        clock("end-to-end", everything)
    return clock.times, sizes, skipped


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path, help="a folder of folders of images, or a manifest (CSV, JSONL, Parquet)")
    parser.add_argument("--n", type=int, default=60, help="images to measure (default: 60)")
    parser.add_argument("--csv", type=Path, help="where to write the table")
    arguments = parser.parse_args()
    times, sizes, skipped = measure(choose(arguments.source, arguments.n))
    if not sizes:
        print("none of the images can be measured", file=sys.stderr)
        return 1
    width, height = (int(np.median(side)) for side in zip(*sizes, strict=True))
    decode = float(np.median(times["decode"]))
    rows = []
    for what, values in times.items():
        median = float(np.median(values))
        numbers = (f"{median:.2f}", f"{1000 / median:.1f}", f"{median / decode:.2f}")
        rows.append((what, *numbers, len(values), width, height))
    for row in (COLUMNS, *rows):
        print("{:18} {:>10} {:>13} {:>16} {:>5} {:>6} {:>7}".format(*row))
    if skipped:
        print(f"{skipped} images were left out: unreadable, or smaller than {MIN_SIDE} pixels")
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerows((COLUMNS, *rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
