"""The training loop: the same for an attributor in a study and for a network of its own, resumable to the last bit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli._processes import processors
from morelli.attributors.pixels.architectures import load_deep
from morelli.attributors.pixels.learner import Learner
from morelli.attributors.pixels.loader import Loader
from morelli.attributors.pixels.log import LogRow, TrainingLog
from morelli.attributors.pixels.processes import Processes
from morelli.attributors.pixels.recipe import Recipe
from morelli.attributors.pixels.watch import LossWatch
from morelli.encoders.checkpoints import read_checkpoint, write_checkpoint
from morelli.errors import MorelliError
from morelli.networks.devices import choose_device

__all__ = ["Keeping", "Trained", "TrainingState", "train_pictures"]

Pixels = NDArray[np.uint8]

_FORMAT = "morelli-pixels-training/1"
_PARTS = ("weights", "first", "second", "updates", "scaler")

_SAVE_SECONDS = 60.0
"""Between two checkpoints."""


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Where a training stands.

    Attributes
    ----------
    step, steps : int
        Done, those before a resume included, and in all.
    loss : float
        Of the last step.
    images_per_second : float
        Of the last step.
    """

    step: int
    steps: int
    loss: float
    images_per_second: float


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a training keeps its state and its log.

    Attributes
    ----------
    checkpoint : Path
        Written every minute and at the end; where it exists, training goes on from it.
    signature : str
        What the training is about: a checkpoint of another one is refused.
    log : Path, optional
        CSV file.
    tensorboard : Path, optional
        Folder.
    """

    checkpoint: Path
    signature: str
    log: Path | None = None
    tensorboard: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What came out.

    Attributes
    ----------
    network : torch module
        In evaluation mode, on the device that it was trained on.
    device : str
    steps : int
    loss : float
        Of the last step; NaN where a checkpoint had all of them already.
    images_per_second : float
        In this run, without waiting for its first step; NaN where it made fewer than two.
    """

    network: Any
    device: str
    steps: int
    loss: float
    images_per_second: float


def train_pictures(
    pictures: Pixels,
    codes: NDArray[np.integer],
    n_classes: int,
    recipe: Recipe,
    *,
    rows: NDArray[np.integer] | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    keeping: Keeping | None = None,
    processes: Processes | None = None,
    stop_after: int | None = None,
    progress: Callable[[TrainingState], None] | None = None,
) -> Trained:
    """Train a network on pictures.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n, patches, side, side, 3)
        In memory or memory-mapped. In an epoch every image is seen once: one random patch of it, where it has several.
    codes : ndarray of int, shape (n,)
        Classes, 0 to n_classes - 1, of the images that are learned from.
    n_classes : int
    recipe : Recipe
    rows : ndarray of int, optional
        Which images to learn from; all by default.
    seed : int, default 0
        Of weights, order, augmentation and mixing. The same seed, pictures and recipe give the same weights on one
        machine with one number of torch's threads; sums come out differently in their last digits elsewhere.
    device : {"auto", "cpu", "cuda"}
    threads : int, optional
        That augment pictures; one for each processor by default. They change nothing but the time.
    keeping : Keeping, optional
        By default nothing is kept.
    processes : Processes, optional
        Of a training in several; alone by default.
    stop_after : int, optional
        Stop after so many of the steps, as an interrupt would, with a checkpoint.
    progress : callable, optional
        Called after every step.

    Raises
    ------
    MissingExtraError
        torch or transformers is not installed.
    MorelliError
        Pictures are smaller than the recipe's side, the loss is no number any more or has not left ln(n_classes), or
        the checkpoint is of another training.
    """
    torch, _ = load_deep(recipe.kind)
    side = pictures.shape[2]
    if side < recipe.side:
        raise MorelliError(f"side is {recipe.side}, but pictures of {side} pixels allow 32 to that.")
    processes = processes or Processes()
    place = choose_device(torch, device)
    numbers = np.asarray(codes, dtype=np.int64)
    chosen = np.arange(len(numbers)) if rows is None else np.asarray(rows, dtype=np.int64)
    loader = Loader(
        pictures,
        numbers,
        chosen,
        n_classes,
        recipe,
        seed,
        rank=processes.rank,
        world=processes.world,
        threads=threads or processors(),
    )
    schedule = loader.schedule
    with torch.backends.cudnn.flags(deterministic=True, benchmark=False):
        learner = Learner(torch, recipe.architecture.build(n_classes, seed, recipe.start), recipe, place, processes)
        losses = _resume(learner, keeping, recipe)
        watch = LossWatch(recipe, numbers[chosen], schedule.steps, losses)
        loss, speed, seen, saved = float("nan"), float("nan"), 0, time.monotonic()
        done = learner.step
        end = min(schedule.steps, done + (schedule.steps if stop_after is None else stop_after))
        with _log(keeping, processes, done) as log, closing(loader.portions(done)) as portions:
            last = first = time.monotonic()
            while learner.step < end:
                portion = next(portions)
                learner.add(portion)
                if not portion.last:
                    continue
                rate = schedule.rate(learner.step)
                loss = learner.update(rate)
                now = time.monotonic()
                if learner.step == done + 1:
                    first = now  # the first step warms up, and is not counted
                else:
                    seen += portion.of
                    speed = seen / max(1e-9, now - first)
                state = TrainingState(learner.step, schedule.steps, loss, portion.of / max(1e-9, now - last))
                last = now
                epoch = learner.step / schedule.steps_per_epoch
                log.write(LogRow(learner.step, epoch, rate, loss, state.images_per_second))
                watch.see(learner.step, loss)
                if keeping is not None and processes.first and now - saved > _SAVE_SECONDS:
                    _save(learner, keeping, watch)
                    saved = time.monotonic()
                if progress is not None:
                    progress(state)
        if keeping is not None and processes.first:
            _save(learner, keeping, watch)
    return Trained(learner.network.eval(), place, learner.step, loss, speed)


def _log(keeping: Keeping | None, processes: Processes, done: int) -> TrainingLog:
    if keeping is None or not processes.first:
        return TrainingLog(None)
    return TrainingLog(keeping.log, tensorboard=keeping.tensorboard, done=done)


def _save(learner: Learner, keeping: Keeping, watch: LossWatch) -> None:
    facts = {
        "format": _FORMAT,
        "signature": keeping.signature,
        "step": str(learner.step),
        "losses": json.dumps(watch.kept),
    }
    write_checkpoint(keeping.checkpoint, learner.state(), facts)


def _resume(learner: Learner, keeping: Keeping | None, recipe: Recipe) -> list[float]:
    """Bring a learner to where its checkpoint stands, and return the last losses before that."""
    if keeping is None:
        return []
    read = read_checkpoint(
        keeping.checkpoint, _PARTS, format=_FORMAT, signature=keeping.signature, what=f"{recipe.kind} network"
    )
    if read is None:
        return []
    parts, facts = read
    learner.resume(int(facts["step"]), parts)
    losses: list[float] = json.loads(facts.get("losses", "[]"))
    return losses
