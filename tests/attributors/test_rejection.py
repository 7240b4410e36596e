from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import multivariate_normal

from morelli.attributors import rejection
from morelli.attributors.discriminant import fit_discriminant
from morelli.attributors.open_set import OpenSetModel
from morelli.attributors.rejection import Rejector, fit_rejector
from morelli.attributors.sighting import Sighting, see
from morelli.attributors.strangeness import cosine_similarity, new_class_score
from morelli.trials.metrics import auroc

FAMILIES = ("left", "right", "noise")
BLOCKS = {"left": slice(0, 8), "right": slice(8, 16), "noise": slice(16, 24)}
K, PROMPTS = 12, 16


class World:
    """Models whose two families agree for candidates, because a reference taught them so, and not for others."""

    def __init__(self, seed: int, *, n_classes: int = K, size: float = 1.6) -> None:
        self.rng = np.random.default_rng(seed)
        self.means = self.rng.normal(size=(n_classes, 24)) * size
        self.means[:, BLOCKS["noise"]] = 0.0
        self.codes = np.tile(np.arange(n_classes), PROMPTS)
        self.fold = np.repeat(np.arange(PROMPTS) % 6, n_classes)
        self.X = self.draw(self.codes)

    def draw(self, codes, means=None):
        where = (self.means if means is None else means)[codes]
        return where + self.rng.normal(size=where.shape)

    def unknown(self, n: int):
        """Each family finds some candidate in them, but not the same one."""
        first, second = self.rng.integers(0, len(self.means), size=(2, n))
        second = np.where(first == second, (second + 1) % len(self.means), second)
        means = np.concatenate([self.means[first, :8], self.means[second, 8:]], axis=1)
        return means + self.rng.normal(size=means.shape)

    def fit(self, train, codes, n_classes):
        return {name: fit_discriminant(self.X[train][:, b], codes, n_classes) for name, b in BLOCKS.items()}

    def look(self, train, codes, n_classes, test):
        assert len(train) == len(codes)
        return see(self.fit(train, codes, n_classes), BLOCKS, self.X[test])

    def held_out(self) -> Sighting:
        parts, rows = [], []
        for held in np.unique(self.fold):
            train, test = np.flatnonzero(self.fold != held), np.flatnonzero(self.fold == held)
            parts.append(self.look(train, self.codes[train], len(self.means), test))
            rows.append(test)
        return Sighting.concat(parts).take(np.argsort(np.concatenate(rows)))

    def see(self, X) -> Sighting:
        return see(self.fit(np.arange(len(self.X)), self.codes, len(self.means)), BLOCKS, X)

    def rejector(self, **settings):
        return fit_rejector(self.held_out(), self.codes, self.fold, self.look, FAMILIES, **settings)[:2]


@pytest.fixture(scope="module")
def world():
    return World(0)


@pytest.fixture(scope="module")
def fitted(world):
    return world.rejector()


# --- scores -------------------------------------------------------------------------------------------------------


def test_cosine_similarity_is_brute_force():
    rng = np.random.default_rng(0)
    x, mu = rng.normal(size=(7, 4)), rng.normal(size=(3, 4))
    x[2], mu[1] = 0.0, 0.0
    found = cosine_similarity(x, mu)
    for i in range(7):
        for k in range(3):
            size = np.linalg.norm(x[i]) * np.linalg.norm(mu[k])
            assert found[i, k] == pytest.approx(x[i] @ mu[k] / size if size else 0.0)
    assert cosine_similarity([[3.0, 0.0]], [[1e-9, 0.0], [-5.0, 0.0]]).tolist() == [[1.0, -1.0]]
    with pytest.raises(ValueError, match="one space"):
        cosine_similarity(x, mu[:, :2])


