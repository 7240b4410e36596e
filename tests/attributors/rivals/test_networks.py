from __future__ import annotations

import importlib
import itertools

import numpy as np
import pytest

from morelli.attributors import get_attributor_info
from morelli.attributors.rivals import PixelNetwork
from morelli.attributors.rivals.networks import _augmented, _rate
from morelli.encoders.rivals import pack_pixels
from morelli.errors import MissingExtraError, NotEnoughDataError

TINY = {"depths": (1, 1), "widths": (16, 32), "side": 32, "epochs": 20, "batch": 8, "device": "cpu"}


@pytest.fixture(scope="module")
def torch():
    """With one thread: the convolutions are tiny, and several threads would wait for each other."""
    pytest.importorskip("transformers")
    module = pytest.importorskip("torch")
    threads = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(threads)


@pytest.fixture(scope="module")
def pictures():
    """Two classes of 12 thumbnails of 40 pixels: stripes across, and stripes along."""
    rng = np.random.default_rng(0)
    codes = np.arange(24) % 2
    stripes = np.where(np.arange(40) % 4 < 2, 60, 200)
    flat = np.stack([np.tile(stripes, (40, 1)) if code else np.tile(stripes, (40, 1)).T for code in codes])
    noisy = np.clip(flat[..., None] + rng.normal(0, 10, (24, 40, 40, 3)), 0, 255).astype(np.uint8)
    return np.stack([pack_pixels(p) for p in noisy]), np.array(["along", "across"])[codes]


def test_no_torch(monkeypatch):
    real = importlib.import_module

    def missing(name, *rest):
        if name == "torch":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r'convnext network needs the "deep" extra: pip install'):
        get_attributor_info("convnext-tiny").build({})


def test_learning_rate():
    rates = [_rate(step, 150, 1e-3) for step in range(150)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(1e-3)
    assert rates[-1] < 1e-5
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_crops_and_flips():
    picture = np.arange(40 * 40 * 3, dtype=np.int64).reshape(1, 40, 40, 3).astype(np.uint8)
    seen = _augmented(np.repeat(picture, 64, axis=0), 32, np.random.default_rng(0))
    assert seen.shape == (64, 32, 32, 3)
    windows = {
        picture[0, y : y + 32, x : x + 32][:, ::step].tobytes() for y in range(9) for x in range(9) for step in (1, -1)
    }
    assert {crop.tobytes() for crop in seen} <= windows
    assert len({crop.tobytes() for crop in seen}) > 20


@pytest.mark.parametrize("architecture", ["convnext", "resnet"])
def test_learns_and_is_the_same_again(architecture, pictures, torch):
    X, y = pictures
    before = torch.random.get_rng_state()
    settings = TINY | {"learning_rate": 3e-3, "decay": 0.05}
    first = PixelNetwork(architecture, **settings).fit(X[:16], y[:16])
    assert (torch.random.get_rng_state() == before).all(), "the caller's random numbers are not touched"
    second = PixelNetwork(architecture, **settings).fit(X[:16], y[:16])
    other = PixelNetwork(architecture, **settings, random_state=1).fit(X[:16], y[:16])
    proba = first.predict_proba(X)
    assert (proba == second.predict_proba(X)).all()
    assert (proba != other.predict_proba(X)).any()
    assert (first.predict(X[16:]) == y[16:]).mean() > 0.8


def test_what_is_refused(pictures, torch):
    X, y = pictures
    with pytest.raises(NotEnoughDataError, match="one class"):
        PixelNetwork(**TINY).fit(X, np.full(24, "along"))
    with pytest.raises(ValueError, match="NaN"):
        PixelNetwork(**TINY).fit(np.where(np.arange(1600) == 3, np.nan, X), y)
    with pytest.raises(ValueError, match="no thumbnails"):
        PixelNetwork(**TINY).fit(X + 0.5, y)
    with pytest.raises(ValueError, match="side is 64"):
        PixelNetwork(**(TINY | {"side": 64})).fit(X, y)
    with pytest.raises(ValueError, match="architecture"):
        PixelNetwork("vgg", **TINY).fit(X, y)


@pytest.mark.parametrize("name", ["convnext-tiny:small", "resnet50:small"])
def test_small_variants_answer(name, pictures, torch):
    X, y = pictures
    info = get_attributor_info(name)
    attributor = info.build({}, side=32, epochs=1, batch=8, depths=(1, 1), widths=(8, 16), device="cpu")
    attributor.fit(X, y, np.arange(24) // 2)
    assert attributor.training_.n_folds == info.n_folds == 2
    assert attributor.answer(X[:3]).proba.shape == (3, 2)
