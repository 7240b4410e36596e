from __future__ import annotations

import numpy as np
import pytest

import morelli.attributors._references as _references
import morelli.attributors.fused as fused
from morelli.attributors import FusedAttributor
from morelli.errors import NotEnoughDataError

from ._classes import BLOCKS, draw, same


def trained_on(monkeypatch, X: np.ndarray) -> list[set[int]]:
    """Record which rows every discriminant is fitted to."""
    row = {x.tobytes(): i for i, x in enumerate(X)}
    calls: list[set[int]] = []
    real = _references.fit_discriminant

    def spy(values, *args, **kwargs):
        calls.append({row[np.ascontiguousarray(x).tobytes()] for x in values})
        return real(values, *args, **kwargs)

    monkeypatch.setattr(_references, "fit_discriminant", spy)
    return calls


def test_groups_never_straddle_folds(monkeypatch):
    X, y, groups = draw(8, 30, groups=13)
    calls = trained_on(monkeypatch, X)
    model = FusedAttributor(n_folds=5).fit(X, y, groups)
    *folds, last = calls
    assert model.training_.n_folds == 5
    assert len(folds) == 5 + 3  # the usual cross-validation, and the coarser one of the learning curve
    assert last == set(range(90))
    for part in (folds[:5], folds[5:]):
        held_out = [set(range(90)) - fold for fold in part]
        assert sorted(i for rows in held_out for i in rows) == list(range(90))
        for fold, rows in zip(part, held_out, strict=True):
            assert not {groups[i] for i in fold} & {groups[i] for i in rows}
    assert model.training_.leak_free and model.training_.notes == model.rejector_.notes
    assert model.training_.n_groups == 13


