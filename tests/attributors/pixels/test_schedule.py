from __future__ import annotations

import numpy as np
import pytest

from morelli.attributors.pixels import FEW, PROCESSOR, PUBLISHED
from morelli.attributors.pixels.schedule import Schedule, schedule_notes


def test_the_published_schedule_against_its_closed_form():
    """25,000 images of five models: 31 steps an epoch, 2 epochs of warm-up, half a cosine from 1e-3 to 1e-6."""
    schedule = Schedule.of(PUBLISHED, 125_000)
    assert (schedule.steps_per_epoch, schedule.images, schedule.steps, schedule.warm) == (31, 4033, 930, 62)
    scale = 4033 / 4096
    rates = np.array([schedule.rate(step) for step in range(930)])
    assert np.allclose(rates[:62], scale * 1e-3 * np.arange(1, 63) / 62)
    done = np.arange(930 - 62) / (930 - 62)
    assert np.allclose(rates[62:], scale * (1e-6 + (1e-3 - 1e-6) * (1 + np.cos(np.pi * done)) / 2))
    assert rates.max() == rates[61] == pytest.approx(scale * 1e-3)


def test_the_rate_follows_the_images_of_a_step():
    many, few = Schedule.of(PUBLISHED, 40_960), Schedule.of(PUBLISHED, 512)
    assert many.highest == pytest.approx(1e-3)
    assert few.highest == pytest.approx(1e-3 / 8)
    assert (few.steps_per_epoch, few.images) == (1, 512)
    assert Schedule.of(FEW, 640).highest == pytest.approx(1e-3)


def test_without_warm_up_and_with_nothing_else():
    flat = Schedule.of(FEW.with_settings({"warm_up": 0, "epochs": 2}), 64)
    assert flat.rate(0) == pytest.approx(1e-3)
    short = Schedule.of(FEW.with_settings({"warm_up": 2, "epochs": 2}), 64)
    assert short.warm == 1, "half of a training at most"
    assert [short.rate(step) for step in range(2)] == pytest.approx([1e-3, 1e-3])


def test_a_rate_of_zero_stays_zero():
    schedule = Schedule.of(FEW.with_settings({"learning_rate": 0}), 64)
    assert {schedule.rate(step) for step in range(schedule.steps)} == {0.0}


@pytest.mark.parametrize(
    ("recipe", "n_images", "words"),
    [
        (PUBLISHED, 50, ("50 images are fewer than the 4096 of a step", "scaled down to 1.22e-05", "the recipe few")),
        (PUBLISHED.with_settings({"batch": 64}), 640, ("In steps of 64", "1.56e-05", "few, or processor")),
        (FEW, 63, ("63 images are fewer than the 64 of a step", "--batch", "--epochs")),
        (PROCESSOR.with_settings({"batch": 1}), 90, ("In steps of 1", "6.25e-05", "--batch")),
    ],
)  # fmt: skip
def test_a_recipe_for_more_images_is_told(recipe, n_images, words):
    (note,) = schedule_notes(recipe, n_images)
    assert all(word in note for word in words)


def test_nothing_is_said_of_what_fits_or_was_asked_for():
    assert schedule_notes(PUBLISHED, 4096) == schedule_notes(FEW, 64) == schedule_notes(PROCESSOR, 32) == ()
    assert schedule_notes(FEW.with_settings({"learning_rate": 1e-5}), 640) == ()
