from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.attributors.pixels import PUBLISHED
from morelli.attributors.pixels.mixing import Mix, draw_mixes, mix_pictures, soft_labels

RECIPE = PUBLISHED.with_settings({"side": 32})


@given(
    n=st.integers(1, 13),
    n_classes=st.integers(2, 9),
    smoothing=st.floats(0, 0.5),
    mixup=st.sampled_from([0.0, 0.8]),
    cutmix=st.sampled_from([0.0, 1.0]),
    seed=st.integers(0, 99),
)
def test_labels_have_the_mass_one(n, n_classes, smoothing, mixup, cutmix, seed):
    rng = np.random.default_rng(seed)
    mix = draw_mixes(n // 2, RECIPE.with_settings({"mixup": mixup, "cutmix": cutmix}), rng)
    labels = soft_labels(rng.integers(n_classes, size=n), n_classes, smoothing, mix)
    assert labels.shape == (n, n_classes)
    assert np.allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert (labels >= 0).all()
    assert ((mix.share >= 0) & (mix.share <= 1)).all()


def test_labels_by_hand():
    mix = Mix(np.array([0.75]), np.zeros((1, 4), dtype=np.int64))
    labels = soft_labels(np.array([0, 1, 2]), 4, 0.2, mix)
    assert labels == pytest.approx(
        np.array([[0.65, 0.25, 0.05, 0.05], [0.25, 0.65, 0.05, 0.05], [0.05, 0.05, 0.85, 0.05]])
    )


def test_pictures_are_blended_with_their_partner(torch):
    pictures = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, 32, 32).contiguous()
    mix = Mix(np.array([0.75, 1.0]), np.zeros((2, 4), dtype=np.int64))
    mixed = mix_pictures(torch, pictures, mix)
    assert [float(each.mean()) for each in mixed] == [0.25, 0.75, 2, 3, 4]
    assert [float(each.mean()) for each in pictures] == [0, 1, 2, 3, 4], "what was given is not touched"


def test_pictures_are_cut_and_the_label_says_how_much(torch):
    pictures = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 32, 32).contiguous()
    mix = draw_mixes(2, RECIPE.with_settings({"mixup": 0}), np.random.default_rng(1))
    mixed = mix_pictures(torch, pictures, mix)
    for pair in range(2):
        for one, other in ((2 * pair, 2 * pair + 1), (2 * pair + 1, 2 * pair)):
            assert set(mixed[one].unique().tolist()) <= {float(one), float(other)}
            assert float((mixed[one] == one).float().mean()) == pytest.approx(mix.share[pair])
        top, bottom, left, right = mix.box[pair]
        assert float((mixed[2 * pair, :, top:bottom, left:right] == 2 * pair + 1).float().mean()) == 1


def test_both_kinds_occur_and_none_without_them():
    mix = draw_mixes(200, RECIPE, np.random.default_rng(0))
    cut = (mix.box != 0).any(axis=1)
    assert 60 < cut.sum() < 140
    nothing = draw_mixes(3, RECIPE.with_settings({"mixup": 0, "cutmix": 0}), np.random.default_rng(0))
    assert (nothing.share == 1).all()
    assert not nothing.box.any()
