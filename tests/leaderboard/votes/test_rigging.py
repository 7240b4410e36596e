from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.votes import LEFT, Price, Recognition, Tally, Votes, simulate_board, votes_needed
from morelli.leaderboard.votes._solve import solve
from morelli.leaderboard.votes.defences import parse_defence

NAMES = tuple("abcdef")


@pytest.fixture(scope="module")
def board():
    return simulate_board(NAMES, 4000, "c", rank=4, spread=80, seed=2)


@pytest.fixture(scope="module")
def perfect(board):
    return votes_needed(board, Recognition.perfect(NAMES), "c", ranks=(1, 2), simulations=8, budget=20_000)


def test_more_ranks_take_more(perfect):
    assert perfect.start_rank == 4
    for strategy in ("target-only:abstain", "omnipresent:abstain"):
        one, two = (row for row in perfect.rows if row.strategy == strategy)
        assert (one.goal, two.goal) == (3, 2)
        assert one.reached == two.reached == 8
        assert one.battles < two.battles
        assert one.battles_low <= one.battles <= one.battles_high
        assert one.votes <= one.battles


def test_omnipresent_looks_at_fewer_battles_and_target_only_casts_fewer_votes(perfect):
    target, everywhere = (row for row in perfect.rows if row.ranks == 2)
    assert everywhere.battles < target.battles
    assert target.votes < everywhere.votes
    assert target.votes / target.battles == pytest.approx(1 / 3, abs=0.05)  # 2 of 6 images


def test_target_only_agrees_with_the_expected_votes(board, perfect):
    """Votes of target-only with perfect recognition are wins against all others alike: solve for their number."""
    score, at = board.score, NAMES.index("c")

    def rank_after(votes):
        more = score.copy()
        more[at] += votes / 5 * (np.arange(6) != at)
        theta = solve(more)
        return 1 + int((np.delete(theta, at) >= theta[at]).sum())

    low, high = 0.0, 5000.0
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (low, middle) if rank_after(middle) <= 3 else (middle, high)
    row = perfect.rows[0]
    assert row.votes == pytest.approx(high, rel=0.15)


def test_an_oracle_in_a_file_is_the_oracle(board, perfect):
    measured = Recognition(NAMES, 50 * np.eye(6, 7))
    again = votes_needed(board, measured, "c", ranks=(1, 2), simulations=8, budget=20_000)
    assert again.rows[0].battles == pytest.approx(perfect.rows[0].battles, rel=0.25)
    assert again.images == 300
    assert again.measured


def test_who_guesses_gains_nothing(board):
    found = votes_needed(
        board,
        Recognition.chance(NAMES),
        "c",
        ranks=(1,),
        strategies=("target-only", "target-only:random", "omnipresent"),
        simulations=4,
        budget=4000,
    )
    assert [row.reached for row in found.rows] == [0, 0, 0]
    assert all(row.battles is row.votes is row.dollars is row.battles_low is None for row in found.rows)


def test_worse_recognition_takes_more(board, perfect):
    poor = Recognition(NAMES, np.column_stack([40 * np.eye(6) + 10, np.zeros(6)]))
    found = votes_needed(board, poor, "c", ranks=(1,), simulations=8, budget=20_000)
    better = [row for row in perfect.rows if row.ranks == 1]
    assert all(bad.battles > 1.2 * good.battles for bad, good in zip(found.rows, better, strict=True))


def test_downwards(board):
    found = votes_needed(board, Recognition.perfect(NAMES), "c", ranks=(1, 2), direction="down", simulations=4)
    assert [row.goal for row in found.rows] == [5, 6, 5, 6]
    assert all(row.reached == 4 for row in found.rows)


def test_where_there_is_no_rank_nothing_is_simulated(board):
    first = simulate_board(NAMES, 4000, "a", rank=1, seed=2)
    up = votes_needed(first, Recognition.perfect(NAMES), "a", ranks=(1,), simulations=2)
    assert up.start_rank == 1
    assert all(row.goal is None and row.simulations == 0 and row.battles is None for row in up.rows)
    down = votes_needed(first, Recognition.perfect(NAMES), "a", ranks=(6,), direction="down", simulations=2)
    assert all(row.goal is None for row in down.rows)


def test_two_models():
    board = Tally(("a", "b"), np.array([[0.0, 60], [40, 0]]), np.zeros((2, 2)))
    found = votes_needed(board, Recognition.perfect(("a", "b")), "b", ranks=(1,), simulations=3)
    # Ties count against the manipulator: 21 votes, and every battle is the target's.
    assert [row.battles for row in found.rows] == [21, 21]
    assert [row.votes for row in found.rows] == [21, 21]


