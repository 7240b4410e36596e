from __future__ import annotations

import pytest

from morelli.encoders.pretrained import Preprocessing, Sightings
from morelli.errors import MorelliError


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 8},
        {"resize": 100},
        {"std": (0.0, 1.0, 1.0)},
        {"mean": (127.0, 1.0, 1.0)},
        {"fit": "pad"},
        {"resample": "box"},
    ],
)
def test_preprocessing_is_checked(wrong):
    good = {"size": 224, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    Preprocessing(**good)
    with pytest.raises(MorelliError, match="makes no sense"):
        Preprocessing(**{**good, **wrong})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"crops": (), "resized": ()}, "has to measure something"),
        ({"crops": (4, 4)}, "different numbers"),
        ({"resized": (0,)}, "counted from 1"),
        ({"grid": 0}, "1 to 16 crops"),
        ({"grid": 17}, "1 to 16 crops"),
    ],
)
def test_sightings_are_checked(wrong, message):
    with pytest.raises(MorelliError, match=message):
        Sightings(**wrong)


def test_the_grid_does_not_count_without_crops():
    assert Sightings(crops=(), resized=(6,), grid=2).to_dict() == Sightings(crops=(), resized=(6,), grid=5).to_dict()
