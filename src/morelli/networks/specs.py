"""The networks that are known by name: what each is for, whose it is, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from morelli.errors import MorelliError

__all__ = ["TASKS", "NetworkSpec", "get_network", "is_known", "list_networks"]

TASKS = {
    "depth": "how far away each pixel is",
    "masks": "masks of all things and parts of things",
    "salient": "a mask of what stands out",
    "semantic": "the class of each pixel",
    "autoencoder": "an image from its latent code",
    "caption": "a sentence about an image",
    "painter": "an image from a sentence",
    "similarity": "how well a text fits an image",
}
"""What networks are used for here, and what each gives."""

_TRANSFORMERS = ("config.json", "preprocessor_config.json", "model.safetensors")
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network that somebody has published.

    Attributes
    ----------
    name : str
        What it is called here.
    task : str
        One of `TASKS`.
    summary : str
        One sentence for people.
    licence : str
        Of the weights, as their publisher states it. They are not part of Morelli and not under its licence.
    repository : str
        On the Hugging Face hub.
    files : tuple of str
        What is needed of it; ``*`` stands for any part of a name.
    optional : tuple of str
        What is taken along where it is there.
    revision : str or None
        A commit; None where none is known to us: then the newest is resolved to a commit when it is fetched, and kept.
    extra : mapping
        Files of JSON that are written beside the weights, by name: what the repository itself does not say.
    """

    name: str
    task: str
    summary: str
    licence: str
    repository: str
    files: tuple[str, ...] = _TRANSFORMERS
    optional: tuple[str, ...] = ()
    revision: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


_SPECS = (
    NetworkSpec(
        name="depth-anything-v2-small",
        task="depth",
        summary="Depth Anything V2, small: relative depth of a single image.",
        licence="Apache-2.0",
        repository="depth-anything/Depth-Anything-V2-Small-hf",
        revision="5426e4f0f36572d16453bbda7a8389317b1bef99",
    ),
    NetworkSpec(
        name="depth-anything-v2-large",
        task="depth",
        summary="Depth Anything V2, large.",
        licence="CC-BY-NC-4.0",
        repository="depth-anything/Depth-Anything-V2-Large-hf",
    ),
    NetworkSpec(
        name="sam-vit-base",
        task="masks",
        summary="Segment Anything, ViT-B.",
        licence="Apache-2.0",
        repository="facebook/sam-vit-base",
        revision="70c1a07f894ebb5b307fd9eaaee97b9dfc16068f",
    ),
    NetworkSpec(
        name="sam2.1-hiera-tiny",
        task="masks",
        summary="Segment Anything 2.1, Hiera tiny.",
        licence="Apache-2.0",
        repository="facebook/sam2.1-hiera-tiny",
        revision="de431c4043854a71d8101e17995dfe596bf101a5",
    ),
    NetworkSpec(
        name="ormbg",
        task="salient",
        summary="Open RMBG, an IS-Net as ONNX: mask of what stands out, made for pictures of people.",
        licence="Apache-2.0",
        repository="schirrmacher/ormbg",
        files=("ormbg.onnx",),
        revision="6253b318240ef7a8670017b88d242f9f87f5abeb",
        # Not IS-Net's usual levels less 128: this one was trained on levels from 0 to 1.
        extra={"mask.json": {"file": "ormbg.onnx", "size": [1024, 1024], "mean": [0] * 3, "std": [255] * 3}},
    ),
    NetworkSpec(
        name="upernet-convnext-small-ade",
        task="semantic",
        summary="UPerNet with ConvNeXt small of ADE20K, 150 classes.",
        licence="MIT",
        repository="openmmlab/upernet-convnext-small",
    ),
    NetworkSpec(
        name="segformer-b0-ade",
        task="semantic",
        summary="SegFormer B0 of ADE20K, 150 classes.",
        licence="NVIDIA Source Code License (no commercial use)",
        repository="nvidia/segformer-b0-finetuned-ade-512-512",
    ),
    NetworkSpec(
        name="sd-vae-ft-mse",
        task="autoencoder",
        summary="The autoencoder of Stable Diffusion 1, fine-tuned.",
        licence="MIT",
        repository="stabilityai/sd-vae-ft-mse",
        files=("config.json", "diffusion_pytorch_model.safetensors"),
        revision="31f26fdeee1355a5c34592e401dd41e45d25a493",
    ),
    NetworkSpec(
        name="blip-base",
        task="caption",
        summary="BLIP base: captions.",
        licence="BSD-3-Clause",
        repository="Salesforce/blip-image-captioning-base",
        files=(*_TRANSFORMERS, "tokenizer.json"),
        optional=("tokenizer_config.json", "special_tokens_map.json"),
    ),
    NetworkSpec(
        name="sd-turbo",
        task="painter",
        summary="SD-Turbo: an image in one step.",
        licence="Stability AI Community License",
        repository="stabilityai/sd-turbo",
        revision="b261bac6fd2cf515557d5d0707481eafa0485ec2",
        files=(
            "model_index.json",
            "scheduler/*.json",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "tokenizer/*",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
        ),
    ),
    NetworkSpec(
        name="siglip-base",
        task="similarity",
        summary="SigLIP base, patches of 16 pixels: images and texts.",
        licence="Apache-2.0",
        repository="google/siglip-base-patch16-224",
        files=(*_TRANSFORMERS, "tokenizer.json"),
        optional=("tokenizer_config.json", "special_tokens_map.json", "spiece.model"),
        revision="7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed",
    ),
    NetworkSpec(
        name="clip-vit-l14",
        task="similarity",
        summary="CLIP ViT-L/14: images and texts.",
        licence="MIT",
        repository="openai/clip-vit-large-patch14",
        files=(*_TRANSFORMERS, *_TOKENIZER),
        optional=("vocab.json", "merges.txt"),
        revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
    ),
)


def list_networks(task: str | None = None) -> list[NetworkSpec]:
    """Return all specs, or those for one task, of which the first is what views and commands take by default."""
    return [spec for spec in _SPECS if task in (None, spec.task)]


def is_known(name: str) -> bool:
    """Say whether a network has this name."""
    return any(spec.name == name for spec in _SPECS)


def get_network(name: str) -> NetworkSpec:
    """Return the spec called `name`.

    Raises
    ------
    MorelliError
        There is none.
    """
    for spec in _SPECS:
        if spec.name == name:
            return spec
    raise MorelliError(f"No network is called {name!r}; there are: {', '.join(spec.name for spec in _SPECS)}.")
