from __future__ import annotations

import json
from dataclasses import replace

import pytest

from morelli.attributors import Bundle
from morelli.attributors.enrolment import enrol
from morelli.audit.versions import compare_on, diff_bundles


def test_a_bundle_and_itself(desk, saved):
    diff = diff_bundles(desk.early, Bundle.load(saved))
    assert diff.same and all(first == second for first, second in diff.facts.values())
    assert len(diff.changed("same")) == 4 and diff.changed("changed") == diff.changed("added") == ()
    assert diff.images == (24, 0, 0) and diff.prompts == (6, 0, 0)
    assert all(first == second for first, second in {**diff.weights, **diff.views}.values())


def test_more_references(desk):
    diff = diff_bundles(desk.early, desk.late)
    assert not diff.same and diff.images == (24, 0, 16) and diff.prompts == (6, 0, 4)
    assert [one.images for one in diff.classes] == [(6, 10)] * 4 and len(diff.changed("changed")) == 4
    assert diff.facts["references"] == (24, 40) and diff.facts["name"] == ("first 6", "first 10")
    assert diff.facts["recipe"][0] == diff.facts["recipe"][1]
    for side in (0, 1):
        assert sum(pair[side] for pair in diff.weights.values()) == pytest.approx(1)
    assert set(diff.views) == {"none"}


def test_the_reverse_is_the_mirror_image(desk):
    forth, back = diff_bundles(desk.early, desk.late), diff_bundles(desk.late, desk.early)
    assert back.facts == {name: pair[::-1] for name, pair in forth.facts.items()}
    assert back.images == (24, 16, 0)
    assert back.weights == {name: pair[::-1] for name, pair in forth.weights.items()}


def test_candidates_come_and_go(desk, fit):
    catalog = desk.of(*range(6))
    labels = catalog.text("model")
    bundle, _ = enrol(
        fit(catalog.filter(labels != "waifu2x-cunet"), desk.cache), catalog.filter(labels == "waifu2x-cunet"),
        cache=desk.cache, workers=1,
    )  # fmt: skip
    fewer = fit(catalog.filter(labels != "acnet-gan"), desk.cache)
    diff = diff_bundles(fewer, bundle)
    assert diff.changed("added") == ("acnet-gan",) and diff.changed("removed") == ()
    assert diff_bundles(bundle, fewer).changed("removed") == ("acnet-gan",)
    found = {one.name: one for one in diff.classes}
    assert found["acnet-gan"].images == (None, 6) and found["waifu2x-cunet"].what == "same"


def test_versions_and_lineages_are_changes(desk, fit):
    catalog = desk.of(*range(6))
    older = fit(catalog.with_column("version", ["1.0"] * 24), desk.cache)
    newer = fit(catalog.with_column("version", (["1.0"] * 6 + ["1.1 é"] * 6) * 2), desk.cache)
    diff = diff_bundles(older, newer)
    assert diff.changed("changed") and all(one.images == (6, 6) for one in diff.classes)
    assert diff.classes[0].versions[0] == {"1.0": 6}
    other = replace(desk.early, lineages=("elsewhere", *desk.early.lineages[1:]))
    assert diff_bundles(desk.early, other).changed("changed") == (desk.early.classes[0],)


def test_other_views_families_and_labels(desk, fit):
    views = fit(desk.of(*range(6)), desk.cache, views=("none", "blur:2"))
    diff = diff_bundles(desk.early, replace(views, label="version"))
    assert set(diff.views) == {"none", "blur:2"} and diff.views["blur:2"][0] is None
    assert diff.views["none"][0] == diff.views["none"][1]
    assert diff.facts["label"] == ("model", "version")


def test_everything_can_be_written(desk):
    common = compare_on(desk.early, desk.late, desk.catalog, cache=desk.cache, workers=1)
    values = json.loads(json.dumps(diff_bundles(desk.early, desk.late, common).to_dict()))
    assert values["same"] is False and values["common"]["n"] == 24
    assert values["images"] == {"both": 24, "only_first": 0, "only_second": 16}
    assert values["classes"][0]["images"] == [6, 10]
