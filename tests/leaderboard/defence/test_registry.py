from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError
from morelli.leaderboard.defence import Defence, get_defence, list_defences, register_defence
from morelli.leaderboard.defence.registry import CHANGES
from morelli.views import parse_view

from ._leaderboard import MODELS, tinted

IMAGES = [tinted(0, seed, model) for model in MODELS for seed in range(2)]
IMAGES[1] = parse_view("blur:0.7")(IMAGES[1])
OWNERS = np.repeat(np.arange(3), 2)
ALL = pytest.mark.parametrize("defence", list_defences(), ids=lambda defence: defence.name)


def test_what_there_is():
    names = {defence.name for defence in list_defences()}
    assert names >= {
        "jpeg", "webp", "resize-restore", "median", "bilateral", "nlmeans", "colour", "histogram", "sharpness", "strip",
        "post-process", "balance", "low-exposure",
    }  # fmt: skip
    assert {defence.changes for defence in list_defences()} == set(CHANGES)


@ALL
def test_every_defence_repeats_keeps_its_input_and_the_number_of_images(defence):
    before = [pixels.copy() for pixels in IMAGES]
    made = defence.apply(IMAGES, OWNERS, np.random.default_rng(5))
    again = defence.apply(IMAGES, OWNERS, np.random.default_rng(5))
    assert len(made) == len(IMAGES)
    for one, two, now, was in zip(made, again, IMAGES, before, strict=True):
        assert one.dtype == np.uint8 and one.shape == was.shape
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(now, was)
    same = all(np.array_equal(one, was) for one, was in zip(made, before, strict=True))
    assert same == (defence.changes != "images")
    assert defence.summary.endswith(".") and "\n" not in defence.summary


def test_any_view_is_a_defence_and_random_ones_follow_the_generator():
    defence = get_defence("blur@2 | noise:5")
    assert defence.name == defence.view == "blur:1|noise:5" and defence.changes == "images"
    one, two, other = (defence.apply(IMAGES, OWNERS, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one[0], two[0]) and not np.array_equal(one[0], other[0])
    assert np.array_equal(get_defence("jpeg").apply(IMAGES, OWNERS, np.random.default_rng(0))[3],
                          parse_view("jpeg:75")(IMAGES[3]))  # fmt: skip


@pytest.mark.parametrize("name", ["jpge", "", "none", "depth", "jpeg:0", "défense"])
def test_what_is_no_defence(name):
    with pytest.raises(MorelliError):
        get_defence(name)


def test_a_defence_says_what_it_changes():
    with pytest.raises(MorelliError, match="changes one of"):
        Defence("x", "X.", "votes")  # type: ignore[arg-type]
    with pytest.raises(MorelliError, match="function or a view"):
        Defence("x", "X.", "images")
    with pytest.raises(MorelliError, match="function or a view"):
        Defence("x", "X.", "container", view="blur:1")
    with pytest.raises(ValueError, match="already registered"):
        register_defence(get_defence("jpeg"))
    with pytest.raises(MorelliError, match="who made each"):
        get_defence("colour").apply(IMAGES, OWNERS[:2], np.random.default_rng(0))
