"""One step of a training: what a network makes of a portion, and how its weights follow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.pixels.loader import Portion
from morelli.attributors.pixels.mixing import mix_pictures
from morelli.attributors.pixels.precision import Precision
from morelli.attributors.pixels.processes import Processes
from morelli.attributors.pixels.recipe import Recipe
from morelli.encoders.checkpoints import Arrays
from morelli.errors import MorelliError

__all__ = ["MEAN", "SPREAD", "Learner", "to_device"]

MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
SPREAD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
"""Of ImageNet's channels, by custom: any fixed numbers near those of pictures would do."""


def to_device(torch: Any, pixels: NDArray[np.uint8], device: str) -> Any:
    """Return pictures (n, side, side, 3) as the network wants them: float32 (n, 3, side, side), channels last."""
    moved = torch.from_numpy(np.ascontiguousarray(pixels)).to(device, non_blocking=True)
    # Pixels lie with their channels last already: a permutation is a view, and stays so.
    values = moved.permute(0, 3, 1, 2).float().div_(255)
    mean, spread = (torch.from_numpy(each).to(device).view(1, 3, 1, 1) for each in (MEAN, SPREAD))
    return values.sub_(mean).div_(spread).contiguous(memory_format=torch.channels_last)


class Learner:
    """A network, its optimiser, and the gradient of the step that is being made.

    Gradients are summed over portions and over processes, each portion with the weight of its pictures: a step is the
    same, up to the order of sums, however it was cut. (Not so for a ResNet, whose batch normalisation sees portions.)

    Parameters
    ----------
    torch : module
    network : torch module
        As `Architecture.build` gives it.
    recipe : Recipe
    device : {"cpu", "cuda"}
    processes : Processes
    """

    def __init__(self, torch: Any, network: Any, recipe: Recipe, device: str, processes: Processes) -> None:
        self._torch, self._device, self._processes, self._clip = torch, device, processes, recipe.clip
        self.network = network.to(device).to(memory_format=torch.channels_last).train()
        self.precision = Precision(torch, recipe.precision, device)
        # By name: a sum over all weights depends on their order.
        self._weights = dict(sorted(self.network.named_parameters()))
        plain = [w for name, w in self._weights.items() if w.ndim == 1 or name.endswith("bias")]
        decayed = [w for name, w in self._weights.items() if not (w.ndim == 1 or name.endswith("bias"))]
        self._optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": recipe.decay}, {"params": plain, "weight_decay": 0.0}],
            lr=recipe.learning_rate,
            betas=(recipe.beta1, recipe.beta2),
        )
        self._loss = torch.zeros((), device=device)
        self.step = 0

    def add(self, portion: Portion) -> None:
        """Add the gradient of a portion to that of its step."""
        torch = self._torch
        if not len(portion.pixels):
            return
        seen = mix_pictures(torch, to_device(torch, portion.pixels, self._device), portion.mix)
        wanted = torch.from_numpy(portion.labels).to(self._device)
        with self.precision.cast():
            logits = self.network(pixel_values=seen).logits
        loss = -(wanted * torch.log_softmax(logits.float(), dim=1)).sum() / portion.of
        self.precision.scaler.scale(loss).backward()
        self._loss += loss.detach()

    def update(self, rate: float) -> float:
        """Make the step, and return its loss, the mean over its pictures.

        Raises
        ------
        MorelliError
            The loss is no number any more.
        """
        torch, scaler = self._torch, self.precision.scaler
        for weight in self._weights.values():
            if weight.grad is None:  # a process that had nothing to see, or a weight that nothing depends on
                weight.grad = torch.zeros_like(weight)
        self._processes.add_up([*(weight.grad for weight in self._weights.values()), self._loss])
        value = float(self._loss)
        if not np.isfinite(value):
            raise MorelliError(
                f"After {self.step} steps the loss is no number any more. Train with a lower learning_rate, a bound on "
                "gradients (clip=1), or precision=fp32."
            )
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        scaler.unscale_(self._optimiser)
        if self._clip:
            torch.nn.utils.clip_grad_norm_(list(self._weights.values()), self._clip)
        scaler.step(self._optimiser)
        scaler.update()
        self._optimiser.zero_grad(set_to_none=True)
        self._loss.zero_()
        self.step += 1
        return value

    def state(self) -> dict[str, Arrays]:
        """Return copies of all that the next step depends on, besides pictures, recipe and seed."""
        moments = {name: self._optimiser.state[weight] for name, weight in self._weights.items()}
        scale = {"scale": self.precision.scaler.get_scale(), "growth": self._growth()}
        return {
            "weights": _arrays(self.network.state_dict()),
            "first": _arrays({name: moment["exp_avg"] for name, moment in moments.items() if moment}),
            "second": _arrays({name: moment["exp_avg_sq"] for name, moment in moments.items() if moment}),
            "updates": {name: np.array([float(moment["step"])]) for name, moment in moments.items() if moment},
            "scaler": {name: np.array([float(value)]) for name, value in scale.items()},
        }

    def resume(self, step: int, parts: dict[str, Arrays]) -> None:
        """Go on from what `state` gave after `step` steps.

        Raises
        ------
        MorelliError
            It is of another network.
        """
        torch = self._torch

        def tensor(array: NDArray[Any]) -> Any:
            return torch.from_numpy(np.array(array)).to(self._device)

        try:
            self.network.load_state_dict({name: tensor(array) for name, array in parts["weights"].items()})
            for name, weight in self._weights.items() if parts["first"] else ():
                self._optimiser.state[weight] = {
                    "step": torch.tensor(float(parts["updates"][name][0])),
                    "exp_avg": tensor(parts["first"][name]),
                    "exp_avg_sq": tensor(parts["second"][name]),
                }
            scale, growth = (float(parts["scaler"][name][0]) for name in ("scale", "growth"))
        except (RuntimeError, KeyError, IndexError) as error:
            raise MorelliError(f"The checkpoint is of another network; delete it. ({error})") from error
        if self.precision.scaler.is_enabled():
            known = self.precision.scaler.state_dict()
            self.precision.scaler.load_state_dict({**known, "scale": scale, "_growth_tracker": int(growth)})
        self.step = step

    def _growth(self) -> float:
        return float(self.precision.scaler.state_dict().get("_growth_tracker", 0))


def _arrays(tensors: dict[str, Any]) -> Arrays:
    return {name: np.ascontiguousarray(tensor.detach().cpu().numpy().copy()) for name, tensor in tensors.items()}
