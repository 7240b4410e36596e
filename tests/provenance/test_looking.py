"""Looks at files: what is declared and what is measured, from one reading."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from PIL import Image

from morelli.encoders import ForensicEncoder, iter_extract
from morelli.errors import MorelliError
from morelli.provenance import LayerReport, Settings, inspect, inspecting, layers, make_layers, register_layer
from morelli.provenance.looking import Look, look_at
from morelli.provenance.watermarks import Detection, detectors, register_detector

ENCODER = ForensicEncoder(["colour"])
CHOSEN = ("metadata", "watermark")


@pytest.fixture
def paths(tmp_path):
    """Two pictures, one too small to be measured, one that is cut off, a text, and a file that is not there."""
    names = ["a é.png", "b.jpg", "tiny.png", "cut.png", "notes.txt", "gone.png"]
    for number, name in enumerate(names[:3]):
        side = 8 if name == "tiny.png" else 300
        Image.effect_noise((side, side), 40 + number).convert("RGB").save(tmp_path / name)
    (tmp_path / "cut.png").write_bytes((tmp_path / "a é.png").read_bytes()[:-2000])
    (tmp_path / "notes.txt").write_text("no image")
    return [str(tmp_path / name) for name in names]


def told(look: Look) -> tuple[object, ...]:
    found = look.extraction
    vector = None if found.encoded is None else found.encoded.stack().tobytes()
    return look.image_id, look.bytes, look.provenance, found.path, found.facts, vector, str(found.error), look.phash


@pytest.mark.parametrize("workers", [1, 2])
def test_a_look_is_an_inspection_and_a_measurement(paths, workers):
    settings = Settings()
    looks = list(look_at(iter(paths), ENCODER, settings, make_layers(settings, CHOSEN), workers))
    assert [look.provenance for look in looks] == list(inspect(paths, settings, layers=CHOSEN))
    for look, measured in zip(looks, iter_extract(paths, ENCODER, workers=1), strict=True):
        assert told(replace(look, extraction=measured)) == told(look)
    assert [look.image_id is None for look in looks] == [False] * 5 + [True]
    assert [look.phash is None for look in looks] == [False] * 3 + [True] * 3
    assert [look.bytes for look in looks[:5]] == [os.path.getsize(path) for path in paths[:5]]  # noqa: PTH202


def test_each_file_is_read_and_decoded_once(paths, monkeypatch):
    calls = {"read_bytes": 0, "read_image": 0}

    def counted(module, name):
        original = getattr(module, name)

        def call(*arguments, **more):
            calls[name] += 1
            return original(*arguments, **more)

        monkeypatch.setattr(module, name, call)

    counted(inspecting, "read_bytes")
    counted(layers, "read_image")
    settings = Settings()
    looks = list(look_at(iter(paths[:2]), ENCODER, settings, make_layers(settings, CHOSEN), 1))
    assert all(look.extraction.encoded is not None for look in looks)
    assert calls == {"read_bytes": 2, "read_image": 2}


def test_other_processes_know_what_was_registered_here(paths, monkeypatch):
    """Neither is in a module that they could import, and neither may be missing without a word."""
    monkeypatch.setattr(detectors, "_DETECTORS", dict(detectors._DETECTORS))

    class Own:
        name = "own"
        false_positive_rate = 0.5

        def detect(self, pixels):
            return Detection(False, 1.0)

        def examine(self, file):
            return LayerReport("own", "none found", detail={"bytes": len(file.data)})

    register_detector("own", lambda settings: Own(), summary="This test's.")
    register_layer("own", lambda settings: Own(), order=99, summary="This test's.")
    try:
        settings = Settings()
        made = make_layers(settings, ("watermark", "own"))
        here, there = (list(look_at(iter(paths), ENCODER, settings, made, workers)) for workers in (1, 2))
    finally:
        del layers._LAYERS["own"]
    assert list(map(told, there)) == list(map(told, here))
    assert there[0].provenance.layers[0].detail["looked"]["own"]["p_value"] == 1.0
    assert there[0].provenance.layers[1].detail == {"bytes": there[0].bytes}


def test_no_workers_are_refused_at_once():
    with pytest.raises(MorelliError, match="at least one worker"):
        look_at(iter([]), ENCODER, Settings(), {}, 0)
