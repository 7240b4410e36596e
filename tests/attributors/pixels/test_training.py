from __future__ import annotations

import csv
import itertools

import numpy as np
import pytest

from morelli.attributors.pixels import train_pictures
from morelli.attributors.pixels.architectures import arrays_of
from morelli.attributors.pixels.loader import Loader
from morelli.attributors.pixels.recipe import native
from morelli.attributors.pixels.training import Keeping
from morelli.errors import MorelliError

FULL = {"mixup": 0.8, "cutmix": 1.0, "randaugment": 9, "smallest_crop": 0.3, "epochs": 2}
"""Every source of randomness: 6 steps of 8 images."""


@pytest.fixture(scope="module")
def full(tiny):
    return tiny.with_settings(FULL)


@pytest.fixture(scope="module")
def data(striped):
    pictures, labels = striped
    return pictures[:, None], np.unique(labels, return_inverse=True)[1]


@pytest.fixture(scope="module")
def train(data, torch):
    def run(recipe, **options):
        return train_pictures(*data, 2, recipe, device="cpu", **{"threads": 2, **options})

    return run


def weights(trained):
    return arrays_of(trained.network)


def same(one, other):
    return all((one[name] == other[name]).all() for name in one) and one.keys() == other.keys()


def furthest(one, other):
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def test_six_steps_are_three_and_three(train, full, tmp_path):
    whole = train(full)
    assert whole.steps == 6
    keeping = Keeping(tmp_path / "ünfinished.safetensors", "a")
    stopped = train(full, keeping=keeping, stop_after=3)
    assert stopped.steps == 3
    assert not same(weights(stopped), weights(whole))
    resumed = train(full, keeping=keeping)
    assert resumed.steps == 6
    assert same(weights(resumed), weights(whole)), "to the last bit"
    assert same(weights(train(full, keeping=keeping)), weights(whole)), "nothing is left to do"


def test_threads_change_nothing(train, full):
    assert same(weights(train(full, threads=1)), weights(train(full, threads=4)))


def test_the_seed_changes_everything(train, full):
    assert furthest(weights(train(full)), weights(train(full, seed=1))) > 0.01


@pytest.mark.parametrize("at_once", [1, 2, 3, 5])
def test_accumulation_is_a_large_batch(train, full, at_once):
    recipe = full.with_settings({"learning_rate": 1e-4})
    whole, parts = train(recipe), train(recipe.with_settings({"at_once": at_once}))
    assert furthest(weights(whole), weights(parts)) < 1e-5
    assert parts.loss == pytest.approx(whole.loss, abs=1e-5)


