"""The photographs that the sample is made of: the table, the pictures, the square that is used."""

from __future__ import annotations

import csv
import functools
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .networks import Pixels
from .packages import sha256, unpacked
from .rcc import read_rcc

TABLE = Path(__file__).with_name("photographs.csv")


@dataclass(frozen=True)
class Photograph:
    """One row of `photographs.csv`.

    `role` is `reference` or `campaign`. `member` is the file's path in the package; a part after
    an exclamation mark is the path inside that Qt resource file. `anchor_x` and `anchor_y` say
    where along the longer side the square is taken (0.5 is the centre).
    """

    prompt_id: str
    prompt: str
    domain: str
    role: str
    package: str
    member: str
    author: str
    licence: str
    source: str
    anchor_x: float
    anchor_y: float
    sha256: str

    @property
    def file(self) -> str:
        """Package and file, on one line."""
        return f"{self.package}: {self.member}"


def _photograph(row: dict[str, str]) -> Photograph:
    anchor_x, anchor_y = float(row.pop("anchor_x")), float(row.pop("anchor_y"))
    return Photograph(**row, anchor_x=anchor_x, anchor_y=anchor_y)


def photographs() -> list[Photograph]:
    """Read the table, in the order of the photographs' ids."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        rows = [_photograph(row) for row in csv.DictReader(stream)]
    return sorted(rows, key=lambda row: row.prompt_id)


@functools.lru_cache(maxsize=2)
def _resource_file(path: Path) -> dict[str, bytes]:
    return read_rcc(path.read_bytes())


def square(photograph: Photograph, work: Path) -> Image.Image:
    """Return the largest square of a photograph at its anchor, after checking the file's sha256."""
    archive, _, inner = photograph.member.partition("!")
    path = unpacked(photograph.package, work) / archive
    data = _resource_file(path)[inner] if inner else path.read_bytes()
    if sha256(data) != photograph.sha256:
        raise ValueError(f"{photograph.file} is not the file that was pinned")
    image = Image.open(io.BytesIO(data)).convert("RGB")
    side = min(image.size)
    left = round((image.width - side) * photograph.anchor_x)
    top = round((image.height - side) * photograph.anchor_y)
    return image.crop((left, top, left + side, top + side))


def shrunk(image: Image.Image, side: int) -> Pixels:
    """Shrink a square with Pillow's antialiased bicubic filter: the input of a network."""
    return np.array(image.resize((side, side), Image.Resampling.BICUBIC))
