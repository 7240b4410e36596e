from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.exposure import agreement, prompt_success, rank_prompts, separability

from ._planted import planted


def test_planted_order_is_found_on_other_images():
    board = planted(5, 40, 12, pair=np.linspace(0.0, 2.5, 40))
    found = agreement(board, k=3, draws=5, splits=2)
    assert found.disjoint and found.prompts == 40 and found.splits == 2
    rows = {row.score: row for row in found.rows}
    assert found.rows[0].score == "D at 0.9" and found.rows[-1].score == "success on the same half"
    for name in ("mean frac", "silhouette", "margin"):
        assert rows[name].rho > 0.8
        assert rows[name].interval[0] < rows[name].rho < rows[name].interval[1]
        assert rows[name].interval[0] > 0.6


def test_prompts_that_do_not_differ_do_not_agree():
    """On disjoint images; on the same ones luck of the images agrees with itself."""
    board = planted(4, 60, 8, pair=0.8, seed=2)
    same = spearmanr(separability(board).prompt_frac, prompt_success(board).prompt_rate).statistic
    rng_free = planted(4, 60, 8, pair=0.0, seed=2)
    found = agreement(rng_free, draws=5, splits=3)
    rho = {row.score: row.rho for row in found.rows}
    assert abs(rho["mean frac"]) < 0.3
    shared = spearmanr(separability(rng_free).prompt_frac, prompt_success(rng_free).prompt_rate).statistic
    assert shared > 0.4 and same > 0.4


def test_too_few_images_for_halves_are_shared_and_said_to_be():
    board = planted(4, 12, 3, pair=np.linspace(0, 3, 12))
    found = agreement(board, k=1, draws=4)
    assert not found.disjoint and found.splits == 1
    expected = spearmanr(separability(board).prompt_frac, prompt_success(board, k=1, draws=4).prompt_rate).statistic
    assert {row.score: row.rho for row in found.rows}["mean frac"] == pytest.approx(expected)


def test_ranks():
    board = planted(6, 20, 10, pair=np.linspace(3.0, 0.0, 20))
    exposure = separability(board)
    found = rank_prompts(exposure)
    D = exposure.D[found.order]
    assert (np.diff(D) <= 0).all()
    ties = np.diff(D) == 0
    assert (np.diff(exposure.prompt_frac[found.order])[ties] <= 0).all()
    assert ((found.low >= 1) & (found.low <= found.high) & (found.high <= 20)).all()
    at = {int(prompt): i for i, prompt in enumerate(found.order)}
    assert found.high[at[0]] < found.low[at[19]], "the strongest and the weakest are told apart"


def test_undefined_prompts_have_no_rank():
    board = planted(3, 5, 4, pair=3.0)
    found = rank_prompts(separability(board.take(~((board.prompt == 2) & (board.model > 0)))))
    assert sorted(found.order.tolist()) == [0, 1, 3, 4]


def test_arguments():
    with pytest.raises(MorelliError, match="once or more"):
        agreement(planted(3, 6, 6), splits=0)
    with pytest.raises(MorelliError, match="threshold"):
        agreement(planted(3, 6, 6), tau=1.0)
    with pytest.raises(NotEnoughDataError):
        agreement(planted(3, 6, 1))
