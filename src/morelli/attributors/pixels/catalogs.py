"""From a catalog to a trained network in a folder: decode, train, calibrate, keep."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors._folding import check_classes, deal_references
from morelli.attributors.answers import Training
from morelli.attributors.bundle import References
from morelli.attributors.doubting import Doubting
from morelli.attributors.fitting import lineages_of, prompt_hash
from morelli.attributors.pixels.architectures import arrays_of, load_deep
from morelli.attributors.pixels.crops import stored_side
from morelli.attributors.pixels.judging import judge_pictures, torch_judge
from morelli.attributors.pixels.model import NETWORK_FILE, PixelModel
from morelli.attributors.pixels.processes import Processes, joined
from morelli.attributors.pixels.recipe import PUBLISHED, Recipe
from morelli.attributors.pixels.schedule import Schedule, schedule_notes
from morelli.attributors.pixels.store import PixelStore
from morelli.attributors.pixels.training import Keeping, TrainingState, train_pictures
from morelli.catalog import Catalog, group_catalog
from morelli.encoders.pictures import picture_encoder
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.networks.devices import choose_device

__all__ = ["CHECKPOINT_FILE", "LOG_FILE", "TENSORBOARD_FOLDER", "Plan", "train_network"]

CHECKPOINT_FILE = "training.safetensors"
LOG_FILE = "log.csv"
TENSORBOARD_FOLDER = "tensorboard"
_PIXELS_FILE = "pixels.bin"

_CALIBRATION_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training is about to do, to be told before hours are spent on it.

    Attributes
    ----------
    images, held_out : int
        To learn from, and to calibrate on.
    classes : int
    layout : str
    schedule : Schedule
    processes : int
    device : str
    resumed : bool
        Whether a checkpoint is there.
    notes : tuple of str
        What should be known before, see `schedule_notes`.
    """

    images: int
    held_out: int
    classes: int
    layout: str
    schedule: Schedule
    processes: int
    device: str
    resumed: bool
    notes: tuple[str, ...]


