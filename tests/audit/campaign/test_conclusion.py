"""What is said in words, for made-up statements: the audits of images are in test_campaign."""

from __future__ import annotations

from dataclasses import replace

import pytest

from morelli.audit.campaign import (
    CONSISTENT,
    INCONSISTENT,
    UNDECIDED,
    Claim,
    Copies,
    Counts,
    Declared,
    Mixture,
    Part,
    Share,
)
from morelli.audit.campaign.conclusion import conclude

CLAIM = Claim(("a", "b"), CONSISTENT, None, 40, 0.1, 0.31, 0.05, 0.02, 0.0, 0.09, 0.15)
COUNTS = Counts(42, 40, 1, 1, {"attributed": 40}, {"a": 40}, 0)
MIXTURE = Mixture(40, (Share("a", 0.9, 0.8, 0.97, None, True), Share("unknown", 0.1, 0.03, 0.2)))


def said(claim=CLAIM, counts=COUNTS, n_suspects=0, mixture=MIXTURE, clusters=0, copies=None, declared=None, parts=()):
    return conclude(counts, claim, n_suspects, mixture, clusters, copies or Copies(), declared or Declared(), parts)


@pytest.mark.parametrize(
    ("outcome", "first"),
    [
        (CONSISTENT, "The images are consistent with the claim that a or b made them."),
        (INCONSISTENT, "The images are not consistent with the claim that a or b made them all."),
        (UNDECIDED, "Whether a or b made the images cannot be told: too few."),
    ],
)
def test_the_conclusion_comes_first_with_its_uncertainty(outcome, first):
    found = said(replace(CLAIM, outcome=outcome, reason="too few" if outcome == UNDECIDED else None))
    assert (found.outcome, found.sentences[0]) == (outcome, first)
    assert "at most 5 of 100 audits" in found.sentences[1]
    assert "p = 0.31" in found.sentences[1]
    assert "about 2 in 100 (0 to 9)" in found.sentences[2]


def test_a_set_that_passes_says_what_would_have_been_missed():
    text = " ".join(said().sentences)
    assert "15 in 100 images by other candidates would be noticed in 8 of 10 such audits; fewer may pass" in text
    assert "even a set wholly from elsewhere might pass" in " ".join(said(replace(CLAIM, detectable=None)).sentences)
    assert "would be noticed" not in " ".join(said(replace(CLAIM, outcome=INCONSISTENT)).sentences)


def test_numbers_agree_with_their_nouns():
    one = " ".join(said(replace(CLAIM, outcome=INCONSISTENT), n_suspects=1).sentences)
    assert "1 image is likelier from elsewhere than by a claimed model and stands first" in one
    assert "1 file could not; 1 file repeats another one" in one
    many = replace(COUNTS, unreadable=1234, repeated=2, passed_over=3)
    assert "1,234 files could not; 2 files repeat another one; 3 files with the suffix" in " ".join(
        said(counts=many).sentences
    )


def test_everything_that_was_found_is_said():
    declared = Declared(outcomes={"conflict": 2, "silence": 38})
    parts = (
        Part("vendor", "X", 20, 0, replace(CLAIM, outcome=INCONSISTENT), 0.01, {}),
        Part("vendor", "", 20, 0, CLAIM, 0.9, {}),
    )
    counts = replace(COUNTS, decisions={"attributed": 33, "unknown": 7})
    mixture = replace(MIXTURE, real=Share("real photographs", 0.25, 0.1, 0.4, real=True))
    text = " ".join(
        said(
            counts=counts, mixture=mixture, clusters=2, copies=Copies(n_file=3), declared=declared, parts=parts
        ).sentences
    )
    for words in (
        "a about 90 in 100 (80 to 97); none of the candidates about 10 in 100 (3 to 20)",
        "Real photographs: about 25 in 100 (10 to 40)",
        "7 images look like none of the candidates; they fall into 2 groups",
        "What 2 images declare contradicts their pixels.",
        "By vendor: X is not consistent with the claim (1 of 2, corrected for their number).",
        "3 images of the set are among the references",
    ):
        assert words in text


def test_nothing_to_test_is_said_without_figures():
    claim = Claim(("a",), UNDECIDED, "there is no image", 0, None, None, 0.05)
    found = said(claim, Counts(0, 0, 0, 0, {}, {}, 0), mixture=None)
    assert found.sentences == (
        "Whether a made the images cannot be told: there is no image.",
        "0 files: 0 different images could be judged.",
    )


@pytest.mark.parametrize("outcome", [CONSISTENT, INCONSISTENT, UNDECIDED])
def test_limits_and_what_would_change_it_are_always_said(outcome):
    found = said(replace(CLAIM, outcome=outcome, reason="x"))
    assert len(found.limits) >= 4
    assert len(found.would_change) >= 2
    everything = " ".join((*found.sentences, *found.would_change, *found.limits)).lower()
    assert not any(word in everything for word in ("proof", "proves", "proven", "certainly"))


def test_a_set_that_passes_with_a_part_that_does_not_says_so_first():
    parts = tuple(
        Part("vendor", name, 20, 0, replace(CLAIM, outcome=outcome), 0.01, {})
        for name, outcome in (("X", INCONSISTENT), ("Y", CONSISTENT), ("Z", INCONSISTENT))
    )
    first = "Taken together the images are consistent with the claim that a or b made them, but "
    assert said(parts=parts).sentences[0] == first + "2 parts are not: X and Z."
    assert said(parts=parts[:2]).sentences[0] == first + "one part is not: X."
    assert (
        "By vendor: none of 1 part contradicts the claim, their number allowed for." in said(parts=parts[1:2]).sentences
    )
