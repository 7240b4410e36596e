"""The device that a training runs on."""

from __future__ import annotations

import os
from typing import Any

from morelli.errors import MorelliError

__all__ = ["DEVICE_VARIABLE", "choose_device"]

DEVICE_VARIABLE = "MORELLI_DEVICE"
"""Environment variable that names the device of all networks which are not told another."""


def choose_device(torch: Any, device: str) -> str:
    """Return ``cpu`` or ``cuda`` for a wish, which may be ``auto``: then $MORELLI_DEVICE, or CUDA where there is one.

    Raises
    ------
    MorelliError
        There is no such device.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise MorelliError(f"Device is auto, cpu or cuda, not {device!r}.")
    if device == "auto":
        device = os.environ.get(DEVICE_VARIABLE) or ("cuda" if torch.cuda.is_available() else "cpu")
        if device not in ("cpu", "cuda"):
            raise MorelliError(
                f"${DEVICE_VARIABLE} is {device}, and networks that are trained here run on cpu or cuda. Set it to one "
                "of them, or name a device for this network; CUDA_VISIBLE_DEVICES says which of several CUDA devices."
            )
    if device == "cuda" and not torch.cuda.is_available():
        raise MorelliError("There is no CUDA device here that torch can use; train with device cpu or auto.")
    return device
