"""Training a fingerprint network: bounded by time or steps, resumable, the same for the same seed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from morelli.catalog import Catalog, group_ids
from morelli.encoders.fingerprint.batches import draw_patches
from morelli.encoders.fingerprint.checkpoint import State, read_checkpoint, write_checkpoint
from morelli.encoders.fingerprint.crops import CropWindow
from morelli.encoders.fingerprint.model import FingerprintModel
from morelli.encoders.fingerprint.network import contrastive_loss, embed
from morelli.encoders.fingerprint.settings import TrainingSettings
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.networks.devices import choose_device
from morelli.networks.loading import require_libraries

__all__ = ["TrainingProgress", "train_fingerprint"]

_WARM_UP = 50
"""Steps over which the learning rate rises."""

_AVERAGED = 8
"""The kept weights average about the last eighth of all steps."""

_SAVE_SECONDS = 60.0
"""Between two checkpoints."""

_GRADIENT = 5.0
"""Largest norm of a step's gradient."""


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a training stands.

    Attributes
    ----------
    step : int
        Steps done, those before a resume included.
    share : float
        Of the time or of the steps that were asked for, 0 to 1.
    loss : float
        Running mean.
    accuracy : float
        Running mean: share of the images of a step, a few patches each, that are named right.
    """

    step: int
    share: float
    loss: float
    accuracy: float


def train_fingerprint(
    images: Catalog | Sequence[str | os.PathLike[str]],
    labels: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    *,
    label: str = "model",
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    settings: TrainingSettings | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> FingerprintModel:
    """Train a small convolutional network to tell generators apart by patches of the native resolution.

    Parameters
    ----------
    images : Catalog or sequence of path-like
        References. Of a catalog the rows that can be read and have a label.
    labels : array-like of str, shape (n,), optional
        Generator of each path.
    groups : array-like, shape (n,), optional
        Prompt or near-duplicate cluster of each path, see `morelli.catalog.group_ids`: images of one group are set
        against one another.
    label : str, default "model"
        Column of the catalog to learn.
    minutes : float, optional
        When to stop; the time decides only how many steps are made. 10 by default, where `steps` is not given.
    steps : int, optional
        Steps in all, those before a resume included: the same images, settings, seed and steps give the same weights
        on one processor and with one number of threads. A checkpoint that has more is returned as it is.
    seed : int, default 0
    device : {"auto", "cpu", "cuda"}
    threads : int, optional
        Of torch on a processor, for the time of the training; torch decides by default.
    settings : TrainingSettings, optional
    checkpoint : path-like, optional
        Where the state is kept, as safetensors, every minute and at the end. Where the file exists, training goes on
        from it; it is refused where it is of other images, settings or seed.
    progress : callable, optional
        Called after every step.

    Returns
    -------
    FingerprintModel

    Raises
    ------
    MissingExtraError
        torch is not installed.
    NotEnoughDataError
        There are fewer than two generators, or an image is smaller than a patch.
    ImageReadError
        An image cannot be read.
    MorelliError
        The arguments do not fit together, the checkpoint is of another training, or the loss is no number any more.
    """
    (torch,) = require_libraries("Training a fingerprint network", "torch")
    settings = settings or TrainingSettings()
    if minutes is None and steps is None:
        minutes = 10.0
    if (minutes is not None and not minutes > 0) or (steps is not None and steps < 1):
        raise MorelliError("A training needs a time above 0, or one step or more.")
    begin = time.monotonic()
    references = _References.of(images, labels, groups, label)
    signature = references.signature(settings, seed)
    place = choose_device(torch, device)
    target = None if checkpoint is None else Path(checkpoint)

    state = None if target is None else read_checkpoint(target, signature)
    if state is None:
        weights, running = settings.architecture.start(len(references.names), seed)
        state = State.fresh(weights, running)
    learner = _Learner(torch, settings, state, place)
    window = CropWindow(references.paths, settings, seed)
    loss = accuracy = 0.0
    first, saved = learner.step, time.monotonic()

    def share() -> float:
        by_time = 0.0 if minutes is None else (time.monotonic() - begin) / (60 * minutes)
        return max(by_time, 0.0 if steps is None else learner.step / steps)

    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        # At least one step, so that there is something to keep.
        while share() < 1 or (learner.step == 0 and steps is None):
            rng = np.random.default_rng([seed, 3, learner.step])
            patches, rows = draw_patches(window.at(learner.step), references.codes, references.groups, settings, rng)
            new_loss, new_accuracy = learner.learn(patches, references.codes[rows], rows)
            weight = max(0.02, 1 / (learner.step - first))
            loss += weight * (new_loss - loss)
            accuracy += weight * (new_accuracy - accuracy)
            if target is not None and time.monotonic() - saved > _SAVE_SECONDS:
                write_checkpoint(target, learner.state(), signature)
                saved = time.monotonic()
            if progress is not None:
                progress(TrainingProgress(learner.step, min(1.0, share()), loss, accuracy))
    finally:
        torch.set_num_threads(before)
    end = learner.state()
    if target is not None:
        write_checkpoint(target, end, signature)
    return FingerprintModel(
        architecture=settings.architecture,
        weights=end.mean_weights,
        running=end.mean_running,
        classes=references.names,
        n_images=len(references.paths),
        data=references.fingerprint,
        seed=seed,
        steps=end.step,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _References:
    """Images to learn from."""

    paths: list[Path]
    names: tuple[str, ...]
    codes: NDArray[np.int64]
    groups: NDArray[np.int64]
    fingerprint: str

    @classmethod
    def of(
        cls,
        images: Catalog | Sequence[str | os.PathLike[str]],
        labels: ArrayLike | None,
        groups: ArrayLike | None,
        label: str,
    ) -> _References:
        if isinstance(images, Catalog):
            if labels is not None or groups is not None:
                raise MorelliError("A catalog brings its labels and groups along; give the label's column instead.")
            readable = images.readable
            known = np.array([name is not None for name in readable.column(label)], dtype=np.bool_)
            catalog = readable.filter(known)
            paths, own = list(catalog.paths), catalog.column(label).astype(str)
            groups = group_ids(catalog) if len(catalog) else np.zeros(0, dtype=np.int64)
            ids = [str(each) for each in catalog.column("image_id")]
        else:
            paths = [Path(path) for path in images]
            own = np.asarray([] if labels is None else labels).astype(str)
            if own.shape != (len(paths),):
                raise MorelliError(f"Give one label for each of the {len(paths)} images.")
            groups = np.arange(len(paths)) if groups is None else np.asarray(groups)
            if groups.shape != (len(paths),):
                raise MorelliError(f"Give one group for each of the {len(paths)} images.")
            ids = [str(path) for path in paths]
        names, codes = np.unique(own, return_inverse=True)
        if len(names) < 2:
            raise NotEnoughDataError("A fingerprint network needs images by two generators or more to learn from.")
        numbers = np.unique(groups, return_inverse=True)[1]
        text = json.dumps([[i, str(name), int(group)] for i, name, group in zip(ids, own, numbers, strict=True)])
        return cls(
            paths,
            tuple(map(str, names)),
            codes.astype(np.int64),
            numbers.astype(np.int64),
            hashlib.sha256(text.encode()).hexdigest(),
        )

    def signature(self, settings: TrainingSettings, seed: int) -> str:
        """Return what a checkpoint has to belong to."""
        text = json.dumps([self.fingerprint, settings.to_dict(), seed], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class _Learner:
    """The tensors of a training and one step of it."""

    def __init__(self, torch: Any, settings: TrainingSettings, state: State, device: str) -> None:
        self._torch, self._settings, self._device, self.step = torch, settings, device, state.step

        def tensors(arrays: dict[str, NDArray[np.float32]]) -> dict[str, Any]:
            # In the order of their names, whether they come from a file or not: the sum of a norm depends on it.
            return {name: torch.from_numpy(array.copy()).to(device) for name, array in sorted(arrays.items())}

        self.weights, self.running = tensors(state.weights), tensors(state.running)
        self._means = tensors({**state.mean_weights, **state.mean_running})
        plain = [w.requires_grad_() for name, w in self.weights.items() if w.ndim == 1]
        decayed = [w.requires_grad_() for name, w in self.weights.items() if w.ndim > 1]
        self._optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
        )
        first, second = tensors(state.first_moments), tensors(state.second_moments)
        for name, weight in self.weights.items() if state.step else ():
            self._optimiser.state[weight] = {
                "step": torch.tensor(float(state.step)),
                "exp_avg": first[name],
                "exp_avg_sq": second[name],
            }

    def learn(
        self, patches: NDArray[np.uint8], codes: NDArray[np.int64], images: NDArray[np.int64]
    ) -> tuple[float, float]:
        """Make one step; return the loss and the share of images that were named right."""
        torch, settings = self._torch, self._settings
        functional = torch.nn.functional
        for group in self._optimiser.param_groups:
            group["lr"] = settings.learning_rate * min(1.0, (self.step + 1) / _WARM_UP)
        seen = torch.from_numpy(patches).to(self._device)
        wanted = torch.from_numpy(codes).to(self._device)
        single = embed(torch, settings.architecture, self.weights, self.running, seen, train=True)
        together = single.reshape(len(codes), settings.patches, -1).mean(1)

        def logits(values: Any) -> Any:
            return functional.linear(values, self.weights["head.weight"], self.weights["head.bias"])

        def classified(values: Any, true: Any) -> Any:
            return functional.cross_entropy(values, true, label_smoothing=settings.smoothing)

        whole = logits(together)
        loss = classified(whole, wanted)
        if settings.patch_loss:
            repeated = wanted.repeat_interleave(settings.patches)
            loss = loss + settings.patch_loss * classified(logits(single), repeated)
        if settings.contrastive_loss:
            rows = torch.from_numpy(images).to(self._device)
            loss = loss + settings.contrastive_loss * contrastive_loss(
                torch, together, wanted, rows, settings.temperature
            )
        value = float(loss.detach())
        if not np.isfinite(value):
            raise MorelliError(
                f"After {self.step} steps the loss is no number any more. Train with a smaller learning rate."
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.weights.values()), _GRADIENT)
        self._optimiser.step()
        self.step += 1
        self._average()
        return value, float((whole.argmax(1) == wanted).float().mean())

    def _average(self) -> None:
        """Bring the running average up to date: a power of the step, so that it spans a share of the training."""
        share = 1 - (1 - 1 / self.step) ** (_AVERAGED + 1)
        with self._torch.no_grad():
            for name, mean in self._means.items():
                mean.lerp_(self.weights[name] if name in self.weights else self.running[name], share)

    def state(self) -> State:
        """Return copies of everything that the next step depends on."""

        def arrays(tensors: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
            return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}

        moments = {name: self._optimiser.state[weight] for name, weight in self.weights.items()}
        means = arrays(self._means)
        return State(
            step=self.step,
            weights=arrays(self.weights),
            running=arrays(self.running),
            mean_weights={name: means[name] for name in self.weights},
            mean_running={name: means[name] for name in self.running},
            first_moments=arrays({name: moment["exp_avg"] for name, moment in moments.items() if moment}),
            second_moments=arrays({name: moment["exp_avg_sq"] for name, moment in moments.items() if moment}),
        )
