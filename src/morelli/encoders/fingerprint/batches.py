"""What a training step looks at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from morelli.encoders.fingerprint.crops import GRID, Visit
from morelli.encoders.fingerprint.settings import TrainingSettings

__all__ = ["draw_patches"]

Integers = NDArray[np.int64]


def draw_patches(
    visits: Sequence[Visit],
    codes: Integers,
    groups: Integers,
    settings: TrainingSettings,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], Integers]:
    """Draw a few generators, a few images of each, and a few patches of each image.

    A few groups (prompts) are drawn first, and every generator shows its images of these, where it has them: then
    what a picture shows tells generators not apart, and images of one generator differ in what they show.

    Parameters
    ----------
    visits : sequence of Visit
        What is in memory.
    codes, groups : ndarray of int64, shape (n,)
        Generator and group of each reference.
    settings : TrainingSettings
    rng : Generator

    Returns
    -------
    patches : ndarray of uint8, shape (images * settings.patches, 3, patch, patch)
    rows : ndarray of int64, shape (images,)
        The reference that each run of `settings.patches` patches is from.
    """
    seen = np.array([visit.image for visit in visits])
    chosen: list[int] = []
    present = np.unique(codes[seen])
    present = rng.permutation(present)[: settings.classes]
    wanted = rng.choice(groups[seen], size=settings.images)
    for code in present:
        left = rng.permutation(np.flatnonzero(codes[seen] == code))
        for group in wanted[: len(left)]:
            best = int(np.argmax(groups[seen[left]] == group))  # the first where there is none
            chosen.append(int(left[best]))
            left = np.delete(left, best)
    patch = settings.architecture.patch
    patches = np.empty((len(chosen) * settings.patches, patch, patch, 3), dtype=np.uint8)
    for number, position in enumerate(chosen):
        visit = visits[position]
        crops = visit.degraded if visit.degraded and rng.random() < settings.degraded else visit.native
        for each in range(settings.patches):
            crop = crops[int(rng.integers(len(crops)))]
            top, left_edge = (GRID * int(rng.integers((side - patch) // GRID + 1)) for side in crop.shape[:2])
            patches[number * settings.patches + each] = crop[top : top + patch, left_edge : left_edge + patch]
    return np.ascontiguousarray(patches.transpose(0, 3, 1, 2)), seen[chosen].astype(np.int64)
