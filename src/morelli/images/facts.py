"""What is known of an image file besides its pixels, and the bounds within which a file is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ImageFacts", "Limits", "LoadedImage"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds within which an image file is read; outside of them reading raises `ImageReadError`.

    Parameters
    ----------
    max_bytes : int
        Longest file, in bytes.
    max_pixels : int
        Largest ``width * height``, checked on the header before any pixel is decoded.
    max_side, min_side : int
        Longest and shortest allowed side, in pixels.
    max_seconds : float
        Time for the decoding, in seconds. It is checked each time the decoder asks for more of the file, so it stops
        JPEG (64 KB steps) and PNG, GIF and BMP (steps of a chunk); a WebP, AVIF, HEIC or compressed TIFF is decoded in
        one call of its library, and there `max_pixels` is what bounds the time.
    """

    max_bytes: int = 100 * 1024 * 1024
    max_pixels: int = 100_000_000
    max_side: int = 32_768
    min_side: int = 1
    max_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the container of an image says. None of it is evidence of the painter; all of it can leak the label.

    Parameters
    ----------
    sha256 : str
        Of the whole file, 64 hexadecimal digits.
    bytes : int
        Length of the file.
    format : str
        ``JPEG``, ``PNG``, ``WEBP``, ``AVIF``, ``GIF``, ``TIFF``, ``BMP`` or ``HEIF``, from the content.
    width, height : int
        As stored, that is before any EXIF rotation.
    mode : str
        Pillow's name of the stored layout (``RGB``, ``P``, ``CMYK``, ``I;16``, ...).
    bit_depth : int
        Bits per sample as stored (1, 2, 4, 8, 10, 12, 16).
    alpha : bool
        The file carries transparency: an alpha channel, or a transparent palette entry or colour.
    animated : bool
        More than one frame or page; the pixels are those of the first.
    orientation : int
        EXIF orientation, 1..8; 1 when absent or invalid. Recorded and not applied: a rotation would turn the JPEG
        block grid and the direction-dependent traces. (HEIC keeps its own rotation in the container, and its
        library applies that one.)
    icc_profile : bool
        A colour profile is present. Recorded and not applied.
    metadata_bytes : int
        Length of what describes the image without changing a pixel: EXIF, XMP, text, comments, colour profile,
        content credentials. For JPEG, PNG and WebP counted from the segments or chunks, else from what Pillow exposes.
    jpeg_tables : tuple of tuple of int or None
        Quantisation tables in the order in which the components use them (luma first), each 64 integers, row by row.
    jpeg_quality : int or None
        Quality 1..100 on the scale of the Independent JPEG Group; None when it is no JPEG, or the tables are far from
        that scale.
    subsampling : str or None
        ``4:4:4``, ``4:2:2``, ``4:2:0``, ``4:4:0``, ``4:1:1``, else ``HxV`` (factors); None for one component.
    progressive : bool
        A progressive JPEG.
    """

    sha256: str
    bytes: int
    format: str
    width: int
    height: int
    mode: str
    bit_depth: int = 8
    alpha: bool = False
    animated: bool = False
    orientation: int = 1
    icc_profile: bool = False
    metadata_bytes: int = 0
    jpeg_tables: tuple[tuple[int, ...], ...] | None = None
    jpeg_quality: int | None = None
    subsampling: str | None = None
    progressive: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-ready values."""
        values = asdict(self)
        if self.jpeg_tables is not None:
            values["jpeg_tables"] = [list(table) for table in self.jpeg_tables]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageFacts:
        """Return the facts that `to_dict` wrote. Unknown keys are an error (TypeError), missing ones take the default.

        Parameters
        ----------
        values : mapping
            As from `to_dict`, also after a trip through JSON.

        Returns
        -------
        ImageFacts
            Equal to the ones written.
        """
        given = dict(values)
        unknown = sorted(given.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise TypeError(f"image facts do not have {', '.join(unknown)}")
        if given.get("jpeg_tables") is not None:
            given["jpeg_tables"] = tuple(tuple(int(step) for step in table) for table in given["jpeg_tables"])
        return cls(**given)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """The pixels of one image and the facts of its file.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8, shape (height, width, 3), C-contiguous, RGB, read-only.
    facts : ImageFacts
        What the file says.
    name : str
        What the caller called the image.
    """

    pixels: npt.NDArray[np.uint8]
    facts: ImageFacts
    name: str

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise TypeError(f"pixels are a uint8 array of shape (height, width, 3), not {pixels.dtype} {pixels.shape}")
        if pixels.flags.writeable or not pixels.flags.c_contiguous:
            # A view, so that the flag of the caller's own array stays as it is.
            pixels = np.ascontiguousarray(pixels).view()
            pixels.flags.writeable = False
            object.__setattr__(self, "pixels", pixels)

    def __reduce__(self) -> tuple[type[LoadedImage], tuple[npt.NDArray[np.uint8], ImageFacts, str]]:
        # NumPy forgets "read-only" in a pickle; building the image anew restores it.
        return type(self), (self.pixels, self.facts, self.name)
