"""The one door for pixels: a path or bytes in, RGB pixels and facts out, or an error that says why not."""

from __future__ import annotations

import hashlib
import os

from morelli.errors import ImageReadError
from morelli.images import _containers as containers
from morelli.images._decode import decode
from morelli.images._source import describe, read_bytes
from morelli.images.facts import ImageFacts, Limits, LoadedImage
from morelli.images.jpeg import JpegHeader, estimate_jpeg_quality, parse_jpeg

__all__ = ["read_image"]

#: libjpeg goes over the whole image for each scan of a progressive file, so a few kilobytes of empty scans can cost
#: minutes between two reads. Encoders write about ten scans.
_MAX_SCANS = 500


def read_image(
    source: str | os.PathLike[str] | bytes, *, name: str | None = None, limits: Limits | None = None
) -> LoadedImage:
    """Read an image: JPEG, PNG, WebP, AVIF, BMP, the first frame of GIF and TIFF, and HEIC with the ``heic`` extra.

    The content decides the type, not the name. Pixels are decoded exactly (no reduced decoding, no fast upsampling)
    and brought to 8-bit RGB in these ways, each visible in the facts:

    - transparency (alpha channel, palette entry or colour key) is composited over white;
    - palette, grey and one-bit images become RGB;
    - samples of 12 and 16 bits keep their highest 8 bits;
    - CMYK (also Adobe's inverted) and YCbCr are converted by Pillow's formula, without colour management;
    - EXIF orientation and colour profile are recorded and not applied, so the block grid stays where the codec put it;
    - of an animation or a document with several pages, the first one counts.

    Parameters
    ----------
    source : str, path-like or bytes
        A file, or the content of one.
    name : str, optional
        What messages call the image; by default the path, or ``<bytes>``.
    limits : Limits, optional
        Bounds on length, pixels, sides and time; the defaults of `Limits` when omitted.

    Returns
    -------
    LoadedImage
        Pixels uint8 (height, width, 3), read-only, with the facts of the file.

    Raises
    ------
    morelli.errors.ImageReadError
        The only exception for anything that a file can be. Its kind is ``missing`` (no such file, or no permission),
        ``empty``, ``not-an-image`` (also folders, pipes, devices), ``unsupported`` (a format or variant that is not
        read, such as 32-bit samples or JPEG XL), ``truncated``, ``corrupt``, ``too-many-bytes``, ``too-many-pixels``,
        ``side-too-long``, ``too-small`` or ``too-slow``.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (40, 30), "teal").save(file, "JPEG", quality=90)
    >>> image = read_image(file.getvalue())
    >>> image.pixels.shape, image.facts.format, image.facts.jpeg_quality, image.facts.subsampling
    ((30, 40, 3), 'JPEG', 90, '4:2:0')
    """
    limits = Limits() if limits is None else limits
    name = describe(source) if name is None else name
    data = read_bytes(source, name, limits)
    format_name, other = containers.sniff(data)
    if format_name is None:
        if other is not None:
            raise ImageReadError(name, "unsupported", f"{other} files are not read; save the image as PNG")
        raise ImageReadError(name, "not-an-image", "the content is not an image of a type that is read")
    header = parse_jpeg(data) if format_name == "JPEG" else JpegHeader()
    _check_jpeg(header, data, name)
    decoded = decode(data, format_name, name, limits)
    height, width = decoded.pixels.shape[:2]
    tables = header.tables if format_name == "JPEG" else None
    facts = ImageFacts(
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        format=format_name,
        width=width,
        height=height,
        mode=decoded.mode,
        bit_depth=decoded.bit_depth,
        alpha=decoded.alpha,
        animated=decoded.animated,
        orientation=decoded.orientation,
        icc_profile=decoded.icc_profile,
        metadata_bytes=header.metadata_bytes if format_name == "JPEG" else decoded.metadata_bytes,
        jpeg_tables=tables,
        jpeg_quality=estimate_jpeg_quality(tables),
        subsampling=header.subsampling,
        progressive=header.progressive,
    )
    return LoadedImage(pixels=decoded.pixels, facts=facts, name=name)


def _check_jpeg(header: JpegHeader, data: bytes, name: str) -> None:
    """Refuse what the JPEG decoder cannot read, or could be kept busy with."""
    if header.precision != 8:
        detail = f"JPEG with {header.precision} bits per sample is not read; save the image as PNG"
        raise ImageReadError(name, "unsupported", detail)
    if header.progressive and header.scan_start is not None:
        scans = data.count(b"\xff\xda", header.scan_start)
        if scans > _MAX_SCANS:
            raise ImageReadError(name, "too-slow", f"this JPEG has {scans} scans, more than any encoder writes")