def test_checkpoints_of_others_and_damaged_ones(train, full, tmp_path):
    path = tmp_path / "training.safetensors"
    train(full, keeping=Keeping(path, "a"), stop_after=2)
    with pytest.raises(MorelliError, match="other images, settings or seed"):
        train(full, keeping=Keeping(path, "b"))
    with pytest.raises(MorelliError, match="of another network"):
        train(full.with_settings({"size": "1-1@8-16"}), keeping=Keeping(path, "a"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MorelliError, match="damaged one; delete it"):
        train(full, keeping=Keeping(path, "a"))


def test_the_log_has_each_step_once(train, full, tmp_path, torch):
    pytest.importorskip("tensorboard", reason="TensorBoard comes with the deep extra")
    log, board = tmp_path / "log.csv", tmp_path / "board"
    keeping = Keeping(tmp_path / "training.safetensors", "a", log, board)
    train(full, keeping=keeping, stop_after=3)
    # Two more steps were logged than the last checkpoint knows of, and the second was cut off in the middle.
    with log.open("a", encoding="utf-8") as file:
        file.write("4,1.3,0.1,9.0,1.0\n5,1.6,0.1")
    seen = []
    train(full, keeping=keeping, progress=seen.append)
    rows = list(csv.DictReader(log.open(encoding="utf-8")))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [state.step for state in seen] == [4, 5, 6]
    assert float(rows[3]["loss"]) == pytest.approx(seen[0].loss, abs=1e-6)
    assert float(rows[5]["epoch"]) == 2
    assert list(board.iterdir())


def test_it_says_that_nothing_is_learned(train, tiny, torch, data):
    """Labels of noise, and a learning rate of nothing: the loss stays at ln(2), or above."""
    recipe = tiny.with_settings({"check": 0.5, "epochs": 6, "learning_rate": 0})
    with pytest.raises(
        MorelliError, match=r"After 9 steps the loss is 0\.\d+, and ln\(2\) = 0\.693.*more epochs"
    ) as said:
        train_pictures(data[0], np.random.default_rng(0).permutation(data[1]), 2, recipe, device="cpu")
    assert "randaugment" not in str(said.value)
    assert train(recipe.with_settings({"check": 0})).steps == 18
    learning = recipe.with_settings({"learning_rate": 2e-3, "epochs": 40, "check": 0.9})
    assert train(learning).steps == 120


def test_one_frequent_class_is_no_learning(tiny, data):
    from morelli.attributors.pixels.watch import LossWatch

    codes = np.array([0] * 9 + [1])
    watch = LossWatch(tiny.with_settings({"check": 0.5, "mixup": 0.8}), codes, 20, [])
    assert watch.ignorant == pytest.approx(-0.86 * np.log(0.86) - 0.14 * np.log(0.14))
    with pytest.raises(MorelliError, match="do without randaugment, mixup and cutmix"):
        for step in range(1, 21):
            watch.see(step, 0.41)  # far below ln(2), and what knowing the shares gives


def test_a_loss_that_is_no_number(train, full, monkeypatch):
    monkeypatch.setattr("morelli.attributors.pixels.learner.SPREAD", np.zeros(3, dtype=np.float32))
    with pytest.raises(MorelliError, match="After 0 steps the loss is no number any more"):
        train(full)


def test_half_precision_learns_the_same_nearly(train, tiny, torch):
    recipe = tiny.with_settings({"epochs": 4})
    one, other = train(recipe), train(recipe.with_settings({"precision": "bf16"}))
    assert other.loss == pytest.approx(one.loss, rel=0.05)
    assert 0 < furthest(weights(one), weights(other)) < 0.02
    assert all(array.dtype == np.float32 for array in weights(other).values())
    with pytest.raises(MorelliError, match="does not train in fp16"):
        train(recipe.with_settings({"precision": "fp16"}))


def test_only_some_rows_are_learned_from(train, full, data, torch):
    rows = np.arange(0, 24, 3)
    some = train(full, rows=rows)
    alone = train_pictures(data[0][rows], data[1][rows], 2, full, device="cpu")
    assert some.steps == alone.steps == 2
    codes = np.where(np.isin(np.arange(24), rows), data[1], -1)
    again = train_pictures(data[0], codes, 2, full, rows=rows, device="cpu")
    assert same(weights(some), weights(again)), "what the others are does not matter"


def test_too_small_pictures(train, tiny):
    with pytest.raises(MorelliError, match="side is 64, but pictures of 40 pixels allow"):
        train(tiny.with_settings({"side": 64}))


# -- what a step sees --------------------------------------------------------------------------------------------------


def loader(data, recipe, **options):
    pictures, codes = data
    return Loader(pictures, codes, np.arange(len(codes)), 2, recipe, 0, **options)


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_processes_share_a_step_without_overlap(world, data, tiny):
    recipe = tiny.with_settings({**FULL, "at_once": 3, "batch": 7, "epochs": 1})
    whole = loader(data, recipe.with_settings({"at_once": 64}))
    parts = [list(loader(data, recipe, rank=rank, world=world).portions(0)) for rank in range(world)]
    for step, portion in enumerate(whole.portions(0)):
        own = [each for rank in parts for each in rank if each.step == step]
        assert all(each.of == portion.of == len(portion.pixels) for each in own)
        assert (np.concatenate([each.pixels for each in own]) == portion.pixels).all()
        assert (np.concatenate([each.labels for each in own]) == portion.labels).all()
        assert (np.concatenate([each.mix.share for each in own]) == portion.mix.share).all()
        assert sum(each.last for each in own) == world, "each process ends its step once"


def test_an_epoch_sees_every_image_once(data, tiny):
    recipe = tiny.with_settings({"batch": 7, "epochs": 2})
    made = loader(data, recipe)
    rows = [made.rows(step) for step in range(made.schedule.steps)]
    assert [len(step) for step in rows] == [6, 6, 6, 6] * 2
    first, second = np.concatenate(rows[:4]), np.concatenate(rows[4:])
    assert sorted(first) == sorted(second) == list(range(24))
    assert (first != second).any()


def test_patches_are_drawn_one_an_epoch(tiny):
    pictures = np.repeat(np.arange(4, dtype=np.uint8), 40 * 40 * 3).reshape(1, 4, 40, 40, 3).repeat(8, axis=0)
    recipe = native(tiny, 32).with_settings({"mixup": 0, "cutmix": 0, "epochs": 4, "batch": 8})
    made = loader((pictures, np.arange(8) % 2), recipe)
    seen = np.array([portion.pixels[:, 0, 0, 0] for portion in made.portions(0)])
    assert set(seen.ravel()) == {0, 1, 2, 3}


def test_a_loader_that_is_closed_stops(data, tiny):
    portions = loader(data, tiny.with_settings({"epochs": 400}), threads=2).portions(0)
    assert len(list(itertools.islice(portions, 2))) == 2
    portions.close()
    assert list(portions) == []
