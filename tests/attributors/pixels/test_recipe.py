from __future__ import annotations

import json
from dataclasses import fields

import pytest

from morelli.attributors.pixels import FEW, PROCESSOR, PUBLISHED, RECIPES, SIZES, Architecture, Recipe
from morelli.attributors.pixels.recipe import native
from morelli.errors import MorelliError, NetworkError


def test_the_defaults_are_the_published_recipe():
    """As the papers give it; a change of a default is a change of what the name says."""
    published = {
        "size": "tiny", "side": 224, "epochs": 30, "warm_up": 2.0, "batch": 4096, "rate_batch": 4096,
        "learning_rate": 1e-3, "last_rate": 1e-6, "decay": 0.3, "beta1": 0.9, "beta2": 0.95, "randaugment": 9.0,
        "randaugment_spread": 0.5, "mixup": 0.8, "cutmix": 1.0, "smoothing": 0.1, "start": "scratch",
    }  # fmt: skip
    assert {name: getattr(PUBLISHED, name) for name in published} == published
    assert Recipe() == PUBLISHED
    tiny = PUBLISHED.architecture
    assert (tiny.depths, tiny.widths, tiny.layer_scale) == ((3, 3, 9, 3), (96, 192, 384, 768), 1e-6)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_there_and_back(recipe):
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert recipe.read_settings({each.name: str(getattr(recipe, each.name)) for each in fields(recipe)}) == recipe


def test_hashes_tell_what_decides_the_weights():
    hashes = {recipe.hash for recipe in (PUBLISHED, FEW, PROCESSOR, native(FEW, 64))}
    assert len(hashes) == 4
    assert PUBLISHED.with_settings({"at_once": 7, "check": 0}).hash == PUBLISHED.hash
    changed = {"clip": 1, "mixup": 0, "flip": False, "size": "atto", "precision": "fp32"}
    assert len({PUBLISHED.with_settings({name: value}).hash for name, value in changed.items()} | {PUBLISHED.hash}) == 6


def test_pretrained_weights_are_known_by_their_content(tmp_path):
    """Other weights in the same folder are another recipe, and the same weights elsewhere are the same."""
    for folder, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text("{}")
        (tmp_path / folder / "model.safetensors").write_bytes(weights)
    first, copied, other = (PUBLISHED.with_settings({"start": str(tmp_path / name)}) for name in "abc")
    before = first.hash
    assert before == copied.hash
    assert len({before, other.hash, PUBLISHED.hash}) == 3
    (tmp_path / "a" / "model.safetensors").write_bytes(b"new")
    assert first.hash != before
    with pytest.raises(NetworkError, match="There is no folder"):
        _ = PUBLISHED.with_settings({"start": "/nowhere/at/all"}).hash


def test_native_patches_are_not_resampled():
    recipe = native(PUBLISHED, 64)
    assert (recipe.side, recipe.smallest_crop, recipe.randaugment, recipe.mixup) == (64, 1.0, 0.0, 0.8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "no setting epoch; there are: at_once, batch"),
        ({"side": 16}, "side=16"),
        ({"side": 400}, "side=400"),
        ({"side": 224.5}, "side of a network on pixels is of the type int"),
        ({"epochs": 0}, "epochs=0"),
        ({"warm_up": -1}, r"warm_up=-1\.0"),
        ({"flip": 1}, "flip of a network on pixels is of the type bool"),
        ({"smoothing": 1}, "smoothing=1"),
        ({"precision": "int8"}, "precision=int8"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"kind": "vgg"}, "kinds convnext, resnet, not 'vgg'"),
        ({"size": "huge"}, "size atto, femto"),
        ({"size": "1-2@8"}, "as many depths as widths"),
        ({"size": "0-1@8-8"}, "none of them is 0"),
        ({"size": "1-1-1-1-1@8-8-8-8-8", "side": 32}, "too small for 5 stages: they need 64"),
    ],
)
def test_what_is_refused(settings, message):
    with pytest.raises(MorelliError, match=message):
        PUBLISHED.with_settings(settings)


@pytest.mark.parametrize(("name", "text"), [("flip", "perhaps"), ("mixup", "much"), ("epochs", "3.5")])
def test_texts_that_are_no_values(name, text):
    with pytest.raises(MorelliError, match=f"{name} of a network on pixels is"):
        PUBLISHED.read_settings({name: text})


def test_sizes_have_four_stages_that_double():
    for kind, sizes in SIZES.items():
        for size in sizes:
            architecture = Architecture.of(kind, size)
            assert len(architecture.depths) == len(architecture.widths) == 4
            assert [b // a for a, b in zip(architecture.widths, architecture.widths[1:], strict=False)] == [2, 2, 2]
            assert architecture.stride == 32
