from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from morelli.attributors.prompts import PromptCentroid, PromptDiscriminant, PromptFused, PromptNeighbours, deal_episode
from morelli.attributors.prompts._base import Asked
from morelli.attributors.prompts.nearest import shrunk_solve
from morelli.errors import NotEnoughDataError

from .boards import Drawn, draw

ALL = (PromptCentroid, PromptNeighbours, PromptDiscriminant, PromptFused)


def parts(drawn, k, prompts=10, seed=0):
    """Return lessons, references and images to be judged."""
    lesson = drawn.prompts >= prompts
    rows = np.flatnonzero(~lesson)
    _, codes = np.unique(drawn.y, return_inverse=True)
    judged, known = deal_episode(codes[rows], drawn.prompts[rows], k, np.random.default_rng(seed))
    return tuple(Drawn(*(a[i] for a in drawn)) for i in (np.flatnonzero(lesson), rows[known], rows[judged]))


def informed(make, drawn, k):
    lessons, references, judged = parts(drawn, k)
    attributor = make().fit(lessons.X, lessons.y, prompts=lessons.prompts)
    return attributor.given(references.X, references.y, prompts=references.prompts, references=k), judged


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("k", [1, 3])
def test_answers_are_probabilities_among_those_with_references(make, k):
    drawn = draw(24)
    gone = (drawn.y == "model 2") & (drawn.prompts == 3)
    drawn = Drawn(*(a[~gone] for a in drawn))
    who, judged = informed(make, drawn, k)
    answers = who.answer(judged.X, prompts=judged.prompts)
    assert np.allclose(answers.proba.sum(axis=1), 1)
    assert (answers.proba[judged.prompts == 3, 2] == 0).all()
    assert not answers.prediction_set[judged.prompts == 3, 2].any()
    assert (answers.proba[judged.prompts != 3] > 0).all()
    for family in who.weights_:
        assert np.allclose(who.without(answers, family).sum(axis=1), 1)


@pytest.mark.parametrize("make", ALL)
def test_a_prompt_without_any_reference_leaves_all_candidates(make):
    who, judged = informed(make, draw(24), 2)
    answers = who.answer(judged.X[:3], prompts=np.full(3, 12345))
    assert np.allclose(answers.proba.sum(axis=1), 1) and (answers.proba > 0).all()


def test_as_scikit_learn_has_them():
    drawn = draw(24, d=5, each=6)
    lessons, references, judged = parts(drawn, 4)
    rivals = {
        PromptCentroid: lambda: NearestCentroid(),
        PromptNeighbours: lambda: KNeighborsClassifier(1, metric="cosine"),
        PromptDiscriminant: lambda: LinearDiscriminantAnalysis("lsqr", shrinkage="auto", priors=np.full(4, 0.25)),
    }
    for make, rival in rivals.items():
        who = make().fit(lessons.X, lessons.y, prompts=lessons.prompts)
        who = who.given(references.X, references.y, prompts=references.prompts, references=4)
        proba = who.answer(judged.X, prompts=judged.prompts).proba
        agree = []
        for prompt in np.unique(judged.prompts):
            own, asked = references.prompts == prompt, judged.prompts == prompt
            wanted = rival().fit(references.X[own], references.y[own]).predict(judged.X[asked])
            agree.extend(who.classes_[proba[asked].argmax(axis=1)] == wanted)
        # scikit-learn's discriminant shrinks the covariance of standardised features: nearly, not quite, the same.
        assert np.mean(agree) == 1 if make is not PromptDiscriminant else np.mean(agree) > 0.9


@pytest.mark.parametrize("shape", [(6, 3), (6, 20), (2, 5)])
def test_the_shrunk_covariance_is_that_of_scikit_learn(shape):
    rng = np.random.default_rng(0)
    residual, right = rng.normal(size=shape) * np.arange(1, shape[1] + 1), rng.normal(size=(shape[1], 2))
    wanted = np.linalg.solve(ledoit_wolf(residual, assume_centered=True)[0], right)
    assert np.allclose(shrunk_solve(residual, right), wanted)


def test_one_feature_has_a_covariance_that_is_never_shrunk():
    assert np.allclose(shrunk_solve(np.array([[1.0], [-1.0]]), np.array([[2.0]])), 2.0)


