from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

from morelli.attributors import get_attributor_info, list_attributors
from morelli.attributors.pixels import PROCESSOR, SIZES, PixelNetwork
from morelli.encoders.pictures import pack_pixels, picture_encoder
from morelli.errors import MissingExtraError, MorelliError, NotEnoughDataError


@pytest.fixture(scope="module")
def packed(striped):
    return np.stack([pack_pixels(picture) for picture in striped[0]])


def test_no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r'convnext network needs the "deep" extra: pip install'):
        get_attributor_info("convnext-tiny").build({})


@pytest.mark.parametrize("kind", ["convnext", "resnet"])
def test_learns_and_is_the_same_again(kind, striped, packed, tiny, torch):
    _, y = striped
    before = torch.random.get_rng_state()
    recipe = tiny.with_settings({"kind": kind})
    first = PixelNetwork(recipe, device="cpu").fit(packed[:16], y[:16])
    assert (torch.random.get_rng_state() == before).all(), "the caller's random numbers are not touched"
    second = clone(first).fit(packed[:16], y[:16])
    other = PixelNetwork(recipe, device="cpu", random_state=1).fit(packed[:16], y[:16])
    proba = first.predict_proba(packed)
    assert (proba == second.predict_proba(packed)).all()
    assert (proba != other.predict_proba(packed)).any()
    assert (first.predict(packed[16:]) == y[16:]).mean() > 0.8


def test_pictures_packed_or_not_in_memory_or_not(striped, packed, tiny, torch, tmp_path):
    pictures, y = striped
    recipe = tiny.with_settings({"epochs": 2})
    mapped = np.memmap(tmp_path / "pixels", dtype=np.uint8, mode="w+", shape=pictures.shape)
    mapped[:] = pictures
    given = [packed, pictures, pictures[:, None], mapped]
    answers = [PixelNetwork(recipe, device="cpu").fit(X, y).predict_log_proba(X) for X in given]
    assert all((answer == answers[0]).all() for answer in answers)


def test_several_patches_are_averaged(striped, tiny, torch):
    pictures, y = striped
    network = PixelNetwork(tiny.with_settings({"epochs": 8}), patches=4, device="cpu")
    network.fit(np.repeat(pictures[:, None], 4, axis=1), y)
    four = np.stack([pictures[:4], pictures[4:8], pictures[8:12], pictures[12:16]], axis=1)
    together = network.predict_log_proba(four)
    alone = np.stack([network.predict_log_proba(np.repeat(four[:, [i]], 4, axis=1)) for i in range(4)])
    mean = alone.mean(axis=0)
    assert np.allclose(together, mean - np.log(np.exp(mean).sum(axis=1, keepdims=True)), atol=1e-5)
    with pytest.raises(ValueError, match=r"\(n, 4, side, side, 3\)"):
        network.predict(pictures)


def test_the_time_of_a_training_is_estimated(striped, packed, tiny, torch, monkeypatch):
    from morelli.attributors.pixels import network as module

    pictures, _ = striped
    short = PixelNetwork(tiny.with_settings({"epochs": 10}), device="cpu", threads=1)
    assert 0 < short.seconds_to_fit(packed, 100, 3) < 1000
    train, seen = module.train_pictures, []

    def as_fast_as_ever(*given, **options):
        seen.append((given[3], options["stop_after"]))
        return replace(train(*given, **options), images_per_second=50.0)

    monkeypatch.setattr(module, "train_pictures", as_fast_as_ever)
    assert short.seconds_to_fit(pictures, 100, 3) == pytest.approx(20)
    assert short.seconds_to_fit(pictures[:1], 200, 3) == pytest.approx(40)
    assert [(recipe.batch, recipe.epochs, stop) for recipe, stop in seen] == [(4, 2, 2), (1, 2, 2)]


def test_what_is_refused(striped, packed, tiny, torch):
    pictures, y = striped
    with pytest.raises(NotEnoughDataError, match="one class"):
        PixelNetwork(tiny).fit(packed, np.full(24, "along"))
    with pytest.raises(NotEnoughDataError, match="one class"):
        PixelNetwork(tiny).fit(pictures[:1], y[:1])
    with pytest.raises(ValueError, match="24 pictures and 23 labels"):
        PixelNetwork(tiny).fit(pictures, y[:23])
    with pytest.raises(ValueError, match="NaN"):
        PixelNetwork(tiny).fit(np.where(np.arange(1600) == 3, np.nan, packed), y)
    with pytest.raises(ValueError, match="no thumbnails"):
        PixelNetwork(tiny).fit(packed + 0.5, y)
    with pytest.raises(ValueError, match="equal sides"):
        PixelNetwork(tiny).fit(pictures[:, :39], y)
    with pytest.raises(MorelliError, match="side is 64, but pictures of 40 pixels"):
        PixelNetwork(tiny.with_settings({"side": 64})).fit(packed, y)
    with pytest.raises(MorelliError, match=r"There is no CUDA device|Device is auto"):
        PixelNetwork(tiny, device="cuda" if not torch.cuda.is_available() else "tpu").fit(packed, y)