def test_all_ties():
    ties = 10.0 * (1 - np.eye(3))
    board = Tally(("a", "b", "c"), np.zeros((3, 3)), ties)
    up = votes_needed(board, Recognition.perfect("abc"), "a", ranks=(1,), simulations=2)
    assert up.start_rank == 1
    assert up.tie == 0.5
    assert up.rows[0].goal is None
    down = votes_needed(board, Recognition.perfect("abc"), "a", ranks=(1,), direction="down", simulations=2)
    assert all(row.battles <= 10 for row in down.rows)


def test_same_seed_same_result(board):
    def search(seed):
        return votes_needed(board, Recognition.perfect(NAMES), "c", ranks=(1,), simulations=3, seed=seed).rows

    assert search(1) == search(1)
    assert search(1) != search(2)


def test_rows_do_not_hang_on_what_else_is_asked(board):
    known = Recognition.perfect(NAMES)
    alone = votes_needed(board, known, "c", ranks=(1,), strategies=("omnipresent",), simulations=3, defences=("none",))
    names = ("remove:favour", "none")
    both = votes_needed(board, known, "c", ranks=(2, 1), strategies=("omnipresent",), simulations=3, defences=names)
    assert alone.rows[0] in both.rows


def test_defences_cost_the_manipulators(board):
    names = ("none", "fewer-battles:0.25", "hide-until:8000", "probation:10", "rate-limit:5")
    price = Price(0.1, 2, 6, dollars_per_account=3.0, votes_per_account=40)
    found = votes_needed(
        board,
        Recognition.perfect(NAMES),
        "c",
        ranks=(1,),
        strategies=("target-only",),
        simulations=6,
        budget=30_000,
        defences=names,
        price=price,
    )
    rows = dict(zip(names, found.rows, strict=True))
    bare = rows["none"]
    assert bare.dollars == pytest.approx(price.dollars(bare.battles, bare.votes))
    assert rows["fewer-battles:0.25"].battles > 2 * bare.battles
    assert rows["fewer-battles:0.25"].votes == pytest.approx(bare.votes, rel=0.4)
    assert rows["hide-until:8000"].battles > 1.5 * bare.battles
    assert rows["probation:10"].votes > 1.1 * bare.votes
    assert rows["rate-limit:5"].votes == pytest.approx(bare.votes, rel=0.2)
    assert rows["rate-limit:5"].accounts > 6 * bare.accounts


def test_manipulators_share_votes_among_accounts_where_accounts_are_judged(board):
    known = Recognition.perfect(NAMES)
    found = votes_needed(
        board, known, "c", ranks=(1,), strategies=("target-only",), simulations=3, defences=("none", "remove:favour")
    )
    bare, judged = found.rows
    assert bare.votes_per_account == 50
    assert judged.votes_per_account < 50
    assert judged.reached == 3


def test_an_operator_who_never_shows_the_target(board):
    pairs = np.ones((6, 6))
    pairs[2] = pairs[:, 2] = 0
    found = votes_needed(board, Recognition.perfect(NAMES), "c", ranks=(1,), pairs=pairs, simulations=2)
    target, everywhere = found.rows
    assert target.reached == 0  # nobody to vote for
    assert everywhere.reached == 2  # rivals lose against others


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "z"}, "called z"),
        ({"direction": "left"}, "up"),
        ({"simulations": 0}, "at least 1"),
        ({"budget": 0}, "at least 1"),
        ({"ranks": (0,)}, "at least 1"),
        ({"ranks": ()}, "at least 1"),
        ({"strategies": ("x",)}, "no strategy"),
        ({"defences": ("x",)}, "no defence"),
        ({"recognition": Recognition.perfect("ab")}, "was not measured"),
    ],
)
def test_what_makes_no_sense(board, change, words):
    whole = {"recognition": Recognition.perfect(NAMES), "target": "c", **change}
    with pytest.raises(MorelliError, match=words):
        votes_needed(board, **whole)


def test_boards_that_cannot_be_ranked():
    votes = Votes.of(["a"], ["b"], [LEFT])
    with pytest.raises(NotEnoughDataError, match="never lost"):
        votes_needed(votes, Recognition.perfect("ab"), "a")
    assert votes_needed(votes, Recognition.perfect("ab"), "b", ranks=(1,), ridge=0.1, simulations=1).rows


def test_prices():
    assert Price(5.40).dollars(10, 0) == pytest.approx(54.0)
    assert Price(0.0, dollars_per_account=2.0, votes_per_account=3).dollars(100, 7) == 6.0
    assert Price(0.01, references=30, candidates=22).dollars_per_battle == pytest.approx(6.6)
    for wrong in (
        {"dollars_per_image": -1},
        {"references": 0},
        {"votes_per_account": 0},
        {"dollars_per_image": np.nan},
    ):
        with pytest.raises(MorelliError):
            Price(**wrong)


@pytest.mark.parametrize("text", ["x", "none:1", "probation:0.5", "probation:x", "fewer-battles:2", "remove:luck"])
def test_defences_that_are_none(text):
    with pytest.raises(MorelliError):
        parse_defence(text)
