from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from morelli.audit.versions import Curve
from morelli.audit.versions.law import MOST_TIMES, ErrorLaw
from morelli.audit.versions.recalls import measure_recalls
from morelli.studies.curve import CurveFit

from ._curves import planted


def law_of(curve: Curve, seed: int = 0) -> ErrorLaw:
    k = curve.known.shape[1]
    return ErrorLaw(curve, measure_recalls(curve.codes, curve.named[-1], curve.groups, k), seed)


def exact(k: int = 5, prompts: int = 200, b: float = 0.5, lost: float = 0.4) -> Curve:
    """Return a curve without any chance: of each candidate so many are right, and each image has the mean error."""
    known = np.array([0.5, 0.7, 1.0]) * prompts
    codes, groups = np.repeat(np.arange(k), prompts), np.tile(np.arange(prompts), k)
    errors = lost * (known / known[-1]) ** -b
    truth = np.repeat(1 - errors[:, None], k * prompts, axis=1)
    named = np.where(groups >= round(lost * prompts), codes, (codes + 1) % k)
    return Curve(codes, groups, truth, np.stack([named] * 3), np.repeat(known[:, None], k, axis=1))


def test_a_law_without_chance_is_read_off_exactly():
    law = law_of(exact())
    assert (law.steepness.value, law.steepness.low, law.steepness.high) == pytest.approx((0.5, 0.5, 0.5))
    assert law.gained(0).value == pytest.approx(0.4 * (2**0.5 - 1))
    assert law.foreseen_of_all(800).value == pytest.approx(1 - 0.4 / 2)
    assert law.known_of_all == pytest.approx(200)


def test_what_is_needed_is_what_the_studies_curve_needs():
    curve = exact(k=20)
    needed = law_of(curve).needed(0, 0.7)
    power = CurveFit("power", a=float(np.log(0.4) + 0.5 * np.log(200)), b=0.5, chance=0.05)
    assert needed.value == pytest.approx(power.needed(0.7), rel=0.05)
    assert needed.low <= needed.value <= needed.high < needed.most == MOST_TIMES * 200


@pytest.mark.parametrize("b", [0.25, 0.5, 0.8])
def test_exponents_are_unbiased_and_their_intervals_hold(b):
    found = [law_of(planted(seed, b=b)[0]).steepness for seed in range(20)]
    assert np.mean([one.value for one in found]) == pytest.approx(b, abs=0.06)
    assert sum(one.low <= b <= one.high for one in found) >= 16


def test_intervals_of_what_is_foreseen_hold():
    inside = of_all = 0
    for seed in range(12):
        lost = np.random.default_rng(1000 + seed).beta(4, 5, 20)
        curve, end = planted(seed, lost=lost, b=0.4)
        law, after = law_of(curve), 1 - end * 2**-0.4
        found = [law.foreseen(place, 24) for place in range(20)]
        inside += sum(one.low <= true <= one.high for one, true in zip(found, after, strict=True))
        all_of_them = law.foreseen_of_all(24)
        of_all += all_of_them.low <= after.mean() <= all_of_them.high
    assert inside / 240 > 0.68 and of_all >= 7  # nominal 0.8


def test_intervals_of_what_is_needed_hold():
    held = 0
    for seed in range(12):
        lost = np.random.default_rng(2000 + seed).uniform(0.22, 0.6, 20)
        curve, end = planted(seed, lost=lost, b=0.5)
        law = law_of(curve)
        for place, true in enumerate(12 * (end / 0.2) ** 2):
            found = law.needed(place, 0.8)
            low = np.inf if found.low is None else found.low
            high = np.inf if found.high is None else found.high
            held += low <= np.ceil(true) <= high or (true > found.most and found.high is None)
    assert held / 240 > 0.7  # nominal 0.8


def test_errors_that_do_not_fall_promise_nothing():
    law = law_of(planted(0, b=0.0, k=30)[0])
    assert law.steepness.low < 0 < law.steepness.high
    assert law.needed(0, 0.95).high is None
    rising = law_of(planted(0, b=-0.5, lost=0.4)[0])
    assert rising.steepness.high < 0 and rising.needed(0, 0.95).value is None
    foreseen = rising.foreseen(0, 1000)
    assert 0 <= foreseen.low <= foreseen.value <= foreseen.high <= 1


def test_all_right():
    law = law_of(planted(0, lost=1e-9)[0])
    assert law.needed(0, 0.5).value == 12 and law.foreseen(0, 24).low > 0.9
    assert law.foreseen_of_all(24).value == 1


def test_a_candidate_with_one_image():
    curve, _ = planted(0)
    kept = (curve.codes != 3) | (curve.groups == 0)
    alone = replace(
        curve,
        codes=curve.codes[kept],
        groups=curve.groups[kept],
        truth=curve.truth[:, kept],
        named=curve.named[:, kept],
    )
    alone.known[:, 3] = 0
    law = law_of(alone)
    foreseen, usual = law.foreseen(3, 2), law.foreseen(4, 24)
    assert foreseen.high - foreseen.low > usual.high - usual.low
    assert np.isfinite([foreseen.value, foreseen.low, foreseen.high]).all()


def test_a_candidate_without_images():
    curve, _ = planted(0, k=6)
    kept = curve.codes != 5
    gone = replace(
        curve,
        codes=curve.codes[kept],
        groups=curve.groups[kept],
        truth=curve.truth[:, kept],
        named=curve.named[:, kept],
    )
    law = law_of(gone)
    assert law.gained(5) is None and law.gained(0) is not None and np.isfinite(law.steepness.value)


def test_a_seed_makes_the_same_draws():
    curve, _ = planted(5)
    assert law_of(curve, 1).needed(0, 0.9) == law_of(curve, 1).needed(0, 0.9)
    assert law_of(curve, 1).foreseen(0, 24) != law_of(curve, 2).foreseen(0, 24)
