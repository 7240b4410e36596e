from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from morelli.errors import NotEnoughDataError
from morelli.images import read_image
from morelli.leaderboard.defence import evaluate_container, strip_catalog, strip_image

from ._leaderboard import tinted


def saved(format_name: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(tinted(0, 0, "blue")).save(file, format_name, **options)
    return file.getvalue()


def exif() -> bytes:
    made = Image.Exif()
    made[0x010E], made[0x0112] = "made by model blue", 6
    return made.tobytes()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_pixels_stay_to_the_bit_and_nothing_else_does(format_name):
    words = PngInfo()
    words.add_text("parameters", "model: blue")
    data = saved(format_name, exif=exif(), **({"pnginfo": words} if format_name == "PNG" else {}))
    assert read_image(data).facts.metadata_bytes > 0
    stripped = strip_image(data)
    image = read_image(stripped)
    np.testing.assert_array_equal(image.pixels, read_image(data).pixels)
    assert image.facts.metadata_bytes == 0 and image.facts.format == "PNG" and image.facts.orientation == 1
    assert b"blue" not in stripped
    chunks, at = [], 8
    while at < len(stripped):
        length = int.from_bytes(stripped[at : at + 4], "big")
        chunks.append(stripped[at + 4 : at + 8])
        at += 12 + length
    assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}
    assert strip_image(stripped) == stripped


def test_a_stripped_catalog_keeps_labels_and_pixels(catalog, folder):
    calls = []
    some = catalog.filter(np.arange(len(catalog)) % 5 == 0)
    stripped = strip_catalog(some, folder, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (len(some), len(some))
    for name in ("model", "prompt_id", "prompt"):
        assert stripped.text(name).tolist() == some.text(name).tolist()
    for one, two in zip(some.paths, stripped.paths, strict=True):
        np.testing.assert_array_equal(read_image(one).pixels, read_image(two).pixels)


def test_of_stripped_containers_only_the_length_is_left(catalog, folder):
    """Each model of the planted leaderboard saves with its own JPEG quality."""
    result = evaluate_container(catalog, folder)
    assert result.before.accuracy == 1.0 and result.before.gives_away
    assert {"jpeg_tables", "jpeg_quality"} <= set(result.before.columns) and result.n == len(catalog) == 90
    # What still varies is how well the pixels compress, which anyone can compute from them.
    assert set(result.after.columns) <= {"bytes", "bytes_per_pixel"}
    assert (result.turned, result.profiled) == (0, 0)


def test_nothing_to_strip(catalog, folder):
    broken = catalog.with_column("error", ["gone"] * len(catalog))
    with pytest.raises(NotEnoughDataError, match="nothing to strip"):
        strip_catalog(broken, folder)
