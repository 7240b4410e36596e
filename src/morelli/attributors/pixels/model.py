"""A trained network in one file, with its calibration and all that it says about itself. Reading it runs no code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli._files import atomic_path
from morelli._version import __version__
from morelli.attributors.answers import Answers, Training
from morelli.attributors.bundle import References
from morelli.attributors.doubting import WHOLE, Doubting
from morelli.attributors.pixels.graph import INPUT, OUTPUT, onnx_bytes
from morelli.attributors.pixels.judging import Judge, judge_pictures, torch_judge
from morelli.attributors.pixels.pictures import as_pictures
from morelli.attributors.pixels.recipe import Recipe
from morelli.attributors.sealed import canonical, content_hash, read_sealed
from morelli.encoders.pictures import PictureEncoder, picture_encoder
from morelli.errors import BundleError, MorelliError
from morelli.networks.devices import choose_device
from morelli.networks.loading import require_libraries
from morelli.networks.onnx_files import open_session

__all__ = ["NETWORK_FILE", "NETWORK_KEY", "PixelModel", "check_layout"]

NETWORK_FILE: Final = "network.safetensors"
"""Name of the file in the folder of a training."""

SCHEMA_VERSION: Final = 1
MAX_BYTES: Final = 4 * 1024**3
NETWORK_KEY: Final = "morelli.network"
"""Under which the document stands in a file's header."""

_WEIGHTS: Final = "weights/"

Float = NDArray[np.float64]


def check_layout(path: str | os.PathLike[str], here: str, trained: str) -> None:
    """Refuse a network whose pictures this installation would cut otherwise.

    Parameters
    ----------
    path : path-like
        Of the network, for the sentence.
    here, trained : str
        Hashes of the recipe of pictures: of this installation, and of the one that trained the network.

    Raises
    ------
    BundleError
        They differ.
    """
    if here != trained:
        raise BundleError(
            f"{path}: this installation decodes or resizes images otherwise than the one that trained the network; "
            "train it here, or install the same versions."
        )


