"""Every kind of pixels that the door lets in."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from morelli.images import read_image

from ._refusals import refused

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")


def test_transparency_is_composited_over_white(encode):
    rgba = np.zeros((2, 3, 4), dtype=np.uint8)
    rgba[0] = (200, 0, 0, 255)
    rgba[1] = (200, 0, 0, 0)
    rgba[1, 2] = (0, 0, 0, 128)
    for format_name in ("PNG", "TIFF"):
        image = read_image(encode(Image.fromarray(rgba), format_name))
        assert image.facts.alpha and image.facts.mode == "RGBA"
        np.testing.assert_array_equal(image.pixels[0], [[200, 0, 0]] * 3)
        np.testing.assert_array_equal(image.pixels[1], [[255, 255, 255], [255, 255, 255], [127, 127, 127]])
    webp = read_image(encode(Image.fromarray(rgba), "WEBP", lossless=True, exact=True))
    assert webp.facts.alpha
    np.testing.assert_array_equal(webp.pixels[1, 0], [255, 255, 255])


def test_an_opaque_alpha_channel_changes_no_pixel(picture, encode):
    image = read_image(encode(Image.fromarray(picture).convert("RGBA")))
    assert image.facts.alpha
    np.testing.assert_array_equal(image.pixels, picture)


@pytest.mark.parametrize("transparent", [2, bytes([255, 128, 0])])
def test_palette_with_transparency(encode, transparent):
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    plain = read_image(encode(image))
    assert plain.facts.mode == "P" and not plain.facts.alpha
    np.testing.assert_array_equal(plain.pixels[0], [[10, 20, 30], [40, 50, 60], [70, 80, 90]])
    seen = read_image(encode(image, transparency=transparent))
    assert seen.facts.alpha
    np.testing.assert_array_equal(seen.pixels[0, [0, 2]], [[10, 20, 30], [255, 255, 255]])


def test_transparent_colour_of_grey_and_rgb(encode):
    grey = Image.fromarray(np.array([[0, 7, 200]], dtype=np.uint8))
    np.testing.assert_array_equal(read_image(encode(grey, transparency=7)).pixels[0, :, 0], [0, 255, 200])
    rgb = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8))
    image = read_image(encode(rgb, transparency=(4, 5, 6)))
    assert image.facts.alpha
    np.testing.assert_array_equal(image.pixels[0], [[1, 2, 3], [255, 255, 255]])


def raw_png(depth: int, colour: int, width: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of any depth, which Pillow cannot write."""
    height = len(rows) // ((width * depth * {0: 1, 2: 3, 4: 2, 6: 4, 3: 1}[colour] + 7) // 8)
    stride = len(rows) // height
    body = b"".join(b"\0" + rows[start : start + stride] for start in range(0, len(rows), stride))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    packed = (struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_one_bit_and_shallow_grey(encode):
    bits = Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert("1")
    image = read_image(encode(bits))
    assert (image.facts.mode, image.facts.bit_depth) == ("1", 1)
    np.testing.assert_array_equal(image.pixels[0, :, 0], [0, 255])
    shallow = read_image(raw_png(2, 0, 4, bytes([0b00011011])))
    assert shallow.facts.bit_depth == 2
    np.testing.assert_array_equal(shallow.pixels[0, :, 1], [0, 85, 170, 255])
    keyed = read_image(raw_png(2, 0, 4, bytes([0b00011011]), (b"tRNS", b"\0\2")))
    np.testing.assert_array_equal(keyed.pixels[0, :, 1], [0, 85, 255, 255])
    one = read_image(raw_png(1, 0, 8, bytes([0b10000000]), (b"tRNS", b"\0\0")))
    np.testing.assert_array_equal(one.pixels[0, :, 1], [255] * 8)


def test_sixteen_bit_grey_is_scaled_and_not_clipped(encode):
    values = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    for format_name in ("PNG", "TIFF"):
        image = read_image(encode(Image.fromarray(values), format_name))
        assert (image.facts.bit_depth, image.facts.mode) == (16, "I;16")
        np.testing.assert_array_equal(image.pixels[0, :, 0], [0, 0, 1, 128, 255])
        np.testing.assert_array_equal(image.pixels[0, :, 0], image.pixels[0, :, 2])
    keyed = read_image(raw_png(16, 0, 2, struct.pack(">HH", 5, 6), (b"tRNS", struct.pack(">H", 5))))
    assert keyed.facts.alpha
    np.testing.assert_array_equal(keyed.pixels[0, :, 0], [255, 0])


def test_sixteen_bit_tiff_in_both_byte_orders_and_white_is_zero():
    def tiff(order: str, photometric: int, values: bytes) -> bytes:
        entries = [(256, 3, 2), (257, 3, 1), (258, 3, 16), (259, 3, 1), (262, 3, photometric), (273, 4, 8), (277, 3, 1),
                   (278, 3, 1), (279, 4, 4)]  # fmt: skip
        packed = b"".join(
            struct.pack(order + "HHI", tag, kind, 1) + struct.pack(order + ("HH" if kind == 3 else "I"), *value)
            for tag, kind, number in entries
            for value in [(number, 0) if kind == 3 else (number,)]
        )
        magic = b"II*\0" if order == "<" else b"MM\0*"
        return (
            magic + struct.pack(order + "I", 12) + values + struct.pack(order + "H", len(entries)) + packed + bytes(4)
        )

    for order in "<>":
        values = struct.pack(order + "HH", 256 * 3, 256 * 250)
        image = read_image(tiff(order, 1, values))
        assert image.facts.bit_depth == 16
        np.testing.assert_array_equal(image.pixels[0, :, 0], [3, 250])
    np.testing.assert_array_equal(read_image(tiff("<", 0, values[::-1])).pixels[0, :, 0], [255 - 250, 255 - 3])


def test_sixteen_bit_rgb_and_its_transparent_colour():
    rows = struct.pack(">6H", 256 * 9, 257, 65535, 1, 2, 3)
    image = read_image(raw_png(16, 2, 2, rows))
    assert image.facts.bit_depth == 16
    np.testing.assert_array_equal(image.pixels[0], [[9, 1, 255], [0, 0, 0]])
    keyed = read_image(raw_png(16, 2, 2, rows, (b"tRNS", struct.pack(">3H", 256 * 9, 257, 65535))))
    assert keyed.facts.alpha
    np.testing.assert_array_equal(keyed.pixels[0], [[255, 255, 255], [0, 0, 0]])


@pytest.mark.parametrize("mode", ["F", "I"])
def test_thirty_two_bit_samples_are_unsupported(encode, mode):
    error = refused(encode(Image.new(mode, (4, 4)), "TIFF"))
    assert error.kind == "unsupported" and "8 bits" in error.detail


@pytest.mark.parametrize("format_name", ["JPEG", "TIFF"])
def test_cmyk(picture, encode, format_name):
    # Pillow writes CMYK JPEG in Adobe's inverted form, so this is that case too.
    cmyk = Image.fromarray(picture).convert("CMYK")
    image = read_image(encode(cmyk, format_name, **({"quality": 100} if format_name == "JPEG" else {})))
    assert image.facts.mode == "CMYK"
    assert np.abs(image.pixels.astype(int) - picture).mean() < 6


def test_grey_jpeg(picture, encode):
    image = read_image(encode(Image.fromarray(picture).convert("L"), "JPEG", quality=90))
    assert (image.facts.mode, image.facts.subsampling, len(image.facts.jpeg_tables)) == ("L", None, 1)
    np.testing.assert_array_equal(image.pixels[..., 0], image.pixels[..., 2])


@pytest.mark.parametrize("size", [(1, 1), (2000, 1), (1, 2000), (3, 5)])
@pytest.mark.parametrize("format_name", FORMATS)
def test_tiny_and_extreme_shapes(encode, size, format_name):
    image = read_image(encode(Image.new("RGB", size, (0, 128, 255)), format_name))
    assert image.pixels.shape == (size[1], size[0], 3)
    assert (image.facts.width, image.facts.height) == size


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "AVIF", "TIFF", "PNG"])
def test_of_several_frames_the_first_counts(texture, encode, format_name):
    first, second = Image.fromarray(texture(seed=1)), Image.fromarray(texture(seed=2))
    data = encode(first, format_name, save_all=True, append_images=[second])
    image = read_image(data)
    assert image.facts.animated
    with Image.open(io.BytesIO(data)) as reference:
        np.testing.assert_array_equal(image.pixels, np.asarray(reference.convert("RGB")))


