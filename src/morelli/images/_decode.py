"""From bytes to RGB pixels through Pillow's parsers, each called by name for a type that the content decided."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from morelli.errors import ImageReadError
from morelli.images import _containers as containers
from morelli.images._source import DeadlineError, TimedBytes
from morelli.images.facts import Limits

__all__ = ["Decoded", "decode"]

_DIRECT = frozenset({"RGB"})
_CONVERTED = frozenset({"1", "L", "P", "RGBX", "CMYK", "YCbCr"})
_TRANSLUCENT = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_DEEP = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})

_PHOTOMETRIC, _ORIENTATION, _BITS_PER_SAMPLE = 262, 274, 258

# The plugin classes themselves, rather than Image.open: no other parser can run on a stranger's file whatever other
# libraries register, and Pillow's process-wide pixel limit (and its warning, which threads cannot silence safely) is
# replaced by the caller's own limits.
_OPENERS: dict[str, Callable[[TimedBytes], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels, and the facts that only the parser knows. The fields are those of `ImageFacts`."""

    pixels: npt.NDArray[np.uint8]
    mode: str
    bit_depth: int
    alpha: bool
    animated: bool
    orientation: int
    icc_profile: bool
    metadata_bytes: int


def decode(data: bytes, format_name: str, name: str, limits: Limits) -> Decoded:
    """Decode the first frame to 8-bit RGB, exactly: no draft, no fast upsampling, nothing filled in.

    Parameters
    ----------
    data : bytes
        The file.
    format_name : str
        As `sniff` found it.
    name : str
        For messages.
    limits : Limits
        All but `max_bytes`.

    Returns
    -------
    Decoded
        The rules for each kind of pixel are in `read_image`.

    Raises
    ------
    ImageReadError
        See `read_image`.
    """
    file = TimedBytes(data, limits.max_seconds)
    try:
        if format_name == "WEBP" and (canvas := containers.webp_size(data)) is not None:
            _check_size(canvas, name, limits)
        image = _opener(format_name, name)(file)
        _check_size(image.size, name, limits)
        mode = image.mode
        orientation = _orientation(image)  # of a TIFF before the load, which drops the tag
        image.load()
        _check_size(image.size, name, limits)  # libheif can correct the size while it decodes
        depth = _bit_depth(image, data, format_name)
        pixels = _to_rgb(image, depth, name)
        if format_name == "PNG":
            orientation = _orientation(image)  # the EXIF of a PNG may follow its pixels
        if format_name == "TIFF" and orientation != 1:
            pixels = _turn_back(pixels, orientation)
        return Decoded(
            pixels=pixels,
            mode=mode,
            bit_depth=depth,
            alpha=image.has_transparency_data,
            animated=_is_animated(image),
            orientation=orientation,
            icc_profile=bool(image.info.get("icc_profile")),
            metadata_bytes=_metadata_bytes(image, data, format_name),
        )
    except ImageReadError:
        raise
    except Exception as error:
        # Pillow's parsers raise almost anything on damaged files: this is the wall between them and a batch.
        kind, detail = _explain(error, data, format_name, limits)
        raise ImageReadError(name, kind, detail) from error


def _opener(format_name: str, name: str) -> Callable[[TimedBytes], ImageFile.ImageFile]:
    """Return the parser of a format, or raise `ImageReadError` ``unsupported`` where it is not installed."""
    if format_name == "HEIF":
        try:
            from pillow_heif import HeifImageFile
        except ImportError as error:
            detail = 'HEIC images need the "heic" extra: pip install "morelli[heic]"'
            raise ImageReadError(name, "unsupported", detail) from error
        opener: Callable[[TimedBytes], ImageFile.ImageFile] = HeifImageFile
        return opener
    if (format_name == "AVIF" and not AvifImagePlugin.SUPPORTED) or (
        format_name == "WEBP" and not WebPImagePlugin.SUPPORTED
    ):
        raise ImageReadError(name, "unsupported", f"this installation of Pillow was built without {format_name}")
    return _OPENERS[format_name]


def _check_size(size: tuple[int, int], name: str, limits: Limits) -> None:
    """Raise `ImageReadError` where an image is larger or smaller than the limits."""
    width, height = size
    if max(size) > limits.max_side:
        detail = f"the image is {width} x {height}; its sides may have at most {limits.max_side} pixels"
        raise ImageReadError(name, "side-too-long", detail)
    if width * height > limits.max_pixels:
        detail = f"the image is {width} x {height}; the limit is {limits.max_pixels} pixels"
        raise ImageReadError(name, "too-many-pixels", detail)
    if min(size) < limits.min_side:
        detail = f"the image is {width} x {height}; its sides must have at least {limits.min_side} pixels"
        raise ImageReadError(name, "too-small", detail)


def _to_rgb(image: Image.Image, depth: int, name: str) -> npt.NDArray[np.uint8]:
    """Return a loaded image as uint8 (height, width, 3), read-only."""
    if image.mode in _DEEP:
        return _deep_to_rgb(image, depth)
    if image.mode not in _DIRECT | _CONVERTED | _TRANSLUCENT:
        detail = f"pixels of Pillow's mode {image.mode} are not read; convert the image to 8 bits per channel"
        raise ImageReadError(name, "unsupported", detail)
    if image.has_transparency_data:
        image = _over_white(image, depth)
    elif image.mode != "RGB":
        image = image.convert("RGB")
    # One copy; an array on top of bytes is read-only by nature.
    return np.frombuffer(image.tobytes(), dtype=np.uint8).reshape(image.height, image.width, 3)


