r"""How often the detector of watermarks is wrong on images without, and what survives on images with.

    python benchmarks/watermarks.py sdnext-gallery.csv --csv benchmarks/watermarks.csv

Without marks: images of a gallery (path), evenly taken, the embedded sample, and pictures that come with scikit-image.
For each
payload the p-values (for that payload alone) are compared with uniform ones, for the payload itself, for its rotations
and for payloads drawn by fair coins; and it is counted how many images are said to carry any payload.

With marks: images are marked as the programs do, and judged after what happens to files. The original decoder's
exact reading is counted beside: all bits right, of those payloads that it is told to look for.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli._files import atomic_path
from morelli.images import read_image
from morelli.provenance.watermarks._dwtdct import Votes, read_votes
from morelli.provenance.watermarks.dwtdct import DwtDctDetector, match_payload
from morelli.provenance.watermarks.known import KNOWN, KnownPayload
from morelli.sample import sample_path

Pixels = NDArray[np.uint8]
Row = tuple[str, str, str, str, float, int]

QUANTILES = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5)
ROTATIONS, DRAWS = 8, 10
WHOLE = 10**7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "source", type=Path, nargs="?", help="table of a gallery; without it only what is installed is looked at"
    )
    parser.add_argument("--images", type=int, default=200, help="of the gallery, without marks")
    parser.add_argument("--marked", type=int, default=25, help="of the gallery, with marks, for each payload")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    arguments = parser.parse_args()
    rows: list[Row] = []

    def note(*row: str | float) -> None:
        rows.append(row)  # type: ignore[arg-type]
        print(*(f"{value:.4g}" if isinstance(value, float) else value for value in row), sep="  ", flush=True)

    sets: dict[str, list[Path | Pixels]] = {
        "scikit-image": list(photographs()),
        "sample": sorted(sample_path().glob("**/*.jpg")),
    }
    if arguments.source is not None:
        sets["gallery"] = list(gallery(arguments.source))
    for name, images in sets.items():
        unmarked(name, evenly(images, arguments.images), np.random.default_rng(arguments.seed), note)
    for name, images in sets.items():
        marked(name, evenly(images, arguments.marked), note)
    if arguments.csv is not None:
        with atomic_path(arguments.csv) as path, path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("images", "payload", "what", "measure", "value", "number"))
            writer.writerows((*row[:4], f"{row[4]:.4g}", row[5]) for row in rows)


def unmarked(name: str, images: list[Path | Pixels], rng: np.random.Generator, note: Callable[..., None]) -> None:
    """Measure p-values of images without marks."""
    detector = DwtDctDetector()
    smallest, said, seconds, megapixels = [], 0, 0.0, 0.0
    values: dict[tuple[str, str], list[float]] = {}
    for image in images:
        pixels = load(image)
        start = time.perf_counter()
        found = detector.detect(pixels)
        seconds += time.perf_counter() - start
        megapixels += pixels.shape[0] * pixels.shape[1] / 1e6
        said += found.present
        if found.p_value is not None:
            smallest.append(found.p_value)
        for known in KNOWN:
            votes = read_votes(pixels, known.conversion, WHOLE)
            for what, payloads in nulls(known, rng):
                values.setdefault((label(known), what), []).extend(p_values(votes, payloads))
    note(name, "all", "without mark", "said to be marked", float(said), len(images))
    note(name, "all", "without mark", "smallest p-value, corrected", min(smallest), len(images))
    note(name, "all", "without mark", "milliseconds a megapixel", 1000 * seconds / megapixels, len(images))
    for (payload, what), measured in values.items():
        for level in QUANTILES:
            note(
                name,
                payload,
                what,
                f"share of p <= {level:g}",
                float(np.mean(np.array(measured) <= level)),
                len(measured),
            )
        note(name, payload, what, "smallest p-value", min(measured), len(measured))


def nulls(known: KnownPayload, rng: np.random.Generator) -> Iterator[tuple[str, list[NDArray[np.bool_]]]]:
    length = len(known.bits)
    yield "itself", [known.array]
    shifts = rng.choice(np.arange(1, length), min(ROTATIONS, length - 1), replace=False)
    yield "rotated", [np.roll(known.array, shift) for shift in shifts]
    yield "fair coins", list(rng.random((DRAWS, length)) < 0.5)


def p_values(votes: Votes, payloads: list[NDArray[np.bool_]]) -> Iterator[float]:
    return (match_payload(votes, payload)[0] for payload in payloads)


def marked(name: str, images: list[Path | Pixels], note: Callable[..., None]) -> None:
    """Measure how many marks are found after what happens to files."""
    detector = DwtDctDetector()
    embed = embedder()
    for known in KNOWN:
        found: dict[str, list[tuple[bool, bool, bool]]] = {}
        for image in images:
            pixels = load(image)
            if pixels.shape[0] * pixels.shape[1] < 256 * 256:
                continue
            whole = embed(pixels, known)
            for what, change in CHANGES.items():
                changed = change(whole)
                result = detector.detect(changed)
                right = result.value == known.value
                found.setdefault(what, []).append(
                    (result.present and right, result.present and not right, read(changed, known))
                )
        for what, outcomes in found.items():
            shares = np.mean(outcomes, axis=0)
            for measure, share in zip(("found", "another named", "original reads all bits"), shares, strict=True):
                note(name, label(known), what, measure, float(share), len(outcomes))


def read(pixels: Pixels, known: KnownPayload) -> bool:
    """Say whether the original decoder, told what to look for, returns the payload."""
    ones = read_votes(pixels, known.conversion, WHOLE).ones.ravel()
    length = len(known.bits)
    return all((ones[phase::length].mean() * 255 > 127) == bit for phase, bit in enumerate(known.array))


def jpeg(quality: int, **options: int) -> Callable[[Pixels], Pixels]:
    def change(pixels: Pixels) -> Pixels:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, **options)
        return np.asarray(Image.open(file))

    return change


def halve(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((width // 2, height // 2), Image.Resampling.LANCZOS))


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "PNG": lambda pixels: pixels,
    "JPEG 95, 4:4:4": jpeg(95, subsampling=0),
    "JPEG 95": jpeg(95),
    "JPEG 85": jpeg(85),
    "JPEG 75": jpeg(75),
    "halved": halve,
    "cropped to 0.9 from below": lambda pixels: pixels[: pixels.shape[0] * 9 // 10],
    "cropped to 0.9 from all sides": lambda pixels: pixels[
        pixels.shape[0] // 20 : -(pixels.shape[0] // 20), pixels.shape[1] // 20 : -(pixels.shape[1] // 20)
    ],
}


def label(known: KnownPayload) -> str:
    return f"{known.value} ({known.conversion.kind}, {known.conversion.order})"


def embedder() -> Callable[[Pixels, KnownPayload], Pixels]:
    """Return the embedder of the tests, which is equal to the original to the last bit."""
    path = Path(__file__).resolve().parents[1] / "tests" / "provenance" / "watermarks" / "_marks.py"
    spec = importlib.util.spec_from_file_location("_marks", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["_marks"] = module
    spec.loader.exec_module(module)
    return module.embed  # type: ignore[no-any-return]


def gallery(source: Path) -> Iterator[Path]:
    with source.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            yield source.parent / row["path"]


def photographs() -> Iterator[Pixels]:
    """Yield the coloured pictures that are installed with scikit-image; others it would fetch."""
    import skimage.data

    for path in sorted(Path(skimage.data.__file__).parent.iterdir()):
        if path.suffix in {".png", ".jpg", ".jpeg"}:
            pixels = read_image(path).pixels
            if (pixels[..., 0] != pixels[..., 2]).any():
                yield pixels


def evenly(images: list[Path | Pixels], number: int) -> list[Path | Pixels]:
    """Return so many images of a list, evenly spread over it."""
    return [images[i] for i in sorted({int(i) for i in np.linspace(0, len(images) - 1, min(number, len(images)))})]


def load(image: Path | Pixels) -> Pixels:
    return read_image(image).pixels if isinstance(image, Path) else image


if __name__ == "__main__":
    main()
