"""The attributor: what is shown in which order, and what becomes of answers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from morelli.attributors.attribution import decide
from morelli.attributors.mllm import AskSettings, MultimodalAttributor, RemoteAsker
from morelli.attributors.mllm.candidates import LineUp
from morelli.attributors.registry import get_attributor_info, parse_attributor
from morelli.encoders.pictures import pack_pixels
from morelli.errors import BudgetError, MorelliError, NotEnoughDataError

pytest.importorskip("openai", reason="the mllm extra is not installed")

COLOURS = {"Zoë's модель": (200, 40, 40), "模型 乙": (40, 200, 40), "plain": (40, 40, 200), "a/b:c": (200, 200, 40)}
SIDE = 24


def painted(name, rng):
    return np.clip(np.array(COLOURS[name]) + rng.integers(-30, 30, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.repeat(list(COLOURS), 5)
    X = np.stack([pack_pixels(painted(name, rng)) for name in y])
    return X, y


@pytest.fixture
def attributor(asker):
    def make(asking=None, **settings):
        return MultimodalAttributor(asker(**(asking or {})), **settings)

    return make


def test_it_sees(server, attributor, data):
    X, y = data
    fitted = attributor(shots=2).fit(X, y, np.arange(len(y)))
    assert server.seen == []
    assert fitted.predict(X).tolist() == y.tolist()
    assert fitted.classes_.tolist() == sorted(COLOURS)
    assert fitted.spent_ == {"requests": 20, "tokens_in": 20000, "tokens_out": 200, "images": 20 * 9, "unreported": 0}
    assert fitted.training_.n_images == dict.fromkeys(sorted(COLOURS), 2)
    assert "promise no coverage" in fitted.training_.notes[0]


def test_the_order_is_each_images_own_and_comes_again(server, attributor, data):
    X, y = data
    attributor(asking={"concurrency": 1}, shots=2).fit(X, y).answer(X)
    orders = [tuple(seen.names.values()) for seen in server.seen]
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(COLOURS))}
    assert len(set(orders)) > 8
    first = [order[0] for order in orders]
    assert {first.count(name) for name in COLOURS} <= set(range(1, 12))  # no candidate is always A
    shown = [tuple(p.tobytes() for p in seen.pictures[:-1]) for seen in server.seen]
    assert len(set(shown)) == 20
    assert len({tuple(sorted(pictures)) for pictures in shown}) == 1  # of the same exemplars

    # The same again whatever stands beside it, and another order with another seed.
    before = len(server.seen)
    attributor(shots=2).fit(X, y).answer(X[::-1])
    assert len(server.seen) == before
    attributor(asking={"concurrency": 1}, shots=2, random_state=1).fit(X, y).answer(X)
    assert [tuple(seen.names.values()) for seen in server.seen[before:]] != orders


def test_exemplars_stand_under_their_letters():
    rng = np.random.default_rng(1)
    exemplars = [[painted(name, rng) for _ in range(3)] for name in COLOURS]
    made = LineUp(list(COLOURS), exemplars, names_shown=True, seed=0).question(painted("plain", rng))
    parts = [part if isinstance(part, str) else None for part in made.question.parts]
    for place, code in enumerate(made.codes):
        at = parts.index(f"Images by {code}:")
        own = exemplars[made.order[place]]
        assert {id(part.pixels) for part in made.question.parts[at + 1 : at + 4]} == {id(pixels) for pixels in own}
    assert made.question.answers == {"answer": (*"ABCD", "unknown")}


def test_names_can_be_hidden(server, attributor, data):
    X, y = data
    fitted = attributor(names_shown=False).fit(X, y)
    assert (fitted.predict(X) == y).all()
    assert not any(name in seen.text for seen in server.seen for name in COLOURS)
    assert "The candidates are A, B, C, D." in server.seen[0].texts


def test_no_shots_show_names_only(server, attributor, data):
    X, y = data
    server.answer = lambda seen: next(code for code, name in seen.names.items() if name == "plain")
    assert set(attributor(shots=0).fit(X, y).predict(X)) == {"plain"}
    assert all(len(seen.pictures) == 1 for seen in server.seen)


def test_silence_is_counted_and_never_a_guess(server, attributor, data):
    X, y = data
    server.script.extend(
        ["good", "good unknown", "refuse", "filter", "cut", "say Surely A.", 'say {"answer": "E"}', "status 400 x",
         "status 500", "broken"]
    )  # fmt: skip
    fitted = attributor(asking={"concurrency": 1, "attempts": 1}).fit(X, y)
    answers = fitted.answer(X[:10])
    assert answers.unanswered.tolist() == [
        None, "unknown", "refused", "filtered", "truncated", "malformed", "wrong-label", "rejected", "failed", "failed",
    ]  # fmt: skip
    assert np.isnan(answers.proba[1:]).all()
    assert not answers.prediction_set[1:].any()
    assert answers.proba[0].sum() == pytest.approx(1.0)
    assert np.isnan(answers.open_set_p).all()
    assert decide(answers, 0.05) == ["attributed", "unknown", *["unanswered"] * 8]
    assert fitted.spent_["requests"] == 7  # three came to nothing
    left = fitted.without(answers, "whole")
    assert left[0].tolist() == [0.25] * 4
    assert np.isnan(left[1:]).all()


def test_confidence_without_log_probabilities_is_a_convention(attributor, data):
    X, y = data
    fitted = attributor(doubt=0.4).fit(X, y)
    answers = fitted.answer(X[:3])
    np.testing.assert_allclose(np.sort(answers.proba, axis=1), [[0.1, 0.1, 0.1, 0.7]] * 3)
    assert answers.prediction_set.sum(axis=1).tolist() == [1, 1, 1]
    assert fitted.stated_ == 3


def test_confidence_from_log_probabilities(server, attributor, data):
    X, y = data
    server.logprobs = True
    fitted = attributor(level=0.6).fit(X, y)
    answers = fitted.answer(X[:4])
    assert fitted.stated_ == 0
    np.testing.assert_allclose(np.sort(answers.proba, axis=1), np.array([[0.05, 0.05, 0.3, 0.6]] * 4))
    assert (answers.proba.argmax(axis=1) == [list(fitted.classes_).index(name) for name in y[:4]]).all()
    assert answers.prediction_set.sum(axis=1).tolist() == [1, 1, 1, 1]
    assert attributor(level=0.8).fit(X, y).answer(X[:1]).prediction_set.sum() == 2
    assert attributor(asking={"logprobs": 0}).fit(X, y).answer(X[:1]).proba.max() == pytest.approx(0.625)


@pytest.mark.parametrize("image_format", ["png", "jpeg"])
def test_images_are_capped_and_sent_as_asked_for(server, endpoint, data, image_format):
    X, y = data
    asker = RemoteAsker(endpoint(), AskSettings(image_side=16, image_format=image_format))
    assert (MultimodalAttributor(asker).fit(X, y).predict(X[:4]) == y[:4]).all()
    assert all(picture.shape == (16, 16, 3) for seen in server.seen for picture in seen.pictures)
    whole = RemoteAsker(endpoint(), AskSettings(image_format=image_format))
    MultimodalAttributor(whole).fit(X, y).predict(X[:1])
    seen = server.seen[-1].pictures[-1]
    assert seen.shape == (SIDE, SIDE, 3)
    exact = np.abs(seen - np.stack([X[0] // 65536, X[0] // 256 % 256, X[0] % 256], -1).reshape(SIDE, SIDE, 3))
    assert exact.max() == 0 if image_format == "png" else 0 < exact.max() < 40


def test_a_spent_budget_is_an_error_and_no_answer(attributor, data):
    X, y = data
    fitted = attributor(asking={"budget": 0.01, "price_in": 1000.0}).fit(X, y)
    with pytest.raises(BudgetError):
        fitted.answer(X)


def test_what_is_refused(attributor, data):
    X, y = data
    with pytest.raises(NotEnoughDataError):
        attributor().fit(X[:5], y[:5])
    with pytest.raises(ValueError, match="no thumbnails"):
        attributor().fit(X + 0.5, y)
    with pytest.raises(ValueError, match="20 images and 19 labels"):
        attributor().fit(X, y[:-1])
    with pytest.raises(MorelliError, match="60 candidates are too many"):
        attributor().fit(np.zeros((180, 4)), [f"m{i % 60}" for i in range(180)])


def test_manners(attributor):
    made = attributor(shots=3, doubt=0.2)
    assert made.get_params()["shots"] == 3
    copied = clone(made.set_params(level=0.7))
    assert (copied.level, copied.doubt) == (0.7, 0.2)


def test_registered():
    info = get_attributor_info("mllm")
    assert parse_attributor("mllm").encoder == "thumbnail-512"
    made = info.build({}, seed=3, level=0.8, model="m", shots=4, names="hidden", doubt=0.3, base_url="http://h/v1")
    assert (made.shots, made.names_shown, made.doubt, made.level, made.random_state) == (4, False, 0.3, 0.8, 3)
    assert made.asker.endpoint.base_url == "http://h/v1"
    with pytest.raises(MorelliError, match="The attributor mllm lacks model"):
        info.build({})
    assert info.asks
    assert not get_attributor_info("fused").asks
