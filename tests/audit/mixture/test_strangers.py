from __future__ import annotations

import numpy as np
import pytest

from morelli.audit.mixture.strangers import StrangerScale, strangeness_features

from ._simulated import World

WORLD = World()


def test_features():
    words = np.log([[0.5, 0.5], [1.0, 1e-300]])
    found = strangeness_features(words, [1.0, 0.5])
    assert found == pytest.approx(np.array([[0, np.log(0.5), np.log(2)], [np.log(0.5), 0, 0]]), abs=1e-6)
    with_hidden = strangeness_features([[np.nan, 0.0]], [0.5])
    assert np.isfinite(with_hidden).all()


def test_strangers_score_higher_and_shares_are_found():
    scale = StrangerScale.fit(WORLD.rehearsal(each=40))
    rng = np.random.default_rng(5)
    known = scale(*WORLD.draw(np.arange(4).repeat(100), rng))
    strange = scale(*WORLD.draw_hidden(np.arange(4).repeat(100), rng))
    assert strange.mean() > known.mean() + 0.2
    shares = np.full(4, 0.25)
    assert scale.share(known.mean(), shares) == pytest.approx(0, abs=0.1)
    assert scale.share(strange.mean(), shares) == pytest.approx(1, abs=0.15)
    half = scale.share((known.mean() + strange.mean()) / 2, shares)
    assert half == pytest.approx(0.5, abs=0.15)


def test_resampled_shares_lie_within_bounds_and_scatter():
    scale = StrangerScale.fit(WORLD.rehearsal())
    drawn = scale.resampled_share(np.full(50, 0.5), np.full((50, 4), 0.25), np.random.default_rng(0))
    assert ((drawn >= 0) & (drawn <= 1)).all() and drawn.std() > 0


def test_too_few_hidden_images():
    assert StrangerScale.fit(WORLD.rehearsal(hidden=False)) is None
    assert StrangerScale.fit(WORLD.rehearsal(each=5)) is None
