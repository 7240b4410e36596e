"""What all networks of transformers have in common here: their class, their batches, and numbers that are numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError, NetworkError
from morelli.networks.inputs import Inputs
from morelli.networks.loading import Loaded, device_of, load_model, require_libraries
from morelli.networks.places import Place
from morelli.networks.weights import read_json

__all__ = ["Transformer"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]
Result = TypeVar("Result")


class Transformer(Loaded):
    """A network of the hub's format, loaded.

    Attributes
    ----------
    classes : mapping of str to str
        By the model_type of ``config.json``: the class of transformers. Nothing else is ever loaded.
    name : str
        As it was asked for.
    """

    classes: ClassVar[Mapping[str, str]] = {}

    def __init__(self, place: Place) -> None:
        _, transformers = require_libraries(f"The network {place.name}", "torch", "transformers")
        kind = str(read_json(place.folder / "config.json").get("model_type"))
        if kind not in self.classes:
            raise NetworkError(
                f"{place.folder} holds a network of type {kind!r}; what is needed is one of {', '.join(self.classes)}."
            )
        device, dtype = device_of()
        model = load_model(getattr(transformers, self.classes[kind]), place.folder, dtype=dtype, device=device)
        super().__init__(model, device, dtype)
        self.name, self.kind = place.name, kind

    def in_batches(
        self, images: list[Pixels], inputs: Inputs, forward: Callable[[list[Pixels], Float], list[Result]]
    ) -> list[Result]:
        """Run images of equal size in the network together, as many as `batch` says; results in their order.

        Parameters
        ----------
        images : list of ndarray
            uint8 (height, width, 3).
        inputs : Inputs
        forward : callable
            ``forward(images, values)`` with values of shape (n, 3, height, width).
        """
        import torch

        by_size: dict[tuple[int, int], list[int]] = {}
        for number, pixels in enumerate(images):
            by_size.setdefault(inputs.size_for(*pixels.shape[:2]), []).append(number)
        results: dict[int, Result] = {}
        for numbers in by_size.values():
            for begin in range(0, len(numbers), self.batch):
                some = numbers[begin : begin + self.batch]
                chosen = [images[number] for number in some]
                with torch.inference_mode():
                    made = forward(chosen, np.stack([inputs.prepare(pixels) for pixels in chosen]))
                results.update(zip(some, made, strict=True))
        return [results[number] for number in range(len(images))]

    def finite(self, values: Float) -> Float:
        """Return the values, or refuse those that are no numbers.

        Raises
        ------
        MorelliError
            There is such a value.
        """
        if not np.isfinite(values).all():
            raise MorelliError(
                f"{self.name}: the network gives values that are not finite on this image; its weights may be unfit "
                "for half precision (MORELLI_DEVICE=cpu runs it in full)."
            )
        return values
