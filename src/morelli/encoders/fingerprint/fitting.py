"""From references to an encoder in one call."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from morelli.catalog import Catalog
from morelli.encoders.fingerprint.encoder import FingerprintEncoder
from morelli.encoders.fingerprint.settings import TrainingSettings
from morelli.encoders.fingerprint.training import TrainingProgress, train_fingerprint

__all__ = ["checkpoint_of", "fit_fingerprint"]


def checkpoint_of(path: str | os.PathLike[str]) -> Path:
    """Return where `fit_fingerprint` keeps the state of the training that makes the file `path`."""
    return Path(path).with_suffix(".training.safetensors")


def fit_fingerprint(
    catalog: Catalog,
    path: str | os.PathLike[str],
    *,
    label: str = "model",
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    settings: TrainingSettings | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> FingerprintEncoder:
    """Train a fingerprint network on a catalog, write it to a file, and return its encoder.

    The state of the training is kept beside the file, see `checkpoint_of`: an interrupted call goes on where it
    stopped, and a call with the same images, settings and seed trains further. Delete it when it is not wanted.

    Parameters
    ----------
    catalog : Catalog
        References; rows that cannot be read or have no label are left out.
    path : path-like
        ONNX file to write.
    label, minutes, steps, seed, device, threads, settings, progress
        As for `train_fingerprint`.

    Raises
    ------
    MissingExtraError, NotEnoughDataError, ImageReadError, MorelliError
        As `train_fingerprint` does.
    """
    model = train_fingerprint(
        catalog,
        label=label,
        minutes=minutes,
        steps=steps,
        seed=seed,
        device=device,
        threads=threads,
        settings=settings,
        checkpoint=checkpoint_of(path),
        progress=progress,
    )
    return FingerprintEncoder(model.save(path))