def test_an_animation_broken_after_its_first_frame_still_gives_that_frame(texture, encode):
    frames = [Image.fromarray(texture(seed=seed)) for seed in (1, 2)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    whole = read_image(data)
    cut = read_image(data[: len(data) * 3 // 4])
    np.testing.assert_array_equal(cut.pixels, whole.pixels)


def test_a_multi_picture_jpeg_is_a_jpeg(texture, encode):
    frames = [Image.fromarray(texture(seed=seed)) for seed in (1, 2)]
    image = read_image(encode(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert (image.facts.format, image.facts.animated) == ("JPEG", False)


def test_orientation_is_recorded_and_not_applied(picture, encode):
    exif = Image.Exif()
    exif[0x0112] = 6
    for format_name in ("JPEG", "PNG", "WEBP", "AVIF"):
        image = read_image(encode(picture, format_name, exif=exif))
        assert image.facts.orientation == 6, format_name
        assert image.pixels.shape == (96, 128, 3)
        assert image.facts.metadata_bytes > 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_stays_as_stored_although_pillow_turns_it(picture, encode, orientation):
    image = read_image(encode(picture, "TIFF", tiffinfo={0x0112: orientation}))
    assert (image.facts.orientation, image.facts.width, image.facts.height) == (orientation, 128, 96)
    np.testing.assert_array_equal(image.pixels, picture)


def test_colour_profile_is_recorded_and_not_applied(picture, encode):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for format_name in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF"):
        with_profile = read_image(encode(picture, format_name, icc_profile=profile))
        without = read_image(encode(picture, format_name))
        assert with_profile.facts.icc_profile and not without.facts.icc_profile
        np.testing.assert_array_equal(with_profile.pixels, without.pixels)
        assert with_profile.facts.metadata_bytes > without.facts.metadata_bytes == 0


def test_heic_is_read_with_the_plugin_and_explained_without(picture, encode):
    try:
        import pillow_heif
    except ImportError:
        error = refused(b"\0\0\0\x18ftypheic" + bytes(100))
        assert error.kind == "unsupported" and "morelli[heic]" in error.detail
        return
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(picture)).save(file, quality=90)
    image = read_image(file.getvalue())
    assert (image.facts.format, image.pixels.shape) == ("HEIF", (96, 128, 3))
    assert np.abs(image.pixels.astype(int) - picture).mean() < 8
    assert refused(file.getvalue()[:200]).kind in ("truncated", "corrupt")
