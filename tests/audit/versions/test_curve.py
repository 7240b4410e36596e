from __future__ import annotations

import numpy as np
import pytest

from _small import STRANGER, build_small
from morelli.audit.versions import measure_curve
from morelli.audit.versions.curve import SHARES, _first_prompts
from morelli.errors import NotEnoughDataError


@pytest.fixture(scope="module")
def curve(desk):
    done = []
    found = measure_curve(
        desk.late, desk.of(*range(10)), cache=desk.cache, workers=1, progress=lambda *given: done.append(given)
    )
    assert done[-1] == (15, 15) and (40, 40) in done
    return found


def test_every_image_is_judged_by_fewer_and_fewer_references(curve):
    assert curve.truth.shape == curve.named.shape == (len(SHARES), 40)
    assert curve.known.shape == (len(SHARES), 4)
    np.testing.assert_allclose(curve.known[-1], 8)  # four of five folds of ten prompts
    np.testing.assert_allclose(curve.known[0], 4)
    assert (np.diff(curve.known, axis=0) > 0).all()
    assert ((curve.truth > 0) & (curve.truth < 1)).all() and curve.notes == ()
    # More is better, on these images.
    assert curve.truth[-1].mean() > curve.truth[0].mean() > 0.25


def test_all_that_is_known_is_told_apart_as_in_the_fit(curve, desk):
    rehearsed = desk.late.attributor.training_.accuracy
    assert (curve.named[-1] == curve.codes).mean() == pytest.approx(rehearsed, abs=0.15)


def test_the_same_seed_gives_the_same_answers(curve, desk):
    again = measure_curve(desk.late, desk.of(*range(10)), cache=desk.cache, workers=1)
    np.testing.assert_array_equal(again.truth, curve.truth)
    other = measure_curve(desk.late, desk.of(*range(10)), cache=desk.cache, workers=1, seed=4)
    assert (other.truth[0] != curve.truth[0]).any()


def test_every_candidate_keeps_a_share_of_its_own_prompts():
    codes, rank = np.array([0, 0, 0, 0, 0, 1, 2, 2]), np.array([3, 3, 1, 0, 9, 5, 4, 2])
    assert _first_prompts(codes, rank, 1.0).all()
    half = _first_prompts(codes, rank, 0.5)
    # Of candidate 0, the first two of four prompts; the only one of 1; one of two.
    assert half.tolist() == [False, False, True, True, False, True, False, True]


def test_what_is_no_reference_is_told(desk, curve):
    whole = measure_curve(desk.early, desk.catalog, cache=desk.cache, workers=1)
    assert whole.notes == ("40 of 64 images are no references of this bundle, and were judged like them.",)
    half = measure_curve(desk.late, desk.of(*range(6)), cache=desk.cache, workers=1)
    assert "16 references of this bundle were not given" in half.notes[0]


def test_images_that_cannot_be_used_are_told(desk, tmp_path):
    def spoil(rows):
        (tmp_path / "broken é.jpg").write_bytes(b"no image")
        rows[0]["path"] = str(tmp_path / "broken é.jpg")
        for row in rows:
            if row["model"] == STRANGER:
                row["model"] = ""
            if row["prompt_id"] == rows[-1]["prompt_id"]:
                row["prompt_id"] = ""

    models = ("acnet-gan", "realsr-df2k", "waifu2x-cunet", STRANGER)
    small = build_small(tmp_path, spoil, models=models, prompts=8)
    found = measure_curve(desk.early, small.catalog, cache=small.cache, workers=1)
    notes = " ".join(found.notes)
    assert "8 images are of no candidate" in notes and "1 images could not be measured" in notes
    assert "have no prompt" in notes
    assert len(found.codes) == 23 and np.isfinite(found.truth).all()


def test_one_image_of_a_candidate(desk):
    catalog = desk.of(*range(6))
    one = catalog.filter((catalog.text("model") != "acnet-gan") | (catalog.column("prompt_id") == desk.prompts[2]))
    found = measure_curve(desk.early, one, cache=desk.cache, workers=1)
    assert any("acnet-gan" in note and "one prompt" in note for note in found.notes)
    assert found.known[-1, 0] == 0 and np.isfinite(found.truth).all()


@pytest.mark.parametrize(
    ("prompts", "models", "why"),
    [
        ((0, 1, 2), None, "there are 4 and 3"),
        (range(6), {"acnet-gan"}, "there are 1 and 6"),
        (range(6), {"somebody else"}, "None of the 24 images"),
    ],
)
def test_too_little(desk, prompts, models, why):
    catalog = desk.of(*prompts)
    if models is not None:
        relabelled = [label if label in models else None for label in catalog.text("model")]
        catalog = catalog.with_column("model", relabelled)
    with pytest.raises(NotEnoughDataError, match=why):
        measure_curve(desk.early, catalog, cache=desk.cache, workers=1)


def test_a_bundle_for_several_views_is_asked_about_the_first(desk, fit):
    catalog = desk.of(*range(5))
    bundle = fit(catalog, desk.cache, views=("blur:2", "none"))
    found = measure_curve(bundle, catalog, cache=desk.cache, workers=1)
    assert found.notes == ('The images were judged as they look in the first view, "blur:2".',)
    plain = measure_curve(fit(catalog, desk.cache), catalog, cache=desk.cache, workers=1)
    assert (plain.truth != found.truth).any()


def test_a_home_of_random_journeys(desk, fit):
    catalog = desk.of(*range(4))
    bundle = fit(catalog, desk.cache, views=("resaved:1", "resaved:2", "none"))
    found = measure_curve(bundle, catalog, cache=desk.cache, workers=1)
    assert 'first view, "resaved"' in found.notes[0] and len(found.codes) == 16
