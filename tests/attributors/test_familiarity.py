from __future__ import annotations

import json

import numpy as np
import pytest

import morelli.attributors.familiarity as familiarity
from morelli.attributors.familiarity import DIRECTIONS, UNFAMILIAR_LEVEL, Gate, UnfamiliarPool, ViewSpace, pool

BLOCKS = {"left": slice(0, 4), "right": slice(4, 12)}


def draw(seed: int, n: int, views: int = 3, far: float = 5.0, d: int = 12):
    """Return X (views n, d), the view of each row, and its image."""
    rng = np.random.default_rng(seed)
    means = far * np.random.default_rng(1).normal(size=(views, d))
    codes = np.repeat(np.arange(views), n)
    return means[codes] + rng.normal(size=(views * n, d)), codes, np.tile(np.arange(n), views)


@pytest.fixture(scope="module")
def gate() -> Gate:
    X, codes, images = draw(0, 150)
    return Gate.fit(X, codes, images, BLOCKS, 0.003, 0)


# --- the gate -----------------------------------------------------------------------------------------------------


def test_the_gate_tells_views_apart(gate):
    X, codes, _ = draw(1, 200)
    assert gate.log_likelihood(X).shape == (600, 3)
    assert (gate.log_likelihood(X).argmax(axis=1) == codes).mean() > 0.99


def test_known_views_are_familiar_but_for_the_level(gate):
    shares = []
    for seed in range(2, 7):
        own = Gate.fit(*draw(seed, 150), BLOCKS, 0.003, seed)
        shares.append((~own.familiar(draw(seed + 10, 1000)[0])).mean())
    assert UNFAMILIAR_LEVEL / 4 < np.mean(shares) < 2 * UNFAMILIAR_LEVEL, shares


def test_others_are_not(gate):
    beside = draw(1, 200)[0] + 6 * np.random.default_rng(5).normal(size=12)
    assert gate.familiar(beside).mean() < 0.05


def test_what_lies_between_two_views_is_unfamiliar(gate):
    X, codes, _ = draw(1, 200)
    between = (X[codes == 0] + X[codes == 1]) / 2
    assert gate.familiar(between).mean() < 0.05


def test_no_image_is_measured_by_what_saw_it(monkeypatch):
    X, codes, images = draw(3, 40)
    X[:, 0] = 1000.0 + images
    fitted: list[set[float]] = []
    asked: list[set[float]] = []
    fit, energies = ViewSpace.fit, ViewSpace.energies

    def spy_fit(X, parts):
        fitted.append(set(X[:, 0]))
        return fit(X, parts)

    def spy_energies(self, X):
        assert not fitted[-1] & set(X[:, 0])
        asked.append(set(X[:, 0]))
        return energies(self, X)

    monkeypatch.setattr(ViewSpace, "fit", spy_fit)
    monkeypatch.setattr(ViewSpace, "energies", spy_energies)
    Gate.fit(X, codes, images, BLOCKS, 0.003, 0)
    assert sum(map(len, asked)) == 3 * 40
    assert [rows for rows in fitted if len(rows) == 40] == [set(X[:, 0])] * 3  # what is kept has seen all


def test_a_view_in_one_fold_only_is_no_obstacle():
    X, codes, images = draw(3, 20)
    alone = np.where(codes == 2, 99, images)  # all images of a view are of one group
    gate = Gate.fit(X, codes, alone, BLOCKS, 0.003, 0)
    assert (gate.log_likelihood(X).argmax(axis=1) == codes).all()


def test_what_varies_within_a_view_is_not_strange():
    rng = np.random.default_rng(0)
    direction = np.zeros(12)
    direction[4:8] = 0.5
    parts = list(BLOCKS.values())

    def images(n, far):
        return rng.normal(size=(n, 12)) + far * rng.normal(size=(n, 1)) * direction

    space = ViewSpace.fit(images(300, 8.0), parts)
    along, across = images(200, 8.0), images(200, 0.0)
    across[:, 8:12] += 4.0 * rng.normal(size=(200, 1))
    assert space.energies(across)[:, 1].mean() > space.energies(along)[:, 1].mean() + 1.0
    assert space.energies(across).shape == (200, 2)
    for part in parts:
        own = space.basis[:, part]
        most = (part.stop - part.start) // 4
        np.testing.assert_allclose(own @ own.T, np.diag([1.0] * most + [0.0] * (DIRECTIONS - most)), atol=1e-5)


