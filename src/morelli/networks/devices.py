"""The device that a training runs on."""

from __future__ import annotations

from typing import Any

from morelli.errors import MorelliError

__all__ = ["choose_device"]


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
