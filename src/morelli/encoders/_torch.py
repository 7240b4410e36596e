"""torch, where it is installed, and the device that a training runs on."""

from __future__ import annotations

import importlib
from typing import Any

from morelli.errors import MissingExtraError, MorelliError

__all__ = ["choose_device", "load_torch"]


def load_torch(feature: str) -> Any:
    """Return torch.

    Parameters
    ----------
    feature : str
        What needs it, as the subject of a sentence.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise MissingExtraError(feature, "deep") from error


def choose_device(torch: Any, device: str) -> str:
    """Return ``cpu`` or ``cuda`` for a wish, which may be ``auto``.

    Raises
    ------
    MorelliError
        There is no such device.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise MorelliError(f"Device is auto, cpu or cuda, not {device!r}.")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise MorelliError("There is no CUDA device here that torch can use; train with device cpu or auto.")
    return device