def test_constant_columns_are_switched_off():
    X = np.random.default_rng(0).normal(size=(30, 12))
    X[:, 3] = 7.0
    space = ViewSpace.fit(X, list(BLOCKS.values()))
    assert np.isinf(space.scale[3])
    assert np.isfinite(space.energies(X + 1)).all()


def test_many_images_are_thinned_evenly(monkeypatch):
    monkeypatch.setattr(familiarity, "MOST_ROWS", 50)
    codes = np.array([0] * 400 + [1] * 30 + [2] * 60)
    rows = familiarity._thinned(codes, 0)
    assert np.bincount(codes[rows]).tolist() == [50, 30, 50]
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, familiarity._thinned(codes, 0))


def test_a_gate_comes_back(gate):
    arrays, values = gate.to_parts()
    again = Gate.from_parts(arrays, json.loads(json.dumps(values)), BLOCKS, 12, 3)
    X = np.concatenate([draw(4, 30)[0], draw(4, 30)[0] + 3])
    np.testing.assert_array_equal(again.log_likelihood(X), gate.log_likelihood(X))
    np.testing.assert_array_equal(again.familiar(X), gate.familiar(X))
    for name in ("space1.centre", "space1.scale", "space0.basis", "space2.typical", "space2.spread"):
        spoilt = arrays[name].copy()
        spoilt.flat[0] = np.nan
        for wrong in (spoilt, arrays[name][..., :-1], arrays[name].astype(np.float16)):
            with pytest.raises(ValueError, match=name.partition(".")[2]):
                Gate.from_parts({**arrays, name: wrong}, values, BLOCKS, 12, 3)
        with pytest.raises(KeyError):
            Gate.from_parts({k: v for k, v in arrays.items() if k != name}, values, BLOCKS, 12, 3)
    for shape in ((11, 3), (12, 2)):
        with pytest.raises(ValueError):
            Gate.from_parts(arrays, values, BLOCKS, *shape)


# --- the pool -----------------------------------------------------------------------------------------------------


def claims(seed: int, n: int, sharp: float, worth: float, views: int = 3, k: int = 4):
    """Experts that say `sharp` times what they know: log-probabilities by view (n, others, k), gates, truths."""
    rng = np.random.default_rng(seed)
    words, heard, truths = [], [], []
    for _ in range(views):
        y = rng.integers(0, k, n)
        logits = sharp * (worth * np.eye(k)[y][:, None] + rng.normal(size=(n, views - 1, k)))
        words.append(logits - np.log(np.exp(logits).sum(axis=2, keepdims=True)))
        heard.append(rng.normal(size=(n, views - 1)))
        truths.append(y)
    return words, heard, truths


def test_a_pool_of_one_mind_is_that_mind():
    words = np.log(np.array([[[0.7, 0.2, 0.1]] * 2]))
    np.testing.assert_allclose(np.exp(pool(words, np.zeros((1, 2)))), words[:, 0].astype(float) * 0 + [0.7, 0.2, 0.1])
    torn = np.log(np.array([[[0.8, 0.2], [0.2, 0.8]]]))
    np.testing.assert_allclose(np.exp(pool(torn, np.zeros((1, 2)))), 0.5)
    np.testing.assert_allclose(np.exp(pool(torn, np.array([[50.0, 0.0]]))), [[0.8, 0.2]])


def asking(words, heard, truths):
    """Return claims as `UnfamiliarPool.fit` takes them: no image is judged by the expert for its own view."""
    views, n = len(words), len(truths[0])
    asked = np.repeat(~np.eye(views, dtype=bool), n, axis=0)
    everything, gates = np.full((views * n, views, 4), np.nan), np.zeros((views * n, views))
    everything[asked] = np.concatenate([one.reshape(-1, 4) for one in words])
    gates[asked] = np.concatenate([gate.ravel() for gate in heard])
    return everything, gates, asked, np.concatenate(truths), np.repeat(np.arange(views), n)


