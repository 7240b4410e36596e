"""A network in an ONNX file, without torch and without the file that it was trained into."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.attributors.answers import Answers
from morelli.attributors.doubting import Doubting
from morelli.attributors.pixels.graph import INPUT, OUTPUT
from morelli.attributors.pixels.judging import judge_pictures
from morelli.attributors.pixels.model import NETWORK_KEY, check_layout
from morelli.attributors.pixels.pictures import as_pictures
from morelli.attributors.pixels.recipe import Recipe
from morelli.encoders.pictures import picture_encoder
from morelli.errors import MorelliError
from morelli.networks.onnx_files import open_session, read_onnx

__all__ = ["PortableNetwork"]

Float = NDArray[np.float64]


class PortableNetwork:
    """Judges images by an exported network.

    Parameters
    ----------
    path : path-like
        As :meth:`~morelli.attributors.pixels.model.PixelModel.export` wrote it.
    threads : int, default 0
        Of onnxruntime; 0 for as many as it likes.

    Attributes
    ----------
    classes : tuple of str
    document : dict
        What the file says about itself.

    Raises
    ------
    MorelliError
        The file is missing, damaged, no network of Morelli's, or sees other pixels on this installation.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 0) -> None:
        model = read_onnx(path)
        facts = {each.key: each.value for each in model.metadata_props}
        try:
            self.document: dict[str, Any] = json.loads(facts[NETWORK_KEY])
            self._recipe = Recipe.from_dict(self.document["recipe"])
            self.classes = tuple(str(name) for name in self.document["classes"])
            self._encoder = picture_encoder(self.document["layout"])
            self._doubting = Doubting.from_dict(self.document["doubting"])
            layout_hash = str(self.document["layout_hash"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MorelliError(f"{path} is no network that morelli pixels export wrote, or a damaged one.") from error
        check_layout(path, self._encoder.recipe_hash, layout_hash)
        self._session = open_session(Path(path), threads)

    def look(self, pixels: NDArray[np.uint8]) -> Answers:
        """Answer for one image.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (height, width, 3)
            RGB as `morelli.images.read_image` decodes it.

        Raises
        ------
        NotEnoughDataError
            The image is smaller than a patch.
        """
        return self.answer(self._encoder.cut(pixels)[None])

    def answer(self, X: ArrayLike) -> Answers:
        """Answer for pictures as `as_pictures` takes them, cut as the network's layout says."""
        return self._doubting.answer(self.predict_log_proba(X))

    def predict_log_proba(self, X: ArrayLike) -> Float:
        """Return the network's own log-probabilities, before calibration, shape (n, K)."""
        pictures = as_pictures(X, self._encoder.patches)
        return judge_pictures(self._run, pictures, self._recipe.side, self._recipe.at_once, len(self.classes))

    def _run(self, pictures: NDArray[np.uint8]) -> Float:
        return np.asarray(self._session.run([OUTPUT], {INPUT: pictures})[0], dtype=np.float64)
