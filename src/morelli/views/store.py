"""The view store: pixels of costly views in a folder, without loss, for all who want to see the same images so.

One depth map or AVIF costs more than to read it back. What a view makes of an image is kept under the hash of the file,
the canonical name of the view and what else its pixels depend on (versions, weights of networks), so nothing in the
store ever becomes wrong.
All of it can be made again: delete the folder, or any file in it, whenever the space is needed.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import struct
from pathlib import Path

import PIL
from PIL import Image

from morelli._files import atomic_path
from morelli._version import __version__
from morelli.errors import ImageReadError, MorelliError
from morelli.images import Limits, LoadedImage, read_image
from morelli.views.info import Pixels
from morelli.views.registry import View

__all__ = ["ViewStore"]

# The store's own files are read to the end, whatever the limits on images of strangers are.
_OWN = Limits(max_bytes=1 << 34, max_pixels=1 << 32, max_side=1 << 24, max_seconds=math.inf)


class ViewStore:
    """Pixels of costly views, as PNG files in a folder that many processes share.

    A view that was registered elsewhere is known by its name alone: change the name when it makes other pixels.

    Parameters
    ----------
    folder : path-like
        Made when something is kept.

    Attributes
    ----------
    folder : pathlib.Path
    damaged : int
        Entries that could not be read, and were removed, in this process.

    Examples
    --------
    >>> import tempfile
    >>> from morelli.images import read_image
    >>> from morelli.sample import sample_path
    >>> from morelli.views import parse_view
    >>> image = read_image(sample_path() / "campaign" / "02.jpg")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = ViewStore(folder)
    ...     made = store.apply(image, parse_view("canny"))
    ...     kept = store.get(image.facts.sha256, parse_view("canny"))
    >>> bool((made == kept).all())
    True
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        self.damaged = 0

    def apply(self, image: LoadedImage, view: View) -> Pixels:
        """Return the view of a loaded image: a costly one from the store, and into it where it was not there.

        Parameters
        ----------
        image : LoadedImage
        view : View

        Returns
        -------
        numpy.ndarray
            What ``view.apply(image)`` returns.

        Raises
        ------
        morelli.errors.ViewError
            As `View` raises it.
        morelli.errors.MorelliError
            The view is made in batches, see :func:`morelli.views.materialise`, and is not there.
        OSError
            The folder cannot be read or written.
        """
        if not view.costly:
            return view.apply(image)
        pixels = self.get(image.facts.sha256, view)
        if pixels is None and view.batched:
            # Made beforehand, all together, by one process; those that only read load no network each.
            raise MorelliError(f"What {view.name} made of this image is damaged, and was removed: run this again.")
        if pixels is None:
            pixels = view.apply(image)
            self.put(image.facts.sha256, view, pixels)
        return pixels

    def get(self, image_id: str, view: View) -> Pixels | None:
        """Return what is kept of an image, None where nothing is; what is damaged is removed.

        Parameters
        ----------
        image_id : str
            SHA-256 of the file.
        view : View

        Returns
        -------
        numpy.ndarray or None
            uint8 (height, width, 3), read-only.

        Raises
        ------
        OSError
            The file is there and cannot be read or removed.
        """
        path = self.path(image_id, view)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            pixels = read_image(data, name=str(path), limits=_OWN).pixels
            # Pillow decodes without a look at the checksums.
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                image.verify()
            return pixels
        except (ImageReadError, SyntaxError, OSError, EOFError, struct.error, ValueError):
            self.damaged += 1
            path.unlink(missing_ok=True)
            return None

    def has(self, image_id: str, view: View) -> bool:
        """Say whether something is kept; whether it is whole is found out by `get`."""
        return self.path(image_id, view).is_file()

    def put(self, image_id: str, view: View, pixels: Pixels) -> None:
        """Keep what a view made of an image. A process that is killed leaves the old entry or none.

        Parameters
        ----------
        image_id : str
            SHA-256 of the file.
        view : View
        pixels : numpy.ndarray
            uint8 (height, width, 3).

        Raises
        ------
        OSError
            The folder cannot be written, or is full.
        """
        with atomic_path(self.path(image_id, view)) as path:
            Image.fromarray(pixels).save(path, "PNG", compress_level=1)

    def path(self, image_id: str, view: View) -> Path:
        """Return the file that holds, or would hold, a view of an image."""
        key = json.dumps([image_id, view.key, __version__, PIL.__version__])
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.png"