def test_certain_mistakes_do_not_silence_the_others():
    words, heard, asked, y, conditions = asking(*claims(0, 60, 2.0, 1.0))
    ruled_out, floored = words.copy(), words.copy()
    ruled_out[::7, :, 1], floored[::7, :, 1] = -np.inf, familiarity.LEAST_WORD
    harsh, mild = (UnfamiliarPool.fit(one, heard, asked, y, conditions, 0.9) for one in (ruled_out, floored))
    assert harsh.to_dict() == mild.to_dict()
    assert np.isfinite(harsh.shares(heard)).all()
    torn = np.full((1, 2, 2), familiarity.LEAST_WORD)
    torn[0, [0, 1], [0, 1]] = 0.0
    np.testing.assert_allclose(np.exp(pool(torn, np.zeros((1, 2)))), 0.5)


@pytest.mark.parametrize("sharp", [1.0, 4.0, 20.0])
def test_confidence_is_cut_down_to_what_it_proved_to_be_worth(sharp):
    words, heard, truths = claims(0, 400, sharp, 1.0)
    fitted = UnfamiliarPool.fit(*asking(words, heard, truths), 0.9)
    words, heard, truths = claims(1, 2000, sharp, 1.0)
    for view, (one, gate, y) in enumerate(zip(words, heard, truths, strict=True)):
        trust = np.delete(fitted.trust, view)
        known = fitted.calibrator.transform(pool(one, fitted.sharpness * gate + trust))
        confidence, right = np.exp(known.max(axis=1)).mean(), (known.argmax(axis=1) == y).mean()
        assert abs(confidence - right) < 0.03
        sets = fitted.conformal.predict_set(np.exp(known))
        assert abs(sets[np.arange(len(y)), y].mean() - 0.9) < 0.03


def test_the_gate_is_heard_where_it_knows():
    rng = np.random.default_rng(0)
    words, _, truths = claims(0, 300, 1.0, 0.0)
    heard = []
    for one, y in zip(words, truths, strict=True):
        better = rng.integers(0, 2, len(y))  # one of the experts is worth something, and the gate says which
        one[np.arange(len(y)), better] = np.log(0.1 + 0.6 * np.eye(4)[y])
        heard.append(20.0 * np.eye(2)[better])
    assert UnfamiliarPool.fit(*asking(words, heard, truths), 0.9).sharpness > 0
    assert UnfamiliarPool.fit(*asking(*claims(0, 300, 1.0, 1.0)), 0.9).sharpness == 0


def test_a_pool_comes_back():
    fitted = UnfamiliarPool.fit(*asking(*claims(0, 60, 2.0, 1.0)), 0.8)
    state = json.loads(json.dumps(fitted.to_dict(), allow_nan=False))
    again = UnfamiliarPool.from_dict(state, 3)
    gates = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(again.shares(gates), fitted.shares(gates))
    assert again.to_dict() == fitted.to_dict()
    np.testing.assert_allclose(fitted.shares(gates).sum(axis=1), 1 / fitted.calibrator.temperature)
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="sharpness"):
            UnfamiliarPool.from_dict({**state, "sharpness": wrong}, 3)
    for unfit in ([0.0, 0.0], [0.0, float("inf"), 0.0], 0.0):
        with pytest.raises(ValueError, match="trust"):
            UnfamiliarPool.from_dict({**state, "trust": unfit}, 3)


def test_who_knows_more_is_trusted_more():
    words, heard, truths = claims(3, 300, 1.0, 0.3)
    sure = [one.copy() for one in words]
    for view, (one, y) in enumerate(zip(sure, truths, strict=True)):
        others = np.delete(np.arange(3), view)
        one[:, others == 2] = np.log(0.1 + 0.6 * np.eye(4)[y])[:, None]
    trust = UnfamiliarPool.fit(*asking(sure, heard, truths), 0.9).trust
    assert trust[2] > trust[:2].max() + 1
    assert np.ptp(UnfamiliarPool.fit(*asking(words, heard, truths), 0.9).trust) < 0.5