@pytest.mark.parametrize("kin_share", [0.0, 0.3])
def test_new_class_score_is_a_ratio_of_densities(kin_share):
    rng = np.random.default_rng(1)
    x, mu = 3 * rng.normal(size=(20, 4)), 2 * rng.normal(size=(5, 4))
    variance, between = 1 + rng.random(4), 3 * rng.random(4)
    known = np.mean([multivariate_normal(m, np.diag(variance)).pdf(x) for m in mu], axis=0)
    new = multivariate_normal(np.zeros(4), np.diag(1 + between)).pdf(x)
    if kin_share:
        kin = np.mean([multivariate_normal(m, np.diag(variance + kin_share * between)).pdf(x) for m in mu], axis=0)
        new = (new + kin) / 2
    np.testing.assert_allclose(new_class_score(x, mu, variance, between, kin_share), np.log(new / known), atol=1e-9)


def test_new_class_score_refuses_what_is_no_variance():
    x, mu = np.zeros((2, 3)), np.zeros((2, 3))
    one = np.ones(3)
    for variance, between in ((0 * one, one), (one, -one), (np.ones(2), one), (one * np.nan, one)):
        with pytest.raises(ValueError, match="variance"):
            new_class_score(x, mu, variance, between)
    with pytest.raises(ValueError, match="kin_share"):
        new_class_score(x, mu, one, one, -1.0)


def test_scores_are_what_their_names_say(world, fitted):
    rejector, _ = fitted
    seen = world.see(world.X[:30])
    scores = dict(zip(rejector.names, rejector.scores(seen), strict=True))
    assert list(scores) == [
        "novelty",
        "kinship",
        *(f"angle.{name}" for name in FAMILIES),
        *(f"dissent.{name}" for name in FAMILIES),
    ]
    frame = rejector.frame
    fused = sum(w * words for w, words in zip(frame.weights, seen.log_likelihood, strict=True))
    for i in range(30):
        winner = fused[i].argmax()
        for f, name in enumerate(FAMILIES):
            assert scores[f"angle.{name}"][i] == pytest.approx(-seen.alignment[f, i, winner])
            words = log_softmax(seen.log_likelihood[f, i] / frame.temperatures[f])
            assert scores[f"dissent.{name}"][i] == pytest.approx(-words[winner])


def test_a_constant_added_to_all_words_of_an_image_changes_nothing(world, fitted):
    seen = world.see(world.X[:30])
    moved = Sighting(seen.log_likelihood + np.arange(30.0)[:, None], seen.alignment)
    np.testing.assert_allclose(fitted[0].strangeness(moved), fitted[0].strangeness(seen), atol=1e-6)


# --- learning -----------------------------------------------------------------------------------------------------


def test_what_is_learned_beats_the_best_single_score_where_families_disagree(world, fitted):
    rejector, _ = fitted
    known, unknown = world.see(world.draw(np.repeat(np.arange(K), 40))), world.see(world.unknown(480))
    single = [auroc(-a, -b) for a, b in zip(rejector.scores(known), rejector.scores(unknown), strict=True)]
    together = auroc(-rejector.strangeness(known), -rejector.strangeness(unknown))
    assert together > max(single) + 0.005
    assert together > 0.9


def test_noise_counts_for_less_than_traces(fitted):
    rejector, _ = fitted
    weight = dict(zip(rejector.names, rejector.coefficients, strict=True))
    assert min(weight.values()) >= 0
    assert weight["angle.noise"] + weight["dissent.noise"] < 0.25 * (weight["angle.left"] + weight["angle.right"])


def test_the_rehearsals_report_what_they_found(fitted):
    rejector, _ = fitted
    assert set(rejector.rehearsed_auroc) == {"all", *rejector.names}
    assert rejector.rehearsed_auroc["all"] > 0.8
    assert abs(rejector.rehearsed_auroc["angle.noise"] - 0.5) < 0.15
    assert rejector.trained
    assert rejector.n_fits == 12
    assert rejector.notes == ()


def test_nothing_hidden_is_seen_while_it_is_hidden(world):
    calls = []

    def look(train, codes, n_classes, test):
        calls.append((train, codes, n_classes, test))
        return world.look(train, codes, n_classes, test)

    fit_rejector(world.held_out(), world.codes, world.fold, look, FAMILIES)
    hidden = []
    for train, codes, n_classes, test in calls:
        known = np.unique(world.codes[train])
        assert n_classes == len(known) == 9
        np.testing.assert_array_equal(known[codes], world.codes[train])
        assert not set(world.fold[train]) & set(world.fold[test])
        assert set(world.codes[test]) == set(range(K))
        hidden.append(frozenset(range(K)) - frozenset(known))
    assert sorted(c for each in set(hidden) for c in each) == list(range(K))
    for draw in set(hidden):
        tested = [test for each, (*_, test) in zip(hidden, calls, strict=True) if each == draw]
        assert sorted(np.concatenate(tested)) == list(range(len(world.codes)))


