"""The door as a whole: every format, every kind of pixels, every bad input."""

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

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
KINDS = {
    "empty", "missing", "not-an-image", "truncated", "corrupt", "too-many-bytes", "too-many-pixels", "side-too-long",
    "too-small", "too-slow", "unsupported",
}  # fmt: skip


def refused(source, **options):
    with pytest.raises(ImageReadError) as caught:
        read_image(source, **options)
    error = caught.value
    assert error.kind in KINDS
    assert error.name and error.detail
    assert str(error) == f"{error.name}: {error.detail}"
    return error


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


# --- kinds of pixels --------------------------------------------------------------------------------------------------


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
