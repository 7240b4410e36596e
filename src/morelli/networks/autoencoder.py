"""An image from its latent code: the autoencoders of latent diffusion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError, NetworkError
from morelli.networks.loading import Loaded, device_of, load_model, require_libraries, told
from morelli.networks.places import Place
from morelli.networks.weights import read_json

__all__ = ["Autoencoder"]

Pixels = NDArray[np.uint8]


class Autoencoder(Loaded):
    """diffusers' ``AutoencoderKL``.

    Parameters
    ----------
    place : Place
        Holds ``config.json`` and ``diffusion_pytorch_model.safetensors``.

    Raises
    ------
    NetworkError
        It is of another kind, or cannot be loaded.
    MissingExtraError
        torch or diffusers are not installed.
    """

    def __init__(self, place: Place) -> None:
        _, diffusers = require_libraries(f"The network {place.name}", "torch", "diffusers")
        config = read_json(place.folder / "config.json")
        if config.get("_class_name") != "AutoencoderKL":
            raise NetworkError(
                f"{place.folder} holds a network of type {config.get('_class_name')!r}; what is needed is one of "
                "AutoencoderKL."
            )
        device, dtype = device_of()
        if config.get("force_upcast"):
            dtype = "float32"  # its publisher says that half precision overflows
        model = load_model(diffusers.AutoencoderKL, place.folder, dtype=dtype, device=device)
        super().__init__(model, device, dtype)
        self.name = place.name
        self.step = 2 ** (len(model.config.block_out_channels) - 1)

    def round_trips(self, images: list[Pixels]) -> list[Pixels]:
        """Encode and decode images in their native size.

        The code is the mode of the posterior, so that nothing is drawn at random. An image whose sides are no multiples
        of the network's step is continued by its last pixels below and to the right, and cut again.

        Raises
        ------
        MorelliError
            The network fails, or gives what are no numbers.
        """
        return [self._round_trip(pixels) for pixels in images]  # sizes differ, and one fills a device

    def _round_trip(self, pixels: Pixels) -> Pixels:
        import torch

        height, width = pixels.shape[:2]
        room = ((0, -height % self.step), (0, -width % self.step), (0, 0))
        values = np.pad(pixels, room, mode="edge").transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5)
        with told(self.name), torch.inference_mode():
            code = self.model.encode(self.tensor(values - np.float32(1))).latent_dist.mode()
            result = self.model.decode(code).sample[0].float().cpu().numpy()
        if not np.isfinite(result).all():
            raise MorelliError(
                f"{self.name}: the network gives values that are not finite on this image; its weights may be unfit "
                "for half precision (MORELLI_DEVICE=cpu runs it in full)."
            )
        levels = (result + np.float32(1)) * np.float32(127.5) + np.float32(0.5)
        whole = np.clip(np.floor(levels), 0, 255).astype(np.uint8).transpose(1, 2, 0)
        return np.ascontiguousarray(whole[:height, :width])
