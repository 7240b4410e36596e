"""Probes that need a network: depth, masks, what stands out, classes, an autoencoder, and a caption painted anew.

A network is named as :func:`morelli.networks.find_network` has it: by its name, by a folder, or by its id on the hub
where it is in the hub's cache. The weights are part of what caches know the view by.
"""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from morelli.networks import MODEL, open_network, recipe_of
from morelli.views._painting import grey_of, outlines_of, paint_areas, paint_classes
from morelli.views.info import Parameter, Pixels
from morelli.views.registry import register_view

__all__: list[str] = []

_ALLOWED = "the name or folder of a network, without blanks, commas, + or | (see morelli networks name)"
_POINTS = Parameter("points", "on each side of the grid that masks are asked for at", 1, 64, whole=True, default=32)
_PAIR = re.compile(rf"{MODEL.pattern}\+{MODEL.pattern}")


def _model(default: str) -> Parameter:
    return Parameter("model", "the network", default=default, pattern=MODEL, allowed=_ALLOWED)


# -- depth -------------------------------------------------------------------------------------------------------------


def _depths(images: list[Pixels], model: str) -> list[Pixels]:
    from morelli.networks.depth import DepthNetwork

    network = open_network(model, "depth", DepthNetwork)
    return [grey_of(plane, stretch=True) for plane in network.nearness(images)]


@register_view(
    "depth",
    "How near each pixel is, as a network sees it: the nearest is white, the farthest black",
    _model("depth-anything-v2-small"),
    group="structure",
    costly=True,
    batch=_depths,
    recipe=partial(recipe_of, task="depth"),
)
def _depth(pixels: Pixels, model: str) -> Pixels:
    return _depths([pixels], model)[0]


# -- masks of all things -----------------------------------------------------------------------------------------------


def _mask_recipe(model: str, points: int) -> str:
    return recipe_of(model, "masks")


def _areas(images: list[Pixels], model: str, points: int) -> list[Pixels]:
    from morelli.networks.masks import MaskNetwork

    network = open_network(model, "masks", MaskNetwork)
    return [paint_areas(network.masks([pixels], points)[0], *pixels.shape[:2]) for pixels in images]


@register_view(
    "segmentation",
    "Masks of all things and parts of things, each in one colour: the largest first, black where there is none",
    _model("sam-vit-base"),
    _POINTS,
    group="structure",
    costly=True,
    batch=_areas,
    recipe=_mask_recipe,
)
def _segmentation(pixels: Pixels, model: str, points: int) -> Pixels:
    return _areas([pixels], model, points)[0]


def _outlines(images: list[Pixels], model: str, points: int) -> list[Pixels]:
    from morelli.networks.masks import MaskNetwork

    network = open_network(model, "masks", MaskNetwork)
    return [outlines_of(network.masks([pixels], points)[0], *pixels.shape[:2]) for pixels in images]


@register_view(
    "contours",
    "Outlines of the masks of segmentation, white on black",
    _model("sam-vit-base"),
    _POINTS,
    group="structure",
    costly=True,
    batch=_outlines,
    recipe=_mask_recipe,
)
def _contours(pixels: Pixels, model: str, points: int) -> Pixels:
    return _outlines([pixels], model, points)[0]


# -- one mask, and classes ---------------------------------------------------------------------------------------------


def _standing_out(images: list[Pixels], model: str) -> list[Pixels]:
    from morelli.networks.salient import SalientNetwork

    network = open_network(model, "salient", SalientNetwork)
    return [grey_of(mask, stretch=False) for mask in network.masks(images)]


@register_view(
    "salient",
    "What stands out, white on black",
    _model("ormbg"),
    group="structure",
    costly=True,
    batch=_standing_out,
    recipe=partial(recipe_of, task="salient"),
)
def _salient(pixels: Pixels, model: str) -> Pixels:
    return _standing_out([pixels], model)[0]


def _classes(images: list[Pixels], model: str) -> list[Pixels]:
    from morelli.networks.semantic import SemanticNetwork

    network = open_network(model, "semantic", SemanticNetwork)
    return [paint_classes(labels) for labels in network.labels(images)]


@register_view(
    "semantic",
    "The class of each pixel (sky, wall, tree), each in one colour that is the same in all images",
    _model("upernet-convnext-small-ade"),
    group="structure",
    costly=True,
    batch=_classes,
    recipe=partial(recipe_of, task="semantic"),
)
def _semantic(pixels: Pixels, model: str) -> Pixels:
    return _classes([pixels], model)[0]


# -- made again --------------------------------------------------------------------------------------------------------


def _round_trips(images: list[Pixels], model: str) -> list[Pixels]:
    from morelli.networks.autoencoder import Autoencoder

    return open_network(model, "autoencoder", Autoencoder).round_trips(images)


@register_view(
    "vae",
    "Encoded and decoded by the autoencoder of a latent diffusion model, in the native size",
    _model("sd-vae-ft-mse"),
    group="structure",
    costly=True,
    batch=_round_trips,
    recipe=partial(recipe_of, task="autoencoder"),
)
def _vae(pixels: Pixels, model: str) -> Pixels:
    return _round_trips([pixels], model)[0]


def _recaptions(
    images: list[Pixels], rngs: list[np.random.Generator], models: str, steps: int, guidance: float
) -> list[Pixels]:
    from morelli.networks.captions import CaptionNetwork, Painter

    writer, painter = models.split("+")
    texts = open_network(writer, "caption", CaptionNetwork).captions(images)
    seeds = [int(rng.integers(1 << 63)) for rng in rngs]
    return open_network(painter, "painter", Painter).paint(texts, seeds, steps=steps, guidance=guidance)


def _recaption_recipe(models: str, steps: int, guidance: float) -> str:
    writer, painter = models.split("+")
    return f"{recipe_of(writer, 'caption')}; {recipe_of(painter, 'painter')}"


@register_view(
    "recaption",
    "A caption by one network, painted anew by another in its own size: only what words say stays",
    Parameter(
        "models",
        "the one that writes and the one that paints",
        default="blip-base+sd-turbo",
        pattern=_PAIR,
        allowed="two networks with + between them, named without blanks, commas, + or |",
    ),
    Parameter("steps", "of the sampler", 1, 200, whole=True, default=1),
    Parameter("guidance", "weight of the text; 0 for networks made to do without", 0, 30, default=0.0),
    group="structure",
    seeded=True,
    costly=True,
    batch=_recaptions,
    recipe=_recaption_recipe,
)
def _recaption(pixels: Pixels, rng: np.random.Generator, models: str, steps: int, guidance: float) -> Pixels:
    return _recaptions([pixels], [rng], models, steps, guidance)[0]
