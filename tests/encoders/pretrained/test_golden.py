from __future__ import annotations

import shutil

import numpy as np
import pytest

from morelli.encoders.pretrained import (
    Sightings,
    check_golden,
    fetch,
    get_pretrained,
    list_pretrained,
    make_pretrained,
    onnx_encoder,
    runtime_fingerprint,
)
from morelli.encoders.pretrained.base import agreement
from morelli.encoders.pretrained.golden import GOLDEN_SIGHTINGS, golden_vector

from .conftest import CLIP_NAME
from .vit_writer import TINY


def test_the_kept_vector():
    vector = golden_vector(CLIP_NAME)
    assert vector is not None
    assert vector.shape == (3 * 1536,)
    assert np.isfinite(vector).all()
    deviations = vector.reshape(3, 2, 768)[:, 1]
    assert (deviations >= 0).all()
    kept = [spec.name for spec in list_pretrained() if golden_vector(spec.name) is not None]
    assert kept == [CLIP_NAME]


def test_agreement():
    rng = np.random.default_rng(0)
    expected = rng.normal(0, 1, 1000)
    expected[3] = 500.0  # one channel that would agree for all
    blocks = [slice(0, 1000)]
    assert agreement(expected, expected, blocks) == (pytest.approx(1), 0)
    assert agreement(expected + rng.normal(0, 0.01, 1000), expected, blocks).ok
    other = rng.normal(0, 1, 1000)
    other[3] = 500.0
    assert not agreement(other, expected, blocks).ok
    assert not agreement(1.5 * expected, expected, blocks).ok
    assert not agreement(np.zeros(1000), expected, blocks).ok
    assert agreement(np.zeros(5), np.zeros(5), [slice(0, 5)]).ok


def test_half_of_a_family_is_enough_to_fail(vit):
    encoder = onnx_encoder(vit, preprocessing=TINY, taps=Sightings(crops=(1,), resized=()))
    vector = encoder.self_test_vector()
    changed = vector.copy()
    changed[6:] = changed[6:][::-1]
    assert encoder.passes_self_test(vector)
    assert not encoder.passes_self_test(changed)


def test_the_fingerprint_of_a_runtime(vit):
    encoder = onnx_encoder(vit, preprocessing=TINY, taps=Sightings(crops=(1,), resized=()))
    first = runtime_fingerprint(encoder)
    assert first["runtime"] == "onnxruntime"
    assert len(first["behaviour"]) == 12
    assert runtime_fingerprint(encoder) == first


def test_the_real_network_agrees_with_the_kept_vector(clip_file, tmp_path, monkeypatch):
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path))
    shutil.copy(clip_file, tmp_path / clip_file.name)
    fetch(CLIP_NAME, tmp_path / clip_file.name)
    found = check_golden(get_pretrained(CLIP_NAME))
    assert found is not None
    assert found.ok, found
    encoder = make_pretrained(CLIP_NAME, sightings=GOLDEN_SIGHTINGS)
    assert encoder.passes_self_test(golden_vector(CLIP_NAME))
