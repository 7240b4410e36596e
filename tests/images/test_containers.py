"""Structure of PNG, WebP, ISO media and EXIF, read without a decoder."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from morelli.images import _containers as containers
from morelli.images import read_image

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")


def test_sniff_knows_every_format_by_content(files):
    for name in FORMATS:
        assert containers.sniff(files[name]) == (name, None)
    assert containers.sniff(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")[0] == "HEIF"
    # The major brand can be the generic one: the compatible brands decide.
    assert containers.sniff(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif")[0] == "AVIF"
    assert containers.sniff(b"\0\0\0\x14ftypmif1\0\0\0\0mif1avif")[0] == "HEIF"


def test_png_metadata_counts_what_describes_and_not_what_renders(encode, picture):
    assert containers.png_metadata_bytes(encode(picture, gamma=0.45)) == 0
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat, steps: 20")
    info.add_text("z", "word " * 100, zip=True)
    info.add(b"caBX", bytes(77))
    info.add(b"pHYs", bytes(9))
    data = encode(picture, pnginfo=info)
    zipped = data[data.index(b"zTXt") - 4 : data.index(b"zTXt")]
    expected = len(b"parameters\0a cat, steps: 20") + int.from_bytes(zipped, "big") + 77
    assert containers.png_metadata_bytes(data) == expected == read_image(data).facts.metadata_bytes


def test_webp_metadata_and_size(encode, texture):
    plain = encode(texture(30, 50), "WEBP")
    lossless = encode(texture(30, 50), "WEBP", lossless=True)
    extended = encode(texture(30, 50), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0", xmp=b"<x/>")
    for data in (plain, lossless, extended):
        assert containers.webp_size(data) == (50, 30)
    assert containers.webp_metadata_bytes(plain) == 0
    assert containers.webp_metadata_bytes(extended) == 10 + 4  # Pillow leaves the "Exif" prefix out
    assert containers.webp_size(plain[:20]) is None


def test_a_png_whose_text_explodes_is_refused(encode, picture):
    info = PngImagePlugin.PngInfo()
    info.add_text("bomb", "0" * 3_000_000, zip=True)
    from morelli.errors import ImageReadError

    with pytest.raises(ImageReadError) as caught:
        read_image(encode(picture, pnginfo=info))
    assert caught.value.kind == "too-many-bytes"


def test_bit_depth(files, encode, picture):
    assert containers.heif_bit_depth(files["AVIF"]) == 8
    pixi = struct.pack(">I4sIB3B", 16, b"pixi", 0, 3, 10, 10, 10)
    ipco = struct.pack(">I4s", 8 + len(pixi), b"ipco") + pixi
    iprp = struct.pack(">I4s", 8 + len(ipco), b"iprp") + ipco
    meta = struct.pack(">I4sI", 12 + len(iprp), b"meta", 0) + iprp
    assert containers.heif_bit_depth(struct.pack(">I4s4x", 12, b"ftyp") + meta) == 10
    assert read_image(encode(Image.fromarray(picture).quantize(4), "PNG", bits=2)).facts.bit_depth == 2
    assert read_image(encode(Image.new("1", (9, 9)), "BMP")).facts.bit_depth == 1


@pytest.mark.parametrize("order", "<>")
def test_exif_orientation(order):
    def block(*entries: tuple[int, int, int, int]) -> bytes:
        packed = b"".join(struct.pack(order + "HHIHH", *entry, 0) for entry in entries)
        return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries)) + packed

    for value in range(1, 9):
        assert containers.exif_orientation(block((271, 2, 1, 0), (0x0112, 3, 1, value))) == value
        assert containers.exif_orientation(b"Exif\0\0" + block((0x0112, 3, 1, value))) == value
    for wrong in ((0x0112, 3, 1, 9), (0x0112, 3, 1, 0), (0x0112, 4, 1, 6), (0x0112, 3, 2, 6), (0x0113, 3, 1, 6)):
        assert containers.exif_orientation(block(wrong)) == 1
    assert containers.exif_orientation(block((0x0112, 3, 1, 6))[:-3]) == 1
    assert containers.exif_orientation(b"") == containers.exif_orientation(b"II*\0\xff\xff\xff\xff") == 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_upset_the_walkers(data):
    for start in (
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\xff\0\0\0WEBP",
        b"\0\0\0\x18ftypavif",
        b"II*\0",
        b"\0\0\0\x60meta\0\0\0\0",
    ):
        whole = start + data
        containers.sniff(whole)
        containers.png_bit_depth(whole)
        containers.webp_size(whole)
        assert 1 <= containers.exif_orientation(whole) <= 8
        assert containers.png_metadata_bytes(whole) <= len(whole)
        assert containers.webp_metadata_bytes(whole) <= len(whole)
        assert 0 < containers.heif_bit_depth(whole) <= 255
        for name in FORMATS:
            containers.is_cut(whole, name)
