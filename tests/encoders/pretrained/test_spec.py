from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("crops4", Sightings()),
        ("crops4,resized6,embedding", Sightings(crops=(4,), resized=(6,), embedding=True)),
        (" embedding , crops12 ,crops3", Sightings(crops=(12, 3), embedding=True)),
        ("embedding", Sightings(crops=(), embedding=True)),
        ("resized2,resized1", Sightings(crops=(), resized=(2, 1))),
    ],
)
def test_words_are_read(words, expected):
    assert Sightings.read(words) == expected


def test_families_stand_in_the_order_of_columns():
    sightings = Sightings.read("embedding,resized6,crops4")
    assert sightings.families == ("crops4", "resized6", "embedding")
    assert sightings.words == "crops4,resized6,embedding"
    assert Sightings().words == "crops4"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "not ''"),
        ("crops4,", "not ''"),
        ("crops", "not 'crops'"),
        ("resized", "not 'resized'"),
        ("embedding4", "not 'embedding4'"),
        ("crop4", "not 'crop4'"),
        ("Crops4", "not 'Crops4'"),
        ("crops-4", "not 'crops-4'"),
        ("crops4.5", "not 'crops4.5'"),
        ("crops\u0664", "In brackets stands what is measured"),
        ("colour", r"as in \[crops4,resized6,embedding\].*not 'colour'"),
        ("crops4][embedding", "not 'crops4]"),
        ("crops4,crops4", "different numbers of blocks"),
        ("crops4,crops04", "different numbers of blocks"),
        ("resized6,crops4,resized6", "different numbers of blocks"),
        ("crops0", "counted from 1"),
        ("embedding,embedding", r"There is one embedding, and \[embedding,embedding\] names it twice"),
    ],
)
def test_words_that_cannot_be_read(words, message):
    with pytest.raises(MorelliError, match=message):
        Sightings.read(words)


taps = st.lists(st.integers(1, 99), unique=True, max_size=4).map(tuple)


@given(taps, taps, st.booleans(), st.randoms(use_true_random=False))
def test_words_say_all(crops, resized, embedding, random):
    if not (crops or resized or embedding):
        return
    sightings = Sightings(crops=crops, resized=resized, embedding=embedding)
    assert Sightings.read(sightings.words) == sightings
    assert sightings.words == ",".join(sightings.families)
    shuffled = random.sample(sightings.families, len(sightings.families))
    assert set(Sightings.read(",".join(shuffled)).families) == set(sightings.families)
