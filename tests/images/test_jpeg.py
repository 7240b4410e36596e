"""The JPEG header parser against Pillow, and the quality scale against libjpeg."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin

from morelli.images import read_image
from morelli.images.jpeg import JpegHeader, estimate_jpeg_quality, parse_jpeg, standard_tables


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_tables_and_quality_of_every_quality_that_libjpeg_writes(encode, subsampling):
    tiny = np.zeros((8, 8, 3), dtype=np.uint8)
    for quality in range(1, 101):
        data = encode(tiny, "JPEG", quality=quality, subsampling=subsampling)
        header = parse_jpeg(data)
        assert header.tables == standard_tables(quality)
        assert estimate_jpeg_quality(header.tables) == quality
        assert header.subsampling == subsampling


def test_tables_are_in_natural_order_like_pillows(encode, picture):
    data = encode(picture, "JPEG", quality=37)
    with Image.open(io.BytesIO(data)) as image:
        expected = tuple(tuple(table) for _, table in sorted(image.quantization.items()))
    assert parse_jpeg(data).tables == expected
    assert read_image(data).facts.jpeg_tables == expected


def test_subsampling_agrees_with_pillow_and_knows_more(encode, picture):
    for code, name in ((0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")):
        data = encode(picture, "JPEG", subsampling=code)
        with Image.open(io.BytesIO(data)) as image:
            assert JpegImagePlugin.get_sampling(image) == code
        assert parse_jpeg(data).subsampling == name
    data = bytearray(encode(picture, "JPEG", subsampling=0))
    frame = data.index(b"\xff\xc0")
    for factors, name in ((0x12, "4:4:0"), (0x41, "4:1:1"), (0x42, "4x2"), (0x00, None)):
        data[frame + 11] = factors
        assert parse_jpeg(bytes(data)).subsampling == name


def test_progressive_and_metadata(encode, picture):
    plain = parse_jpeg(encode(picture, "JPEG"))
    assert not plain.progressive and plain.metadata_bytes == 0
    assert parse_jpeg(encode(picture, "JPEG", progressive=True)).progressive
    assert parse_jpeg(encode(picture, "JPEG", comment=b"hello")).metadata_bytes == 5
    assert parse_jpeg(encode(picture, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")).metadata_bytes == 16


def test_sixteen_bit_tables(encode, picture):
    tables = [[300] * 64, [299] * 64]
    data = encode(picture, "JPEG", qtables=tables)
    values = parse_jpeg(data).tables
    with Image.open(io.BytesIO(data)) as image:
        assert values == tuple(tuple(table) for _, table in sorted(image.quantization.items()))
    by_hand = (
        b"\xff\xd8\xff\xdb\0\x83\x10" + b"\x01\x2c" * 64 + b"\xff\xc1\0\x0b\x08\0\x08\0\x08\x01\x01\x11\x00\xff\xda"
    )
    assert parse_jpeg(by_hand).tables == ((300,) * 64,)


def test_quality_of_tables_that_are_not_on_the_scale():
    assert estimate_jpeg_quality(None) is None
    assert estimate_jpeg_quality(()) is None
    assert estimate_jpeg_quality(((16,) * 64,)) is None  # flat
    assert estimate_jpeg_quality((standard_tables(80)[0][::-1],)) is None
    nearly = tuple(step + (place % 5 == 0) for place, step in enumerate(standard_tables(75)[0]))
    assert abs(estimate_jpeg_quality((nearly,)) - 75) <= 1
    # An encoder may use its luma table for chroma too, or a coarser chroma: luma is what counts.
    assert estimate_jpeg_quality((standard_tables(90)[0],) * 2) == 90
    assert estimate_jpeg_quality((standard_tables(90)[0], standard_tables(50)[1])) == 90


def test_standard_tables_refuse_what_is_no_quality():
    for quality in (0, 101):
        with pytest.raises(ValueError, match="1 to 100"):
            standard_tables(quality)


def test_fill_bytes_and_bytes_between_segments_are_passed_over(encode, picture):
    data = encode(picture, "JPEG", quality=60)
    assert parse_jpeg(data[:2] + b"\xff\xff\xff" + data[2:]).tables == standard_tables(60)
    assert parse_jpeg(data[:2] + b"ab" + data[2:]).tables == standard_tables(60)


def test_a_header_that_breaks_off_gives_what_is_there(encode, picture):
    data = encode(picture, "JPEG", comment=b"x" * 50)
    whole = parse_jpeg(data)
    assert whole.scan_start is not None
    for end in range(whole.scan_start + 1):
        assert parse_jpeg(data[:end]).scan_start is None
    assert parse_jpeg(b"") == parse_jpeg(b"no jpeg at all") == JpegHeader()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_upset_the_parser(rest):
    header = parse_jpeg(b"\xff\xd8" + rest)
    estimate_jpeg_quality(header.tables)
    parse_jpeg(b"\xff\xd8\xff\xdb" + rest)
    parse_jpeg(b"\xff\xd8\xff\xc0\0\x11" + rest)


def test_the_parser_is_linear_on_hostile_input():
    import time

    start = time.perf_counter()
    parse_jpeg(b"\xff\xd8" + b"\xff\xe1\0\2" * 250_000)
    parse_jpeg(b"\xff\xd8" + b"\xff" * 1_000_000)
    assert time.perf_counter() - start < 3
