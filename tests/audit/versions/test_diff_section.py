from __future__ import annotations

from dataclasses import replace

import pytest

from morelli.audit.versions import compare_on, diff_bundles, diff_section
from morelli.report.sections import sections_json


@pytest.fixture(scope="module")
def common(desk):
    return compare_on(desk.early, desk.late, desk.catalog, cache=desk.cache, workers=1)


def told(diff):
    section = diff_section(diff)
    sections_json([section], title="x", provenance={})
    for table in section.findings.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    return section.findings


def test_one_bundle(desk):
    assert told(diff_bundles(desk.early, desk.early)).sentences == ("The two are the same bundle, to the last bit.",)


def test_more_references(desk):
    findings = told(diff_bundles(desk.early, desk.late))
    assert findings.sentences == (
        "4 candidates are in both, all with other numbers of references, versions or lineages.",
        "References: 24 images in both, 0 only in the first, 16 only in the second.",
    )
    assert [table.name for table in findings.tables] == ["facts", "classes", "weights", "views"]
    facts = {row[0]: row[1:] for row in findings.tables[0].rows}
    assert facts["references"] == ("24", "40", "no") and facts["label"] == ("model", "model", "yes")


def test_what_the_new_references_bought_comes_first(desk, common):
    findings = told(diff_bundles(desk.early, desk.late, common))
    first = findings.sentences[0]
    assert "of 24 images of 6 prompts that neither has seen, the first names" in first and "exact McNemar p" in first
    assert findings.tables[0].name == "common" and "40 references of either" in findings.tables[0].note
    classes = {row[0]: row for row in findings.tables[2].rows}
    for one in common.classes:
        assert classes[one.name][4:7] == (one.n, one.first / one.n, one.second / one.n)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"difference": 0.2, "interval": (0.1, 0.3), "p": 0.001}, "The second bundle is right more often"),
        ({"difference": -0.2, "interval": (-0.3, -0.1), "p": 0.001}, "The first bundle is right more often"),
        ({"difference": 0.2, "interval": (-0.1, 0.3), "p": 0.001}, "Which bundle is right more often cannot be told"),
        ({"interval": None, "p": 1.0, "only_first": 0, "only_second": 0}, "Both bundles are right about the same"),
        ({"interval": None, "n_groups": 1}, "images of 1 prompt that neither"),
    ],
)
def test_the_verdict(desk, common, changes, words):
    assert words in told(diff_bundles(desk.early, desk.late, replace(common, **changes))).sentences[0]


def test_candidates_that_came_went_and_changed_are_named(desk):
    diff = diff_bundles(desk.early, desk.late)
    one, two, three, four = diff.classes
    mixed = replace(
        diff,
        classes=(
            replace(one, what="same"), two, replace(three, what="added", images=(None, 3)),
            replace(four, what="removed", images=(3, None)),
        ),
    )  # fmt: skip
    findings = told(mixed)
    assert findings.sentences[0] == (
        f"2 candidates are in both, 1 of them ({two.name}) with other numbers of references, versions or lineages; "
        f"1 added ({three.name}); 1 removed ({four.name})."
    )
    assert [row[1] for row in findings.tables[1].rows] == ["removed", "added", "changed", "same"]
    many = replace(diff, classes=tuple(replace(three, name=f"m{n}", what="added") for n in range(30)))
    assert (
        "0 candidates are in both; 30 added (m0, " in told(many).sentences[0]
        and "and 18 more)" in told(many).sentences[0]
    )


def test_other_recipes_and_labels_are_told(desk):
    diff = diff_bundles(desk.early, desk.late)
    other = replace(diff, facts={**diff.facts, "recipe": ("a", "b"), "label": ("model", "language")})
    text = " ".join(told(other).sentences)
    assert "different recipes" in text and "a model and a language" in text
