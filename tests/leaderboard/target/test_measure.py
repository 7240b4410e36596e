from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard._drawing import draw_references
from morelli.leaderboard.board import Board
from morelli.leaderboard.target import measure_targets

from .._planted_boards import planted


@pytest.fixture(scope="module")
def board():
    return planted(prompts=12, models=4, images=6, apart=1.2, scale=0.3)


@pytest.fixture(scope="module")
def result(board):
    return measure_targets(board, references=(1, 3, 5), alphas=(0.5, 0.8), draws=4, n_boot=200)


def by_hand(board, k, alpha, draws, seed):
    """The paper's two decisions, image by image: counts of (kind of image, right) for each target."""
    shape = (len(board.models), 2)
    nearest, own, total = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    X = board.X.astype(float)
    for draw in draw_references(board, draws, seed):
        rows = draw.references(k)
        for i in draw.judged:
            cells = [X[rows[(board.prompt[rows] == board.prompt[i]) & (board.model[rows] == m)]] for m in range(4)]
            distances = np.array([np.linalg.norm(X[i] - cell.mean(axis=0)) for cell in cells])
            for t, cell in enumerate(cells):
                kind = int(board.model[i] == t)
                others = np.delete(distances, t).min()
                limit = np.quantile(np.linalg.norm(cell - cell.mean(axis=0), axis=1), alpha)
                total[t, kind] += 1
                nearest[t, kind] += (distances[t] < others) == bool(kind)
                own[t, kind] += (distances[t] <= limit) == bool(kind)
    return nearest, own, total


def test_figures_are_the_papers_decisions_counted(board, result):
    nearest, own, total = by_hand(board, 3, 0.8, 4, 0)
    for found, right in ((result.nearest, nearest), (result.one_class, own)):
        at = (1,) if found is result.nearest else (0, 1, 1)
        np.testing.assert_allclose(found.kept.value[at][:4], right[:, 1] / total[:, 1])
        np.testing.assert_allclose(found.refused.value[at][:4], right[:, 0] / total[:, 0])
        np.testing.assert_allclose(found.accuracy.value[at][:4], right.sum(axis=1) / total.sum(axis=1))
        np.testing.assert_allclose(found.balanced.value[at][:4], (right / total).mean(axis=1))
        np.testing.assert_allclose(found.balanced.value[at][4], (right / total).mean())
        assert found.n[at].tolist() == [*total.sum(axis=1), total.sum()]
    np.testing.assert_allclose(result.nearest.others, 0.75)


def test_at_one_reference_thresholds_are_undefined_but_the_papers(result):
    kept = result.one_class.kept.value[:, 0, :, :]
    assert (kept[result.rules.index("own")] == 0).all()
    for rule in ("left-out", "conformal", "conformal-exact"):
        assert np.isnan(kept[result.rules.index(rule)]).all()
    assert np.isnan(result.areas["conformal"].value[0]).all()
    assert (result.one_class.n[result.rules.index("left-out"), 0] == 0).all()
    assert any("one reference" in note for note in result.notes)


def test_more_references_tell_better_and_intervals_hold_the_value(result):
    margin = result.areas["margin"]
    assert margin.value[0, -1] < margin.value[2, -1]
    figures = [margin, *(getattr(result.nearest, name) for name in ("accuracy", "balanced", "kept", "refused"))]
    for figure in figures:
        assert (figure.interval[..., 0] <= figure.value + 1e-12).all()
        assert (figure.value <= figure.interval[..., 1] + 1e-12).all()
        assert (figure.interval[..., 1] > figure.interval[..., 0]).all()


def test_leaving_references_out_keeps_more_than_the_papers_threshold(result):
    own, left = (result.one_class.kept.value[result.rules.index(name), 1:] for name in ("own", "left-out"))
    assert (own < left).all()


def test_conformal_rules_keep_what_they_promise():
    board = planted(prompts=60, models=3, images=5, scale=0.5)
    result = measure_targets(board, references=(2, 4), alphas=(0.5, 0.8, 0.9), draws=4, n_boot=100)
    kept = result.one_class.kept.value[result.rules.index("conformal-exact"), :, :, -1]
    np.testing.assert_allclose(kept, np.tile([0.5, 0.8, 0.9], (2, 1)), atol=0.06)
    assert (result.one_class.kept.value[result.rules.index("conformal"), :, 1:, -1] >= [0.78, 0.88]).all()