def test_every_size_is_registered_for_images_and_for_patches():
    names = {info.name for info in list_attributors()}
    for size in SIZES["convnext"]:
        assert {f"convnext-{size}", f"convnext-{size}:patches"} <= names
    assert {"convnext-tiny:small", "convnext-tiny:small-patches", "resnet50", "resnet50:small"} <= names


PIXELS = [info.name for info in list_attributors() if info.pixels and not info.asks]


@pytest.mark.parametrize("name", PIXELS)
def test_what_is_registered_sees_what_its_encoder_shows(name, torch):
    info = get_attributor_info(name)
    encoder = picture_encoder(info.encoder)
    for blocks in ({}, encoder.blocks):
        estimator = info.build(blocks, seed=3, threads=1, device="cpu", epochs=4).estimator
        assert estimator.patches == encoder.patches
        assert 32 <= estimator.recipe.side <= encoder.side
        assert (estimator.random_state, estimator.threads, estimator.recipe.epochs) == (3, 1, 4)
    native = info.build({"patches-96x9": slice(0, 9)}).estimator
    assert (native.patches, native.recipe.side, native.recipe.smallest_crop, native.recipe.randaugment) == (9, 96, 1, 0)
    whole = info.build({"thumbnail-128": slice(0, 9)}).estimator
    assert (whole.patches, whole.recipe.side) == (1, 112)
    assert info.build({"thumbnail-128": slice(0, 9)}, side=96).estimator.recipe.side == 96
    usual = {"thumbnail-256": 224, "thumbnail-64": 56, "patches-64x16": 64}
    assert estimator.recipe.side == usual[info.encoder]
    with pytest.raises(MorelliError, match="no setting depth; there are: "):
        info.build({}, depth=3)


@pytest.mark.parametrize("name", PIXELS)
def test_results_are_kept_under_where_they_were_made(name, torch, monkeypatch):
    """Precision auto is another on CUDA than on a processor, and so are the results."""
    deciding = get_attributor_info(name).deciding
    monkeypatch.setenv("MORELLI_DEVICE", "cpu")
    here = deciding({"epochs": 4})
    assert (here["epochs"], here["device"], here["precision"]) == (4, "cpu", "fp32")
    assert here["runtime"].startswith(f"torch {torch.__version__.partition('+')[0]}")
    assert deciding({"epochs": 4, "threads": 3, "device": "cpu", "precision": "fp32"}) == here
    assert (deciding({"epochs": 4, "at_once": 3}) == here) == name.startswith("convnext")
    assert deciding({"epochs": 4, "precision": "bf16"}) != here
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert deciding({"epochs": 4}) == here, "the environment says so"
    monkeypatch.delenv("MORELLI_DEVICE")
    assert deciding({"epochs": 4}) == {**here, "device": "cuda", "precision": "bf16"}


def test_results_are_kept_under_the_pretrained_weights(tmp_path, torch):
    deciding = get_attributor_info("convnext-tiny:small").deciding
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"1")
    before = deciding({"start": str(tmp_path)})
    (tmp_path / "model.safetensors").write_bytes(b"other")
    assert deciding({"start": str(tmp_path)})["start"] != before["start"]
    assert deciding({"start": "scratch"})["start"] == "scratch"


def test_what_cannot_be_trained_is_planned_all_the_same(monkeypatch):
    """So that a comparison without torch runs all the others, and says of this one what is missing."""
    monkeypatch.setitem(sys.modules, "torch", None)
    assert get_attributor_info("convnext-tiny").deciding({"epochs": 4, "threads": 2}) == {"epochs": 4}


@pytest.mark.parametrize("name", ["convnext-tiny:small", "resnet50:small"])
def test_small_variants_answer(name, striped, packed, torch):
    _, y = striped
    info = get_attributor_info(name)
    attributor = info.build({}, side=32, epochs=1, batch=8, size="1-1@8-16", device="cpu")
    attributor.fit(packed, y, np.arange(24) // 2)
    assert attributor.training_.n_folds == info.n_folds == 2
    assert attributor.answer(packed[:3]).proba.shape == (3, 2)


def test_the_small_one_learns_a_planted_trace(torch):
    """A faint pattern, weaker than the pictures that it lies on: three classes by its period, one without."""
    rng = np.random.default_rng(0)
    codes = np.arange(200) % 4
    content = rng.normal(128, 25, (200, 8, 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    waves = [np.sin(2 * np.pi * np.arange(64) / period) for period in (3, 4, 5)] + [np.zeros(64)]
    faint = 15 * np.stack([waves[code] for code in codes])[:, None, :, None]
    pictures = np.clip(content + faint + rng.normal(0, 5, content.shape), 0, 255).astype(np.uint8)
    network = PixelNetwork(PROCESSOR, device="cpu", threads=1).fit(pictures[:120], codes[:120])
    assert (network.predict(pictures[120:]) == codes[120:]).mean() > 0.9
