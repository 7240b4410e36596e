from __future__ import annotations

import numpy as np
import pytest

from morelli.encoders.pretrained import Preprocessing
from morelli.encoders.pretrained.sightings import network_input, resized_of
from morelli.leaderboard.defence.differentiable import jpeg_like, resize_back, resized_for
from morelli.views import parse_view

from ._leaderboard import tinted

torch = pytest.importorskip("torch", reason="needs the deep extra")


def tensor_of(pixels):
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1)[None], dtype=np.float32))


def pixels_of(tensor):
    return tensor[0].detach().numpy().transpose(1, 2, 0)


@pytest.mark.parametrize("shape", [(96, 96), (80, 48), (41, 67)])
@pytest.mark.parametrize("quality", [30, 75, 95])
def test_jpeg_is_near_to_what_libjpeg_makes(quality, shape):
    pixels = np.ascontiguousarray(tinted(0, 0, "blue")[: shape[0], : shape[1]])
    ours = pixels_of(jpeg_like(tensor_of(pixels), quality))
    theirs = parse_view(f"jpeg:{quality}")(pixels).astype(float)
    lost = np.sqrt(np.mean((theirs - pixels) ** 2))
    assert ours.shape == pixels.shape and (ours == np.rint(ours)).all() and ours.min() >= 0 and ours.max() <= 255
    # libjpeg interpolates chroma, and computes the DCT in integers; what it loses it loses alike.
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.6 * lost
    assert np.sqrt(np.mean((ours - pixels) ** 2)) == pytest.approx(lost, rel=0.15)


def test_gradients_pass_as_if_nothing_were_rounded():
    values = tensor_of(tinted(0, 0, "blue")).clamp(30, 220).requires_grad_(True)
    jpeg_like(values, 60)[0, 1, 40:56, 40:56].sum().backward()
    gradient = values.grad[0, 1].numpy()
    # A sum over whole blocks is a sum of means: chroma is averaged, so that green takes no more and no less than 1.
    assert gradient[40:56, 40:56].mean() == pytest.approx(0.587 + (1 - 0.587), abs=0.05)
    assert np.abs(gradient[:24]).max() < 1e-4


def test_resizing_back_is_the_view():
    pixels = tinted(0, 0, "blue")
    ours = pixels_of(resize_back(tensor_of(pixels), 0.5))
    theirs = parse_view("downup:0.5")(pixels)
    assert np.abs(ours - theirs).mean() < 0.6 and np.abs(ours - theirs).max() < 4


@pytest.mark.parametrize("shape", [(96, 96), (96, 64), (48, 90)])
@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(32, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)),
        Preprocessing(32, (0.5,) * 3, (0.5,) * 3, resize=40, resample="bilinear"),
        Preprocessing(48, (0.5,) * 3, (0.5,) * 3, fit="stretch"),
    ],
)
def test_a_surrogate_sees_what_an_encoder_sees(preprocessing, shape):
    pixels = np.ascontiguousarray(tinted(1, 0, "amber")[: shape[0], : shape[1]])
    ours = resized_for(tensor_of(pixels), preprocessing).numpy()
    theirs = network_input(resized_of(pixels, preprocessing), preprocessing)
    assert ours.shape == theirs.shape
    # An 8-bit level is at most 1/255/0.2 = 0.02; Pillow rounds twice.
    assert np.abs(ours - theirs).max() < 0.03