def test_nothing_strange_makes_an_image_less_strange(world, fitted):
    rejector, _ = fitted
    seen = world.see(world.X[:20])
    before = rejector.strangeness(seen)
    assert (rejector.strangeness(Sighting(seen.log_likelihood, seen.alignment - 0.2)) >= before).all()


def test_weights_of_the_combination_minimise_its_loss():
    rng = np.random.default_rng(3)
    hidden = rng.random(400) < 0.25
    x = rng.normal(size=(3, 400)) + np.outer([1.0, 0.5, -0.7], hidden)
    found = rejection._coefficients([(x[:, :200], hidden[:200]), (x[:, 200:], hidden[200:])])
    assert found[2] == 0
    assert found[0] > found[1] > 0

    def loss(w, b):
        margin = np.where(hidden, 1, -1) * (b + w @ x)
        each = np.log1p(np.exp(-margin))
        return 0.5 * (each[hidden].mean() + each[~hidden].mean()) + 0.5 * rejection.RIDGE * (w**2).sum()

    grid = np.linspace(-2, 2, 401)
    best = min(loss(found, b) for b in grid)
    for step in 0.05 * np.eye(3):
        assert min(loss(found + step, b) for b in grid) > best
        assert min(loss(np.maximum(found - step, 0), b) for b in grid) >= best


# --- validity -----------------------------------------------------------------------------------------------------


def test_p_values_of_new_images_of_candidates_are_valid():
    p = []
    for seed in range(8):
        world = World(100 + seed, size=0.8)
        rejector, calibration = world.rejector(n_draws=2)
        model = OpenSetModel().fit(calibration)
        p.append(model.p_values(rejector.strangeness(world.see(world.draw(np.repeat(np.arange(K), 50))))))
    p = np.concatenate(p)
    for level in (0.01, 0.05, 0.1, 0.3):
        # 8 calibrations of 192 images each wander by about sqrt(level / 1536), new images by less.
        assert (p <= level).mean() <= level + 3 * np.sqrt(level / (8 * 192))
    assert (p <= 0.1).mean() > 0.03  # and not for want of any power at all


def test_the_number_of_candidates_does_not_move_the_scale(world, fitted):
    rejector, calibration = fitted
    scaled = rejector.scores(world.held_out()) - rejector.centres[:, None]
    assert abs(np.median(scaled / rejector.scales[:, None])) < 0.5
    new = rejector.strangeness(world.see(world.draw(np.repeat(np.arange(K), 50))))
    assert abs(np.median(new) - np.median(calibration)) < 0.5 * calibration.std()


# --- too little, bad input, storage -------------------------------------------------------------------------------


def test_too_few_candidates_fall_back_and_say_so():
    world = World(5, n_classes=5)
    rejector, calibration = world.rejector()
    assert rejector.names == ("doubt", "unlikeliness")
    assert not rejector.trained
    assert rejector.n_fits == 0
    assert rejector.rehearsed_auroc == {}
    assert "5 candidates, and 6 are needed" in rejector.notes[0]
    assert calibration.shape == world.codes.shape
    known, unknown = world.see(world.draw(np.repeat(np.arange(5), 40))), world.see(world.unknown(200))
    assert auroc(-rejector.strangeness(known), -rejector.strangeness(unknown)) > 0.7
    again = _stored(rejector)
    assert again.strangeness(known).tolist() == rejector.strangeness(known).tolist()


@pytest.mark.parametrize("n_folds", [1, 2])
def test_too_few_groups_fall_back_and_say_so(world, n_folds):
    fold = world.fold % n_folds
    rejector, calibration, _ = fit_rejector(world.held_out(), world.codes, fold, world.look, FAMILIES)
    assert f"{n_folds} groups of prompts, and 3 are needed" in rejector.notes[0]
    assert np.isfinite(calibration).all()


