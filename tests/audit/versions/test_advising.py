from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from morelli.attributors.enrolment import enrol
from morelli.audit.versions import Usage, Used, advise, measure_curve
from morelli.errors import MorelliError

from ._curves import planted


def known(k):
    """Return what is asked of a bundle where a curve says the rest."""
    names = tuple(f"model {number:02}" for number in range(k))
    return SimpleNamespace(classes=names, attributor=SimpleNamespace(rehearsal=SimpleNamespace(hidden_codes=[])))


def by_name(advice):
    return {one.name: one for one in advice.classes}


def test_the_bundle_alone_says_how_references_were_named(desk):
    advice = advise(desk.late)
    rehearsal = desk.late.attributor.rehearsal
    named = rehearsal.log_proba.argmax(axis=1)
    for place, name in enumerate(desk.late.classes):
        one, own = by_name(advice)[name], rehearsal.codes == place
        assert one.images == own.sum() == 10 and one.recall == (named[own] == place).mean()
        assert one.low <= one.recall <= one.high
        assert one.claims == (named[~own] == place).sum() / 10
        assert (one.gained, one.foreseen, one.needed, one.used) == (None,) * 4
    assert [one.recall for one in advice.classes] == sorted(one.recall for one in advice.classes)
    assert advice.recall == pytest.approx(desk.late.attributor.training_.accuracy, abs=0.11)
    assert advice.steepness is advice.foreseen is advice.known is None
    assert "Without the references themselves" in advice.notes[0]


def test_with_references_it_is_foreseen(desk):
    curve = measure_curve(desk.late, desk.of(*range(10)), cache=desk.cache, workers=1)
    advice = advise(desk.late, curve=curve)
    assert advice.known == pytest.approx(8) and advice.n == 40
    assert advice.foreseen.low <= advice.foreseen.value <= advice.foreseen.high <= 1
    for one in advice.classes:
        assert one.foreseen.low <= one.foreseen.value <= one.foreseen.high
        assert one.gained.low <= one.gained.value <= one.gained.high
        assert (one.needed is None) == (one.advice == "enough")
    assert advise(desk.late, curve=curve) == advice
    assert json.loads(json.dumps(advice.to_dict()))["classes"][0]["name"] == advice.classes[0].name


def test_words_follow_the_interval():
    lost = np.array([0.005] * 3 + [0.95] * 3 + [0.35] * 14)
    curve, _ = planted(1, prompts=40, lost=lost, b=0.5)
    found = by_name(advise(known(20), curve=curve))
    assert [found[f"model {k:02}"].advice for k in range(3)] == ["enough"] * 3
    assert {found[f"model {k:02}"].advice for k in range(3, 6)} <= {"far", "more"}
    assert {found[f"model {k:02}"].advice for k in range(6, 20)} <= {"more", "cannot say"}
    for one in found.values():
        assert (one.advice == "enough") == (one.low >= 0.8) and (one.advice in ("more", "far")) == (one.high < 0.8)
        assert one.advice != "far" or one.needed.low is None
        assert one.to_know is None or one.to_know >= one.images


def test_far_is_where_even_many_more_do_not_do():
    curve, _ = planted(2, prompts=30, lost=0.9, b=0.1)
    advice = advise(known(20), curve=curve)
    assert {one.advice for one in advice.classes} == {"far"}
    assert all(one.needed.value is None and one.needed.most == 240 for one in advice.classes)


def test_few_images_are_no_reason_to_give_up():
    advice = advise(known(20), curve=planted(2, prompts=6, lost=0.97, b=0.05)[0])
    assert any(one.needed.low is None for one in advice.classes if one.advice == "more")
    assert "far" not in {one.advice for one in advice.classes}


def test_all_right():
    curve, _ = planted(0, lost=1e-9, prompts=20)
    advice = advise(known(20), curve=curve)
    assert {one.advice for one in advice.classes} == {"enough"}
    assert {one.rival for one in advice.classes} == {None} and advice.recall == 1
    few = advise(known(20), curve=planted(0, lost=1e-9, prompts=5)[0])
    assert {one.advice for one in few.classes} == {"cannot say"}
    assert all(5 < one.to_know < 60 for one in few.classes)


def test_a_higher_target_never_sounds_better():
    curve, _ = planted(3, lost=np.linspace(0.05, 0.8, 20))
    rank = {"enough": 0, "cannot say": 1, "more": 2, "far": 3}
    words = [by_name(advise(known(20), curve=curve, target=target)) for target in (0.3, 0.6, 0.9)]
    for lower, higher in pairwise(words):
        assert all(rank[lower[name].advice] <= rank[higher[name].advice] for name in lower)


def test_candidates_without_images_are_told():
    curve, _ = planted(0, k=6)
    kept = curve.codes < 4
    gone = replace(
        curve,
        codes=curve.codes[kept],
        groups=curve.groups[kept],
        truth=curve.truth[:, kept],
        named=curve.named[:, kept],
    )
    advice = advise(known(6), curve=gone)
    assert len(advice.classes) == 4 and "None of the images is of model 04, model 05." in advice.notes


@pytest.mark.parametrize("target", [0, 1, -1, 2, float("nan")])
def test_a_target_is_a_share(desk, target):
    with pytest.raises(MorelliError, match="between 0 and 1"):
        advise(desk.early, target=target)


def test_what_candidates_meet_in_use(desk):
    name = desk.early.classes[0]
    usage = Usage({name: Used(9, 4, "x"), "x": Used(2, 0, None)}, 15, 4, 0, 3)
    advice = advise(desk.early, usage=usage)
    assert by_name(advice)[name].used == Used(9, 4, "x") and advice.usage == usage
    assert "2 of 15 verdicts name somebody who is no candidate of this bundle." in advice.notes
    assert "Lines that are no verdicts, and were not counted: 3." in advice.notes


def test_a_bundle_for_several_views(desk, fit):
    catalog = desk.of(*range(6))
    bundle = fit(catalog, desk.cache, views=("none", "blur:2"))
    # The first view is home, and is as in a bundle for it alone.
    assert by_name(advise(bundle)) == by_name(advise(desk.early))


def test_what_an_enrolled_candidate_claims_was_not_seen(desk, fit):
    catalog = desk.of(*range(8))
    new = catalog.text("model") == "waifu2x-cunet"
    bundle, _ = enrol(fit(catalog.filter(~new), desk.cache), catalog.filter(new), cache=desk.cache, workers=1)
    advice = advise(bundle)
    found = by_name(advice)
    assert len(found) == 4 and found["waifu2x-cunet"].images == 8
    assert found["waifu2x-cunet"].claims is None and found["acnet-gan"].claims is not None
    assert any(note.startswith("Enrolled after the fit: waifu2x-cunet.") for note in advice.notes)
    curve = measure_curve(bundle, catalog, cache=desk.cache, workers=1)
    again = advise(bundle, curve=curve)
    assert by_name(again)["waifu2x-cunet"].claims is not None
    assert not any("Enrolled" in note for note in again.notes)
