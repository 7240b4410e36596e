"""The layer: from files to facts."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from morelli.errors import MorelliError
from morelli.images import Limits
from morelli.provenance import Provenance, Settings, inspect, layers, list_layers
from morelli.provenance.watermarks import Detection, detectors, register_detector

from ._marks import embed, named, picture
from .test_detectors import Vendor


def look(path, settings=None):
    (found,) = inspect([path], settings, layers=("watermark",))
    (report,) = found.layers
    assert Provenance.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    return report


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def marked(tmp_path):
    return save(tmp_path / "märked file.png", embed(picture(1), named("Stable Diffusion XL")))


@pytest.fixture
def vendor(monkeypatch):
    def register(says):
        monkeypatch.setattr(detectors, "_DETECTORS", {})
        register_detector("vendor", lambda settings: Vendor(says), summary="The vendor's own.")

    return register


def marks_dark(**values):
    """A detector that finds its mark where pixels are as dark as no control is."""
    return lambda pixels: Detection(True, **values) if pixels.mean() < 60 else Detection(False)


def test_its_place_is_third():
    assert "watermark" in list_layers()
    assert layers._LAYERS["watermark"].order == 30


def test_a_mark_is_a_fact(marked):
    report = look(marked)
    (fact,) = report.facts
    assert report.status == "found"
    assert (fact.layer, fact.source, fact.claim) == ("watermark", "watermark:dwt-dct", "generator")
    assert fact.value == "Stable Diffusion XL"
    assert (fact.strength, fact.verification) == ("moderate", "verified")
    assert fact.detail["p_value"] <= fact.detail["false_positive_rate"] == 1e-6
    assert fact.detail["payload"] == "101100111110110010010000011110111011000110011110"
    assert "diffusers" in fact.detail["embedded_by"]


def test_the_table_of_aliases_names_the_model(marked, tmp_path):
    table = tmp_path / "aliases.toml"
    table.write_text('format = 1\n[[alias]]\nmodel = "our-sdxl"\nnames = ["Stable Diffusion XL"]\n', encoding="utf-8")
    assert look(marked, Settings(aliases=table)).facts[0].model == "our-sdxl"


def test_a_family_is_not_taken_for_one_of_its_models(tmp_path):
    for name in ("Stable Diffusion 1", "Stable Diffusion 2", "Stable Diffusion XL", "FLUX"):
        path = save(tmp_path / "marked.png", embed(picture(1, 320, 320), named(name)))
        (fact,) = look(path).facts
        assert fact.value == name and fact.model is None


def test_none_found_says_who_looked(tmp_path):
    report = look(save(tmp_path / "plain.png", picture(1)))
    assert report.status == "none found" and not report.facts
    looked = report.detail["looked"]["dwt-dct"]
    assert looked["present"] is False and looked["p_value"] > 1e-6 and looked["false_positive_rate"] == 1e-6
    assert "trustmark.weights" in report.detail["did_not_look"]["trustmark"]


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "CMYK", "I;16"])
def test_images_of_other_kinds(tmp_path, mode):
    image = Image.fromarray(picture(1))
    image = (
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        if mode == "I;16"
        else image.convert(mode)
    )
    path = tmp_path / ("image.tiff" if mode == "CMYK" else "image.png")
    image.save(path)
    assert look(path).status == "none found"


def test_tiny_images_were_not_looked_at_in_vain(tmp_path):
    report = look(save(tmp_path / "tiny.png", picture(1, 16, 16)))
    assert report.status == "none found" and "too small" in report.detail["looked"]["dwt-dct"]["note"]


def _broken():
    whole = io.BytesIO()
    Image.fromarray(picture(1)).save(whole, "PNG")
    return {
        "truncated": whole.getvalue()[:5000],
        "garbage": bytes(range(256)) * 30,
        "text": b"Stable Diffusion XL",
    }


@pytest.mark.parametrize("what", sorted(_broken()))
def test_what_cannot_be_decoded_is_not_examined(tmp_path, what):
    path = tmp_path / "broken.png"
    path.write_bytes(_broken()[what])
    (found,) = inspect([path], layers=("watermark",))
    assert found.error is None
    (report,) = found.layers
    assert report.status == "not examined" and "no pixels" in report.reason and not report.facts


def test_more_pixels_than_allowed_are_not_examined(marked):
    report = look(marked, Settings(limits=Limits(max_pixels=1000)))
    assert report.status == "not examined" and "pixels" in report.reason


def test_a_vendors_finding_without_a_p_value_is_unverified(vendor, tmp_path):
    vendor(marks_dark(payload="id\x1b[31m", value="Vendor\nImage 2", claim="tool", detail={"confidence": 0.9}))
    (fact,) = look(save(tmp_path / "dark.png", picture(1) // 8)).facts
    assert (fact.source, fact.claim, fact.verification) == ("watermark:vendor", "tool", "unverified")
    assert fact.value == "Vendor\\nImage 2" and fact.detail["payload"] == "id\\x1b[31m"
    assert fact.detail["confidence"] == 0.9 and fact.model is None


def test_a_p_value_above_the_rate_verifies_nothing(vendor, tmp_path):
    vendor(marks_dark(p_value=1e-3, value="Vendor Image 2"))
    assert look(save(tmp_path / "dark.png", picture(1) // 8)).facts[0].verification == "unverified"


def test_a_detector_that_fails_is_reported_and_no_absence(vendor, tmp_path):
    def fail(pixels):
        if pixels.mean() < 60:
            raise RuntimeError("the service\nis down")
        return Detection(False)

    vendor(fail)
    report = look(save(tmp_path / "dark.png", picture(1) // 8))
    assert report.status == "not examined"
    assert "RuntimeError: the service\\nis down" in report.reason


def test_a_detector_that_cannot_be_had_is_an_error_at_once(tmp_path):
    with pytest.raises(MorelliError, match="variant"):
        look(
            save(tmp_path / "plain.png", picture(1)),
            Settings(options={"trustmark.weights": "w", "trustmark.variant": "Z"}),
        )


def test_images_are_not_changed(marked):
    before = marked.read_bytes()
    assert look(marked) == look(marked)
    assert marked.read_bytes() == before
