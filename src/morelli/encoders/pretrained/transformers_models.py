"""Pretrained encoders in the format of the Hugging Face hub, run by torch: the "deep" extra."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.pretrained.base import PretrainedEncoder
from morelli.encoders.pretrained.spec import Preprocessing, PretrainedSpec, Sightings
from morelli.encoders.pretrained.store import verify
from morelli.errors import MissingExtraError, MorelliError
from morelli.networks.loading import load_model
from morelli.networks.weights import read_json

__all__ = ["TransformersEncoder", "read_preprocessing", "transformers_encoder"]

Float = NDArray[np.float32]

_CLASSES = {
    "clip": "CLIPVisionModelWithProjection",
    "clip_vision_model": "CLIPVisionModelWithProjection",
    "siglip": "SiglipVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "dinov3_vit": "DINOv3ViTModel",
    "convnext": "ConvNextModel",
    "convnextv2": "ConvNextV2Model",
}
"""By the model_type of config.json: the class of the image tower alone. Nothing else is ever loaded."""

_RESAMPLERS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}


class _EnoughError(Exception):
    """Ends a forward pass after the last tap: what follows would be for nothing."""


class TransformersEncoder(PretrainedEncoder):
    """An image encoder of the hub's format: CLIP, SigLIP, DINOv2, DINOv3 or ConvNeXt.

    Only safetensors are loaded, and no code from the repository. On CUDA the network runs in half precision and takes
    all crops of an image at once; on a processor in full precision, one after the other. Which of them it was is part
    of the recipe, since the numbers differ.

    Parameters
    ----------
    folder : path-like
        Holds ``config.json``, ``preprocessor_config.json`` and ``model.safetensors``.
    spec : PretrainedSpec
        Its name and sum: other weights are refused.
    sightings : Sightings, optional
        What is looked at; by default what the spec says. Taps of a ConvNeXt are its stages.
    threads : int, default 1
        Of torch on a processor; the setting belongs to the whole process.
    device : str, optional
        "cuda" or "cpu"; by default CUDA where there is one.

    Raises
    ------
    MissingExtraError
        torch or transformers are not installed.
    MorelliError
        The files are missing, of a kind that is not known, or not those that the spec is about.
    """

    spec: PretrainedSpec

    def __init__(
        self,
        folder: str | os.PathLike[str],
        spec: PretrainedSpec,
        *,
        sightings: Sightings | None = None,
        threads: int = 1,
        device: str | None = None,
    ) -> None:
        super().__init__(spec.name, sightings or spec.sightings)
        self.folder, self.spec, self.threads = Path(folder), spec, threads
        torch, _ = _libraries()
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        config = read_json(self.folder / "config.json")
        self.model_type = str(config.get("model_type"))
        if self.model_type not in _CLASSES:
            raise MorelliError(
                f"{self.folder} holds a network of type {self.model_type!r}; known are: {', '.join(_CLASSES)}."
            )
        self._preprocessing = spec.preprocessing or read_preprocessing(self.folder / "preprocessor_config.json")
        self.sums = verify(spec, self.folder)
        self._model: Any = None

    @property
    def preprocessing(self) -> Preprocessing:
        """How pixels become the network's input: what the model's own configuration says, done by our own code."""
        return self._preprocessing

    @property
    def dtype(self) -> str:
        """Of the network."""
        return "float16" if self.device.startswith("cuda") else "float32"

    def network(self) -> Any:
        """Return the torch network itself, loaded and in evaluation mode, for those who need its gradients."""
        return self._load()[0]

    def _weights(self) -> dict[str, Any]:
        return {
            "runtime": "transformers",
            "class": _CLASSES[self.model_type],
            "sha256": self.sums[self.spec.file],
            "config": self.sums["config.json"],
            "device": self.device.partition(":")[0],
            "dtype": self.dtype,
        }

    def _measure(self, inputs: list[Float], kind: str) -> list[dict[str, Float]]:
        batches = [np.concatenate(inputs)] if self.device.startswith("cuda") else inputs
        taps = self.sightings.crops if kind == "crops" else self.sightings.resized
        embedding = kind == "resized" and self.sightings.embedding
        rows: list[dict[str, Float]] = []
        for batch in batches:
            found = self._forward(batch, taps, embedding)
            named = {(f"{kind}{key}" if isinstance(key, int) else key): values for key, values in found.items()}
            rows += [{name: values[i] for name, values in named.items()} for i in range(len(batch))]
        return rows

    def _forward(self, batch: Float, taps: tuple[int, ...], embedding: bool) -> dict[int | str, Float]:
        """Return statistics (n, 2 channels) by tap, and the embeddings (n, d) as "embedding"."""
        torch, _ = _libraries()
        model, layers = self._load()
        if taps and max(taps) > len(layers):
            raise MorelliError(
                f"{self.name} has {len(layers)} blocks or stages; there is none to tap after {max(taps)}."
            )
        found: dict[int | str, Float] = {}

        def tapping(tap: int) -> Any:
            def hook(_module: Any, _arguments: Any, output: Any) -> None:
                found[tap] = self._statistics(output[0] if isinstance(output, tuple) else output)
                if not embedding and tap == max(taps):
                    raise _EnoughError

            return hook

        # Hooks, and not output_hidden_states: which of its entries are normalised differs between versions.
        hooks = [layers[tap - 1].register_forward_hook(tapping(tap)) for tap in taps]
        try:
            with torch.inference_mode():
                values = torch.from_numpy(batch).to(self.device, getattr(torch, self.dtype))
                output = model(pixel_values=values)
            vector = getattr(output, "image_embeds", None)
            vector = output.pooler_output if vector is None else vector
            vector = torch.nn.functional.normalize(vector.flatten(1).float(), dim=1)
            found["embedding"] = np.asarray(vector.cpu().numpy(), dtype=np.float32)
        except _EnoughError:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        if not embedding:
            found.pop("embedding", None)
        return found

    def _statistics(self, values: Any) -> Float:
        """Return mean and standard deviation of each channel over the patches, (n, 2 channels)."""
        torch, _ = _libraries()
        values = values.detach().float()
        if values.ndim == 4:  # of a convolutional network, (n, channels, height, width)
            patches = values.flatten(2).transpose(1, 2)
        else:
            patch = self._model.config.patch_size
            patch = patch if isinstance(patch, int) else patch[0]
            patches = values[:, -((self.preprocessing.size // patch) ** 2) :]
        mean = patches.mean(dim=1)
        deviation = (patches - mean[:, None]).square().mean(dim=1).sqrt()
        return np.asarray(torch.cat([mean, deviation], dim=1).cpu().numpy(), dtype=np.float32)

    def _load(self) -> tuple[Any, Any]:
        """Return the network and its blocks or stages."""
        torch, transformers = _libraries()
        if self._model is None:
            if self.device == "cpu":
                torch.set_num_threads(self.threads)
            self._model = load_model(
                getattr(transformers, _CLASSES[self.model_type]),
                self.folder,
                dtype=self.dtype,
                device=self.device,
                **self._config(transformers),
            )
        config = self._model.config
        depth = getattr(config, "num_hidden_layers", None) or len(config.depths)
        for module in self._model.modules():
            if isinstance(module, torch.nn.ModuleList) and len(module) == depth:
                return self._model, module
        raise MorelliError(
            f"{self.name}: the blocks of {_CLASSES[self.model_type]} were not found in this transformers."
        )

    def _config(self, transformers: Any) -> dict[str, Any]:
        """Return what has to be said about the tower of a network of two towers."""
        whole = read_json(self.folder / "config.json")
        if self.model_type != "clip" or "projection_dim" not in whole:
            return {}
        # The projection belongs to both towers; the configuration of the one may still hold a default.
        config = transformers.CLIPVisionConfig.from_pretrained(self.folder)
        config.projection_dim = int(whole["projection_dim"])
        return {"config": config}

    def __getstate__(self) -> dict[str, Any]:
        keep = ("_name", "sightings", "folder", "spec", "threads", "device", "model_type", "_preprocessing", "sums")
        return {**{name: self.__dict__[name] for name in keep}, "_model": None}

    def __repr__(self) -> str:
        return f"TransformersEncoder({str(self.folder)!r}, {self.name!r}, {self.sightings})"


def transformers_encoder(
    folder: str | os.PathLike[str],
    *,
    taps: Sightings,
    name: str | None = None,
    preprocessing: Preprocessing | None = None,
    threads: int = 1,
    device: str | None = None,
) -> TransformersEncoder:
    """Make an encoder of a folder in the hub's format.

    Parameters
    ----------
    folder : path-like
        Holds ``config.json``, ``model.safetensors`` and, unless `preprocessing` is given, ``preprocessor_config.json``.
    taps : Sightings
        What is measured.
    name : str, optional
        Of the encoder; the folder's name by default.
    preprocessing : Preprocessing, optional
        In place of what the folder says.
    threads, device
        As for `TransformersEncoder`.

    Returns
    -------
    TransformersEncoder

    Raises
    ------
    MissingExtraError
        torch or transformers are not installed.
    MorelliError
        The folder holds no such network.
    """
    from morelli.encoders.pretrained.spec import Hub

    folder = Path(folder)
    spec = PretrainedSpec(
        name=name or folder.name,
        summary="A folder of the hub's format.",
        licence="unknown",
        source=Hub(str(folder)),
        file="model.safetensors",
        sha256=None,
        dim=0,
        bytes=0,
        preprocessing=preprocessing,
        sightings=taps,
    )
    return TransformersEncoder(folder, spec, threads=threads, device=device)


def read_preprocessing(path: Path) -> Preprocessing:
    """Read a ``preprocessor_config.json``.

    Raises
    ------
    MorelliError
        It is missing, damaged, or asks for what we do not do.
    """
    config = read_json(path)
    try:
        size, crop = config["size"], config.get("crop_size")
        short = size if isinstance(size, int) else size.get("shortest_edge")
        if config.get("do_center_crop") and crop is not None:
            side = crop if isinstance(crop, int) else int(crop["height"])
            fit, resize = "crop", int(short if short is not None else size["height"])
        elif short is not None:
            # Of ConvNeXt: the image is made a little larger, and its centre cut out.
            side, fit = int(short), "crop"
            resize = int(side / config["crop_pct"]) if side < 384 and config.get("crop_pct") else side
        else:
            side, fit, resize = int(size["height"]), "stretch", int(size["height"])
            if size["width"] != side:
                raise MorelliError(f"{path}: the input is not square, which is not supported.")
        if abs(float(config.get("rescale_factor", 1 / 255)) * 255 - 1) > 1e-4 or not config.get("do_normalize", True):
            raise MorelliError(f"{path}: the scale of its input is not supported.")
        mean, std = (tuple(float(value) for value in config[name]) for name in ("image_mean", "image_std"))
        resample = _RESAMPLERS[int(config.get("resample", 3))]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MorelliError(f"{path} does not say how images are prepared ({error}).") from error
    if len(mean) != 3 or len(std) != 3:
        raise MorelliError(f"{path}: mean and std are of three colour channels.")
    return Preprocessing(side, mean, std, resize if resize != side else None, fit, resample)


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError("A pretrained encoder of the hub's format", "deep") from error
    return torch, transformers
