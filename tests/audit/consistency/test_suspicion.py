from __future__ import annotations

from dataclasses import replace

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
    rng = np.random.default_rng(0)
    codes = np.arange(4).repeat(60)
    said = np.where((codes == 0) & (rng.random(240) < 0.5), 1, codes)
    proba = np.full((240, 4), 0.03)
    proba[np.arange(240), said] = 0.91
    rehearsal = replace(World(4).rehearsal(each=60), log_proba=np.log(proba), codes=codes)
    scale = SuspicionScale.fit(rehearsal)
    image = np.log([[0.03, 0.91, 0.03, 0.03]])
    scores = scale(image, [0.5])[0]
    assert scores[0] + 1 < scores[2]


def test_what_was_answered_about_hidden_models_makes_strangers_suspicious():
    """Strangers lie between all candidates, and their p-values are low: no other candidate's images look like that."""
    rng = np.random.default_rng(6)
    strangers = WORLD.draw_hidden(np.arange(6).repeat(100), rng)
    own = WORLD.draw(np.zeros(600, dtype=int), rng)
    told = {}
    for hidden in (False, True):
        scale = SuspicionScale.fit(WORLD.rehearsal(each=30, hidden=hidden))
        assert len(scale.weights) == 1 + hidden and scale.priors.sum() == pytest.approx(1)
        scores = [scale(*images)[:, 0] for images in (strangers, own)]
        told[hidden] = np.mean(scores[0][:, None] > scores[1])
    assert told[True] > told[False] + 0.01


def test_somebody_else_is_a_candidate_or_a_stranger():
    """The score is the logarithm of the mean of both likelihood ratios, by their priors."""
    scale = SuspicionScale.fit(WORLD.rehearsal(each=30))
    words, p = WORLD.draw(np.arange(5).repeat(4), np.random.default_rng(7))
    parts = [
        replace(scale, weights=scale.weights[i : i + 1], intercepts=scale.intercepts[i : i + 1], priors=np.ones(1))
        for i in (0, 1)
    ]
    expected = np.log(sum(prior * np.exp(part(words, p)) for prior, part in zip(scale.priors, parts, strict=True)))
    assert scale(words, p) == pytest.approx(expected)
    assert scale.priors.tolist() == [5 / 8, 3 / 8]