def test_grouping_takes_the_optimism_away():
    """Every class has its own prompts, whose content gives it away to a model that has seen them."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(24), 8)
    y = np.arange(24)[groups] % 2
    X = 3 * rng.normal(size=(24, 40))[groups] + rng.normal(size=(192, 40))
    assert FusedAttributor().fit(X, y).training_.accuracy > 0.95
    assert FusedAttributor().fit(X, y, groups).training_.accuracy < 0.75


def test_without_groups_leakage_cannot_be_excluded():
    X, y, _ = draw(9, 10)
    training = FusedAttributor().fit(X, y).training_
    assert not training.leak_free
    assert "leakage" in training.notes[0] and "cannot be excluded" in training.notes[0]
    assert training.n_groups == 30


def test_a_class_of_one_group_is_named():
    X, y, groups = draw(10, 12, groups=6)
    groups[y == 1] = 99
    model = FusedAttributor().fit(X, np.array(["ada", "bob", "cyd"])[y], groups)
    assert not model.training_.leak_free
    assert len(model.training_.notes) == 1 + len(model.rejector_.notes)
    assert "bob" in model.training_.notes[0] and "ada" not in model.training_.notes[0]
    assert model.training_.accuracy > 0.7  # bob is not missing from the folds


@pytest.mark.parametrize("groups", [np.zeros(10), np.repeat([0, 1], 5)])
def test_one_group_for_each_class_or_for_all(groups):
    X, y, _ = draw(11, 5, k=2)
    model = FusedAttributor().fit(X, y, groups)
    assert not model.training_.leak_free
    assert np.isfinite(model.predict_proba(X)).all()


def test_group_labels_may_be_text():
    X, y, groups = draw(12, 15, groups=7)
    number, text = (
        FusedAttributor().fit(X, y, ids) for ids in (groups, np.array([f"prompt {g}" for g in groups], dtype=object))
    )
    same(number.answer(X), text.answer(X))


# --- several rows of one image ------------------------------------------------------------------------------------


def journeys(seed: int, n: int, times: int = 3, **kwargs):
    """Return X, y, prompts, images with `times` rows of each image that are nearly alike, in any order."""
    X, y, prompts = draw(seed, n, **kwargs)
    rng = np.random.default_rng(seed)
    images = rng.permutation(np.repeat(np.arange(len(y)), times))
    return X[images] + 0.01 * rng.normal(size=(len(images), 14)), y[images], prompts[images], images


@pytest.mark.parametrize("known", ["none", "one class of one prompt", "all"])
def test_rows_of_one_image_never_straddle_folds(monkeypatch, known):
    X, y, prompts, images = journeys(24, 8, groups=6)
    if known == "one class of one prompt":
        prompts[y == 1] = 99
    calls = trained_on(monkeypatch, X)
    whole = []
    choose, pool = fused.choose_calibrator, fused.learn_pooling
    monkeypatch.setattr(fused, "choose_calibrator", lambda *args: whole.append(args[2]) or choose(*args))
    monkeypatch.setattr(fused, "learn_pooling", lambda *args: whole.append(args[2]) or pool(*args))
    model = FusedAttributor(n_folds=5).fit(X, y, None if known == "none" else prompts, images=images + 1000)
    *parts, last = calls
    assert len(parts) == 5 + 3 and last == set(range(72))
    for seen in parts:
        assert 0 < len(seen) < 72
        assert not {images[i] for i in seen} & {images[i] for i in set(range(72)) - seen}
    # Neither the choice of a calibrator nor the pooling of images takes rows of one image for two.
    for ids in whole:
        assert all(len(set(ids[images == image])) == 1 for image in range(24))
    assert len(whole) == 2
    assert model.training_.leak_free == (known == "all")
    assert model.training_.n_groups == {"none": 24, "all": 6}.get(known, len(set(prompts)))


def test_rows_of_one_image_straddle_folds_where_nobody_says_so(monkeypatch):
    X, y, _, images = journeys(24, 8)
    calls = trained_on(monkeypatch, X)
    FusedAttributor(n_folds=5).fit(X, y)
    assert any({images[i] for i in seen} & {images[i] for i in set(range(72)) - seen} for seen in calls[:5])


def test_images_are_counted_and_not_their_rows():
    X, y, prompts, images = journeys(25, 8, groups=6)
    keep = (y != 2) | (images < 16 + 5)
    model = FusedAttributor().fit(X[keep], y[keep], prompts[keep], images=images[keep])
    assert model.training_.n_images == {"0": 8, "1": 8, "2": 5}
    text = np.array([f"{name:03d}.png" for name in images], dtype=object)
    same(FusedAttributor().fit(X[keep], y[keep], prompts[keep], images=text[keep]).answer(X), model.answer(X))
    for left, enough in ((2, False), (3, True)):
        rows = (y != 2) | (images < 16 + left)
        assert (y[rows] == 2).sum() >= 6
        if enough:
            assert FusedAttributor().fit(X[rows], y[rows], images=images[rows]).training_.n_images["2"] == 3
        else:
            with pytest.raises(NotEnoughDataError, match=r"at least 3 reference images; too few of: 2 \(2\)\."):
                FusedAttributor().fit(X[rows], y[rows], images=images[rows])


def test_an_image_of_its_own_for_each_row_is_the_default():
    X, y, prompts = draw(26, 12, groups=8)
    for groups in (prompts, None):
        plain = FusedAttributor(BLOCKS).fit(X, y, groups)
        named = FusedAttributor(BLOCKS).fit(X, y, groups, images=np.arange(36) + 7)
        same(named.answer(X), plain.answer(X))
        assert named.training_ == plain.training_
    for wrong in (np.arange(35), np.zeros((36, 1))):
        with pytest.raises(ValueError, match="each of 36 images"):
            FusedAttributor().fit(X, y, images=wrong)


def test_telling_images_takes_the_optimism_away():
    """Noise, of which each image is shown three times: whoever has seen one showing knows the others."""
    rng = np.random.default_rng(0)
    images = np.repeat(np.arange(40), 3)
    y = np.arange(40)[images] % 2
    X = rng.normal(size=(40, 60))[images] + 0.05 * rng.normal(size=(120, 60))
    assert FusedAttributor().fit(X, y).training_.accuracy > 0.95
    assert FusedAttributor().fit(X, y, images=images).training_.accuracy < 0.7