def test_models_that_are_alike_are_told_by_chance():
    board = planted(prompts=40, models=4, images=4, apart=0.0)
    result = measure_targets(board, references=(3,), draws=5, n_boot=100)
    for name, figure in result.areas.items():
        assert figure.value[0, -1] == pytest.approx(0.5, abs=0.06), name
    assert result.nearest.balanced.value[0, -1] == pytest.approx(0.5, abs=0.05)


def test_models_far_apart_are_always_told_and_certainty_is_bounded():
    board = planted(prompts=10, models=3, images=4, apart=50.0)
    result = measure_targets(board, references=(3,), draws=2, n_boot=100)
    assert (result.nearest.accuracy.value == 1).all()
    np.testing.assert_allclose(result.nearest.accuracy.interval[0, :, 0], 0.025 ** (1 / 10))
    assert (result.nearest.accuracy.interval[0, :, 1] == 1).all()


def test_some_targets_have_the_figures_that_they_have_among_all(board, result):
    some = measure_targets(board, targets=["model-2"], references=(1, 3, 5), alphas=(0.5, 0.8), draws=4, n_boot=200)
    assert some.targets == ("model-2",)
    np.testing.assert_array_equal(some.nearest.accuracy.value[:, 0], result.nearest.accuracy.value[:, 2])
    np.testing.assert_array_equal(some.nearest.accuracy.value[:, 0], some.nearest.accuracy.value[:, 1])
    np.testing.assert_array_equal(some.areas["margin"].interval[:, 0], result.areas["margin"].interval[:, 2])


def test_the_same_seed_gives_the_same_figures(board, result):
    again = measure_targets(board, references=(1, 3, 5), alphas=(0.5, 0.8), draws=4, n_boot=200)
    np.testing.assert_array_equal(again.one_class.balanced.interval, result.one_class.balanced.interval)
    other = measure_targets(board, references=(1, 3, 5), alphas=(0.5, 0.8), draws=4, n_boot=200, seed=1)
    assert (other.nearest.accuracy.value != result.nearest.accuracy.value).any()


def test_prompts_without_the_target_are_not_judged_for_it(board):
    """Unbalanced boards: a model that lacks prompts, one with a single image, and a prompt of one model."""
    keep = ~((board.model == 0) & (board.prompt < 4)) & ~((board.prompt == 11) & (board.model > 0))
    single = np.flatnonzero((board.model == 3) & (board.prompt == 5))
    keep[single[1:]] = False
    result = measure_targets(board.take(keep), references=(2,), draws=3, n_boot=50)
    assert result.n_prompts == 11
    # Model 0 has 7 prompts with others; each judges itself and three others, but for the single image.
    assert result.nearest.n[0, 0] == 3 * (7 * 4 - 1)
    assert result.nearest.n[0, 3] == 3 * (4 * 3 + 7 * 4 - 1)


def test_identical_images_are_told_and_kept():
    X = np.repeat(np.eye(6)[:, None], 4, axis=1).reshape(-1, 6)
    board = Board.of(X, list("a" * 4 + "b" * 4 + "c" * 4) * 2, ["p"] * 12 + ["q"] * 12)
    result = measure_targets(board, references=(3,), alphas=(0.5,), draws=2, n_boot=20)
    assert (result.nearest.accuracy.value == 1).all()
    for rule in ("own", "left-out"):
        assert (result.one_class.kept.value[result.rules.index(rule)] == 1).all()
        assert (result.one_class.refused.value[result.rules.index(rule)] == 1).all()


def test_what_makes_no_sense_is_refused(board):
    with pytest.raises(MorelliError, match="Not on the board: nobody"):
        measure_targets(board, targets=["nobody"])
    with pytest.raises(MorelliError, match="between 0 and 1"):
        measure_targets(board, alphas=(1.5,))
    with pytest.raises(NotEnoughDataError, match="two models"):
        measure_targets(board.only(["model-1"]))
    with pytest.raises(NotEnoughDataError, match="No image can be judged"):
        measure_targets(replace(board, X=board.X[:0], model=[], prompt=[], rows=None))
