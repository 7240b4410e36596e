"""Tiny networks with random weights, saved in the hub's format or as plain modules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from morelli.encoders.pretrained import Preprocessing

SIZE = 32
VIT = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": SIZE, "patch_size": 8,
}  # fmt: skip
TEXT = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 64}
SQUARE = {"size": {"height": SIZE, "width": SIZE}, "resample": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
CROP = {**SQUARE, "size": {"shortest_edge": 40}, "crop_size": {"height": SIZE, "width": SIZE}, "do_center_crop": True,
        "resample": 3}  # fmt: skip
KINDS = {
    "clip": ("CLIPModel", "CLIPConfig", {"vision_config": VIT, "text_config": TEXT, "projection_dim": 10}, CROP),
    "siglip": ("SiglipModel", "SiglipConfig", {"vision_config": VIT, "text_config": TEXT}, SQUARE),
    "dinov2": ("Dinov2Model", "Dinov2Config", {**VIT, "mlp_ratio": 2}, CROP),
}
PLAIN = Preprocessing(SIZE, (0.5,) * 3, (0.5,) * 3, fit="stretch")


def libraries() -> tuple[Any, Any]:
    torch = pytest.importorskip("torch", reason="needs the deep extra")
    return torch, pytest.importorskip("transformers", reason="needs the deep extra")


def save(kind: str, folder: Path, seed: int = 0) -> Path:
    torch, transformers = libraries()
    network, config, settings, preprocessor = KINDS[kind]
    torch.manual_seed(seed)
    model = getattr(transformers, network)(getattr(transformers, config)(**settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.2)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder


def convnet(seed: int = 0) -> Any:
    """A small convolutional network that sees colour and edges, as a plain module."""
    torch, _ = libraries()
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 12, 5, stride=2), torch.nn.Tanh(), torch.nn.Conv2d(12, 16, 3, stride=2), torch.nn.Tanh(),
        torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(),
    )  # fmt: skip
