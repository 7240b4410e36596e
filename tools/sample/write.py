"""Writes the sample: images, catalog.csv, campaign.csv, LICENCES.md."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from .networks import Network, Pixels
from .packages import PACKAGES
from .photographs import Photograph

QUALITY = 90

CATALOG_COLUMNS = ("path", "model", "lineage", "version", "prompt_id", "prompt", "domain", "split", "source")
CAMPAIGN_COLUMNS = ("path", "model", "lineage", "version", "prompt_id", "prompt", "domain", "in_reference", "source")


def save_image(pixels: Pixels, path: Path) -> None:
    """Save with the one encoder of the sample: Pillow's JPEG, 4:2:0, no metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "JPEG", quality=QUALITY, subsampling="4:2:0", optimize=True)


def save_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file with Unix line ends."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def save_licences(path: Path, photos: Sequence[Photograph], networks: Sequence[tuple[Network, str]]) -> None:
    """Write LICENCES.md.

    Parameters
    ----------
    path : Path
        The file to write.
    photos : sequence of Photograph
        Every photograph used.
    networks : sequence of (Network, str)
        Every network used, each with its part in the sample.
    """
    lines = [
        "# Licences of the sample",
        "",
        "Every image in this folder is the output of a neural network for a shrunk square of a photograph: the",
        "original was cropped to a square, shrunk, enlarged by the network and saved as JPEG. Only photographs in the",
        "public domain, under CC0 or under CC-BY are used, so nothing here is share-alike; where a licence is CC-BY,",
        "the author named below must be credited, and the image is a changed version of the author's. Photographs in",
        "the same packages under CC-BY-SA, GFDL or GPL were left out, and so were those whose licence is not clear for",
        "the single picture (the pictures of opencv-doc, the stereo motorcycle of scikit-image), photographs of recent",
        "sculptures, and photographs that show private persons at close range.",
        "",
        "Licence texts: CC0-1.0 https://creativecommons.org/publicdomain/zero/1.0/,",
        "CC-BY-2.0 https://creativecommons.org/licenses/by/2.0/,",
        "CC-BY-3.0 https://creativecommons.org/licenses/by/3.0/,",
        "CC-BY-4.0 https://creativecommons.org/licenses/by/4.0/.",
        "",
        "## Networks",
        "",
        "| model | part | weights of | licence of the weights | package (its own licence) | file | sha256 |",
        "|---|---|---|---|---|---|---|",
    ]
    for network, part in networks:
        package = PACKAGES[network.package]
        for file, digest in network.files.items():
            lines.append(
                f"| {network.name} | {part} | {_cell(network.origin)} | {network.licence} "
                f"| {package.title} ({package.note}) | `{file}` | `{digest}` |"
            )
    lines += [
        "",
        "The weights themselves are not part of Morelli. acnet and arnet are compiled into the library file named.",
        "",
        "## Where the photographs' licences are recorded",
        "",
        "| package | recorded |",
        "|---|---|",
    ]
    used = {photo.package for photo in photos}
    lines += [f"| {package.title} | {package.note} |" for key, package in PACKAGES.items() if key in used]
    lines += [
        "",
        "For gcompris-qt-data the README files inside the .rcc files are taken as the record: they name the very files",
        "shipped, while debian/copyright of that version still describes an older set of pictures.",
        "",
        "## Photographs",
        "",
        "| prompt_id | photograph | author | licence | source | package and file |",
        "|---|---|---|---|---|---|",
    ]
    for photo in photos:
        cells = (photo.prompt_id, photo.prompt, photo.author, photo.licence, photo.source, f"`{photo.file}`")
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
