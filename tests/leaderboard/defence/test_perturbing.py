from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.defence import Perturbing, SurrogateEncoder, perturb_images, perturbation
from morelli.leaderboard.defence.perturbing import _farthest, _info_nce

from ._leaderboard import MODELS, tinted
from ._networks import PLAIN, convnet

torch = pytest.importorskip("torch", reason="needs the deep extra")

IMAGES = [tinted(0, seed, model, 2.0)[:48, :48] for model in MODELS for seed in range(2)]
OWNERS = np.repeat(MODELS, 2)
FAST = Perturbing(epsilon=8, steps=8, transforms=1)


@pytest.fixture(scope="module")
def surrogates():
    return [SurrogateEncoder(convnet(seed), PLAIN, name=f"net {seed}", device="cpu") for seed in range(2)]


def embedded(surrogate, images):
    values = torch.from_numpy(np.stack([image.transpose(2, 0, 1) for image in images]).astype(np.float32))
    with torch.no_grad():
        return surrogate(values).numpy()


def largest(one, two):
    return max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(one, two, strict=True))


@settings(deadline=None, max_examples=12)
@given(
    epsilon=st.floats(1, 16), seed=st.integers(0, 1000), steps=st.integers(1, 3), transforms=st.integers(0, 1),
    extreme=st.booleans(),
)  # fmt: skip
def test_the_bound_is_kept_to_the_level(epsilon, seed, steps, transforms, extreme):
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, (17, 23, 3), dtype=np.uint8) for _ in range(3)]
    if extreme:
        images = [np.where(image > 127, 255, 0).astype(np.uint8) for image in images]
    surrogate = SurrogateEncoder(convnet(), PLAIN, device="cpu")
    chosen = Perturbing(epsilon=epsilon, steps=steps, transforms=transforms, step_size=7.3)
    made = perturb_images(images, np.array([0, 1, 1]), [surrogate], chosen, seed=seed)
    assert [image.shape for image in made] == [(17, 23, 3)] * 3 and all(image.dtype == np.uint8 for image in made)
    assert 0 < largest(images, made) <= np.floor(epsilon)


def test_images_leave_themselves_and_come_to_the_farthest_model(surrogates):
    made = perturb_images(IMAGES, OWNERS, surrogates, FAST)
    assert largest(IMAGES, made) <= 8
    for surrogate in surrogates:
        before, after = embedded(surrogate, IMAGES), embedded(surrogate, made)
        originals = [torch.from_numpy(embedded(s, IMAGES)) for s in surrogates]
        targets = _farthest(torch, originals, OWNERS)
        for i in range(len(IMAGES)):
            towards = before[targets[i] == OWNERS]
            assert targets[i] != OWNERS[i]
            assert after[i] @ before[i] < 0.9999 and (after[i] @ towards.T).mean() > (before[i] @ towards.T).mean()


def test_noise_of_the_same_size_does_far_less(surrogates):
    made = perturb_images(IMAGES, OWNERS, surrogates, FAST)
    rng = np.random.default_rng(0)
    noise = [np.clip(image + rng.choice([-8, 8], image.shape), 0, 255).astype(np.uint8) for image in IMAGES]
    moved = [np.linalg.norm(embedded(surrogates[0], of) - embedded(surrogates[0], IMAGES)) for of in (made, noise)]
    assert moved[0] > 2 * moved[1]


def test_a_larger_bound_goes_farther(surrogates):
    moved = []
    for epsilon in (1, 4, 16):
        made = perturb_images(IMAGES, OWNERS, surrogates, Perturbing(epsilon=epsilon, steps=8, transforms=0))
        moved.append(np.linalg.norm(embedded(surrogates[0], made) - embedded(surrogates[0], IMAGES)))
    assert moved == sorted(moved) and moved[2] > 3 * moved[0]


def test_the_same_seed_gives_the_same_pixels(surrogates):
    one, two, other = (perturb_images(IMAGES, OWNERS, surrogates, FAST, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_alone_and_in_a_batch_images_go_the_same_way(surrogates):
    """Sums may round otherwise in a batch, so that single pixels may differ."""
    whole = perturb_images(IMAGES, OWNERS, surrogates, FAST)
    calls = []
    alone = perturb_images(
        IMAGES, OWNERS, surrogates, Perturbing(epsilon=8, steps=8, transforms=1, batch=1), rows=[4, 1],
        progress=lambda *state: calls.append(state),
    )  # fmt: skip
    assert calls == [(1, 2), (2, 2)] and len(alone) == 2
    for one, two in zip((whole[4], whole[1]), alone, strict=True):
        assert np.mean(one != two) < 0.02


def test_images_of_several_sizes(surrogates):
    images = [IMAGES[0], IMAGES[2][:40, :33], IMAGES[4]]
    made = perturb_images(images, OWNERS[[0, 2, 4]], surrogates, FAST)
    assert [image.shape for image in made] == [image.shape for image in images] and largest(images, made) <= 8


def test_the_farthest_other_model_is_chosen_for_the_whole_ensemble():
    angles = torch.tensor([0.0, 0.1, 1.0, 1.1, 2.0, 2.1])
    vectors = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert _farthest(torch, [vectors], np.array(list("aabbcc"))).tolist() == list("cccaaa")


def test_the_loss_is_info_nce():
    rng = np.random.default_rng(0)
    vectors = torch.from_numpy(rng.normal(size=(4, 5))).float()
    vectors = torch.nn.functional.normalize(vectors, dim=1)
    moved = vectors[[1]] * 0.6 + vectors[[2]] * 0.8
    value = float(_info_nce(torch, moved, vectors, [1], [np.array([2, 3])], 0.2))
    cosines = (moved[0] @ vectors.T).numpy() / 0.2
    pull, push = np.mean(np.exp(cosines[[2, 3]])), np.exp(cosines[1])
    assert value == pytest.approx(-np.log(pull / (pull + push)), rel=1e-5)


def test_as_a_defence(surrogates):
    defence = perturbation(surrogates, Perturbing(epsilon=2.5, steps=2, transforms=0))
    assert defence.name == "perturb-2.5" and defence.changes == "images" and "net 0, net 1" in defence.summary
    one, two = (defence.apply(IMAGES, OWNERS, np.random.default_rng(4)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True)) and largest(IMAGES, one) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"epsilon": 0.5}, {"epsilon": 17}, {"epsilon": float("nan")}, {"steps": 0}, {"step_size": 0.0}, {"momentum": 2},
        {"temperature": 0}, {"transforms": -1}, {"scale": 0}, {"quality": 99}, {"batch": 0},
    ],
)  # fmt: skip
def test_settings_out_of_range(wrong):
    with pytest.raises(MorelliError, match="makes no sense"):
        Perturbing(**wrong)


def test_bad_arguments(surrogates):
    with pytest.raises(NotEnoughDataError, match="two models"):
        perturb_images(IMAGES[:2], OWNERS[:2], surrogates, FAST)
    with pytest.raises(MorelliError, match="who made each"):
        perturb_images(IMAGES, OWNERS[:2], surrogates, FAST)
    with pytest.raises(MorelliError, match="one surrogate encoder or more"):
        perturbation([])
