from __future__ import annotations

import numpy as np
import pytest

from morelli.audit.consistency import SuspicionScale

from ..mixture._simulated import World

WORLD = World(k=5, distance=2.5)
SCALE = SuspicionScale.fit(WORLD.rehearsal(each=30))


def test_others_images_are_more_suspicious():
    rng = np.random.default_rng(3)
    codes = np.arange(5).repeat(200)
    scores = SCALE(*WORLD.draw(codes, rng))
    assert scores.shape == (1000, 5)
    own = scores[np.arange(1000), codes]
    rest = scores[np.arange(1000), (codes + 2) % 5]
    assert np.median(own) < 0 < np.median(rest)
    assert np.mean(rest[:, None] > own[None]) > 0.95


def test_it_is_a_likelihood_ratio():
    """The mean of the ratio of densities over one's own images is 1, and of its inverse over others' images."""
    rng = np.random.default_rng(4)
    codes = np.arange(5).repeat(400)
    scores = SCALE(*WORLD.draw(codes, rng))
    own = scores[np.arange(2000), codes]
    rest = np.concatenate([scores[np.arange(2000), (codes + step) % 5] for step in range(1, 5)])
    # A logistic regression learns it as well as its features allow: bins of the score hold what it says.
    for low, high in ((-3, -1), (-1, 1), (1, 3)):
        mine, theirs = ((own > low) & (own < high)).mean(), ((rest > low) & (rest < high)).mean()
        assert low - 0.7 < np.log(theirs / mine) < high + 0.7


def test_references_do_not_vouch_for_themselves():
    scale = SuspicionScale.fit(WORLD.rehearsal(each=4))
    rng = np.random.default_rng(5)
    codes = np.arange(5).repeat(200)
    fresh = scale(*WORLD.draw(codes, rng))[np.arange(1000), codes]
    assert scale.own.mean() > fresh.mean() - 1.0
    assert scale.others[np.arange(len(scale.codes)), scale.codes] == pytest.approx(scale.own)


def test_what_a_candidate_is_usually_taken_for_is_not_held_against_it():
    """Candidate 0 is taken for 1 half of the time, candidate 2 never is."""
    import dataclasses

    rng = np.random.default_rng(0)
    codes = np.arange(4).repeat(60)
    said = np.where((codes == 0) & (rng.random(240) < 0.5), 1, codes)
    proba = np.full((240, 4), 0.03)
    proba[np.arange(240), said] = 0.91
    rehearsal = dataclasses.replace(World(4).rehearsal(each=60), log_proba=np.log(proba), codes=codes)
    scale = SuspicionScale.fit(rehearsal)
    image = np.log([[0.03, 0.91, 0.03, 0.03]])
    scores = scale(image, [0.5])[0]
    assert scores[0] + 1 < scores[2]
