"""Numbers of 16 bits, where the device is faster with them."""

from __future__ import annotations

from typing import Any

from morelli.errors import MorelliError

__all__ = ["Precision", "precision_of"]


def precision_of(torch: Any, name: str, device: str) -> str:
    """Return a precision as in `Recipe`, where ``auto`` has become what it is on a device.

    Parameters
    ----------
    torch : module
    name : {"auto", "fp32", "bf16", "fp16"}
    device : {"cpu", "cuda"}
    """
    if name != "auto":
        return name
    return "fp32" if device == "cpu" else "bf16" if torch.cuda.is_bf16_supported() else "fp16"


class Precision:
    """How a network is run and its gradients are scaled.

    Parameters
    ----------
    torch : module
    name : {"auto", "fp32", "bf16", "fp16"}
        As in `Recipe`. Weights and the optimiser's state are fp32 in all of them.
    device : {"cpu", "cuda"}

    Attributes
    ----------
    name : str
        Never ``auto``.
    scaler : GradScaler
        Of fp16, whose small gradients would be nothing otherwise; does nothing with the others.

    Raises
    ------
    MorelliError
        fp16 on a processor.
    """

    def __init__(self, torch: Any, name: str, device: str) -> None:
        name = precision_of(torch, name, device)
        if name == "fp16" and device == "cpu":
            raise MorelliError("A processor does not train in fp16; take fp32, or bf16 where it has that.")
        self.name, self._torch, self._device = name, torch, device
        self.scaler = torch.amp.GradScaler(device, enabled=name == "fp16")

    def cast(self) -> Any:
        """Return a context in which the network is run."""
        kinds = {"bf16": self._torch.bfloat16, "fp16": self._torch.float16}
        return self._torch.autocast(self._device, dtype=kinds.get(self.name), enabled=self.name in kinds)
