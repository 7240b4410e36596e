"""The detector of the payloads that Stable Diffusion and FLUX embed: which bits agree, and how likely by chance."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from morelli.provenance.layers import Settings
from morelli.provenance.watermarks._dwtdct import BLOCK, Conversion, Votes, read_votes
from morelli.provenance.watermarks.detectors import Detection, register_detector
from morelli.provenance.watermarks.known import KNOWN, KnownPayload

__all__ = ["FALSE_POSITIVE_RATE", "DwtDctDetector", "match_payload"]

FALSE_POSITIVE_RATE: Final = 1e-6
"""Level of the test over all payloads together."""

MIN_PIXELS: Final = 256 * 256
"""The library refuses to mark smaller images."""

_MAX_BLOCKS = 65_536
"""As in an image of 2048 by 2048 pixels: 480 blocks for each bit of the longest payload."""


class DwtDctDetector:
    """Tests an image for each of the known payloads of the scheme "dwtDct".

    The original decoder takes a bit for 1 where at least half of its blocks read as 1, and always returns bits. In
    areas of one colour blocks read alike whatever they carry, so that a mark is missed and bits of an unmarked image
    depend on each other. Here a block votes for a bit by how its reading differs from the mean of the blocks around it
    (3 by 3), flat blocks do not vote, and a bit on which no vote is left is not counted.

    The p-value is the binomial probability of as many agreeing bits or more, times the number of payloads. It is exact
    for a payload that was drawn by fair coins without regard to the image, whatever the image is and however its bits
    depend on each other. The payloads of SDXL and FLUX were drawn at random, once, and those of Stable Diffusion 1 and
    2 are texts: ``benchmarks/watermarks.py`` measures p-values of images without marks. An image with a period could
    agree with a text by its own period; a mark has to agree better in its own phase than in any other.

    Parameters
    ----------
    known : sequence of KnownPayload
    false_positive_rate : float
        Level of the test, in (0, 1).
    max_blocks : int
        Blocks read from one image; of larger ones, the middle rows.
    """

    name = "dwt-dct"

    def __init__(
        self,
        known: Sequence[KnownPayload] = KNOWN,
        *,
        false_positive_rate: float = FALSE_POSITIVE_RATE,
        max_blocks: int = _MAX_BLOCKS,
    ) -> None:
        self.known = tuple(known)
        self.false_positive_rate = false_positive_rate
        self.max_blocks = max_blocks

    def detect(self, pixels: NDArray[np.uint8]) -> Detection:
        """Look at one image; see :class:`~morelli.provenance.watermarks.Detector`."""
        height, width = pixels.shape[:2]
        if height * width < MIN_PIXELS or min(height, width) < BLOCK:
            return Detection(False, detail={"note": "too small: the library marks images of 256 by 256 pixels or more"})
        votes: dict[Conversion, Votes] = {}
        best: tuple[float, KnownPayload, dict[str, Any]] | None = None
        for payload in self.known:
            if payload.conversion not in votes:
                votes[payload.conversion] = read_votes(pixels, payload.conversion, self.max_blocks)
            p_value, detail = match_payload(votes[payload.conversion], payload.array)
            if best is None or p_value < best[0]:
                best = p_value, payload, detail
        if best is None:
            return Detection(False)
        p_value = min(1.0, best[0] * len(self.known))
        payload, detail = best[1], {**best[2], "payloads_tried": len(self.known)}
        if p_value > self.false_positive_rate:
            return Detection(False, p_value, detail=detail)
        if detail["agree"] <= detail["agree_in_other_phases"]:
            return Detection(
                False, detail={**detail, "note": "the image has a period; its bits agree in other phases too"}
            )
        detail |= {"conversion": "/".join(payload.conversion), "embedded_by": payload.source}
        return Detection(True, p_value, payload.text or payload.bits, value=payload.value, detail=detail)


def match_payload(votes: Votes, payload: NDArray[np.bool_]) -> tuple[float, dict[str, Any]]:
    """Compare what blocks read as with one payload.

    Parameters
    ----------
    votes : Votes
    payload : ndarray of bool, shape (bits,)

    Returns
    -------
    p_value : float
        Probability of as many agreeing bits or more if the payload had been drawn by fair coins; for this payload
        alone.
    detail : dict
        ``bits`` that have votes, of which ``agree`` agree, and at most ``agree_in_other_phases`` if the payload began
        elsewhere; ``blocks`` that voted.
    """
    length = len(payload)
    informative = votes.informative.astype(np.float64)
    around = uniform_filter(informative, 3, mode="constant")
    ones = uniform_filter(votes.ones * informative, 3, mode="constant")
    excess = (votes.ones - ones / np.maximum(around, 1e-9)) * informative
    phases = (votes.first + np.arange(excess.size)) % length
    sums = np.bincount(phases, weights=excess.ravel(), minlength=length)
    counted = np.abs(sums) > 1e-6  # sums of ninths: what is smaller is rounding
    bits = sums > 0
    phases_of_payload = sliding_window_view(np.concatenate([payload, payload[:-1]]), length)
    agreeing = (phases_of_payload[:, counted] == bits[counted]).sum(axis=1)
    agree = int(agreeing[0])
    total = int(counted.sum())
    tail = sum(comb(total, count) for count in range(agree, total + 1)) / 2**total
    return tail, {
        "bits": total,
        "agree": agree,
        "agree_in_other_phases": int(agreeing[1:].max(initial=0)),
        "blocks": int(informative.sum()),
    }


def _make(settings: Settings) -> DwtDctDetector:
    return DwtDctDetector()


register_detector(
    "dwt-dct",
    _make,
    summary='Payloads that the programs of Stable Diffusion 1, 2 and XL and of FLUX embed by "dwtDct".',
)