@dataclass(frozen=True, eq=False)
class PixelModel:
    """A trained network, calibrated on images that it has not seen. It answers as attributors do.

    On a processor it is run by onnxruntime, without torch; with torch and a CUDA device there.

    Attributes
    ----------
    recipe : Recipe
    layout : str
        How pictures are cut from images, see `morelli.encoders.pictures.picture_encoder`.
    layout_hash : str
        Of the recipe of that, decoder included.
    classes : tuple of str
    lineages : tuple of (str or None)
    label : str
        Column of the catalog that was learned.
    arrays : mapping of str to ndarray
        Weights.
    doubting : Doubting
        Learned on held-out images.
    training : Training
        Facts; accuracy and loss are of the held-out images.
    references : References
        What it has seen, for calibration too.
    seed, steps : int
    signature : str
        Of all that decides the weights.
    made_with : str
    device : {"auto", "cpu", "cuda"}
        Where it judges; not kept in the file.
    """

    recipe: Recipe
    layout: str
    layout_hash: str
    classes: tuple[str, ...]
    lineages: tuple[str | None, ...]
    label: str
    arrays: Mapping[str, NDArray[Any]]
    doubting: Doubting
    training: Training
    references: References
    seed: int
    steps: int
    signature: str
    made_with: str = f"morelli {__version__}"
    device: str = "auto"

    # -- as an attributor ----------------------------------------------------------------------------------------------

    @property
    def classes_(self) -> NDArray[Any]:
        """The candidates, sorted."""
        return np.array(self.classes)

    @property
    def training_(self) -> Training:
        """Facts about the training."""
        return self.training

    @property
    def weights_(self) -> dict[str, float]:
        """The one entry ``whole``: a network is not made of families."""
        return {WHOLE: 1.0}

    @cached_property
    def encoder(self) -> PictureEncoder:
        """What cuts pictures from images."""
        return picture_encoder(self.layout)

    def predict_log_proba(self, X: ArrayLike) -> Float:
        """Return the network's own log-probabilities, before calibration, shape (n, K); pictures as `as_pictures`."""
        pictures = as_pictures(X, self.encoder.patches)
        return judge_pictures(self._judge, pictures, self.recipe.side, self.recipe.at_once, len(self.classes))

    def answer(self, X: ArrayLike) -> Answers:
        """Return calibrated probabilities, conformal sets, open-set p-values and the evidence of the whole."""
        return self.doubting.answer(self.predict_log_proba(X))

    def answer_rows(self, pictures: NDArray[np.uint8], rows: NDArray[np.integer]) -> Answers:
        """Answer for some of many pictures, (n, patches, side, side, 3), which may be memory-mapped."""
        recipe = self.recipe
        return self.doubting.answer(
            judge_pictures(self._judge, pictures, recipe.side, recipe.at_once, len(self.classes), rows)
        )

    def without(self, answers: Answers, family: str) -> Float:
        """Return what remains without the evidence of `family`: without the whole, 1 / K each; shape (n, K)."""
        return np.full_like(answers.proba, 1 / len(self.classes))

    @cached_property
    def _judge(self) -> Judge:
        if self.device != "cpu" and (self.device != "auto" or find_spec("torch") is not None):
            (torch,) = require_libraries("Judging on a CUDA device", "torch")
            device = choose_device(torch, self.device)
            if device == "cuda":
                network = self.recipe.architecture.restore(len(self.classes), self.arrays).to(device).eval()
                return torch_judge(network, device, self.recipe.kind)
        session = open_session(self.to_onnx(), 0)

        def judge(pictures: NDArray[np.uint8]) -> Float:
            return np.asarray(session.run([OUTPUT], {INPUT: pictures})[0], dtype=np.float64)

        return judge

    # -- on disk -------------------------------------------------------------------------------------------------------

    def to_onnx(self) -> bytes:
        """Return the network as an ONNX file; equal networks give equal bytes.

        Its metadata holds the same document as the file of `save`, without the references: whoever has it needs neither
        this file nor torch, see :class:`~morelli.attributors.pixels.portable.PortableNetwork`.
        """
        document = {name: value for name, value in self._document().items() if name != "references"}
        return onnx_bytes(
            self.recipe.architecture,
            self.arrays,
            self.recipe.side,
            len(self.classes),
            {NETWORK_KEY: canonical(document)},
        )

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write the network to an ONNX file, at once or not at all."""
        data = self.to_onnx()
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
        return Path(path)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the network to a file, at once or not at all; the same network gives the same bytes."""
        from safetensors.numpy import save_file

        arrays, document = self._arrays(), self._document()
        sealed = canonical({"id": content_hash(arrays, document), **document})
        with atomic_path(path) as temporary:
            save_file(arrays, temporary, metadata={NETWORK_KEY: sealed})
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "auto") -> PixelModel:
        """Read and check a network.

        Parameters
        ----------
        path : path-like
            A file, or the folder that a training wrote.
        device : {"auto", "cpu", "cuda"}

        Raises
        ------
        BundleError
            There is no network, or it is damaged, of another version, or sees other pixels on this installation.
        """
        path = Path(path)
        if not path.exists():
            raise BundleError(f"{path}: there is no such file or folder.")
        if path.is_dir():
            if not (path / NETWORK_FILE).exists():
                raise BundleError(
                    f"{path}: this folder holds no {NETWORK_FILE}; name one in which morelli pixels train has finished."
                )
            path /= NETWORK_FILE
        arrays, document = read_sealed(path, key=NETWORK_KEY, what="network", max_bytes=MAX_BYTES)
        claimed = document.pop("id", None)
        if document.get("schema_version") != SCHEMA_VERSION:
            raise BundleError(
                f"{path}: this network has schema version {document.get('schema_version')!r}, and this Morelli "
                f"({__version__}) reads version {SCHEMA_VERSION}; train it anew."
            )
        if claimed != content_hash(arrays, document):
            raise BundleError(f"{path}: the content does not match its own hash; the file was damaged or edited.")
        try:
            model = cls._rebuild(arrays, document, device)
            layout_hash = model.encoder.recipe_hash
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, MorelliError) as error:
            raise BundleError(f"{path}: the network is not complete ({type(error).__name__}: {error}).") from error
        check_layout(path, layout_hash, model.layout_hash)
        return model

    def describe(self) -> dict[str, Any]:
        """Return what ``morelli pixels show`` tells, JSON-ready."""
        document = self._document()
        document["references"] = {
            "fingerprint": self.references.fingerprint,
            "images": len(self.references.image_ids),
            "prompts": len(self.references.prompt_hashes),
        }
        temperature = document["doubting"]["calibration"]["calibrator"]["temperature"]
        calibration = {"reason": self.doubting.calibration.reason, "temperature": temperature}
        del document["doubting"]
        return {**document, "calibration": calibration, "parameters": self.n_parameters}

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(int(array.size) for array in self.arrays.values())

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {f"{_WEIGHTS}{name}": np.ascontiguousarray(array) for name, array in self.arrays.items()}
        for name, words in (("images", self.references.image_ids), ("prompts", self.references.prompt_hashes)):
            size = 32 if name == "images" else 8
            joined = np.frombuffer(bytes.fromhex("".join(sorted(words))), np.uint8)
            arrays[f"references/{name}"] = joined.reshape(-1, size).copy()
        return arrays

    def _document(self) -> dict[str, Any]:
        names = ("layout", "layout_hash", "label", "seed", "steps", "signature", "made_with")
        return {
            "schema_version": SCHEMA_VERSION,
            **{name: getattr(self, name) for name in names},
            "recipe": self.recipe.to_dict(),
            "classes": list(self.classes),
            "lineages": list(self.lineages),
            "doubting": self.doubting.to_dict(),
            "training": {**asdict(self.training), "notes": list(self.training.notes)},
            "references": {
                "fingerprint": self.references.fingerprint,
                "n_unreadable": self.references.n_unreadable,
            },
        }

    @classmethod
    def _rebuild(cls, arrays: Mapping[str, NDArray[Any]], document: Mapping[str, Any], device: str) -> PixelModel:
        training = document["training"]
        n_classes = len(document["classes"])
        if n_classes < 2 or len(document["lineages"]) != n_classes:
            raise ValueError(f"{len(document['lineages'])} lineages for {n_classes} classes")
        weights = {name.removeprefix(_WEIGHTS): a for name, a in arrays.items() if name.startswith(_WEIGHTS)}
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise ValueError("its weights are not finite")
        return cls(
            recipe=Recipe.from_dict(document["recipe"]),
            layout=str(document["layout"]),
            layout_hash=str(document["layout_hash"]),
            classes=tuple(str(name) for name in document["classes"]),
            lineages=tuple(None if name is None else str(name) for name in document["lineages"]),
            label=str(document["label"]),
            arrays=weights,
            doubting=Doubting.from_dict(document["doubting"]),
            training=Training(**{**training, "notes": tuple(training["notes"])}),
            references=References(
                image_ids=frozenset(row.tobytes().hex() for row in arrays["references/images"]),
                prompt_hashes=frozenset(row.tobytes().hex() for row in arrays["references/prompts"]),
                fingerprint=str(document["references"]["fingerprint"]),
                n_unreadable=int(document["references"]["n_unreadable"]),
            ),
            seed=int(document["seed"]),
            steps=int(document["steps"]),
            signature=str(document["signature"]),
            made_with=str(document["made_with"]),
            device=device,
        )
