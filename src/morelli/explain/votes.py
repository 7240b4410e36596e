"""Patch votes: every window of native pixels is measured and judged like an image, and says its part of the answer.

Discriminants with a common covariance are linear in their features, and most features are means over an image's tiles.
So the evidence of an image is nearly the mean of the evidence of its windows, and a window's vote is a share of an
answer rather than an answer. As an answer it would be far too sure: a window is a smaller sample than the images that
the discriminants were fitted to. Some features are no means, and all windows err there alike; what windows say too much
in the mean is taken off all of them, so that the map's mean is what the image says as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morelli.attributors import Bundle
from morelli.encoders import Encoded, Encoder, JointEncoder
from morelli.encoders.forensic import MIN_SIDE
from morelli.encoders.pretrained.base import PretrainedEncoder
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.explain._windows import Windows, lay_windows
from morelli.explain.trace_map import TraceMap
from morelli.images import Limits, read_image

__all__ = ["Votes", "check_request", "count_votes", "explain"]

Pixels = NDArray[np.uint8]
Float = NDArray[np.float64]

_ALIGN = 16
"""Windows, and what is cut out of them, begin at multiples of this: the grid of codecs with subsampled chroma."""


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """What all windows of an image say of all candidates: measured once, to be asked about any of them.

    Attributes
    ----------
    classes : tuple of str
        The K candidates.
    windows : Windows
    whole : dict of str to ndarray, shape (K,)
        Evidence of every family in the image as a whole, in nats, as in a verdict.
    parts : dict of str to ndarray, shape (windows, K)
        The same in each window, for the families that are measured region by region.
    ranking : tuple of str
        The candidates by their probability in the verdict on the whole, the most probable first.
    judged_as : str or None
        As in a verdict.
    """

    classes: tuple[str, ...]
    windows: Windows
    whole: dict[str, Float]
    parts: dict[str, Float]
    ranking: tuple[str, ...]
    judged_as: str | None

    def map(
        self, candidate: str | None = None, against: str | None = None, families: Sequence[str] | None = None
    ) -> TraceMap:
        """Return the map for one candidate; parameters and errors as for :func:`explain`."""
        check_request(tuple(self.whole), self.classes, candidate, against, families)
        candidate = candidate or next(name for name in self.ranking if name != against)
        asked = [name for name in self.whole if families is None or name in families]
        placed = [name for name in asked if name in self.parts]
        if not placed:
            raise MorelliError(f"No region can be held to {', '.join(asked)}: it is measured on the whole image.")

        def ratio(words: Float) -> Float:
            """Turn evidence for all candidates, shape (..., K), into that for the one against the other."""
            other = 0.0 if against is None else words[..., self.classes.index(against)]
            return np.asarray(words[..., self.classes.index(candidate)] - other)

        votes = {name: ratio(self.parts[name]) for name in placed}
        says = {name: float(ratio(self.whole[name])) for name in asked}
        cells = {name: self.windows.average(votes[name]) for name in placed}
        shifts = {name: float(cells[name].mean()) - says[name] for name in placed}
        maps = {name: cells[name] - shifts[name] for name in placed}
        return TraceMap(
            method="votes",
            candidate=candidate,
            against=against,
            grid=self.windows.grid,
            values=np.sum(list(maps.values()), axis=0),
            whole=sum(says[name] for name in placed),
            noise=self.windows.noise(np.sum(list(votes.values()), axis=0)),
            n_windows=len(self.windows),
            window=self.windows.size,
            families=maps,
            noise_of={name: self.windows.noise(votes[name]) for name in placed},
            unplaced={name: says[name] for name in asked if name not in placed},
            shift=sum(shifts.values()),
            judged_as=self.judged_as,
        )


def count_votes(
    bundle: Bundle,
    image: str | os.PathLike[str] | Pixels,
    *,
    window: int | None = None,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Votes:
    """Measure and judge an image and all its windows; parameters and errors as for :func:`explain`."""
    if window is not None and window < MIN_SIDE:
        raise MorelliError(f"A window's side is {MIN_SIDE} pixels or more, not {window}.")
    pixels = image if isinstance(image, np.ndarray) else read_image(image, limits=limits).pixels
    whole, placed = _measure(bundle.encoder, pixels)
    answers = bundle.attributor.answer(whole)
    windows = lay_windows(pixels.shape[0], pixels.shape[1], window)
    rows = np.empty((len(windows), whole.shape[1]), dtype=np.float32)
    height, width = windows.size
    for number, (top, left) in enumerate(windows.corners()):
        try:
            rows[number] = _encode(bundle.encoder, pixels[top : top + height, left : left + width])
        except NotEnoughDataError as error:
            raise NotEnoughDataError(
                f"Windows of {width}x{height} pixels are too small for the bundle's encoder; take larger ones. {error}"
            ) from error
        if progress is not None:
            progress(number + 1, len(windows))
    parts = bundle.attributor.evidence_in_parts(whole, rows)
    return Votes(
        classes=bundle.classes,
        windows=windows,
        whole={name: words[0] for name, words in answers.evidence.items()},
        parts={name: words for name, words in parts.items() if name in placed},
        ranking=tuple(bundle.classes[k] for k in np.argsort(-answers.proba[0], kind="stable")),
        judged_as=None if answers.judged_as is None else str(answers.judged_as[0]),
    )


def explain(
    bundle: Bundle,
    image: str | os.PathLike[str] | Pixels,
    *,
    candidate: str | None = None,
    against: str | None = None,
    families: Sequence[str] | None = None,
    window: int | None = None,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TraceMap:
    """Say which regions of an image speak for a candidate.

    Parameters
    ----------
    bundle : Bundle
    image : path-like, or ndarray of uint8, shape (height, width, 3)
        A file, or pixels as decoded.
    candidate : str, optional
        Whom to ask about; by default the most probable one.
    against : str, optional
        Who else may have made it; by default the mean of all candidates, as in a verdict's evidence.
    families : sequence of str, optional
        Whose evidence counts; by default that of all families which are measured region by region.
    window : int, optional
        Side of a window in pixels, a multiple of 32 and 64 or more; by default 256, and 128 on images with a side
        shorter than 512, or a quarter of the shorter side where that is more.
    limits : Limits, optional
        Of what is read.
    progress : callable, optional
        Called as ``progress(done, total)`` after every window.

    Returns
    -------
    TraceMap
        By method ``votes``.

    Raises
    ------
    ImageReadError
        The file is no image that can be read.
    NotEnoughDataError
        The image, or a window, is too small for the bundle's encoder.
    MorelliError
        A candidate or family is unknown, both candidates are the same, or no family is measured region by region.
    """
    # Here too, before the image is measured.
    check_request(tuple(bundle.attributor.weights_), bundle.classes, candidate, against, families)
    votes = count_votes(bundle, image, window=window, limits=limits, progress=progress)
    return votes.map(candidate, against, families)


def check_request(
    families: Sequence[str],
    classes: Sequence[str],
    candidate: str | None,
    against: str | None,
    wanted: Sequence[str] | None,
) -> None:
    """Refuse names of candidates and families that there are not, see :func:`explain`."""
    for name in (candidate, against):
        if name is not None and name not in classes:
            raise MorelliError(f"{name!r} is no candidate; there are: {', '.join(classes)}.")
    if candidate is not None and candidate == against:
        raise MorelliError(f"{candidate} cannot be held against itself; name two candidates.")
    for name in wanted or ():
        if name not in families:
            raise MorelliError(f"No family is called {name!r} here; there are: {', '.join(families)}.")


def _parts(encoder: Encoder) -> Sequence[Encoder]:
    return encoder.parts if isinstance(encoder, JointEncoder) else (encoder,)


def _measure(encoder: Encoder, pixels: Pixels) -> tuple[NDArray[np.float32], set[str]]:
    """Measure the whole image; return its row, shape (1, d), and the families that are measured region by region."""
    encoded = [(part, part.encode(pixels)) for part in _parts(encoder)]
    placed = {name for part, one in encoded for name in _by_region(part, one)}
    return np.concatenate([one.stack()[:1] for _, one in encoded], axis=1), placed


def _by_region(part: Encoder, encoded: Encoded) -> list[str]:
    """Return the families of an encoder that its regions have a say in."""
    if isinstance(part, PretrainedEncoder):
        return [f"{part.name}/crops{tap}" for tap in part.sightings.crops]
    # A family without contrasts where others have some is measured on the whole image, see `Encoded`.
    return [name for name, rows in encoded.contrasts.items() if len(rows) or not encoded.n_contrasts]


def _encode(encoder: Encoder, window: Pixels) -> NDArray[np.float32]:
    """Measure one window, shape (d,)."""
    return np.concatenate([part.encode(_seen_by(part, window)).stack()[0] for part in _parts(encoder)])


def _seen_by(part: Encoder, window: Pixels) -> Pixels:
    """Cut out of a window what an encoder shall look at.

    A network that reads crops of 224 pixels would look at a window of 256 four times, nearly at the same place: once,
    in the middle, is a quarter of the work.
    """
    if not isinstance(part, PretrainedEncoder):
        return window
    size = part.preprocessing.size
    for axis in (0, 1):
        room = window.shape[axis] - size
        if 0 < room < size:
            start = room // 2 // _ALIGN * _ALIGN
            window = window[start : start + size] if axis == 0 else window[:, start : start + size]
    return window