def test_with_one_reference_the_discriminant_is_the_centroid():
    one, judged = informed(PromptDiscriminant, draw(24), 1)
    other, _ = informed(PromptCentroid, draw(24), 1)
    a, b = (who.answer(judged.X, prompts=judged.prompts).proba.argmax(axis=1) for who in (one, other))
    assert (a == b).all()


@pytest.mark.parametrize("k", [1, 3])
def test_fused_is_better_than_the_centroid_where_models_have_ways(k):
    drawn = draw(40, 5, 5, 10, offset=1.2, cell=0.6, seed_spread=2.0)
    hits = []
    for make in (PromptCentroid, PromptFused):
        who, judged = informed(make, drawn, k)
        proba = who.answer(judged.X, prompts=judged.prompts).proba
        hits.append(float((who.classes_[proba.argmax(axis=1)] == judged.y).mean()))
    assert hits[1] > hits[0] + 0.1


def test_probabilities_are_calibrated():
    drawn = draw(120, 4, 4, 6, cell=0.8, seed_spread=1.5)
    lessons, references, judged = parts(drawn, 2, prompts=60)
    who = PromptFused().fit(lessons.X, lessons.y, prompts=lessons.prompts)
    who = who.given(references.X, references.y, prompts=references.prompts, references=2)
    answers = who.answer(judged.X, prompts=judged.prompts)
    right = who.classes_[answers.proba.argmax(axis=1)] == judged.y
    assert abs(answers.proba.max(axis=1).mean() - right.mean()) < 0.06
    truth = np.searchsorted(who.classes_, judged.y)
    assert 0.84 < answers.prediction_set[np.arange(len(truth)), truth].mean() < 0.97


def test_the_evidence_adds_up():
    who, judged = informed(PromptFused, draw(24), 2)
    answers = who.answer(judged.X, prompts=judged.prompts)
    total = sum(answers.evidence.values())
    gap = (answers.undoubted - total) - (answers.undoubted - total)[:, :1]
    # Up to the calibrator's temperature, which is the same for all images.
    slope = np.polyfit(
        total.ravel() - total.mean(), (answers.undoubted - answers.undoubted.mean(1)[:, None]).ravel(), 1
    )
    assert slope[0] > 0 and np.isfinite(gap).all()


def test_it_is_a_scikit_learn_estimator():
    for make in ALL:
        own = clone(make(rounds=2, level=0.8))
        assert own.get_params()["rounds"] == 2 and own.get_params()["level"] == 0.8


def test_the_same_again():
    a, judged = informed(PromptFused, draw(24), 2)
    b, _ = informed(PromptFused, draw(24), 2)
    assert np.array_equal(*(who.answer(judged.X, prompts=judged.prompts).proba for who in (a, b)))


def test_more_references_than_the_lessons_have_are_noted():
    lessons, references, judged = parts(draw(24, each=4), 2)
    fitted = PromptCentroid().fit(lessons.X, lessons.y, prompts=lessons.prompts)
    who = fitted.given(references.X, references.y, prompts=references.prompts, references=9)
    assert "with 3 references of each model and prompt, not 9" in who.training_.notes[0]
    assert np.isfinite(who.answer(judged.X, prompts=judged.prompts).proba).all()


def test_the_number_of_references_is_counted_where_it_is_not_given():
    lessons, references, _ = parts(draw(24), 2)
    fitted = PromptCentroid().fit(lessons.X, lessons.y, prompts=lessons.prompts)
    fitted.given(references.X, references.y, prompts=references.prompts)
    assert list(fitted._taught) == [2]


def test_too_little_to_learn_doubt_from():
    lessons, references, _ = parts(draw(24, each=2), 1)
    first = np.unique(
        np.stack([lessons.prompts, np.unique(lessons.y, return_inverse=True)[1]]), axis=1, return_index=True
    )
    alone = first[1]
    fitted = PromptCentroid().fit(lessons.X[alone], lessons.y[alone], prompts=lessons.prompts[alone])
    with pytest.raises(NotEnoughDataError, match="several images each"):
        fitted.given(references.X, references.y, prompts=references.prompts, references=1)


def test_one_prompt_with_two_candidates_teaches_no_doubt():
    """What one fold teaches cannot be checked on itself."""
    lessons, references, _ = parts(draw(24), 2)
    kept = (lessons.prompts == 10) | (lessons.y == "model 0")
    fitted = PromptFused().fit(lessons.X[kept], lessons.y[kept], prompts=lessons.prompts[kept])
    with pytest.raises(NotEnoughDataError, match="two such prompts"):
        fitted.given(references.X, references.y, prompts=references.prompts, references=2)


