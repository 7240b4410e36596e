"""Bounded perturbations: pixels moved a little, so that encoders see another model's image.

The objective is that of Naseh et al. 2026 (arXiv 2601.09647, section 6): over an ensemble of local encoders, an image's
embedding is pulled towards the images of the farthest other model (positives), and pushed from its own original
embedding (negative), as InfoNCE does (A. van den Oord et al. 2018). The steps are those of MI-FGSM (Y. Dong et al.,
*Boosting adversarial attacks with momentum*, CVPR 2018), over random resizing and JPEG (A. Athalye et al.,
*Synthesizing robust adversarial examples*, ICML 2018).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.defence.differentiable import jpeg_like, resize_back
from morelli.leaderboard.defence.registry import Defence
from morelli.leaderboard.defence.surrogates import SurrogateEncoder
from morelli.networks.loading import require_libraries

__all__ = ["Perturbing", "perturb_images", "perturbation"]

Pixels = NDArray[np.uint8]
Codes = NDArray[np.integer]
Progress = Callable[[int, int], None]

_RANGE = (1.0, 16.0)


@dataclass(frozen=True, slots=True)
class Perturbing:
    """How images are perturbed.

    Attributes
    ----------
    epsilon : float, default 8
        Bound on the change of every channel of every pixel, in 8-bit units, 1 to 16. Pixels are whole numbers, so that
        a fraction is rounded down.
    steps : int, default 20
        Of the ascent.
    step_size : float, optional
        In 8-bit units; by default ``2.5 * epsilon / steps``, so that the bound is reached from anywhere, and 0.25 at
        least.
    momentum : float, default 1
        Share of the earlier gradient that stays; 0 is plain projected gradient descent.
    temperature : float, default 0.1
        Of InfoNCE.
    transforms : int, default 2
        Random transforms that a step's gradient is averaged over, beside none.
    scale : float, default 0.5
        Transforms resize by a factor from this to 1, and back; 1 resizes nothing.
    quality : int, default 60
        And save as JPEG of a quality from this to 95; 100 saves nothing.
    batch : int, default 8
        Images that go through the encoders together.

    Raises
    ------
    MorelliError
        A value is out of its range.
    """

    epsilon: float = 8.0
    steps: int = 20
    step_size: float | None = None
    momentum: float = 1.0
    temperature: float = 0.1
    transforms: int = 2
    scale: float = 0.5
    quality: int = 60
    batch: int = 8

    def __post_init__(self) -> None:
        good = (
            _RANGE[0] <= self.epsilon <= _RANGE[1]
            and self.steps >= 1
            and (self.step_size is None or 0 < self.step_size <= _RANGE[1])
            and 0 <= self.momentum <= 1
            and 0 < self.temperature <= 10
            and self.transforms >= 0
            and 0.1 <= self.scale <= 1
            and (10 <= self.quality <= 95 or self.quality == 100)
            and self.batch >= 1
        )
        if not good:
            raise MorelliError(
                f"This perturbation makes no sense: {self}. epsilon is 1 to 16 (of 255), steps and batch start at 1, "
                "step_size lies above 0 and at most at 16, momentum between 0 and 1, temperature above 0 and at most "
                "at 10, transforms start at 0, scale is 0.1 to 1, quality 10 to 95, or 100 for no JPEG."
            )

    @property
    def step(self) -> float:
        """The step size that is used."""
        return max(0.25, 2.5 * self.epsilon / self.steps) if self.step_size is None else self.step_size

    def signature(self, surrogates: Sequence[SurrogateEncoder], seed: int) -> str:
        """Return sixteen hexadecimal digits of all that decides the perturbed pixels, besides the images."""
        facts = [asdict(self), [surrogate.fingerprint for surrogate in surrogates], seed]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def perturbation(surrogates: Sequence[SurrogateEncoder], settings: Perturbing | None = None) -> Defence:
    """Return the defence that perturbs all images of a prompt against some surrogates, called ``perturb-`` and epsilon.

    Raises
    ------
    MorelliError
        There is no surrogate.
    """
    settings = settings or Perturbing()
    _check(surrogates)

    def apply(images: Sequence[Pixels], models: Codes, rng: np.random.Generator) -> list[Pixels]:
        return perturb_images(images, models, surrogates, settings, seed=int(rng.integers(1 << 62)))

    names = ", ".join(surrogate.name for surrogate in surrogates)
    summary = f"Move every level by {settings.epsilon:g} of 255 at most, against {names}."
    return Defence(f"perturb-{settings.epsilon:g}", summary, "images", apply)


def perturb_images(
    images: Sequence[Pixels],
    models: Codes,
    surrogates: Sequence[SurrogateEncoder],
    settings: Perturbing | None = None,
    *,
    rows: Sequence[int] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Pixels]:
    """Perturb the images of one prompt.

    Parameters
    ----------
    images : sequence of ndarray of uint8, shape (height, width, 3)
        Each of its own size; those of one size go together.
    models : ndarray of int, shape (n,)
        Who made each.
    surrogates : sequence of SurrogateEncoder
        On one device.
    settings : Perturbing, optional
    rows : sequence of int, optional
        Which images to perturb; all by default. The others are only what images are pulled towards.
    seed : int, default 0
        Of the random starts and transforms. The same seed, images and surrogates give the same pixels on one machine,
        with one number of torch's threads and the same `rows`; a batch of others may round otherwise. CUDA adds some
        gradients up in no fixed order, so that single pixels may differ there.
    progress : callable, optional
        ``progress(done, total)``, in images.

    Returns
    -------
    list of ndarray of uint8
        One for each of `rows`; no channel of any pixel differs by more than epsilon.

    Raises
    ------
    NotEnoughDataError
        All images are by one model: there is none to be taken for.
    MorelliError
        There are no surrogates, or they are on several devices, or not as many models as images.
    """
    settings = settings or Perturbing()
    device = _check(surrogates)
    (torch,) = require_libraries("A perturbation", "torch")
    owners = np.asarray(models)
    if len(owners) != len(images):
        raise MorelliError(f"A defence needs to know who made each image: {len(images)} images, {len(owners)} models.")
    wanted = list(range(len(images))) if rows is None else list(rows)
    if len(np.unique(owners)) < 2:
        raise NotEnoughDataError(
            "A perturbation needs images of two models for the prompt: one is pulled to the other."
        )
    tensors = [torch.from_numpy(np.array(pixels.transpose(2, 0, 1), dtype=np.float32)) for pixels in images]
    with torch.no_grad():
        original = [torch.cat([surrogate(tensor[None].to(device)) for tensor in tensors]) for surrogate in surrogates]
    targets = _farthest(torch, original, owners)
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for row in wanted:
        by_shape.setdefault(tuple(tensors[row].shape), []).append(row)
    result: dict[int, Pixels] = {}
    for members in by_shape.values():
        for start in range(0, len(members), settings.batch):
            batch = members[start : start + settings.batch]
            positives = [np.flatnonzero(owners == targets[row]) for row in batch]
            values = torch.stack([tensors[row] for row in batch]).to(device)
            starts = np.stack([_start(images[row], settings.epsilon, seed) for row in batch])
            moved = _ascend(
                torch,
                values,
                torch.from_numpy(starts).to(device),
                surrogates,
                original,
                batch,
                positives,
                settings,
                seed,
            )
            for row, pixels in zip(batch, moved.cpu().numpy(), strict=True):
                result[row] = _within(images[row], pixels.transpose(1, 2, 0), settings.epsilon)
            if progress is not None:
                progress(len(result), len(wanted))
    return [result[row] for row in wanted]


def _check(surrogates: Sequence[SurrogateEncoder]) -> str:
    devices = {surrogate.device for surrogate in surrogates}
    if not surrogates or len(devices) > 1:
        raise MorelliError(
            "A perturbation needs one surrogate encoder or more, all on one device: "
            f"{len(surrogates)} on {', '.join(sorted(devices)) or 'none'}."
        )
    return devices.pop()


def _farthest(torch: Any, embedded: Sequence[Any], owners: Codes) -> NDArray[Any]:
    """Return for each image the other model that is farthest: by the cosine to its centroid, averaged over surrogates.

    One choice for the whole ensemble, so that all surrogates pull the same way and what they agree on carries over.
    """
    names = np.unique(owners)
    cosines = torch.zeros(len(owners), len(names))
    for vectors in embedded:
        own = vectors.cpu()
        centroids = torch.stack([own[torch.from_numpy(owners == name)].mean(dim=0) for name in names])
        cosines += own @ torch.nn.functional.normalize(centroids, dim=1).T
    table = cosines.numpy().astype(np.float64)
    table[owners[:, None] == names[None]] = np.inf
    return np.asarray(names[table.argmin(axis=1)])


def _start(pixels: Pixels, epsilon: float, seed: int) -> NDArray[np.float32]:
    """Return where the ascent starts, (3, height, width): random within the bound, by the seed and the image alone."""
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).digest()
    rng = np.random.default_rng((seed, int.from_bytes(digest[:8], "little")))
    shape = (3, *pixels.shape[:2])
    return np.asarray(rng.uniform(-epsilon, epsilon, shape), dtype=np.float32)


def _ascend(
    torch: Any,
    values: Any,
    delta: Any,
    surrogates: Sequence[SurrogateEncoder],
    original: Sequence[Any],
    batch: Sequence[int],
    positives: Sequence[NDArray[np.int64]],
    settings: Perturbing,
    seed: int,
) -> Any:
    """Return the perturbed batch, float (n, 3, height, width), within the bound and within 0 to 255."""
    velocity = torch.zeros_like(values)
    low, high = (values - settings.epsilon).clamp(min=0.0), (values + settings.epsilon).clamp(max=255.0)
    moved = torch.minimum(torch.maximum(values + delta, low), high)
    for step in range(settings.steps):
        # Transforms depend on the seed and the step alone: images of a batch share them, and so do batches.
        rng = np.random.default_rng((seed, step, 1))
        moved.requires_grad_(True)
        gradient = torch.zeros_like(values)
        for number in range(settings.transforms + 1):
            seen = moved if number == 0 else _transformed(moved, settings, rng)
            loss = sum(
                _info_nce(torch, surrogate(seen), vectors, batch, positives, settings.temperature)
                for surrogate, vectors in zip(surrogates, original, strict=True)
            )
            gradient = gradient + torch.autograd.grad(loss, moved)[0]
        moved = moved.detach()
        size = gradient.abs().mean(dim=(1, 2, 3), keepdim=True)
        velocity = settings.momentum * velocity + gradient / size.clamp(min=1e-20)
        moved = torch.minimum(torch.maximum(moved - settings.step * velocity.sign(), low), high)
    return moved


def _info_nce(
    torch: Any,
    vectors: Any,
    original: Any,
    batch: Sequence[int],
    positives: Sequence[NDArray[np.int64]],
    temperature: float,
) -> Any:
    """Return the sum over a batch of -log(pull / (pull + push)).

    Pull is the mean over the positives of exp(cosine / temperature), push the same for the image's own original.
    """
    total = 0.0
    for vector, row, pulling in zip(vectors, batch, positives, strict=True):
        towards = original[torch.from_numpy(pulling).to(original.device)] @ vector / temperature
        pull = torch.logsumexp(towards, dim=0) - math.log(len(pulling))
        push = original[row] @ vector / temperature
        total = total - pull + torch.logaddexp(pull, push)
    return total


def _transformed(values: Any, settings: Perturbing, rng: np.random.Generator) -> Any:
    factor, quality = rng.uniform(settings.scale, 1.0), int(rng.integers(min(settings.quality, 95), 96))
    if settings.scale < 1:
        values = resize_back(values, float(factor))
    return values if settings.quality == 100 else jpeg_like(values, quality)


def _within(original: Pixels, moved: NDArray[np.float32], epsilon: float) -> Pixels:
    """Return whole levels, none of them farther than epsilon from the original: the bound holds after rounding too."""
    bound = math.floor(epsilon)
    whole = original.astype(np.int16)
    rounded = np.rint(moved).astype(np.int16)
    return np.clip(np.clip(rounded, whole - bound, whole + bound), 0, 255).astype(np.uint8)
