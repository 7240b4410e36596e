from __future__ import annotations

import json

import numpy as np
import pytest

from morelli.attributors.calibration import BiasCorrectedTemperature, TemperatureCalibrator
from morelli.attributors.calibrator_choice import CalibratorChoice, calibrator_from_dict, choose_calibrator
from morelli.attributors.doubt import DoubtedBiases, DoubtedTemperature
from morelli.errors import NotEnoughDataError

from .test_calibration import draw


def test_choice_takes_biases_that_are_there():
    groups = np.arange(900) // 3
    z, y = draw(900, 4, 10, 2.0, bias=np.array([1.5, 0, 0, -1.5]))
    biased = choose_calibrator(z, y, groups, 0, class_balanced=False)
    assert biased.name == "doubted-biases"
    assert biased.calibrator.to_dict() == DoubtedBiases(class_balanced=False).fit(z, y).to_dict()
    assert biased.gain > 3 * biased.standard_error > 0
    assert biased.nll["doubted-temperature"] - biased.nll["doubted-biases"] == pytest.approx(biased.gain)
    assert (biased.n_splits, biased.n_groups) == (5, 300)
    again = CalibratorChoice.from_dict(json.loads(json.dumps(biased.to_dict(), allow_nan=False)))
    assert again.to_dict() == biased.to_dict()
    assert choose_calibrator(z, y, groups, 0, class_balanced=False, ridge=50.0).calibrator.ridge == 50.0


def test_choice_takes_what_was_better_on_held_out_groups_by_however_little():
    """Also within a standard error; where there are no biases, either may be, and little hangs on it."""
    groups = np.arange(120) // 3
    within, gains = 0, []
    for seed in range(10):
        z, y = draw(120, 3, seed, 2.0)
        choice = choose_calibrator(z, y, groups, 0)
        assert choice.name == choice.calibrator.name == min(choice.nll, key=choice.nll.__getitem__)
        assert choice.name == ("doubted-biases" if choice.gain > 0 else "doubted-temperature")
        cls = DoubtedBiases if choice.gain > 0 else DoubtedTemperature
        assert choice.calibrator.to_dict() == cls().fit(z, y).to_dict()
        assert choice.reason.startswith(f"{choice.name}: class biases change the held-out loss by {-choice.gain:+.4f}")
        within += 0 < choice.gain < choice.standard_error
        gains.append(choice.gain)
    assert within
    assert min(gains) < 0
    assert np.abs(gains).max() < 0.05


def test_choice_holds_out_whole_groups_and_counts_classes_alike():
    z, y = draw(80, 3, 17, 2.0, bias=np.array([0.8, 0.0, -0.8]))
    groups = np.arange(80) // 2
    choice = choose_calibrator(z, y, groups, 3, n_splits=4)
    fold = np.empty(40, dtype=int)
    fold[np.random.default_rng(3).permutation(40)] = np.arange(40) % 4
    w = 1 / np.bincount(y)[y]
    for cls in (DoubtedTemperature, DoubtedBiases):
        loss = np.empty(80)
        for i in range(4):
            rows = fold[groups] == i
            log_p = cls().fit(z[~rows], y[~rows]).transform(z[rows])
            loss[rows] = -log_p[np.arange(rows.sum()), y[rows]]
        assert choice.nll[cls.name] == pytest.approx(w @ loss / w.sum())


def test_choice_is_deterministic_and_group_names_do_not_matter():
    z, y = draw(120, 3, 11)
    groups = np.arange(120) // 4
    a = choose_calibrator(z, y, groups, 5)
    assert a.to_dict() == choose_calibrator(z, y, groups, 5).to_dict()
    assert a.nll == choose_calibrator(z, y, np.array([f"p{g:03d}" for g in groups]), 5).nll
    assert a.nll != choose_calibrator(z, y, groups, 6).nll


def test_choice_standard_error_counts_groups_not_images():
    z, y = draw(100, 3, 12)
    once = choose_calibrator(z, y, np.arange(100), 0)
    copies = choose_calibrator(np.repeat(z, 10, axis=0), np.repeat(y, 10), np.repeat(np.arange(100), 10), 0)
    assert copies.standard_error > 0.6 * once.standard_error  # images would give 0.32


@pytest.mark.parametrize("groups", [np.zeros(4, dtype=int), np.array([0, 0, 1, 1])])
def test_choice_says_when_it_cannot_validate(groups):
    z = np.array([[1.0, 0.0], [2.0, 0.5], [0.0, 1.0], [0.3, 0.0]])
    choice = choose_calibrator(z, [0, 0, 1, 1], groups, 0)
    assert choice.name == "doubted-temperature"
    assert choice.reason.startswith("doubted-temperature only")
    assert choice.nll == {}
    assert choice.gain is None
    assert choice.n_splits == 0
    assert "too few groups" in choice.reason


def test_choice_bad_input():
    with pytest.raises(NotEnoughDataError):
        choose_calibrator(np.zeros((4, 2)), [0, 0, 0, 0])
    with pytest.raises(ValueError, match="n_splits"):
        choose_calibrator(np.eye(2), [0, 1], n_splits=1)
    with pytest.raises(ValueError, match="groups"):
        choose_calibrator(np.eye(2), [0, 1], [0])


def test_a_sharpened_choice_is_the_same_choice_at_another_temperature():
    z, y = draw(120, 3, 15, 2.0)
    choice = choose_calibrator(z, y, np.arange(120) // 4)
    twice = choice.sharpened(0.5).sharpened(0.8)
    assert choice.sharpening == 1.0
    assert twice.sharpening == pytest.approx(0.4)
    assert twice.calibrator.temperature == pytest.approx(0.4 * choice.calibrator.temperature)
    rest = {"calibrator", "sharpening"}
    assert {k: v for k, v in twice.to_dict().items() if k not in rest} == {
        k: v for k, v in choice.to_dict().items() if k not in rest
    }
    state = json.loads(json.dumps(twice.to_dict(), allow_nan=False))
    assert CalibratorChoice.from_dict(state).to_dict() == twice.to_dict()
    for damage in (0.0, -0.5, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="damaged"):
            CalibratorChoice.from_dict({**state, "sharpening": damage})


@pytest.mark.parametrize("cls", [DoubtedTemperature, DoubtedBiases])
def test_calibrators_are_known_by_their_names(cls):
    z, y = draw(50, 3, 16)
    fitted = cls().fit(z, y)
    again = calibrator_from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    assert type(again) is cls
    np.testing.assert_array_equal(again.transform(z), fitted.transform(z))


def test_other_calibrators_are_not_known():
    state, other = (
        cls().fit([[0.0, 1.0], [2.0, 1.0]], [1, 0]).to_dict()
        for cls in (TemperatureCalibrator, BiasCorrectedTemperature)
    )
    for wrong in (state, other, {**state, "name": "beta"}, {}):
        with pytest.raises(ValueError, match="unknown calibrator"):
            calibrator_from_dict(wrong)
