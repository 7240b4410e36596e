from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from _small import ENCODER, bare_catalog, build_small
from morelli.audit.drift import detect_drift, drift_section, file_differences
from morelli.errors import NotEnoughDataError
from morelli.report.sections import write_sections


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return build_small(tmp_path_factory.mktemp("drift"), models=("acnet-gan", "realsr-df2k"), prompts=10)


@pytest.fixture(scope="module")
def samples(small):
    models = small.catalog.text("model")
    return [small.catalog.filter(models == name) for name in ("acnet-gan", "realsr-df2k")]


@pytest.fixture(scope="module")
def found(small, samples):
    return detect_drift(*samples, encoder=ENCODER, cache=small.cache, workers=1, n_simulations=40, looks=[])


def test_two_models_are_told_apart_on_the_same_prompts(found):
    assert found.test.changed and found.test.design.kind == "paired" and found.test.design.n_groups == 10
    assert found.look == 1 and found.test.level < 0.05 and len(found.looks) == 1
    assert {one.name for one in found.test.families} == {"colour", "sharpness"}
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_same_look_again_keeps_its_number_and_another_is_tested_at_less(small, samples, found):
    again = detect_drift(
        *samples, encoder=ENCODER, cache=small.cache, workers=1, n_simulations=0, looks=list(found.looks)
    )
    assert again.look == 1 and again.looks == found.looks
    fewer = samples[1].take(np.arange(9))
    other = detect_drift(
        samples[0], fewer, encoder=ENCODER, cache=small.cache, workers=1, n_simulations=0, looks=list(found.looks)
    )
    assert other.look == 2 and other.test.level < found.test.level / 3.9
    assert "1 images of prompts that only one sample has were left out." in other.notes


def test_images_in_both_samples_say_nothing(small, samples):
    for other in (samples[0], small.catalog):
        with pytest.raises(NotEnoughDataError, match="10 are in both samples"):
            detect_drift(samples[0], other, encoder=ENCODER, cache=small.cache, workers=1)
    mixed = samples[1].concat([samples[1], samples[0].take([0, 1])])
    found = detect_drift(samples[0], mixed, encoder=ENCODER, cache=small.cache, workers=1, n_simulations=0)
    assert "2 images are in both samples, and were left out." in found.notes


def test_the_page_says_so_in_words_and_is_the_same_twice(found, tmp_path):
    section = drift_section(found)
    assert section.findings.sentences[0].startswith("Changed: ")
    for name in ("a", "b"):
        write_sections([section], tmp_path / name, title="Drift", provenance={}, desk="audit")
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
    page = (tmp_path / "a" / "audit.html").read_text(encoding="utf-8")
    assert "Looks so far" in page and "colour" in page


def test_what_was_not_found_is_told_with_what_would_have_been(found):
    quiet = replace(found, test=replace(found.test, p=0.4))
    first = drift_section(quiet).findings.sentences[0]
    assert first.startswith("No change found (p 0.4") and "would have been found with power 0.8" in first
    blind = replace(found, test=replace(found.test, p=0.4, power=replace(found.test.power, everywhere=None)))
    assert "next to nothing" in drift_section(blind).findings.sentences[0]
    unasked = replace(found, test=replace(found.test, p=0.4, power=None))
    assert "not asked" in drift_section(unasked).findings.sentences[0]


def test_files_that_differ_are_pointed_out():
    catalog = bare_catalog(
        {
            "width": [512] * 4 + [1024] * 4,
            "height": [512] * 8,
            "format": ["PNG"] * 4 + ["JPEG"] * 3 + ["PNG"],
            "jpeg_quality": [None] * 8,
        }
    )
    new = np.arange(8) >= 4
    sentences = file_differences(catalog, new)
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "The files differ in format",
        "The files differ in size",
    ]
    assert "mostly 512 x 512 before, and 1024 x 512 now" in sentences[1]
    assert file_differences(catalog, np.arange(8) % 2 == 1) == []
