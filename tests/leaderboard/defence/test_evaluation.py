"""Defences on a leaderboard whose models tint their images, attacked through colour."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.attackers import NearestCentroid
from morelli.leaderboard.defence import Defence, Measurer, deal_images, evaluate_defence, get_defence

from ._leaderboard import encoder


@pytest.fixture(scope="module")
def measurer(made):
    return Measurer(made.catalog, encoder(), workers=1)


@pytest.fixture(scope="module")
def sample(made):
    return deal_images(made.catalog, references=2, shown=2, draws=2)


def run(name, sample, measurer, **more):
    defence = get_defence(name) if isinstance(name, str) else name
    return evaluate_defence(defence, sample, measurer, purifying=more.pop("purifying", ("blur:1",)), n_boot=100, **more)


def test_equal_colours_leave_nothing_to_an_attack_on_colour(sample, measurer):
    result = run("colour", sample, measurer)
    assert result.before.accuracy > 0.9 and result.optimistic.accuracy < 0.75
    assert result.drop is not None and result.drop[1] > 0
    assert {score.attacker for score in result.adaptive} == {
        "retrains", "purifies by blur:1", "retrains and purifies by blur:1",
    }  # fmt: skip
    assert result.quality is not None and len(result.quality.rows) == result.best.n == 6 * 3 * 2 * 2
    summary = result.quality.summary()
    assert 20 < summary["psnr"] < 45 and 0.8 < summary["ssim"] < 1 and summary["largest"] > 4


def test_an_attacker_who_knows_undoes_a_defence_that_moves_all_alike(sample, measurer):
    """Brightness misleads whoever does not know of it, and nobody who does."""
    result = run("brightness:1.3", sample, measurer)
    assert result.unaware.accuracy < 0.7 < 0.9 < result.best.accuracy
    assert result.best.attacker == "retrains" and result.before.accuracy > 0.9


def test_a_view_and_a_function_that_is_one_are_measured_alike(sample, measurer):
    view = get_defence("jpeg:50")
    copy = Defence("copy", "A copy.", "images", lambda images, models, rng: view.apply(images, models, rng))
    one, two = run(view, sample, measurer), run(copy, sample, measurer)
    assert one.unaware.accuracy == two.unaware.accuracy
    assert [score.accuracy for score in one.adaptive] == [score.accuracy for score in two.adaptive]
    for name in ("rows", "psnr", "ssim", "gmsd", "feature_distance", "largest"):
        np.testing.assert_array_equal(getattr(one.quality, name), getattr(two.quality, name))


def test_a_defence_sees_one_prompt_at_a_time_and_shown_images_apart_from_references(sample, measurer):
    seen = []

    def watch(images, models, rng):
        seen.append((len(images), sorted(models.tolist()), int(rng.integers(1 << 30))))
        return list(images)

    result = run(Defence("watch", "Watch.", "images", watch), sample, measurer, purifying=())
    assert len(seen) == 2 * 2 * 6 and all(entry[:2] == (6, [0, 0, 1, 1, 2, 2]) for entry in seen)
    assert len({entry[2] for entry in seen[:12]}) == 12
    assert result.unaware.accuracy == result.before.accuracy
    assert [score.attacker for score in result.adaptive] == ["retrains"]
    assert result.quality is not None and result.quality.summary()["psnr"] is None


def test_the_same_seed_gives_the_same_result(sample, measurer):
    one, two = (run("noise:20", sample, measurer, seed=3) for _ in range(2))
    assert one.best == two.best and one.adaptive == two.adaptive


def test_balance_shows_one_image_of_each_model(made, measurer):
    sample = deal_images(made.catalog, references=2, shown=3)
    result = run("balance", sample, measurer)
    assert result.best.n == 18 and result.before.n == 54 and result.quality is None and result.drop is None
    assert any("Of 54 candidates 18 are shown" in note for note in result.notes)


def test_low_exposure_chooses_by_images_that_are_not_judged(made, measurer):
    sample = deal_images(made.catalog, references=1, shown=1, spare=3)
    boards = []

    def exposure(board):
        boards.append(board)
        return np.arange(6, dtype=float)[::-1]

    result = run("low-exposure", sample, measurer, exposure=exposure)
    assert np.array_equal(np.sort(boards[0].rows), np.sort(sample.spare[0]))
    assert result.best.n == 9 and result.best.n_prompts == 3 and result.before.n == 18
    assert run("low-exposure", sample, measurer, share=1.0).best.n == 18
    with pytest.raises(NotEnoughDataError, match="exposure"):
        run("low-exposure", deal_images(made.catalog, references=1), measurer)


def test_any_attacker_can_be_asked(sample, measurer):
    calls = []

    def attacker(references, X, prompt):
        calls.append(len(X))
        return NearestCentroid("cosine")(references, X, prompt)

    run("blur:1", sample, measurer, attacker=attacker, purifying=("jpeg:75",))
    assert calls == [36] * 2 * 5


def test_sizes_that_change_have_no_quality(sample, measurer):
    result = run("scale:0.8", sample, measurer, purifying=())
    assert result.quality is not None and result.quality.summary()["ssim"] is None
    assert any("change their size" in note for note in result.notes)


def test_bad_arguments(sample, measurer):
    with pytest.raises(MorelliError, match="evaluate_container"):
        run("strip", sample, measurer)
    for views in (("blur:1", "blur@2"), ("none",)):
        with pytest.raises(MorelliError, match="named once"):
            run("jpeg", sample, measurer, purifying=views)
    with pytest.raises(MorelliError, match="gave 0 of 6 images"):
        run(Defence("loses", "Loses.", "images", lambda images, models, rng: []), sample, measurer)
