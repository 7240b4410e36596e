"""Networks on pixels as registered attributors: one for each size and kind, for whole images and for native patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from morelli.attributors.pixels.architectures import SIZES, load_deep
from morelli.attributors.pixels.crops import seen_side
from morelli.attributors.pixels.network import PixelNetwork
from morelli.attributors.pixels.precision import precision_of
from morelli.attributors.pixels.recipe import FEW, PROCESSOR, Recipe, fingerprint_of, native
from morelli.attributors.registry import register_attributor
from morelli.encoders.pictures import PictureEncoder, Thumbnail, picture_encoder
from morelli.errors import MissingExtraError
from morelli.networks.devices import choose_device
from morelli.networks.loading import runtime

Blocks = Mapping[str, slice]

_UNIFIED = "Cekinmez et al. 2026, Guess the unified model"
_LEADERBOARDS = "Naseh et al. 2026, Identifying models behind text-to-image leaderboards"

_OF_ESTIMATOR = ("device", "threads", "random_state")

_SMALL_RESNET = replace(PROCESSOR, kind="resnet", size="1-1-1-1@32-64-96-128")
_RESNET = replace(FEW, kind="resnet", size="50", decay=0.05)


def _suited(recipe: Recipe, encoder: PictureEncoder) -> Recipe:
    """Return a recipe for what an encoder shows: 7/8 of a thumbnail's side, native patches whole and not resampled."""
    if isinstance(encoder, Thumbnail):
        return replace(recipe, side=seen_side(encoder.side))
    return native(recipe, encoder.side)


def _deciding(options: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return what decides the answers of a network of this kind: settings, and what ``auto`` and `start` stand for."""
    # Of a ResNet, whose batch normalisation sees portions, their size is one of the settings that do.
    idle = ("threads",) if kind == "resnet" else ("threads", "at_once")
    found = {name: value for name, value in options.items() if name not in idle}
    if "start" in found:
        found["start"] = fingerprint_of(str(found["start"]))
    try:
        torch, _ = load_deep(kind)
    except MissingExtraError:
        return found  # nothing can be trained here, and so nothing is kept under this; the trial says what is missing
    device = choose_device(torch, str(found.get("device", "auto")))
    precision = precision_of(torch, str(found.get("precision", "auto")), device)
    return {
        **found,
        "device": device,
        "precision": precision,
        "runtime": runtime("torch", "transformers", device=False),
    }


def _register(name: str, recipe: Recipe, encoder: str, summary: str, source: str) -> None:
    # In a comparison, a rival that learns nothing is a finding, and its calibration out of fold says so.
    recipe = replace(recipe, check=0.0)

    @register_attributor(
        name,
        summary=summary,
        source=source,
        encoder=encoder,
        n_folds=2,
        pixels=True,
        deciding=partial(_deciding, kind=recipe.kind),
    )
    def make(blocks: Blocks, *, seed: int, level: float, **options: Any) -> PixelNetwork:
        """Return the estimator for the encoder whose block it is given."""
        load_deep(recipe.kind)  # now, and not after an hour of measuring images
        shown = picture_encoder(next(iter(blocks), encoder))
        own = {key: value for key, value in options.items() if key in _OF_ESTIMATOR}
        rest = {key: value for key, value in options.items() if key not in _OF_ESTIMATOR}
        suited = _suited(recipe, shown).with_settings(rest)
        return PixelNetwork(suited, **{"patches": shown.patches, "random_state": seed, **own})


for _size in SIZES["convnext"]:
    _name, _recipe = f"convnext-{_size}", replace(FEW, size=_size)
    _register(
        _name,
        _recipe,
        "thumbnail-256",
        f"ConvNeXt-{_size.capitalize()} on 224 pixels of the whole image, from scratch, by the published recipe.",
        _UNIFIED,
    )
    _register(
        f"{_name}:patches",
        _recipe,
        "patches-64x16",
        f"ConvNeXt-{_size.capitalize()} on 16 native patches of 64 pixels, from scratch; their mean word.",
        _UNIFIED,
    )
_register(
    "convnext-tiny:small",
    PROCESSOR,
    "thumbnail-64",
    "A ConvNeXt of 0.4 M weights on 56 pixels, for a processor.",
    _UNIFIED,
)
_register(
    "convnext-tiny:small-patches",
    PROCESSOR,
    "patches-64x16",
    "A ConvNeXt of 0.4 M weights on 16 native patches of 64 pixels, for a processor; their mean word.",
    _UNIFIED,
)
_register("resnet50", _RESNET, "thumbnail-256", "ResNet-50 on 224 pixels, from scratch.", _LEADERBOARDS)
_register(
    "resnet50:small",
    _SMALL_RESNET,
    "thumbnail-64",
    "A ResNet of four blocks on 56 pixels, for a processor.",
    _LEADERBOARDS,
)
