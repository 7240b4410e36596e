"""The registry of watermark detectors: one interface, and a false-positive rate for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from morelli._plugins import load_plugins
from morelli.errors import MorelliError
from morelli.provenance.facts import CLAIMS
from morelli.provenance.layers import Settings

__all__ = ["Detection", "Detector", "list_detectors", "make_detectors", "register_detector"]


@dataclass(frozen=True, slots=True)
class Detection:
    """What one detector says of one image.

    Attributes
    ----------
    present : bool
        The detector holds that its watermark is in the image. Never True without a reason that can be tested.
    p_value : float or None
        Chance that an image without the watermark looks as marked as this one, in [0, 1], corrected for everything
        that the detector tried. None where the detector cannot say; such a finding stays unverified.
    payload : str or None
        What the watermark carries, as text.
    claim : str
        A key of `CLAIMS`: what the watermark says something about.
    value : str or None
        What it says, such as the name of the program that embeds it. It is looked up in the table of aliases.
    detail : dict
        JSON-able values, such as how many bits agree.
    """

    present: bool
    p_value: float | None = None
    payload: str | None = None
    claim: str = "generator"
    value: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.p_value is not None and not 0 <= self.p_value <= 1:
            raise ValueError(f"a p-value is in [0, 1], not {self.p_value}")
        if self.claim not in CLAIMS:
            raise ValueError(f"{self.claim!r} is no claim; there are {', '.join(CLAIMS)}")
        if self.present and not self.value:
            raise ValueError("a watermark that is present says something: value")


class Detector(Protocol):
    """Looks for one kind of watermark.

    Attributes
    ----------
    name : str
    false_positive_rate : float
        At most this share of images without the watermark is said to carry it, in (0, 1).
    """

    @property
    def name(self) -> str:
        """As it is registered."""
        ...

    @property
    def false_positive_rate(self) -> float:
        """Level of its test."""
        ...

    def detect(self, pixels: NDArray[np.uint8]) -> Detection:
        """Look at one image: uint8, shape (height, width, 3), RGB, of any size from 1 by 1 pixels."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    make: Callable[[Settings], Detector | None]
    summary: str
    needs: str | None


_DETECTORS: dict[str, _Entry] = {}


def register_detector(
    name: str, make: Callable[[Settings], Detector | None], *, summary: str, needs: str | None = None
) -> None:
    """Make a detector known, such as a vendor's.

    Parameters
    ----------
    name : str
    make : callable
        Returns the detector for settings, or None where the settings do not ask for it; raises MorelliError where they
        do and it cannot be had.
    summary : str
        One sentence.
    needs : str, optional
        What settings have to hold so that it looks, for those who wonder why it did not.

    Raises
    ------
    ValueError
        The name is taken.

    Examples
    --------
    A module that a package names as an entry point of the group ``morelli``::

        class Vendor:
            name = "vendor"
            false_positive_rate = 1e-9

            def __init__(self, key):
                self._client = vendor_sdk.Client(key)

            def detect(self, pixels):
                found = self._client.read(pixels)
                if found is None:
                    return Detection(False)
                return Detection(True, found.p_value, found.payload, value="Vendor Image 2")

        def make(settings):
            key = settings.options.get("vendor.key")
            return None if key is None else Vendor(key)

        register_detector("vendor", make, summary="The vendor's own.", needs="the option vendor.key")
    """
    if name in _DETECTORS:
        raise ValueError(f"there is a detector {name} already")
    _DETECTORS[name] = _Entry(make, summary, needs)


def list_detectors() -> dict[str, str]:
    """Return the names of all detectors with a sentence about each."""
    load_plugins()
    return {name: _DETECTORS[name].summary for name in sorted(_DETECTORS)}


def make_detectors(settings: Settings) -> tuple[dict[str, Detector], dict[str, str]]:
    """Return the detectors that settings ask for, and of the others what they need.

    Every one is shown two images that nobody marked. One that sees its watermark there would see it everywhere.

    Raises
    ------
    MorelliError
        A detector cannot be had, states no rate, or sees a watermark where there is none.
    """
    made: dict[str, Detector] = {}
    asleep: dict[str, str] = {}
    for name in list_detectors():
        detector = _DETECTORS[name].make(settings)
        if detector is None:
            asleep[name] = f"it needs {_DETECTORS[name].needs or 'settings that were not given'}"
        else:
            _check(name, detector)
            made[name] = detector
    return made, asleep


def _check(name: str, detector: Detector) -> None:
    if not 0 < detector.false_positive_rate < 1:
        raise MorelliError(f"The watermark detector {name} states no false-positive rate between 0 and 1.")
    for what, image in (("a grey image", _grey()), ("random noise", _noise())):
        if detector.detect(image).present:
            raise MorelliError(f"The watermark detector {name} sees a watermark in {what}, and is not to be believed.")


def _grey() -> NDArray[np.uint8]:
    return np.full((256, 264, 3), 128, np.uint8)


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (256, 264, 3), dtype=np.uint8)
