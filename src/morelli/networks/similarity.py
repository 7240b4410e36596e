"""How well a text fits an image: CLIP and SigLIP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from morelli.errors import NetworkError
from morelli.networks.inputs import read_inputs
from morelli.networks.loading import told
from morelli.networks.places import Place
from morelli.networks.tokens import read_tokenizer
from morelli.networks.transformer import Transformer

__all__ = ["SimilarityNetwork"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]


class SimilarityNetwork(Transformer):
    """A network that puts images and texts into one space.

    Parameters
    ----------
    place : Place
        Holds, beside the network, ``tokenizer.json``.

    Attributes
    ----------
    scale : float
        What a cosine is multiplied by for the network's own logits.

    Raises
    ------
    NetworkError
        It is of another kind, or cannot be loaded.
    MissingExtraError
        torch or transformers are not installed.
    """

    classes: ClassVar[Mapping[str, str]] = {"clip": "CLIPModel", "siglip": "SiglipModel"}

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.inputs, self._tokenizer = read_inputs(place.folder), read_tokenizer(place.folder)
        self.scale = float(self.model.logit_scale.float().exp().item())

    def of_texts(self, texts: list[str]) -> Float:
        """Return unit vectors of texts, float32 (k, d).

        Raises
        ------
        NetworkError
            The network cannot read them.
        """
        import torch

        config = self.model.config.text_config
        # SigLIP was trained on texts that were filled up to their greatest length, without a mask.
        whole = {"padding": "max_length"} if self.kind == "siglip" else {"padding": True}
        with told(self.name, NetworkError, "cannot read these texts"), torch.inference_mode():
            tokens = self._tokenizer(
                texts, max_length=config.max_position_embeddings, truncation=True, return_tensors="pt", **whole
            )
            given = {"input_ids": tokens["input_ids"].to(self.device)}
            if self.kind == "clip":
                given["attention_mask"] = tokens["attention_mask"].to(self.device)
            return self._unit(self.model.get_text_features(**given))

    def of_images(self, images: list[Pixels]) -> Float:
        """Return unit vectors of images, float32 (n, d).

        Raises
        ------
        MorelliError
            The network fails, or gives what are no numbers.
        """
        rows = self.in_batches(images, self.inputs, self._forward)
        return np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32)

    def _forward(self, images: list[Pixels], values: Float) -> list[Float]:
        with told(self.name):
            return list(self._unit(self.model.get_image_features(pixel_values=self.tensor(values))))

    def _unit(self, output: Any) -> Float:
        # Versions of transformers differ in whether they hand out the vectors or all that there is.
        vectors = getattr(output, "pooler_output", output).float().cpu().numpy()
        vectors = self.finite(np.asarray(vectors, dtype=np.float32))
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12)))
