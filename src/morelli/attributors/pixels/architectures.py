"""Sizes of networks on pixels, and how their weights begin: random by a seed, or from a pretrained network.

ConvNeXt: Z. Liu et al., "A ConvNet for the 2020s", CVPR 2022 (tiny, small and base); atto to nano are the sizes of R.
Wightman's PyTorch Image Models (timm). ResNet: K. He et al., "Deep residual learning for image recognition", CVPR 2016.
The layers are those of transformers.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MissingExtraError, MorelliError
from morelli.networks.loading import require_libraries
from morelli.networks.places import find_network

__all__ = ["SCRATCH", "SIZES", "Architecture", "arrays_of", "load_deep"]

SCRATCH = "scratch"
"""Where weights begin that are random."""

Arrays = Mapping[str, NDArray[Any]]

SIZES: dict[str, dict[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    "convnext": {
        "atto": ((2, 2, 6, 2), (40, 80, 160, 320)),
        "femto": ((2, 2, 6, 2), (48, 96, 192, 384)),
        "pico": ((2, 2, 6, 2), (64, 128, 256, 512)),
        "nano": ((2, 2, 8, 2), (80, 160, 320, 640)),
        "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
        "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
        "base": ((3, 3, 27, 3), (128, 256, 512, 1024)),
    },
    "resnet": {"50": ((3, 4, 6, 3), (256, 512, 1024, 2048))},
}
"""Blocks and channels of each stage, by kind and size."""

_MOST_BLOCKS, _MOST_CHANNELS = 100, 4096


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network without its weights.

    Attributes
    ----------
    kind : {"convnext", "resnet"}
    depths, widths : tuple of int
        Blocks and channels of each stage.
    layer_scale : float
        What a block of a ConvNeXt is multiplied by at the beginning of a training; 1e-6 in the paper.
    """

    kind: str
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    layer_scale: float = 1e-6

    @classmethod
    def of(cls, kind: str, size: str, layer_scale: float = 1e-6) -> Architecture:
        """Read a size: a published one by name, as in `SIZES`, or depths and widths as in ``1-1-2-1@32-64-96-128``.

        Raises
        ------
        MorelliError
            There is no such kind or size.

        Examples
        --------
        >>> Architecture.of("convnext", "atto").widths
        (40, 80, 160, 320)
        >>> Architecture.of("resnet", "1-2@16-32").depths
        (1, 2)
        """
        if kind not in SIZES:
            raise MorelliError(f"A network is of one of the kinds {', '.join(SIZES)}, not {kind!r}.")
        if size in SIZES[kind]:
            return cls(kind, *SIZES[kind][size], layer_scale)
        if not re.fullmatch(r"\d{1,3}(-\d{1,3})*@\d{1,4}(-\d{1,4})*", size):
            raise MorelliError(
                f"A {kind} has the size {', '.join(SIZES[kind])}, or depths and widths as in 1-1-2-1@32-64-96-128, not "
                f"{size!r}."
            )
        depths, widths = (tuple(int(word) for word in part.split("-")) for part in size.split("@"))
        good = len(depths) == len(widths) and min(*depths, *widths) >= 1
        if not good or sum(depths) > _MOST_BLOCKS or max(widths) > _MOST_CHANNELS:
            raise MorelliError(
                f"{size!r}: a network has as many depths as widths, at most {_MOST_BLOCKS} blocks and {_MOST_CHANNELS} "
                "channels, and none of them is 0."
            )
        return cls(kind, depths, widths, layer_scale)

    @property
    def stride(self) -> int:
        """Pixels that one number of the last stage stands for; a picture has to be as large."""
        return int(2 ** (len(self.depths) + 1))

    def build(self, n_classes: int, seed: int, start: str = SCRATCH) -> Any:
        """Return the network in torch, on the processor, ready to be trained.

        Parameters
        ----------
        n_classes : int
        seed : int
            Of random weights; the caller's random numbers are not touched.
        start : str, default "scratch"
            What :func:`morelli.networks.find_network` finds on this machine: a network of the same kind and size in
            transformers' format, as safetensors; its head is replaced. Nothing is downloaded.

        Raises
        ------
        MissingExtraError
            torch or transformers is not installed.
        MorelliError
            `start` cannot be had, or is another network.
        """
        torch, transformers = load_deep(self.kind)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            maker, config = _MAKERS[self.kind](transformers, self, n_classes)
            return maker(config) if start == SCRATCH else self._pretrained(maker, n_classes, start)

    def restore(self, n_classes: int, arrays: Arrays) -> Any:
        """Return the network in torch with weights as `arrays_of` gave them.

        Raises
        ------
        MorelliError
            They are of another network.
        """
        torch, _ = load_deep(self.kind)
        network = self.build(n_classes, 0)
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
        try:
            network.load_state_dict(tensors, strict=True)
        except RuntimeError as error:
            raise MorelliError(
                f"These weights are not of this network: {str(error).splitlines()[-1].strip()}"
            ) from error
        return network

    def _pretrained(self, maker: Any, n_classes: int, start: str) -> Any:
        from safetensors import SafetensorError

        folder = find_network(start, None).folder
        try:
            network, loaded = maker.from_pretrained(
                folder,
                num_labels=n_classes,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                use_safetensors=True,
                local_files_only=True,
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise MorelliError(
                f"No {self.kind} could be had from {start}: name a folder with config.json and model.safetensors, or a "
                f"repository in the hub's cache. {reason}"
            ) from error
        found = (network.config.model_type, tuple(network.config.depths), tuple(network.config.hidden_sizes))
        if found != (self.kind, self.depths, self.widths):
            raise MorelliError(
                f"{start} is a {found[0]} with depths {found[1]} and widths {found[2]}; wanted is a {self.kind} with "
                f"{self.depths} and {self.widths}. Choose the size that fits."
            )
        fresh = {str(key) for key in loaded["missing_keys"]} | {str(key[0]) for key in loaded["mismatched_keys"]}
        lost = sorted(name for name in fresh if not name.startswith("classifier"))
        if lost:
            raise MorelliError(f"{start} lacks {len(lost)} weights of a {self.kind}, {lost[0]} for one.")
        return network


def load_deep(kind: str) -> tuple[Any, Any]:
    """Return torch and transformers.

    Raises
    ------
    MissingExtraError
        One of them is not installed.
    """
    feature = f"The {kind} network"
    (torch,) = require_libraries(feature, "torch")
    try:
        return torch, importlib.import_module("transformers")
    except ImportError as error:
        raise MissingExtraError(feature, "deep") from error


def arrays_of(network: Any) -> dict[str, NDArray[Any]]:
    """Return copies of all weights and running statistics by name."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in sorted(network.state_dict().items())}


def _convnext(transformers: Any, of: Architecture, n_classes: int) -> tuple[Any, Any]:
    config = transformers.ConvNextConfig(
        depths=list(of.depths),
        hidden_sizes=list(of.widths),
        num_stages=len(of.depths),
        num_labels=n_classes,
        layer_scale_init_value=of.layer_scale,
        layer_norm_eps=1e-6,  # of the last normalisation, as published; transformers' own default is another
    )
    return transformers.ConvNextForImageClassification, config


def _resnet(transformers: Any, of: Architecture, n_classes: int) -> tuple[Any, Any]:
    config = transformers.ResNetConfig(
        depths=list(of.depths),
        hidden_sizes=list(of.widths),
        embedding_size=max(8, of.widths[0] // 4),
        num_labels=n_classes,
    )
    return transformers.ResNetForImageClassification, config


_MAKERS: dict[str, Callable[[Any, Architecture, int], tuple[Any, Any]]] = {"convnext": _convnext, "resnet": _resnet}
"""By kind, what gives transformers' class of the network and its configuration."""
