"""Convolutional networks on pixels, from scratch: ConvNeXt and ResNet by transformers, trained here."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.attributors.registry import register_attributor
from morelli.attributors.rivals._base import Blocks, Float, Rival
from morelli.encoders.rivals import unpack_pixels
from morelli.errors import MissingExtraError, MorelliError

__all__ = ["PixelNetwork"]

_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_SPREAD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
"""Of ImageNet's channels, by custom: any fixed numbers near those of pictures would do."""

_BETAS = (0.9, 0.95)
_SMOOTHING = 0.1
_LAST_RATE = 1e-6
_WARM_UP = 1 / 15

Architecture = Literal["convnext", "resnet"]


class PixelNetwork(Rival):
    """A network on thumbnails, trained from random weights.

    The recipe is that of "Guess the unified model" (Cekinmez et al. 2026) and its line of work as far as it suits a
    few references: AdamW with betas 0.9 and 0.95, a cosine schedule after a fifteenth of warm-up, label smoothing of
    0.1, random crops and flips; no RandAugment, mixup or cutmix, which are meant for a hundred thousand images. It
    judges the middle crop.

    Parameters
    ----------
    architecture : {"convnext", "resnet"}
        ConvNeXt of Liu et al. (2022), "A ConvNet for the 2020s", or ResNet with bottlenecks of He et al. (2016).
    depths, widths : sequence of int
        Blocks and channels of each stage.
    side : int
        Pixels of the crops; at most those of the thumbnails.
    epochs, batch : int
    learning_rate, decay : float
        Highest learning rate, and weight decay.
    device : str, default "auto"
        ``auto`` is the first CUDA device, or the processor where there is none.
    random_state : int, default 0
        Of weights, order, crops and flips. The same seed gives the same network on the same machine; sums come out
        differently in their last digits on another.
    """

    def __init__(
        self,
        architecture: Architecture = "convnext",
        *,
        depths: Sequence[int] = (3, 3, 9, 3),
        widths: Sequence[int] = (96, 192, 384, 768),
        side: int = 224,
        epochs: int = 30,
        batch: int = 64,
        learning_rate: float = 1e-3,
        decay: float = 0.3,
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.architecture = architecture
        self.depths = depths
        self.widths = widths
        self.side = side
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.decay = decay
        self.device = device
        self.random_state = random_state

    def _learn(self, X: NDArray[Any], codes: NDArray[np.integer], groups: ArrayLike | None) -> None:
        torch, transformers = _deep(self.architecture)
        pictures = unpack_pixels(X)
        if not 32 <= self.side <= pictures.shape[1]:
            raise ValueError(f"side is {self.side}, but thumbnails of {pictures.shape[1]} pixels allow 32 to that")
        device = ("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device
        steps = self.epochs * math.ceil(len(pictures) / self.batch)
        rng = np.random.default_rng(self.random_state)
        # The seed is torch's own, one for the process: it is put back when this is over.
        with torch.random.fork_rng(), torch.backends.cudnn.flags(deterministic=True, benchmark=False):
            torch.manual_seed(self.random_state)
            network = self._network(transformers, len(self.classes_)).to(device).train()
            optimiser = torch.optim.AdamW(
                network.parameters(), lr=self.learning_rate, betas=_BETAS, weight_decay=self.decay
            )
            loss_of = torch.nn.CrossEntropyLoss(label_smoothing=_SMOOTHING)
            for step, rows in enumerate(self._batches(len(pictures), rng)):
                for group in optimiser.param_groups:
                    group["lr"] = _rate(step, steps, self.learning_rate)
                seen = _tensor(torch, _augmented(pictures[rows], self.side, rng), device)
                loss = loss_of(network(pixel_values=seen).logits, torch.from_numpy(codes[rows]).to(device))
                if not bool(torch.isfinite(loss)):
                    raise MorelliError(
                        f"Training {self.architecture} diverged at step {step} of {steps}; lower its learning rate."
                    )
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
        self.network_ = network.eval()
        self.device_ = device

    def _logits(self, X: NDArray[Any]) -> Float:
        torch, _ = _deep(self.architecture)
        pictures = unpack_pixels(X)
        margin = (pictures.shape[1] - self.side) // 2
        middle = pictures[:, margin : margin + self.side, margin : margin + self.side]
        parts = [np.empty((0, len(self.classes_)))]
        with torch.no_grad(), torch.backends.cudnn.flags(deterministic=True, benchmark=False):
            for start in range(0, len(middle), self.batch):
                seen = _tensor(torch, middle[start : start + self.batch], self.device_)
                parts.append(self.network_(pixel_values=seen).logits.double().cpu().numpy())
        return np.concatenate(parts)

    def _network(self, transformers: Any, n_classes: int) -> Any:
        depths, widths = list(self.depths), list(self.widths)
        if self.architecture == "convnext":
            config = transformers.ConvNextConfig(
                depths=depths, hidden_sizes=widths, num_stages=len(depths), num_labels=n_classes, image_size=self.side
            )
            return transformers.ConvNextForImageClassification(config)
        if self.architecture == "resnet":
            config = transformers.ResNetConfig(
                depths=depths, hidden_sizes=widths, embedding_size=max(8, widths[0] // 4), num_labels=n_classes
            )
            return transformers.ResNetForImageClassification(config)
        raise ValueError(f'architecture must be "convnext" or "resnet", not {self.architecture!r}')

    def _batches(self, n: int, rng: np.random.Generator) -> Iterator[NDArray[np.integer]]:
        """Yield the rows of each step; batches of equal size, so that none has one image, which has no variance."""
        for _ in range(self.epochs):
            yield from np.array_split(rng.permutation(n), math.ceil(n / self.batch))


def _deep(architecture: str) -> tuple[Any, Any]:
    try:
        return importlib.import_module("torch"), importlib.import_module("transformers")
    except ImportError as error:
        raise MissingExtraError(f"The {architecture} network", "deep") from error


def _rate(step: int, steps: int, highest: float) -> float:
    """Return the learning rate of a step: linear warm-up, then half a cosine."""
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return highest * (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return _LAST_RATE + (highest - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done))


def _augmented(pictures: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    n, size = len(pictures), pictures.shape[1]
    corners = rng.integers(0, size - side + 1, size=(n, 2))
    flips = rng.random(n) < 0.5
    crops = np.stack([p[y : y + side, x : x + side] for p, (y, x) in zip(pictures, corners, strict=True)])
    crops[flips] = crops[flips, :, ::-1]
    return crops


def _tensor(torch: Any, pictures: NDArray[np.uint8], device: str) -> Any:
    values = (pictures.astype(np.float32) / 255 - _MEAN) / _SPREAD
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2))).to(device)


_UNIFIED = "Cekinmez et al. 2026, Guess the unified model"
_LEADERBOARDS = "Naseh et al. 2026, Identifying models behind text-to-image leaderboards"


def _made(architecture: Architecture, seed: int, **settings: Any) -> PixelNetwork:
    _deep(architecture)  # now, and not after an hour of measuring images
    return PixelNetwork(architecture, **{"random_state": seed, **settings})


@register_attributor(
    "convnext-tiny",
    summary="ConvNeXt-Tiny on 224 pixels, from scratch.",
    source=_UNIFIED,
    encoder="thumbnail-256",
    n_folds=2,
    pixels=True,
)
def _convnext(blocks: Blocks, *, seed: int, level: float, **options: Any) -> PixelNetwork:
    return _made("convnext", seed, **options)


@register_attributor(
    "convnext-tiny:small",
    summary="A ConvNeXt of 0.4 M weights on 56 pixels, for a processor.",
    source=_UNIFIED,
    encoder="thumbnail-64",
    n_folds=2,
    pixels=True,
)
def _convnext_small(blocks: Blocks, *, seed: int, level: float, **options: Any) -> PixelNetwork:
    small = {"depths": (1, 1, 2, 1), "widths": (32, 64, 96, 128), "side": 56, "batch": 32, "decay": 0.05}
    return _made("convnext", seed, **{**small, **options})


@register_attributor(
    "resnet50",
    summary="ResNet-50 on 224 pixels, from scratch.",
    source=_LEADERBOARDS,
    encoder="thumbnail-256",
    n_folds=2,
    pixels=True,
)
def _resnet(blocks: Blocks, *, seed: int, level: float, **options: Any) -> PixelNetwork:
    settings = {"depths": (3, 4, 6, 3), "widths": (256, 512, 1024, 2048), "decay": 0.05}
    return _made("resnet", seed, **{**settings, **options})


@register_attributor(
    "resnet50:small",
    summary="A ResNet of four blocks on 56 pixels, for a processor.",
    source=_LEADERBOARDS,
    encoder="thumbnail-64",
    n_folds=2,
    pixels=True,
)
def _resnet_small(blocks: Blocks, *, seed: int, level: float, **options: Any) -> PixelNetwork:
    small = {"depths": (1, 1, 1, 1), "widths": (32, 64, 96, 128), "side": 56, "batch": 32, "decay": 0.05}
    return _made("resnet", seed, **{**small, **options})