def test_one_model_with_many_images_does_not_take_the_candidates_from_the_episodes():
    drawn = draw(24, each=4)
    rng = np.random.default_rng(0)
    X = np.concatenate([drawn.X, rng.normal(size=(30, 8))])
    y, prompts = np.append(drawn.y, ["model 0"] * 30), np.append(drawn.prompts, np.full(30, 15))
    fitted = PromptCentroid().fit(X, y, prompts=prompts)
    who = fitted.given(drawn.X, drawn.y, prompts=drawn.prompts, references=10)
    assert "with 3 references of each model and prompt, not 10" in who.training_.notes[0]


def test_a_class_with_a_single_prompt_keeps_it_whole():
    """Its images must not teach a fold what the fold is judged by."""
    lessons, references, _ = parts(draw(24), 2)
    kept = (lessons.y != "model 3") | (lessons.prompts == 12)
    fitted = PromptFused().fit(lessons.X[kept], lessons.y[kept], prompts=lessons.prompts[kept])
    for prompt in np.unique(lessons.prompts[kept]):
        assert len(np.unique(fitted._fold[lessons.prompts[kept] == prompt])) == 1
    who = fitted.given(references.X, references.y, prompts=references.prompts, references=2)
    assert who.training_.leak_free
    with pytest.raises(ValueError, match="n_folds"):
        PromptFused(n_folds=1).fit(lessons.X, lessons.y, prompts=lessons.prompts)


def test_classes_that_lessons_lack_are_no_candidates():
    lessons, references, _judged = parts(draw(24), 2)
    keep = lessons.y != "model 1"
    fitted = PromptCentroid().fit(lessons.X[keep], lessons.y[keep], prompts=lessons.prompts[keep])
    who = fitted.given(references.X, references.y, prompts=references.prompts, references=2)
    assert "model 1" not in who.classes_
    only = references.y == "model 1"
    with pytest.raises(NotEnoughDataError, match="no reference of a class"):
        fitted.given(references.X[only], references.y[only], prompts=references.prompts[only])


@pytest.mark.parametrize("make", ALL)
def test_bad_input(make):
    lessons, references, _judged = parts(draw(24), 2)
    with pytest.raises(ValueError, match="whole numbers"):
        make().fit(lessons.X, lessons.y, prompts=lessons.prompts[:-1])
    with pytest.raises(ValueError, match="whole numbers"):
        make().fit(lessons.X, lessons.y, prompts=lessons.prompts.astype(str))
    with pytest.raises(ValueError, match="NaN"):
        make().fit(np.where(lessons.X > 0, np.nan, 0), lessons.y, prompts=lessons.prompts)
    with pytest.raises(NotEnoughDataError):
        make().fit(lessons.X, np.full(len(lessons.y), "one"), prompts=lessons.prompts)
    fitted = make().fit(lessons.X, lessons.y, prompts=lessons.prompts)
    with pytest.raises(ValueError, match="features"):
        fitted.given(references.X[:, :2], references.y, prompts=references.prompts)


@pytest.mark.parametrize("make", ALL)
def test_identical_images_and_constant_features(make):
    drawn = draw(24)
    X = np.concatenate([drawn.X, np.ones((len(drawn.X), 2))], axis=1)
    X[drawn.prompts == 1] = X[drawn.prompts == 1][0]
    who, judged = informed(make, Drawn(X, drawn.y, drawn.prompts), 2)
    answers = who.answer(judged.X, prompts=judged.prompts)
    assert np.isfinite(answers.proba).all()


def test_experts_say_what_is_finite():
    lessons, _references, judged = parts(draw(24), 2)
    fitted = PromptFused({"a": slice(0, 3), "b": slice(3, 8)}).fit(lessons.X, lessons.y, prompts=lessons.prompts)
    said = fitted._experts(fitted.learned_, fitted.lessons_, Asked(judged.X, judged.prompts, None))
    assert set(said) == {f"{f}:{kind}" for f in "ab" for kind in ("centroid", "own", "offset")}
    assert all(np.isfinite(scores).all() for scores in said.values())