def test_six_candidates_and_three_folds_are_enough():
    world = World(6, n_classes=6)
    world.fold = world.fold % 3
    rejector, _ = world.rejector()
    assert rejector.trained
    assert rejector.n_fits == 9


def test_same_input_same_numbers_and_round_trip(world, fitted):
    rejector, calibration = fitted
    twin, again = world.rejector()
    assert again.tolist() == calibration.tolist()
    seen = world.see(world.unknown(50))
    assert twin.strangeness(seen).tolist() == rejector.strangeness(seen).tolist()
    stored = _stored(rejector)
    assert stored.strangeness(seen).tolist() == rejector.strangeness(seen).tolist()
    assert stored.rehearsed_auroc == rejector.rehearsed_auroc
    assert (stored.names, stored.notes, stored.n_fits) == (rejector.names, rejector.notes, rejector.n_fits)
    assert replace(stored, notes=("a",)).notes == ("a",)


def test_profiles_are_of_the_candidates_that_there_were(world, fitted):
    """A candidate that was enrolled later is no part of a profile, wherever it stands."""
    rejector = fitted[0]
    seen = world.see(world.unknown(50))
    order = np.array([3, *range(3), *range(4, K)])
    moved = seen.among(order)
    frame = replace(rejector.frame, columns=np.argsort(order))
    np.testing.assert_allclose(frame.at(moved), rejector.frame.at(seen))
    stored = _stored(replace(rejector, frame=frame))
    assert stored.frame.columns.tolist() == np.argsort(order).tolist()
    assert "columns" not in rejector.to_parts()[1]
    arrays, values = replace(rejector, frame=frame).to_parts()
    for wrong in ([0, 1], [*range(K - 1), K], [*range(K - 1), -1], [0] * K, ["a"] * K):
        with pytest.raises((ValueError, TypeError)):
            Rejector.from_parts(arrays, values | {"columns": wrong})


def test_damaged_parts_are_refused(fitted):
    arrays, values = fitted[0].to_parts()
    damages = (
        {"coefficients": [-1.0] * 8},
        {"coefficients": [1.0] * 7},
        {"scales": [0.0] * 8},
        {"centres": [float("nan")] * 8},
        {"temperatures": [0.0] * 3},
        {"weights": [-1.0] * 3},
        {"weights": [1.0] * 4},
        {"names": ["a"]},
        {"n_classes": 11},
        {"n_classes": None},
    )
    for damage in damages:
        with pytest.raises(ValueError, match=r"."):
            Rejector.from_parts(arrays, values | damage)
    with pytest.raises(KeyError):
        Rejector.from_parts({}, values)


def test_bad_input_is_refused(world, fitted):
    held = world.held_out()
    with pytest.raises(ValueError, match="named"):
        fit_rejector(held, world.codes, world.fold, world.look, FAMILIES[:2])
    with pytest.raises(ValueError, match="codes"):
        fit_rejector(held, world.codes[:-1], world.fold, world.look, FAMILIES)
    with pytest.raises(ValueError, match="fold"):
        fit_rejector(held, world.codes, world.fold[:-1], world.look, FAMILIES)
    with pytest.raises(ValueError, match="n_draws"):
        fit_rejector(held, world.codes, world.fold, world.look, FAMILIES, n_draws=1)
    with pytest.raises(ValueError, match="one shape"):
        Sighting(held.log_likelihood, held.alignment[:, :, :-1])
    with pytest.raises(ValueError, match="NaN"):
        Sighting(held.log_likelihood * np.nan, held.alignment)
    few = Sighting(held.log_likelihood[:2], held.alignment[:2])
    with pytest.raises(ValueError, match="2 families"):
        fitted[0].strangeness(few)
    with pytest.raises(ValueError, match="11 candidates"):
        fitted[0].strangeness(Sighting(held.log_likelihood[:, :, 1:], held.alignment[:, :, 1:]))


def _stored(rejector: Rejector) -> Rejector:
    arrays, values = rejector.to_parts()
    return Rejector.from_parts(arrays, json.loads(json.dumps(values, sort_keys=True, allow_nan=False)))
