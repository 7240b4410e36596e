"""How many images a second Morelli measures and judges on this machine, and how its memory grows with their number.

    python benchmarks/speed.py FOLDER_OR_MANIFEST [--encoder NAME] [--csv benchmarks/speed.csv]

``measured`` starts from files on disk: reading, SHA-256, decoding, quality, features, in as many processes as there
are processors. ``judged`` starts from features in memory. ``peak memory`` is that of one process that attributes a
stream of 1,000 and of 10,000 small images, with the forensic families.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from morelli._files import atomic_path
from morelli.attributors import Bundle, attribute, fit_bundle
from morelli.attributors.fitting import fit_attributor
from morelli.catalog import Catalog, build_catalog
from morelli.encoders import Encoder, ForensicEncoder, extract, iter_extract, join_encoders
from morelli.sample import sample_path

STREAM = "--judge-stream"


def main() -> None:
    if STREAM in sys.argv:
        stream(Path(sys.argv[-2]), int(sys.argv[-1]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="table of images with labels, or a folder per model")
    parser.add_argument("--encoder", action="append", help="besides the forensic families; may be repeated")
    parser.add_argument("--n", type=int, default=240, help="images to measure by the forensic families")
    parser.add_argument("--n-encoder", type=int, default=16, help="images to measure by each other encoder")
    parser.add_argument("--stream", type=int, nargs="*", default=[1_000, 10_000], help="lengths of the streams")
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()
    catalog = build_catalog(arguments.source).readable
    rows: list[tuple[str, float, int]] = []

    def add(what: str, value: float, n: int) -> None:
        """Keep a row at once: the long stream comes last, and may be interrupted."""
        rows.append((what, value, n))
        print(rows[-1], flush=True)
        if arguments.csv is not None:
            with atomic_path(arguments.csv) as path, path.open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([("what", "value", "n"), *rows])

    for name, n in [("forensic", arguments.n), *((name, arguments.n_encoder) for name in arguments.encoder or [])]:
        add(f"measured by {name}, images a second", *measured(catalog, join_encoders(name), n))
    add("judged, images a second", *judged(catalog.take(np.arange(min(len(catalog), 200)))))
    for n in arguments.stream:
        add(f"peak memory of {n} images, MiB", memory(n), n)


def measured(catalog: Catalog, encoder: Encoder, n: int) -> tuple[float, int]:
    """Measure evenly chosen images; the start of the processes is not counted, since long runs do not feel it."""
    chosen = np.linspace(0, len(catalog) - 1, n).astype(int)
    results = iter_extract([catalog.paths[row] for row in chosen], encoder, workers=os.cpu_count())
    next(results)
    begin = time.perf_counter()
    done = sum(result.error is None for result in results)
    return round(done / (time.perf_counter() - begin), 2), done


def judged(catalog: Catalog) -> tuple[float, int]:
    """Judge 20,000 rows of features, copies of a few hundred."""
    features = extract(catalog, ForensicEncoder())
    attributor, _ = fit_attributor(catalog, [features])
    values = np.tile(features.X, (20_000 // len(features) + 1, 1))[:20_000]
    begin = time.perf_counter()
    for part in np.array_split(values, 20):
        attributor.answer(part)
    return round(20_000 / (time.perf_counter() - begin)), 20_000


def memory(n: int) -> float:
    """Attribute a stream of images in a process of its own; return its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "sample.morelli"
        catalog = build_catalog(sample_path() / "reference").readable
        fit_bundle(catalog.take(np.arange(0, len(catalog), 3)), encoder="forensic").save(bundle)
        command = [sys.executable, __file__, STREAM, str(bundle), str(n)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return float(output)


def stream(bundle: Path, n: int) -> None:
    """Judge `n` images in this process and print its peak memory in MiB."""
    paths = [path for path in sorted((sample_path() / "reference").rglob("*")) if path.is_file()]
    for _ in attribute(Bundle.load(bundle), itertools.islice(itertools.cycle(paths), n), workers=1):
        pass
    # Not getrusage: what it says of a process includes its parent's memory at the time of the fork.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(round(int(peak) / 1024, 1))


if __name__ == "__main__":
    main()
