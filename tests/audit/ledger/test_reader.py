"""The queue of reviewers."""

from __future__ import annotations

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from morelli.errors import LedgerError

from ._made import made_verdict


def walk(ledger, reviewer="Ada", **options):
    """Return the numbers of the images in the queue."""
    found, place = [], None
    while (place := ledger.next_for_review(reviewer, after=place, **options)) is not None:
        found.append(int(place.incident.verdict["uri"].split("/")[1].split(".")[0]))
    return found


@pytest.fixture
def queue(ledger):
    ledger.append_verdicts(
        [
            made_verdict(1, "attributed", 0.95),
            made_verdict(2, "attributed", 0.7),
            made_verdict(3, "unreadable"),
            made_verdict(4, "ambiguous", 0.5),
            made_verdict(5, "attributed", 0.4),
            made_verdict(6, "unknown"),
            made_verdict(7, "conflict"),
            made_verdict(8, "ambiguous", 0.35),
            made_verdict(9, "unknown"),
        ]
    )
    return ledger


def test_what_the_machine_is_least_sure_of_comes_first(queue):
    assert walk(queue) == [7, 6, 9, 8, 4, 3, 5, 2]
    assert walk(queue, below=1.0) == [7, 6, 9, 8, 4, 3, 5, 2, 1]
    assert walk(queue, below=0.5) == [7, 6, 9, 8, 4, 3, 5]


def test_what_was_decided_or_removed_is_not_in_it(queue):
    by_image = {incident.verdict["uri"]: incident for incident in queue.incidents()}
    queue.decide(by_image["images/7.png"].seq, "Grace", "none")
    queue.redact(by_image["images/9.png"].subject, actor="Grace", reason="r")
    assert walk(queue) == [6, 8, 4, 3, 5, 2]


def test_second_opinions_are_about_what_others_decided(queue):
    incidents = list(queue.incidents())
    assert walk(queue, second=True) == []
    queue.decide(incidents[3].seq, "Grace", "confirm")
    queue.decide(incidents[5].seq, "Ada", "confirm")
    queue.decide(incidents[6].seq, "Ada", "none")
    queue.decide(incidents[6].seq, "Grace", "none")
    assert walk(queue, "Ada", second=True) == [4]
    assert walk(queue, "Grace", second=True) == [6]
    assert walk(queue, "Edsger", second=True) == [7, 6, 4]


def test_it_goes_on_behind_what_was_passed_over(queue):
    first = queue.next_for_review("Ada")
    second = queue.next_for_review("Ada", after=first)
    queue.append_verdict(
        made_verdict(10, "conflict")
    )  # comes behind the first, though it is more urgent than the second
    assert walk(queue)[:2] == [7, 10]
    assert queue.next_for_review("Ada", after=second).incident.verdict["uri"] == "images/9.png"


def test_a_reviewer_has_a_name(queue):
    with pytest.raises(LedgerError, match="A name"):
        queue.next_for_review("\x1b")


@pytest.mark.parametrize("options", [{"status": "lost"}, {"decision": "sure"}])
def test_filters_that_are_none(queue, options):
    with pytest.raises(LedgerError, match="is one of"):
        queue.incidents(**options)
