"""The registry of networks: one module per way of running them, one entry per model."""

from __future__ import annotations

from . import acnet, ncnn_nets, torch_nets
from .base import Network, Pixels, Upscaler

NETWORKS: dict[str, Network] = {
    network.name: network for module in (ncnn_nets, acnet, torch_nets) for network in module.NETWORKS
}

__all__ = ["NETWORKS", "Network", "Pixels", "Upscaler"]
