"""Mixup and cutmix, on pairs of pictures, and the soft labels that go with them.

H. Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018; S. Yun et al., "CutMix: regularization strategy
to train strong classifiers with localizable features", ICCV 2019. Both of a pair are mixed, each with the other: what a
pair becomes depends on nothing else in its batch, so that a batch may be cut between pairs, for the memory of a device
or for several of them, and stays the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.pixels.recipe import Recipe

__all__ = ["Mix", "draw_mixes", "mix_pictures", "soft_labels"]

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """How the pictures of a step are mixed, by pairs of neighbours.

    Attributes
    ----------
    share : ndarray of float64, shape (pairs,)
        Of a picture's own in what it becomes; the rest is its partner's.
    box : ndarray of int64, shape (pairs, 4)
        Top, bottom, left and right of what is cut out and replaced; nothing, where pictures are blended.
    """

    share: Float
    box: NDArray[np.int64]

    def take(self, pairs: NDArray[np.integer]) -> Mix:
        """Return the mixes of some pairs."""
        return Mix(self.share[pairs], self.box[pairs])


def draw_mixes(pairs: int, recipe: Recipe, rng: np.random.Generator) -> Mix:
    """Draw how the pairs of a step are mixed; each is blended or cut with probability 1/2, where a recipe has both."""
    share, box = np.ones(pairs), np.zeros((pairs, 4), dtype=np.int64)
    if not recipe.mixup and not recipe.cutmix:
        return Mix(share, box)
    cut = rng.random(pairs) < 0.5 if recipe.mixup and recipe.cutmix else np.full(pairs, bool(recipe.cutmix))
    blended = rng.beta(recipe.mixup, recipe.mixup, pairs) if recipe.mixup else share
    pasted = rng.beta(recipe.cutmix, recipe.cutmix, pairs) if recipe.cutmix else share
    share = np.where(cut, pasted, blended)
    side = recipe.side
    for pair in np.flatnonzero(cut):
        half = int(side * math.sqrt(1 - share[pair])) // 2
        y, x = (int(centre) for centre in rng.integers(side, size=2))
        box[pair] = np.clip([y - half, y + half, x - half, x + half], 0, side)
        top, bottom, left, right = box[pair]
        # The border may have taken something away from the box.
        share[pair] = 1 - (bottom - top) * (right - left) / side**2
    return Mix(share, box)


def mix_pictures(torch: Any, pictures: Any, mix: Mix) -> Any:
    """Return the pictures of a batch after mixing.

    Parameters
    ----------
    torch : module
    pictures : Tensor, shape (n, channels, side, side)
        Neighbours are pairs; the last one of an odd number stays as it is.
    mix : Mix
        Of n // 2 pairs.
    """
    n = 2 * len(mix.share)
    if not n or bool((mix.share == 1).all()):
        return pictures
    other = torch.arange(n, device=pictures.device) ^ 1
    mixed = pictures.clone()
    blended = np.where((mix.box == 0).all(axis=1), mix.share, 1.0)
    share = torch.as_tensor(np.repeat(blended, 2), dtype=pictures.dtype, device=pictures.device).view(-1, 1, 1, 1)
    mixed[:n] = share * pictures[:n] + (1 - share) * pictures[:n][other]
    for pair in np.flatnonzero((mix.box != 0).any(axis=1)):
        top, bottom, left, right = (int(edge) for edge in mix.box[pair])
        a, b = 2 * int(pair), 2 * int(pair) + 1
        mixed[a, :, top:bottom, left:right] = pictures[b, :, top:bottom, left:right]
        mixed[b, :, top:bottom, left:right] = pictures[a, :, top:bottom, left:right]
    return mixed


def soft_labels(codes: NDArray[np.integer], n_classes: int, smoothing: float, mix: Mix) -> NDArray[np.float32]:
    """Return the probabilities that a step teaches, shape (n, n_classes); each row has the sum 1.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Classes of the pictures before mixing.
    n_classes : int
    smoothing : float
        Share of each label that all classes get alike (Szegedy et al., "Rethinking the Inception architecture", 2016).
    mix : Mix
        Of n // 2 pairs.
    """
    labels = np.full((len(codes), n_classes), smoothing / n_classes)
    labels[np.arange(len(codes)), codes] += 1 - smoothing
    n = 2 * len(mix.share)
    share = np.repeat(mix.share, 2)[:, None]
    labels[:n] = share * labels[:n] + (1 - share) * labels[:n][np.arange(n) ^ 1]
    return labels.astype(np.float32)
