"""How a network on pixels is trained, in one frozen value; the published recipe is the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from morelli.attributors.pixels.architectures import SCRATCH, Architecture
from morelli.encoders.self_test import hash_of_recipe
from morelli.errors import MorelliError
from morelli.networks.places import find_network

__all__ = ["FEW", "PROCESSOR", "PUBLISHED", "RECIPES", "Recipe", "fingerprint_of", "native"]

PRECISIONS = ("auto", "fp32", "bf16", "fp16")

_FREE = ("at_once", "check")
"""Settings that decide how a training goes on, and not what it computes (up to the order of sums)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of a training. The defaults are the published recipe.

    It is that of "Guess the unified model" (Cekinmez et al. 2026) as its line of work gives it: Zeng, Yin and Liu,
    "Understanding bias in large-scale visual datasets", NeurIPS 2024, after Liu and He, "A decade's battle on dataset
    bias", 2024. What they leave open is as in the code of ConvNeXt.

    Attributes
    ----------
    kind, size : str
        See `Architecture.of`.
    layer_scale : float
        What blocks of a ConvNeXt begin with.
    start : str
        ``scratch``, or what names pretrained weights, see `Architecture.build`.
    side : int
        Pixels of what the network sees, 32 to 384.
    epochs : int
        Passes over all images.
    warm_up : float
        Epochs in which the learning rate rises; half of them, where there are fewer than twice as many.
    batch : int
        Images of a step, in all processes together; all images, where there are fewer.
    at_once : int
        Images that a device sees at once; more are a matter of its memory. Steps are put together from as many passes
        as it takes.
    learning_rate, last_rate : float
        Highest and last, at `rate_batch` images a step; both are scaled linearly with the images of a step.
    rate_batch : int
    decay : float
        Weight decay of AdamW; biases, normalisations and layer scales have none.
    beta1, beta2 : float
        Of AdamW.
    clip : float
        Largest norm of a step's gradient; 0 for no bound.
    smallest_crop : float
        Least share of a picture's area that is cut out and resized, 1 for crops in the picture's own resolution.
    flip : bool
        Whether pictures are mirrored at random.
    randaugment, randaugment_spread : float
        Magnitude, 0 to 10, and standard deviation of RandAugment's two operations; magnitude 0 for none.
    mixup, cutmix : float
        Parameters of the beta distributions; 0 for none. With both, each pair of pictures gets one or the other.
    smoothing : float
        Of the labels, 0 to below 1.
    precision : {"auto", "fp32", "bf16", "fp16"}
        ``auto`` is fp32 on a processor, bf16 on a CUDA device that has it, and else fp16.
    check : float
        Share of the training after which the loss must have left that of a network that knows nothing; 0 for never.

    Raises
    ------
    MorelliError
        A value is out of its range.
    """

    kind: str = "convnext"
    size: str = "tiny"
    layer_scale: float = 1e-6
    start: str = SCRATCH
    side: int = 224
    epochs: int = 30
    warm_up: float = 2.0
    batch: int = 4096
    at_once: int = 64
    learning_rate: float = 1e-3
    last_rate: float = 1e-6
    rate_batch: int = 4096
    decay: float = 0.3
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 0.0
    smallest_crop: float = 0.08
    flip: bool = True
    randaugment: float = 9.0
    randaugment_spread: float = 0.5
    mixup: float = 0.8
    cutmix: float = 1.0
    smoothing: float = 0.1
    precision: str = "auto"
    check: float = 0.3

    def __post_init__(self) -> None:
        for each in fields(self):
            self._convert(each.name)
        good = {
            "layer_scale": 0 < self.layer_scale <= 1,
            "side": 32 <= self.side <= 384,
            "epochs": self.epochs >= 1,
            "warm_up": self.warm_up >= 0,
            "batch": self.batch >= 1,
            "at_once": self.at_once >= 1,
            "learning_rate": 0 <= self.learning_rate < 1,
            "last_rate": 0 <= self.last_rate < 1,
            "rate_batch": self.rate_batch >= 1,
            "decay": 0 <= self.decay < 10,
            "beta1": 0 <= self.beta1 < 1,
            "beta2": 0 <= self.beta2 < 1,
            "clip": self.clip >= 0,
            "smallest_crop": 0 < self.smallest_crop <= 1,
            "randaugment": 0 <= self.randaugment <= 10,
            "randaugment_spread": 0 <= self.randaugment_spread <= 10,
            "mixup": 0 <= self.mixup <= 100,
            "cutmix": 0 <= self.cutmix <= 100,
            "smoothing": 0 <= self.smoothing < 1,
            "precision": self.precision in PRECISIONS,
            "check": 0 <= self.check <= 1,
        }
        for name, is_good in good.items():
            if not is_good:
                raise MorelliError(f"A network on pixels cannot be trained with {name}={getattr(self, name)}.")
        if self.side < self.architecture.stride:
            raise MorelliError(
                f"Pictures of {self.side} pixels are too small for {len(self.architecture.depths)} stages: they need "
                f"{self.architecture.stride}."
            )

    def _convert(self, name: str) -> None:
        """Take whole numbers for reals and the reverse, as a command line gives them, and nothing else."""
        value, kind = getattr(self, name), type(_DEFAULTS[name])
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            object.__setattr__(self, name, float(value))
        elif kind is int and isinstance(value, float) and value.is_integer():
            object.__setattr__(self, name, int(value))
        elif type(value) is not kind:
            raise MorelliError(f"{name} of a network on pixels is of the type {kind.__name__}, not {value!r}.")

    @property
    def architecture(self) -> Architecture:
        """The network without its weights."""
        return Architecture.of(self.kind, self.size, self.layer_scale)

    def with_settings(self, settings: Mapping[str, Any]) -> Recipe:
        """Return the recipe with other settings, which are words and numbers.

        Raises
        ------
        MorelliError
            There is no such setting, or it cannot have this value.
        """
        names = {each.name for each in fields(self)}
        unknown = sorted(set(settings) - names)
        if unknown:
            raise MorelliError(
                f"A network on pixels has no setting {', '.join(unknown)}; there are: {', '.join(sorted(names))}."
            )
        return replace(self, **settings)

    def read_settings(self, texts: Mapping[str, str]) -> Recipe:
        """Return the recipe with other settings, written as text. Raises as `with_settings`.

        Examples
        --------
        >>> PUBLISHED.read_settings({"mixup": "0", "flip": "no", "size": "atto"}).mixup
        0.0
        """
        return self.with_settings({name: _read(name, text) for name, text in texts.items()})

    def signature(self) -> dict[str, Any]:
        """Return what decides the weights, JSON-ready; of pretrained weights that is their content, wherever they are.

        Raises
        ------
        NetworkError
            The pretrained weights are not on this machine.
        """
        decides = {name: value for name, value in self.to_dict().items() if name not in _FREE}
        return {**decides, "start": fingerprint_of(self.start)}

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that change whenever the weights do."""
        return hash_of_recipe(self.signature())

    def to_dict(self) -> dict[str, Any]:
        """Return all settings, JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Rebuild from `to_dict`. Raises as `with_settings`."""
        return PUBLISHED.with_settings(values)


