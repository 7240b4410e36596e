"""A sentence about an image, and an image from a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError, NetworkError
from morelli.networks.inputs import read_inputs
from morelli.networks.loading import Loaded, device_of, load_model, quiet, require_libraries, told
from morelli.networks.places import Place
from morelli.networks.tokens import read_tokenizer
from morelli.networks.transformer import Transformer
from morelli.networks.weights import read_json

__all__ = ["CaptionNetwork", "Painter"]

Pixels = NDArray[np.uint8]

_TOKENS = 40
"""The longest caption."""

_FILTER = ("stable_diffusion", "StableDiffusionSafetyChecker")


class CaptionNetwork(Transformer):
    """A network that writes captions, without drawing at random: BLIP.

    Parameters
    ----------
    place : Place
        Holds, beside the network, ``tokenizer.json``.

    Raises
    ------
    NetworkError
        It is of another kind, or cannot be loaded.
    MissingExtraError
        torch or transformers are not installed.
    """

    classes: ClassVar[Mapping[str, str]] = {"blip": "BlipForConditionalGeneration"}

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.inputs, self._tokenizer = read_inputs(place.folder), read_tokenizer(place.folder)

    def captions(self, images: list[Pixels]) -> list[str]:
        """Return a caption for each image.

        Raises
        ------
        MorelliError
            The network fails.
        """
        return self.in_batches(images, self.inputs, self._forward)

    def _forward(self, images: list[Pixels], values: NDArray[np.float32]) -> list[str]:
        with told(self.name):
            tokens = self.model.generate(
                pixel_values=self.tensor(values), max_new_tokens=_TOKENS, do_sample=False, num_beams=1
            )
            return [" ".join(text.split()) for text in self._tokenizer.batch_decode(tokens, skip_special_tokens=True)]


class Painter(Loaded):
    """A pipeline of diffusers that makes an image from a text, in its own size.

    Its networks are loaded one by one, so that weights that are lacking are found out. Of code there is only that of
    diffusers and transformers.

    Parameters
    ----------
    place : Place
        Holds ``model_index.json`` and a folder for each part.

    Raises
    ------
    NetworkError
        It is no such pipeline, or cannot be loaded.
    MissingExtraError
        torch or diffusers are not installed.
    """

    def __init__(self, place: Place) -> None:
        torch, diffusers, _ = require_libraries(f"The network {place.name}", "torch", "diffusers", "transformers")
        index = read_json(place.folder / "model_index.json")
        with quiet():
            kind: Any = getattr(diffusers, str(index.get("_class_name")), object)
        if diffusers.DiffusionPipeline not in getattr(kind, "__mro__", ()):
            raise NetworkError(
                f"{place.folder}: diffusers has no pipeline {index.get('_class_name')!r}; no other code is run."
            )
        device, dtype = device_of()
        parts = {
            name: load_model(part, place.folder / name, dtype=dtype, device=device)
            for name, part in _networks_of(index, place.folder).items()
        }
        with told(place.folder, NetworkError, "cannot be loaded"), quiet():
            pipeline = kind.from_pretrained(
                place.folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                torch_dtype=getattr(torch, dtype),
                **parts,
            )
        pipeline.set_progress_bar_config(disable=True)
        super().__init__(pipeline.to(device), device, dtype)
        self.name = place.name

    def paint(self, texts: Sequence[str], seeds: Sequence[int], *, steps: int, guidance: float) -> list[Pixels]:
        """Return an image for each text, uint8 (height, width, 3).

        Parameters
        ----------
        texts : sequence of str
        seeds : sequence of int
            One for each text, from 0 to 2**63 - 1: an image does not depend on its company.
        steps : int
            Of the sampler.
        guidance : float
            Weight of the text; 0 for networks that were made to do without.

        Raises
        ------
        MorelliError
            The network fails, or its own filter keeps an image back.
        """
        import torch

        made: list[Pixels] = []
        for begin in range(0, len(texts), self.batch):
            some = list(texts[begin : begin + self.batch])
            random = [torch.Generator("cpu").manual_seed(seed) for seed in seeds[begin : begin + self.batch]]
            with told(self.name):
                result = self.model(
                    prompt=some, num_inference_steps=steps, guidance_scale=guidance, generator=random, output_type="np"
                )
            flags = getattr(result, "nsfw_content_detected", None) or [False] * len(some)
            for text, flagged, image in zip(some, flags, result.images, strict=True):
                if flagged:
                    raise MorelliError(f'{self.name}: the filter of the pipeline keeps back what it made of "{text}".')
                made.append(self._levels(np.asarray(image, dtype=np.float32)))
        return made

    def _levels(self, image: NDArray[np.float32]) -> Pixels:
        if image.ndim != 3 or image.shape[2] != 3 or not np.isfinite(image).all():
            raise MorelliError(f"{self.name}: the pipeline gives no image of three channels.")
        levels = np.floor(image * np.float32(255) + np.float32(0.5))
        return np.asarray(np.clip(levels, 0, 255), dtype=np.uint8)


def _networks_of(index: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the classes of the parts of a pipeline that hold weights."""
    import diffusers
    import transformers

    found = {}
    for name, value in index.items():
        if name[:1] == "_" or not isinstance(value, list) or len(value) != 2 or value[0] is None:
            continue
        library, part = str(value[0]), str(value[1])
        if (library, part) == _FILTER:
            continue  # diffusers loads it; it makes no pixels
        kind = getattr({"diffusers": diffusers, "transformers": transformers}.get(library), part, None)
        if kind is None:
            raise NetworkError(f"{folder}: the part {name} is {library}.{part}, which is not known here.")
        if issubclass(kind, diffusers.ModelMixin | transformers.PreTrainedModel):
            found[name] = kind
    return found