def train_network(
    catalog: Catalog,
    folder: str | os.PathLike[str],
    *,
    recipe: Recipe = PUBLISHED,
    layout: str | None = None,
    label: str = "model",
    held_out: float = 0.1,
    level: float = 0.9,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    workers: int | None = None,
    tensorboard: bool = False,
    decoding: Callable[[int, int], None] | None = None,
    planned: Callable[[Plan], None] | None = None,
    progress: Callable[[TrainingState], None] | None = None,
) -> PixelModel:
    """Train a network on the images of a catalog, and keep it in a folder.

    The folder holds ``network.safetensors`` in the end; ``log.csv``, one row a step; ``pixels.bin``, the images as they
    were decoded once; and ``training.safetensors``, the state, while the training goes on. The same call goes on where
    one stopped, and returns the network where it is finished; with another `level`, after it was calibrated for that
    on the images that were held out. Under torchrun all processes make the same call, and the
    first one writes.

    Parameters
    ----------
    catalog : Catalog
        Rows that cannot be read, have no label or are too small are left out.
    folder : path-like
    recipe : Recipe
        Of a ConvNeXt.
    layout : str, optional
        How pictures are cut from images. By default the whole image, a little larger than the recipe's side.
    label : str, default "model"
    held_out : float, default 0.1
        Share of the prompts that nothing is learned from but how sure answers may be; 0.02 to 0.5.
    level : float, default 0.9
        Coverage of the conformal sets.
    seed : int, default 0
    device : {"auto", "cpu", "cuda"}
    threads, workers : int, optional
        That augment pictures, and processes that decode images; one for each processor by default.
    tensorboard : bool, default False
        Whether to write events for TensorBoard too.
    decoding, planned, progress : callable, optional
        Called with (done, total) after each image that is decoded; once before the first step; after each step. Of
        several processes, in the first alone.

    Returns
    -------
    PixelModel

    Raises
    ------
    MissingExtraError
        torch, transformers or TensorBoard is not installed.
    NotEnoughDataError
        Too few models or images.
    MorelliError
        An argument makes no sense, the folder holds another training, or the training stops, see `train_pictures`.
    """
    if recipe.kind != "convnext":
        raise MorelliError(f"Networks that are kept are of the kind convnext; a {recipe.kind} is for studies alone.")
    if not 0.02 <= held_out <= 0.5:
        raise MorelliError(f"From 0.02 to 0.5 of the prompts are held out for calibration, not {held_out}.")
    folder, layout = Path(folder), layout or f"thumbnail-{stored_side(recipe.side)}"
    encoder = picture_encoder(layout)
    if encoder.side < recipe.side:
        raise MorelliError(f"The network sees {recipe.side} pixels, but {layout} has only {encoder.side}.")
    torch, _ = load_deep(recipe.kind)
    place = choose_device(torch, device)
    labelled = catalog.filter(catalog.codes(label)[0] >= 0)
    with joined(torch, place) as processes:
        store = _store(labelled, layout, folder, processes, workers, decoding)
        part = _Part.of(labelled, store, label, held_out, seed)
        signature, notes = part.signature(recipe, encoder.recipe_hash, seed), schedule_notes(recipe, len(part.train))
        finished = _finished(folder / NETWORK_FILE, signature, device)
        if finished is not None:
            if finished.doubting.conformal.level == level:
                return finished
            processes.wait()  # until all have read the file that the first one is about to replace
            if processes.first:
                network = recipe.architecture.restore(len(part.names), finished.arrays).to(place).eval()
                logits = _judged(network, place, finished.recipe, store, part)
                doubting, training = part.calibrated(logits, level, seed, notes)
                replace(finished, doubting=doubting, training=training).save(folder / NETWORK_FILE)
            processes.wait()
            return PixelModel.load(folder, device=device)
        checkpoint = folder / CHECKPOINT_FILE
        if planned is not None and processes.first:
            sizes = (len(part.train), len(part.held), len(part.names))
            schedule = Schedule.of(recipe, len(part.train))
            planned(Plan(*sizes, layout, schedule, processes.world, place, checkpoint.exists(), notes))
        trained = train_pictures(
            store.pixels,
            part.codes,
            len(part.names),
            recipe,
            rows=part.train,
            seed=seed,
            device=device,
            threads=threads,
            keeping=Keeping(
                checkpoint, signature, folder / LOG_FILE, folder / TENSORBOARD_FOLDER if tensorboard else None
            ),
            processes=processes,
            progress=progress if processes.first else None,
        )
        if processes.first:
            logits = _judged(trained.network, trained.device, recipe, store, part)
            doubting, training = part.calibrated(logits, level, seed, notes)
            usable = labelled.filter(store.ok)
            model = PixelModel(
                recipe=recipe,
                layout=layout,
                layout_hash=encoder.recipe_hash,
                classes=part.names,
                lineages=lineages_of(usable, label, list(part.names))[0],
                label=label,
                arrays=arrays_of(trained.network),
                doubting=doubting,
                training=training,
                references=_references(usable, len(catalog)),
                seed=seed,
                steps=trained.steps,
                signature=signature,
                device=device,
            )
            model.save(folder / NETWORK_FILE)
            checkpoint.unlink(missing_ok=True)
        processes.wait()
        return PixelModel.load(folder, device=device)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Which rows are learned from, and which are held out for calibration."""

    names: tuple[str, ...]
    codes: NDArray[np.int64]  # of all rows, -1 where there are no pictures
    groups: NDArray[np.int64]
    train: NDArray[np.int64]
    held: NDArray[np.int64]
    identity: list[list[Any]]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, catalog: Catalog, store: PixelStore, label: str, held_out: float, seed: int) -> _Part:
        rows = np.flatnonzero(store.ok)
        if not len(rows):
            first = next((error for error in store.errors if error is not None), "there is no labelled image")
            raise NotEnoughDataError(f"No image can be used. The first error: {first}")
        usable = catalog.take(rows)
        labels = usable.text(label).astype(str)
        names, own = np.unique(labels, return_inverse=True)
        check_classes(names, own, 2)
        grouped = group_catalog(usable)
        fold, notes = deal_references(own, grouped.ids, names, 2, seed, shares=(held_out, 1 - held_out))
        lost = [str(names[k]) for k in range(len(names)) if not (own[fold != 0] == k).any()]
        if lost:
            raise NotEnoughDataError(
                f"All images of {', '.join(lost[:10])} are of prompts that are held out for calibration; give more "
                "images, of more prompts."
            )
        codes, groups = (np.full(len(catalog), -1, dtype=np.int64) for _ in range(2))
        codes[rows], groups[rows] = own, grouped.ids
        notes = [*notes, *([] if grouped.leak_free else [grouped.note])]
        failed = len(catalog) - len(rows)
        if failed:
            notes.append(f"{failed} of {len(catalog)} images could not be used.")
        ids = usable.column("image_id").tolist()
        identity = [[i, str(name), int(part)] for i, name, part in zip(ids, labels, fold, strict=True)]
        return cls(
            tuple(map(str, names)), codes, groups, rows[fold != 0], rows[fold == 0], identity, tuple(notes)
        )  # fmt: skip

    def signature(self, recipe: Recipe, layout_hash: str, seed: int) -> str:
        """Return what decides the weights."""
        text = json.dumps([self.identity, recipe.signature(), layout_hash, seed], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def calibrated(
        self, logits: NDArray[np.float64], level: float, seed: int, more: tuple[str, ...]
    ) -> tuple[Doubting, Training]:
        """Learn from the held-out images how sure answers may be; `more` is what else is to be noted."""
        codes, groups = self.codes[self.held], self.groups[self.held]
        # Groups may be few, and a model's images all of one: then images are folds of their own, and a note says so.
        fold, notes = deal_references(
            codes, groups if len(np.unique(groups)) > 1 else None, np.array(self.names), _CALIBRATION_FOLDS, seed
        )
        own = np.unique(groups, return_inverse=True)[1].astype(np.int64)
        doubting, log_proba = Doubting.learn(logits, codes, own, fold, level=level, seed=seed)
        counts = np.bincount(self.codes[self.train], minlength=len(self.names))
        training = Training(
            n_images={name: int(n) for name, n in zip(self.names, counts, strict=True)},
            n_groups=len(np.unique(self.groups[self.train])),
            n_folds=1,
            accuracy=float((log_proba.argmax(axis=1) == codes).mean()),
            log_loss=float(-log_proba[np.arange(len(codes)), codes].mean()),
            leak_free=not self.notes,
            notes=(
                *self.notes,
                *more,
                f"Calibrated on {len(codes)} held-out images of {len(np.unique(groups))} prompts or clusters.",
                *(f"Of these: {note}" for note in notes),
            ),
        )
        return doubting, training


def _store(
    catalog: Catalog,
    layout: str,
    folder: Path,
    processes: Processes,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> PixelStore:
    """Let the first process decode the images, and the others wait for it."""
    if processes.first:
        PixelStore.build(catalog, layout, folder / _PIXELS_FILE, workers=workers, progress=progress)
    processes.wait()
    return PixelStore.build(catalog, layout, folder / _PIXELS_FILE)


def _judged(network: Any, device: str, recipe: Recipe, store: PixelStore, part: _Part) -> NDArray[np.float64]:
    """Return what a network in torch says of the held-out images."""
    judge = torch_judge(network, device, recipe.kind)
    return judge_pictures(judge, store.pixels, recipe.side, recipe.at_once, len(part.names), part.held)


def _finished(path: Path, signature: str, device: str) -> PixelModel | None:
    if not path.exists():
        return None
    model = PixelModel.load(path, device=device)
    if model.signature != signature:
        raise MorelliError(
            f"{path} is a network of other images, settings or seed. Name another folder, or delete it to train anew."
        )
    return model


def _references(catalog: Catalog, rows: int) -> References:
    return References(
        image_ids=frozenset(catalog.column("image_id")),
        prompt_hashes=frozenset(prompt_hash(prompt) for prompt in catalog.column("prompt_id") if prompt is not None),
        fingerprint=catalog.fingerprint,
        n_unreadable=rows - len(catalog),
    )
