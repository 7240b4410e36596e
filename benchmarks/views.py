"""What one use of each view costs on 1024x1024 images, beside decoding the file and beside reading the result back.

    python benchmarks/views.py FOLDER [--n 8] [--csv benchmarks/views.csv]

FOLDER holds JPEG files of 1024x1024 pixels, at any depth; others are passed over. Each figure is the median over the
images of the fastest of three runs, in one process. Decoding, the view, and reading its result back are timed in turn,
so that a disturbance of the machine meets all of them: ``ratio_to_decode`` is what to compare between machines.
``stored_ms`` is to read the result as `morelli.views.ViewStore` keeps it. A view is registered as costly where it takes
at least twice as long as that, and ten times as long as decoding: ``tests/views`` holds the registry to the CSV.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from morelli._files import atomic_path
from morelli.images import read_image
from morelli.views import View, ViewStore, list_views, parse_view

SIDE = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where JPEG files are")
    parser.add_argument("--n", type=int, default=8, help="images")
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()
    contents = [path.read_bytes() for path in chosen(arguments.folder, arguments.n)]
    rows: list[list[object]] = [["view", "ms", "decode_ms", "ratio_to_decode", "stored_ms", "n"]]
    for info in list_views():
        if info.example is not None:
            took, decode, stored = measured(parse_view(info.example), contents)
            row = info.example, *(round(value, 2) for value in (took, decode, took / decode, stored)), len(contents)
            rows.append(list(row))
            print(*row, flush=True)
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def chosen(folder: Path, n: int) -> list[Path]:
    """Return evenly chosen files of the right size."""
    found = []
    files = sorted(folder.rglob("*.jpg"))
    for place in np.linspace(0, len(files) - 1, min(len(files), 8 * n)).astype(int):
        if len(found) < n and read_image(files[place]).pixels.shape[:2] == (SIDE, SIDE):
            found.append(files[place])
    if not found:
        raise SystemExit(f"{folder} holds no JPEG file of {SIDE} x {SIDE} pixels")
    return found


def measured(view: View, contents: list[bytes]) -> tuple[float, float, float]:
    """Return milliseconds of a view, of decoding, and of reading the result of the view."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        store = ViewStore(folder)
        for content in contents:
            image = read_image(content)
            store.put(image.facts.sha256, view, view.apply(image))
            calls: tuple[Callable[[], object], ...] = (
                partial(view.apply, image),
                partial(read_image, content),
                partial(store.get, image.facts.sha256, view),
            )
            times.append(np.min([[milliseconds(call) for call in calls] for _ in range(3)], axis=0))
    took, decode, stored = np.median(times, axis=0)
    return float(took), float(decode), float(stored)


def milliseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