def _over_white(image: Image.Image, depth: int) -> Image.Image:
    """Composite an image with any kind of transparency over white."""
    key = image.info.get("transparency")
    if key is not None and image.mode == "L" and isinstance(key, int) and depth < 8:
        # Pillow stretches shallow grey values to 0..255 and leaves the transparent one as stored.
        image.info["transparency"] = key * 255 // ((1 << depth) - 1)
    elif key is not None and image.mode == "1":
        image.info["transparency"] = 255 if key else 0
    elif key is not None and image.mode == "RGB" and depth == 16:
        # Pillow keeps the high byte of a 16-bit sample; so the transparent colour is compared there too.
        image.info["transparency"] = tuple(value >> 8 for value in key)
    if image.mode == "La":
        image = image.convert("LA")
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    alpha = rgba.getchannel("A")
    opaque = rgba.convert("RGB")
    if alpha.getextrema() == (255, 255):
        return opaque
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(opaque, mask=alpha)
    return white


def _deep_to_rgb(image: Image.Image, depth: int) -> npt.NDArray[np.uint8]:
    """Return a 12- or 16-bit grey image as RGB: its highest 8 bits (Pillow's own conversion clips at 255 instead)."""
    values = np.asarray(image)
    grey = (values >> (max(depth, 8) - 8)).astype(np.uint8)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0:
        grey = 255 - grey  # "white is zero", which Pillow inverts at 8 bits but not at 16
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey = np.where(values == key, np.uint8(255), grey)
    pixels = np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    pixels.flags.writeable = False
    return pixels


def _turn_back(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Undo the EXIF orientation, which Pillow applies to TIFF, and to no other format, by itself."""
    if orientation in (5, 7):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (6, 8):
        pixels = np.rot90(pixels, 1 if orientation == 6 else -1)
    if orientation in (3, 4, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _bit_depth(image: Image.Image, data: bytes, format_name: str) -> int:
    """Return the bits per sample as stored."""
    if format_name == "PNG":
        return containers.png_bit_depth(data)
    if format_name in ("AVIF", "HEIF"):
        return containers.heif_bit_depth(data)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return max((int(bits) for bits in image.tag_v2.get(_BITS_PER_SAMPLE, (1,))), default=1)
    if format_name == "BMP":
        # The old header of 12 bytes keeps the bits per pixel four bytes earlier.
        (bits,) = struct.unpack_from("<H", data, 24 if data[14] == 12 else 28)
        return min(int(bits), 8) or 8
    return 8


def _is_animated(image: Image.Image) -> bool:
    """Say whether there is more than one frame. Damage beyond the first frame is no reason to refuse that frame."""
    try:
        return bool(getattr(image, "is_animated", False))
    except DeadlineError:
        raise
    except Exception:
        return True  # something follows the first frame; EOFError ("nothing follows") is handled by Pillow


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation (of a HEIC: the one its EXIF had before libheif turned the pixels)."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        value = image.tag_v2.get(_ORIENTATION, 1)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1
    if image.info.get("original_orientation") is not None:
        return int(image.info["original_orientation"])
    exif = image.info.get("exif")
    return containers.exif_orientation(exif) if isinstance(exif, bytes) else 1


def _metadata_bytes(image: Image.Image, data: bytes, format_name: str) -> int:
    """Return the bytes of metadata, but of a JPEG, whose header `read_image` parses itself."""
    if format_name == "JPEG":
        return 0
    if format_name == "PNG":
        return containers.png_metadata_bytes(data)
    if format_name == "WEBP":
        return containers.webp_metadata_bytes(data)
    blocks = (image.info.get(key) for key in ("exif", "xmp", "icc_profile", "comment"))
    return sum(len(block) for block in blocks if isinstance(block, bytes | str))


def _explain(error: Exception, data: bytes, format_name: str, limits: Limits) -> tuple[str, str]:
    """Return the kind and the sentence for an error of a parser."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    lowered = reason.lower()
    cause = error.__cause__ if isinstance(error, SyntaxError) else error
    if isinstance(error, DeadlineError):
        return "too-slow", f"decoding took longer than the {limits.max_seconds:g} seconds allowed"
    if isinstance(error, MemoryError):
        return "too-many-pixels", f"there is not enough memory to decode this {format_name} image"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too-many-pixels", f"the header announces a decompression bomb ({reason})"
    if "decompressed data too large" in lowered or "too much memory used in text chunks" in lowered:
        return "too-many-bytes", f"the metadata unpacks to more than is allowed ({reason})"
    if (
        "truncated" in lowered
        or isinstance(cause, EOFError | IndexError | struct.error)
        or containers.is_cut(data, format_name)
    ):
        return "truncated", f"the {format_name} file ends too early ({reason})"
    if isinstance(error, NotImplementedError) or lowered.startswith(("cannot handle", "unknown", "unsupported")):
        return "unsupported", f"this variant of {format_name} is not read ({reason}); save it as PNG"
    return "corrupt", f"the {format_name} file is damaged ({reason})"
