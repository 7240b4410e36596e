"""The door as a whole: every format, every bad input."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from morelli.errors import ImageReadError, MorelliError
from morelli.images import ImageFacts, Limits, LoadedImage, read_image

from ._refusals import KINDS, refused

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_gives_the_pixels_of_pillow_and_the_facts_of_the_file(files, format_name, tmp_path):
    data = files[format_name]
    path = tmp_path / "image.bin"
    path.write_bytes(data)
    image = read_image(path)
    with Image.open(io.BytesIO(data)) as reference:
        expected = np.asarray(reference.convert("RGB"))
    np.testing.assert_array_equal(image.pixels, expected)
    assert image.pixels.dtype == np.uint8 and image.pixels.shape == (96, 128, 3)
    assert image.pixels.flags.c_contiguous and not image.pixels.flags.writeable
    facts = image.facts
    assert (facts.format, facts.width, facts.height, facts.bytes) == (format_name, 128, 96, len(data))
    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert (facts.bit_depth, facts.alpha, facts.animated, facts.orientation, facts.icc_profile) == (
        8, False, False, 1, False,
    )  # fmt: skip
    assert image.name == str(path)
    assert (facts.jpeg_tables is not None) == (format_name == "JPEG")


@pytest.mark.parametrize("format_name", FORMATS)
def test_bytes_and_path_give_the_same(files, format_name, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(files[format_name])
    from_path, from_bytes = read_image(str(path)), read_image(files[format_name])
    assert from_path.facts == from_bytes.facts
    np.testing.assert_array_equal(from_path.pixels, from_bytes.pixels)
    assert from_bytes.name == "<bytes>" and read_image(files[format_name], name="a").name == "a"
    assert read_image(bytearray(files[format_name])).facts == from_bytes.facts
    assert read_image(memoryview(files[format_name])).facts == from_bytes.facts


def test_the_content_decides_not_the_name(files, tmp_path):
    for name in ("photo.png", "photo.txt", "photo"):
        (tmp_path / name).write_bytes(files["JPEG"])
        assert read_image(tmp_path / name).facts.format == "JPEG"


@pytest.mark.parametrize("name", ["with space.png", "ünïcödé – 画像 🖼.png", "a" * 200 + ".png", "-dash.png"])
def test_unusual_file_names(files, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(files["PNG"])
    assert read_image(path).name == str(path)


@pytest.mark.skipif(os.name != "posix" or os.uname().sysname == "Darwin", reason="file names are not bytes here")
def test_a_file_name_that_is_no_text_still_gives_a_printable_message(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png")
    Path(path).write_bytes(b"nothing")
    refused(path).name.encode("utf-8")


def test_facts_survive_json_and_pickle(files):
    import json

    for data in files.values():
        image = read_image(data)
        assert ImageFacts.from_dict(json.loads(json.dumps(image.facts.to_dict()))) == image.facts
        again = pickle.loads(pickle.dumps(image))
        assert again.facts == image.facts and again.name == image.name
        np.testing.assert_array_equal(again.pixels, image.pixels)
        assert not again.pixels.flags.writeable


def test_errors_survive_pickle():
    error = refused(b"")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, ImageReadError) and isinstance(again, MorelliError)
    assert (again.name, again.kind, again.detail) == (error.name, error.kind, error.detail)


def test_reading_is_deterministic_and_leaves_no_trace(files):
    before = Image.MAX_IMAGE_PIXELS
    first, second = read_image(files["AVIF"]), read_image(files["AVIF"])
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert before == Image.MAX_IMAGE_PIXELS


# --- what is not ------------------------------------------------------------------------------------------------------


def test_bad_paths(tmp_path):
    missing = tmp_path / "no such.png"
    error = refused(missing)
    assert (error.kind, error.name) == ("missing", str(missing))
    assert refused(tmp_path / "\0").kind == "missing"
    assert refused(tmp_path / ("a" * 5000)).kind == "missing"
    folder = refused(tmp_path)
    assert folder.kind == "not-an-image" and "folder" in folder.detail


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_and_devices_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").kind == "not-an-image"
    assert refused("/dev/zero").kind == "not-an-image"


@pytest.mark.skipif(os.name != "posix", reason="permissions differ here")
def test_a_file_that_may_not_be_read(files, tmp_path, monkeypatch):
    path = tmp_path / "locked.png"
    path.write_bytes(files["PNG"])

    def deny(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)  # chmod does not stop root, as which containers run
    error = refused(path)
    assert error.kind == "missing" and "Permission denied" in error.detail


def test_empty(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert refused(tmp_path / "empty.jpg").kind == "empty"
    assert refused(b"").kind == "empty"


@pytest.mark.parametrize("data", [b"hello", b"\0" * 100, b"BM is how this text begins, and it goes on", b"\xff\xd8"])
def test_not_an_image(data):
    assert refused(data).kind == "not-an-image"


@pytest.mark.parametrize(
    ("data", "what"),
    [(b"\xff\x0a" + bytes(50), "JPEG XL"), (b"%PDF-1.7", "PDF"), (b"8BPS" + bytes(50), "Photoshop"),
     (b"\0\0\0\x18ftypmp42" + bytes(50), "ISO media"), (b"<svg xmlns=", "SVG")],
)  # fmt: skip
def test_known_but_unread_formats_are_named(data, what):
    error = refused(data)
    assert error.kind == "unsupported" and what in error.detail


def test_formats_that_pillow_would_open_but_that_are_not_on_the_list(encode, picture):
    for format_name in ("PPM", "TGA", "PCX", "SGI", "ICO", "JPEG2000", "DDS", "ICNS"):
        assert refused(encode(picture, format_name)).kind in ("not-an-image", "unsupported")


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_truncated_files(files, format_name, share):
    data = files[format_name]
    error = refused(data[: max(20, int(len(data) * share))])
    # libtiff and dav1d cannot tell a cut from damage everywhere.
    assert error.kind in ("truncated", "corrupt")
    if format_name in ("JPEG", "PNG", "WEBP", "BMP") and share > 0.1:
        assert error.kind == "truncated"


def test_pillows_tolerance_for_truncated_files_stays_off():
    from PIL import ImageFile

    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_damage_in_the_middle_of_a_png_is_corrupt(files):
    data = bytearray(files["PNG"])
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    assert refused(bytes(data)).kind == "corrupt"


def test_too_many_bytes(files, tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(files["PNG"])
    for source in (path, files["PNG"]):
        assert refused(source, limits=Limits(max_bytes=len(files["PNG"]) - 1)).kind == "too-many-bytes"
        read_image(source, limits=Limits(max_bytes=len(files["PNG"])))


def test_decompression_bombs_are_refused_by_their_header(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_header(100_000, 100_000))
    error = refused(tmp_path / "bomb.png")
    assert error.kind == "side-too-long" and "100000 x 100000" in error.detail
    assert refused(png_header(20_000, 20_000)).kind == "too-many-pixels"
    assert refused(png_header(2**31 - 1, 2**31 - 1)).kind in ("side-too-long", "corrupt")
    assert refused(png_header(0, 10)).kind == "corrupt"
    canvas = bytes([0, 0, 0, 0]) + (16_000 - 1).to_bytes(3, "little") * 2
    webp = b"WEBPVP8X" + struct.pack("<I", 10) + canvas
    assert refused(b"RIFF" + struct.pack("<I", len(webp)) + webp).kind == "too-many-pixels"


def test_bounds_on_pixels_and_sides(files, encode):
    for data in files.values():
        assert refused(data, limits=Limits(max_pixels=96 * 128 - 1)).kind == "too-many-pixels"
        assert refused(data, limits=Limits(max_side=127)).kind == "side-too-long"
        assert refused(data, limits=Limits(min_side=97)).kind == "too-small"
        read_image(data, limits=Limits(max_pixels=96 * 128, max_side=128, min_side=96))


def test_an_image_within_the_callers_limits_is_read_whatever_pillows_global_limit(files, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # warns at 12288 pixels
    for name, data in files.items():
        if name not in ("GIF", "TIFF"):  # these two plugins ask for themselves
            read_image(data)
    assert not recwarn.list
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert refused(files["TIFF"]).kind == "too-many-pixels"  # Pillow's own error must not escape


@pytest.mark.parametrize("format_name", FORMATS)
def test_no_time_at_all_is_too_slow(files, format_name):
    assert refused(files[format_name], limits=Limits(max_seconds=0)).kind == "too-slow"


def test_time_is_up_in_the_middle_of_a_jpeg(texture, encode, monkeypatch):
    from morelli.images import _source

    data = encode(texture(600, 600), "JPEG", quality=98)
    assert len(data) > 4 * 65536
    ticks = iter(range(10_000))
    monkeypatch.setattr(_source.time, "monotonic", lambda: float(next(ticks)))
    seconds = 1
    while True:  # the more time, the further it gets; each stop has the same clear result
        ticks = iter(range(10_000))
        try:
            read_image(data, limits=Limits(max_seconds=seconds))
            break
        except ImageReadError as error:
            assert error.kind == "too-slow"
            seconds += 1
    assert seconds > 5


def test_a_progressive_jpeg_with_endless_scans_is_refused(picture, encode):
    data = encode(picture, "JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff\xda", start + 2)
    scan = data[start:end]
    assert refused(data[:end] + scan * 600 + data[end:]).kind == "too-slow"


# --- whatever else a file may be --------------------------------------------------------------------------------------

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
MAGIC = (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"MM\0*", b"BM", b"\0\0\0\x18ftypavif")
SMALL = Limits(max_pixels=1_000_000, max_side=4096, max_seconds=5)


def attempt(data: bytes) -> None:
    try:
        image = read_image(data, limits=SMALL)
    except ImageReadError as error:
        assert error.kind in KINDS
    else:
        assert isinstance(image, LoadedImage) and image.pixels.dtype == np.uint8


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow says what it finds in broken TIFFs
@FUZZ
@given(magic=st.sampled_from(MAGIC), rest=st.binary(max_size=300))
def test_random_bytes_raise_nothing_else(magic, rest):
    attempt(magic + rest)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow says what it finds in broken TIFFs
@FUZZ
@given(st.data())
def test_damaged_files_raise_nothing_else(files, draw):
    data = bytearray(files[draw.draw(st.sampled_from(FORMATS))])
    # Most of what parsers stumble over is in the header.
    places = st.one_of(st.integers(0, 100), st.integers(0, len(data) - 1))
    for place, value in draw.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        data[min(place, len(data) - 1)] = value
    attempt(bytes(data[: draw.draw(st.integers(1, len(data)))]) if draw.draw(st.booleans()) else bytes(data))
