"""The registry of detectors, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.provenance import Settings
from morelli.provenance.watermarks import (
    Detection,
    detectors,
    list_detectors,
    make_detectors,
    register_detector,
)


class Vendor:
    name = "vendor"
    false_positive_rate = 1e-9

    def __init__(self, says=lambda pixels: Detection(False)):
        self._says = says

    def detect(self, pixels):
        return self._says(pixels)


@pytest.fixture
def register(monkeypatch):
    monkeypatch.setattr(detectors, "_DETECTORS", dict(detectors._DETECTORS))
    return register_detector


def test_built_in_ones():
    assert set(list_detectors()) >= {"dwt-dct", "trustmark"}
    made, asleep = make_detectors(Settings())
    assert list(made) == ["dwt-dct"] and 0 < made["dwt-dct"].false_positive_rate <= 1e-6
    assert "trustmark.weights" in asleep["trustmark"]


def test_a_vendors_own(register):
    def make(settings):
        return Vendor() if "vendor.key" in settings.options else None

    register("vendor", make, summary="The vendor's own.", needs="the option vendor.key")
    assert list_detectors()["vendor"] == "The vendor's own."
    assert make_detectors(Settings())[1]["vendor"] == "it needs the option vendor.key"
    assert "vendor" in make_detectors(Settings(options={"vendor.key": "k"}))[0]


def test_needs_may_be_left_out(register):
    register("vendor", lambda settings: None, summary="The vendor's own.")
    assert "settings that were not given" in make_detectors(Settings())[1]["vendor"]


def test_a_name_is_taken_once(register):
    with pytest.raises(ValueError, match="dwt-dct"):
        register("dwt-dct", lambda settings: Vendor(), summary="Another.")


@pytest.mark.parametrize(
    "says",
    [
        lambda pixels: Detection(True, 0.0, value="always"),
        lambda pixels: Detection(pixels.std() < 1, 0.0, value="flat"),
        lambda pixels: Detection(pixels.std() > 50, 0.0, value="busy"),
    ],
)
def test_one_that_says_yes_to_anything_is_refused(register, says):
    register("vendor", lambda settings: Vendor(says), summary="Says yes.")
    with pytest.raises(MorelliError, match=r"vendor sees a watermark in .*not to be believed"):
        make_detectors(Settings())


@pytest.mark.parametrize("rate", [0, 1, -1, float("nan")])
def test_one_without_a_rate_is_refused(register, rate):
    vendor = Vendor()
    vendor.false_positive_rate = rate
    register("vendor", lambda settings: vendor, summary="States nothing.")
    with pytest.raises(MorelliError, match="false-positive rate"):
        make_detectors(Settings())


@pytest.mark.parametrize(
    "values",
    [
        {"present": False, "p_value": 1.1},
        {"present": False, "p_value": float("nan")},
        {"present": True, "p_value": 0.0},
        {"present": False, "claim": "truth"},
    ],
)
def test_detections_that_make_no_sense(values):
    with pytest.raises(ValueError):
        Detection(**values)


def test_controls_are_the_same_every_time():
    seen = []

    class Watcher(Vendor):
        def detect(self, pixels):
            seen.append(pixels.tobytes())
            return Detection(False)

    detectors._check("watcher", Watcher())
    detectors._check("watcher", Watcher())
    assert seen[:2] == seen[2:] and len(set(seen)) == 2
    assert np.frombuffer(seen[0], np.uint8).std() == 0
