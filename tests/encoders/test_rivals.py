from __future__ import annotations

import pickle

import numpy as np
import pytest
from PIL import Image
from scipy.signal import wiener

from morelli.encoders import MarraResidual, SpectrumTail, get_encoder, list_encoders
from morelli.encoders.rivals import power_law, wiener_residual
from morelli.errors import NotEnoughDataError

NAMES = ("marra-residual", "dzanic-spectrum", "thumbnail-256", "patches-64x16", "patches-48x4", "thumbnail-96")
LISTED = NAMES[:4]


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).integers(0, 256, (300, 420, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_one_block_without_contrasts(name, noise):
    encoder = get_encoder(name)
    encoded = encoder.encode(noise)
    assert encoder.name == name
    assert list(encoded.mean) == list(encoder.blocks) == [name]
    assert encoded.n_contrasts == 0
    assert encoded.stack().shape == (1, encoder.dim)
    assert encoded.stack().dtype == np.float32
    assert not encoded.stack()[1:].any()
    assert np.isfinite(encoded.stack()).all()
    again = pickle.loads(pickle.dumps(encoder))
    assert again.recipe_hash == encoder.recipe_hash
    assert (again.encode(noise).stack() == encoded.stack()).all()
    assert encoder.passes_self_test(encoder.self_test_vector())
    assert not encoder.passes_self_test(1.01 * encoder.self_test_vector() + 2)


def test_recipes_differ():
    made = [get_encoder(name) for name in NAMES] + [MarraResidual(window=3), SpectrumTail(0.5)]
    assert len({encoder.recipe_hash for encoder in made}) == len(made)
    assert set(LISTED) <= {info.name for info in list_encoders()}


@pytest.mark.parametrize("name", NAMES)
def test_no_pixels(name):
    with pytest.raises(TypeError, match="uint8 pixels"):
        get_encoder(name).encode(np.zeros((300, 300), dtype=np.uint8))


@pytest.mark.parametrize("name", NAMES)
def test_flat_images(name):
    assert np.isfinite(get_encoder(name).encode(np.full((256, 256, 3), 7, dtype=np.uint8)).stack()).all()


@pytest.mark.parametrize(("name", "side"), [("marra-residual", 255), ("dzanic-spectrum", 63), ("patches-64x16", 63)])
def test_too_small(name, side):
    with pytest.raises(NotEnoughDataError, match=f"{name} needs {side + 1} on each side"):
        get_encoder(name).encode(np.zeros((side, 400, 3), dtype=np.uint8))


def test_wiener_is_scipys(noise):
    luma = noise[:64, :64, 0].astype(np.float64)
    inside = (slice(8, -8), slice(8, -8))
    # scipy pads with zeros, which also moves its estimate of the noise: give both the same.
    flat = np.pad(luma, 200, mode="reflect")
    ours = wiener_residual(flat)[200:-200, 200:-200]
    theirs = (flat - wiener(flat, 5))[200:-200, 200:-200]
    assert np.allclose(ours[inside], theirs[inside], atol=1.0)
    assert np.corrcoef(ours[inside].ravel(), theirs[inside].ravel())[0, 1] > 0.999


def test_wiener_keeps_edges_and_takes_noise():
    rng = np.random.default_rng(1)
    step = np.where(np.arange(64) < 32, 50.0, 200.0)[None].repeat(64, axis=0)
    grain = rng.normal(0, 3, step.shape)
    left = wiener_residual(step + grain)
    assert abs(left[:, 30:34]).mean() < 6
    assert np.corrcoef(left[:, 8:24].ravel(), grain[:, 8:24].ravel())[0, 1] > 0.8


@pytest.mark.parametrize("exponent", [-3.0, -1.0, 0.5])
def test_planted_power_law(exponent):
    """An image with an isotropic spectrum k ** exponent, and random phases."""
    side = 256
    rng = np.random.default_rng(2)
    frequency = np.fft.fftfreq(side) * side
    radius = np.hypot(frequency[:, None], frequency[None])
    # Constant on each ring, as the average over directions takes it to be.
    size = np.maximum(np.rint(radius), 1.0) ** exponent
    spectrum = size * np.exp(1j * np.angle(np.fft.fft2(rng.normal(size=(side, side)))))
    spectrum[0, 0] = 1000.0
    height, found, misfit = power_law(np.fft.ifft2(spectrum).real)
    assert found == pytest.approx(exponent, abs=1e-6)
    assert height == pytest.approx(np.log10((0.75 * side / 2) ** exponent / 1000.0), abs=1e-6)
    assert misfit < 1e-6


def test_power_law_knows_enlarged_pictures(noise):
    """Enlarging takes the highest frequencies away: a lower height, a steeper fall."""
    small = Image.fromarray(noise).resize((210, 150), Image.Resampling.BICUBIC)
    enlarged = np.asarray(small.resize((420, 300), Image.Resampling.BICUBIC))
    sharp, soft = (SpectrumTail().encode(p).mean["dzanic-spectrum"] for p in (noise, enlarged))
    assert soft[0] < sharp[0] - 0.3
    assert soft[1] < sharp[1] - 1
