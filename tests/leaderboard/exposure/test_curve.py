from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.attackers import NearestCentroid, ranks_of_truth
from morelli.leaderboard.exposure import _nested, attack_curve
from morelli.leaderboard.exposure._geometry import over_prompts
from morelli.leaderboard.exposure._nested import judged_by_prompt, plan_draws

from ._planted import planted, shuffled

KS = (1, 2, 4)


def rows_of(board, ks, draws, seed, queries):
    """Yield prompt, draw and k with the rows of the board that are references and queries, from the plan alone."""
    for images, plan in over_prompts(board, lambda one: (one, plan_draws(one, max(ks), draws, seed, queries))):
        place = np.arange(len(images.rows)) - images.starts[images.own]
        for draw in range(draws):
            for k in ks:
                held = place < np.minimum(k, plan.reserved)[images.own]
                references = images.rows[plan.order[draw, held]]
                yield images.prompt, draw, k, references, images.rows[plan.order[draw, plan.queries]]


@pytest.mark.parametrize("queries", ["one", "rest"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("images", [6, (1, 2, 7, 4)])
def test_agrees_with_the_attacker_called_once_for_every_draw(metric, queries, images):
    board = shuffled(planted(4, 5, images, pair=1.0))
    judged = {one.images.prompt: one for one in judged_by_prompt(board, KS, 3, 7, metric, queries)}
    seen = 0
    for p, draw, k, references, asked in rows_of(board, KS, 3, 7, queries):
        assert set(references).isdisjoint(asked)
        scores = NearestCentroid(metric)(board.take(references), board.X[asked], board.prompt[asked])
        expected = ranks_of_truth(scores, board.model[asked])
        one = judged[p]
        np.testing.assert_array_equal(one.ahead[draw, :, KS.index(k)], expected)
        np.testing.assert_array_equal(one.images.rows[one.query[draw]], asked)
        seen += len(asked)
    assert seen > 0


def test_draws_done_in_parts_are_the_same(monkeypatch):
    board = planted(3, 4, 6)
    whole = attack_curve(board, KS, draws=7, pools=(2,))
    monkeypatch.setattr(_nested, "_BYTES", 5000)
    assert attack_curve(board, KS, draws=7, pools=(2,)).points == whole.points


def test_references_are_nested_and_clipped_to_what_is_left():
    board = planted(2, 2, (3, 6))
    rows = {(p, d, k): (set(r), set(q)) for p, d, k, r, q in rows_of(board, (1, 2, 30), 4, 0, "one")}
    for p in range(2):
        for d in range(4):
            one, two, all_ = (rows[p, d, k][0] for k in (1, 2, 30))
            assert one < two < all_
            assert len(all_) == 2 + 5 and len(rows[p, d, 30][1]) == 2
    curve = attack_curve(board, (1, 2, 30))
    assert [curve.at(k).references for k in (1, 2, 30)] == [1.0, 2.0, 3.5]
    assert curve.clipped.tolist() == [0.0, 0.0, 1.0]


def test_the_one_query_is_among_the_rest():
    board = planted(3, 4, 6)
    one = {key[:3]: set(key[4]) for key in rows_of(board, (2,), 5, 3, "one")}
    rest = {key[:3]: set(key[4]) for key in rows_of(board, (2,), 5, 3, "rest")}
    assert one.keys() == rest.keys()
    assert all(one[key] < rest[key] and len(rest[key]) == 3 * 4 for key in one)


def test_every_image_is_named_and_referred_to_in_some_draw():
    board = planted(2, 1, 4)
    named, held = set(), set()
    for _, _, _, references, asked in rows_of(board, (1,), 60, 0, "one"):
        named |= set(asked)
        held |= set(references)
    assert named == held == set(range(8))


def test_pools_are_the_mean_over_all_subsets():
    board = planted(5, 4, 5, pair=0.7)
    curve = attack_curve(board, (2,), draws=3, pools=(2, 3, 5), queries="rest")
    for size in (2, 3):
        hits, n = np.zeros(3), 0
        for subset in combinations(board.models, size):
            codes = [board.models.index(name) for name in subset]
            for _, _, _, references, asked in rows_of(board, (2,), 3, 0, "rest"):
                asked = asked[np.isin(board.model[asked], codes)]
                held = board.take(references[np.isin(board.model[references], codes)])
                ranks = ranks_of_truth(NearestCentroid()(held, board.X[asked], board.prompt[asked]), board.model[asked])
                hits += [(ranks < top).sum() for top in (1, 2, 3)]
                n += len(asked)
        found = [curve.at(2, top, size).accuracy for top in (1, 2, 3)]
        np.testing.assert_allclose(found, hits / n, atol=1e-12)
    for top in (1, 2, 3):
        assert curve.at(2, top, 5).accuracy == pytest.approx(curve.at(2, top).accuracy)


def test_pools_leave_out_prompts_with_fewer_models():
    board = planted(4, 6, 4)
    board = board.take(~((board.prompt < 2) & (board.model > 1)))
    curve = attack_curve(board, (1,), pools=(2, 3))
    assert [curve.at(1, pool=size).prompts for size in (2, 3)] == [6, 4]
    assert curve.at(1).chance == pytest.approx((2 * 2 / 2 + 4 * 4 / 4) / (2 * 2 + 4 * 4))
    assert curve.at(1, top=2, pool=3).chance == pytest.approx(2 / 3)
    assert curve.at(1, top=3, pool=2).accuracy == curve.at(1, top=3, pool=2).chance == 1.0


def test_more_references_help_and_more_candidates_hurt():
    curve = attack_curve(planted(8, 60, 12, pair=0.7), (1, 3, 11), pools=(2, 4))
    values = [curve.at(k).accuracy for k in curve.ks]
    assert values == sorted(values) and values[-1] > values[0] + 0.1
    assert curve.at(3, pool=2).accuracy > curve.at(3, pool=4).accuracy > curve.at(3).accuracy
    assert curve.at(3, 1).accuracy < curve.at(3, 2).accuracy < curve.at(3, 3).accuracy
    for point in curve.points:
        assert point.low <= point.accuracy <= point.high


def test_models_that_do_not_differ_are_guessed():
    curve = attack_curve(planted(5, 150, 4, pair=0.0), (1, 3), draws=5, pools=(2,))
    for point in curve.points:
        assert point.accuracy == pytest.approx(point.chance, abs=0.03)


def test_identical_images_are_never_named_right():
    board = planted(3, 3, 4)
    same = type(board)(np.full_like(board.X, 0.3), board.model, board.prompt, board.models, board.prompts)
    for metric in ("euclidean", "cosine"):
        curve = attack_curve(same, (1, 3), metric=metric)
        assert [curve.at(k, top).accuracy for k in (1, 3) for top in (1, 2, 3)] == [0.0, 0.0, 1.0] * 2
    assert curve.at(1).low == 0.0 and curve.at(1).high > 0.5, "three prompts prove little"


def test_default_pools_and_accessors():
    curve = attack_curve(planted(12, 3, 3), (1,), draws=1)
    assert curve.pools == (5, 10)
    with pytest.raises(MorelliError, match="no point"):
        curve.at(7)


def test_what_is_drawn_for_a_prompt_does_not_depend_on_others():
    board = planted(3, 5, 5)
    whole = attack_curve(board, (2,), pools=())
    some = attack_curve(board.take(board.prompt != 4), (2,), pools=())
    np.testing.assert_array_equal(whole.hits[:4], some.hits[:4])
    assert np.isnan(some.hits[4, 0])


def test_arguments():
    board = planted(3, 3, 3)
    for wrong in ({"ks": ()}, {"ks": (0,)}, {"draws": 0}):
        with pytest.raises(MorelliError, match="counted from 1"):
            attack_curve(board, **wrong)
    with pytest.raises(MorelliError, match="one or rest"):
        attack_curve(board, queries="all")  # type: ignore[arg-type]
    with pytest.raises(MorelliError, match="pool"):
        attack_curve(board, pools=(4,))
    with pytest.raises(MorelliError, match="distance"):
        attack_curve(board, metric="l1")  # type: ignore[arg-type]
    with pytest.raises(NotEnoughDataError, match="two images"):
        attack_curve(planted(3, 3, 1))