def fingerprint_of(start: str) -> str:
    """Return what stands for a start in keys: the content of its files, or the word for random weights.

    Raises
    ------
    NetworkError
        It is not on this machine.
    """
    return start if start == SCRATCH else find_network(start, None).fingerprint


_DEFAULTS: dict[str, Any] = {each.name: each.default for each in fields(Recipe)}

PUBLISHED = Recipe()
"""For hundreds of thousands of images and GPUs."""

FEW = replace(PUBLISHED, batch=64, rate_batch=64, clip=1.0)
"""The published recipe for dozens to thousands of references: steps of 64 images with the same learning rate, since a
step of 4096 would be more than there are; and a bound on gradients."""

PROCESSOR = replace(
    FEW,
    size="1-1-2-1@32-64-96-128",
    layer_scale=1.0,
    side=56,
    batch=32,
    rate_batch=32,
    learning_rate=2e-3,
    at_once=32,
    decay=0.05,
    smallest_crop=1.0,
    randaugment=0.0,
    mixup=0.0,
    cutmix=0.0,
)
"""A ConvNeXt of 0.4 million weights that learns in a minute on a processor: crops in the picture's own resolution, and
no augmentation that is meant for a hundred thousand images."""

RECIPES = {"published": PUBLISHED, "few": FEW, "processor": PROCESSOR}


def native(recipe: Recipe, side: int) -> Recipe:
    """Return a recipe for native patches: nothing in it resizes, turns or shifts pixels by parts of their own.

    Interpolation would take away what the patches are looked at for, so that random resized crops and RandAugment are
    left out; flips, mixup and cutmix stay.
    """
    return replace(recipe, side=side, smallest_crop=1.0, randaugment=0.0)


_WORDS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def _read(name: str, text: str) -> Any:
    """Return the value that a text stands for, by the type of the setting; text where there is no such setting."""
    default = _DEFAULTS.get(name, "")
    try:
        if isinstance(default, bool):
            return _WORDS[text.lower()]
        return (
            type(default)(float(text)) if isinstance(default, int) and float(text).is_integer() else type(default)(text)
        )
    except (KeyError, ValueError) as error:
        kind = "yes or no" if isinstance(default, bool) else "a number"
        raise MorelliError(f"{name} of a network on pixels is {kind}, not {text!r}.") from error
