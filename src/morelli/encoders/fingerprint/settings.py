"""How a fingerprint network is trained."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from morelli.encoders.fingerprint.architecture import Architecture
from morelli.errors import MorelliError

__all__ = ["TrainingSettings"]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a fingerprint network is trained. What is set here decides the weights, with seed, images and steps.

    Attributes
    ----------
    architecture : Architecture
    classes : int
        Generators in a step, at most; drawn evenly, however many images each has.
    images : int
        Images of each generator in a step, where possible of different prompts, and of the same for all generators.
    patches : int
        Patches of each image in a step.
    learning_rate, weight_decay : float
        Of AdamW. The rate rises over the first 50 steps and stays; the weights that are kept are a running average,
        so that training may end, and go on, at any step.
    smoothing : float
        Of the labels, 0 to below 1.
    patch_loss : float
        Weight of the classification of single patches, beside that of the image's patches together.
    contrastive_loss : float
        Weight of the supervised contrastive loss.
    temperature : float
        Of the contrastive loss.
    degraded : float
        Share of images in a step that are seen through a random codec, resize or blur, 0 to 1.
    crop : int
        Side of the crops that are kept in memory, in pixels.
    crops : int
        Crops that are kept of each image, and again as many degraded ones.
    memory : int
        Bytes of crops that are kept, at most, unless fewer than two crops for each generator would be left.

    Raises
    ------
    MorelliError
        A value is out of its range.
    """

    architecture: Architecture = field(default_factory=Architecture)
    classes: int = 20
    images: int = 2
    patches: int = 6
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    patch_loss: float = 0.5
    contrastive_loss: float = 0.3
    temperature: float = 0.2
    degraded: float = 0.4
    crop: int = 160
    crops: int = 5
    memory: int = 512 << 20

    def __post_init__(self) -> None:
        good = {
            "classes": self.classes >= 2,
            "images": self.images >= 1,
            "patches": self.patches >= 1,
            "learning_rate": 0 < self.learning_rate < 1,
            "weight_decay": 0 <= self.weight_decay < 1,
            "smoothing": 0 <= self.smoothing < 1,
            "patch_loss": self.patch_loss >= 0,
            "contrastive_loss": self.contrastive_loss >= 0,
            "temperature": self.temperature > 0,
            "degraded": 0 <= self.degraded <= 1,
            "crop": self.crop >= self.architecture.patch,
            "crops": self.crops >= 1,
            "memory": self.memory >= 1,
        }
        for name, is_good in good.items():
            if not is_good:
                raise MorelliError(f"A fingerprint network cannot be trained with {name}={getattr(self, name)}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, JSON-ready."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**values, "architecture": self.architecture.to_dict()}
