from __future__ import annotations

import json

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from audit.ledger._made import made_verdict
from morelli.audit.ledger import Ledger


@pytest.fixture
def path(cli, tmp_path):
    """Five incidents; the queue is 5 (conflict), 3 (unknown), 4 (ambiguous), 6 (unreadable), 2 (attributed)."""
    verdicts = [
        made_verdict(1, "attributed", 0.7),
        made_verdict(2, "unknown"),
        made_verdict(3, "ambiguous", 0.5),
        made_verdict(4, "conflict"),
        made_verdict(5, "unreadable"),
    ]
    path = tmp_path / "l.sqlite"
    cli("ledger", "add", path, stdin="\n".join(map(json.dumps, verdicts)).encode())
    return path


def answer(cli, path, *lines, reviewer="Ada", options=(), end=True):
    given = "".join(f"{line}\n" for line in (*lines, "q") if end or line != "q")
    result = cli("review", path, "--reviewer", reviewer, *options, stdin=given.encode())
    assert result.exit_code == 0, result.stderr
    return result.stdout


def decisions(path):
    with Ledger.open(path) as ledger:
        assert ledger.verify().ok
        return {
            incident.seq: [(one.reviewer, one.ruling, one.label, one.reason) for one in incident.decisions]
            for incident in ledger.incidents()
            if incident.decisions
        }


def test_the_whole_queue(cli, path):
    text = answer(
        cli, path, "l", "kolors", "the vendor said so", "c", "", "n", "no trace", "s", "c", "fine", end=False
    )  # fmt: skip
    assert decisions(path) == {
        5: [("Ada", "relabel", "kolors", "the vendor said so")],
        3: [("Ada", "confirm", None, "")],
        4: [("Ada", "none", None, "no trace")],
        2: [("Ada", "confirm", "flux-1", "fine")],
    }
    order = [text.index(f"Incident {seq} ") for seq in (5, 3, 4, 6, 2)]
    assert order == sorted(order)
    assert "There is nothing more to review." in text
    assert "4 decided of 5 seen." in text
    assert "residual" in text
    assert "+1.50" in text


def test_every_decision_is_recorded_at_once(cli, path):
    assert "1 decided of 2 seen." in answer(cli, path, "n", "because")
    assert decisions(path) == {5: [("Ada", "none", None, "because")]}
    # Standard input that ends in the middle of an answer records nothing more.
    given = b"c\n\nl\nkolors\n"
    assert "1 decided of 2 seen." in cli("review", path, "--reviewer", "Ada", stdin=given).stdout
    assert sorted(decisions(path)) == [3, 5]


def test_answers_that_are_none_are_asked_again(cli, path):
    text = answer(cli, path, "x", "c", "", "l", "", "kolors", "", "", "reason")
    # A conflict has nothing to confirm; a label and the reason against the machine cannot be empty.
    assert text.count("Answer with one of l, n, s, q.") == 3
    assert decisions(path) == {5: [("Ada", "relabel", "kolors", "reason")]}


def test_second_opinions_do_not_see_the_first(cli, path):
    answer(cli, path, "l", "kolors", "Ada's own reason")
    text = answer(cli, path, "n", "looked twice", reviewer="Grace", options=("--second",))
    assert "Incident 5 " in text
    assert "decided:" not in text
    assert "Ada" not in text
    assert decisions(path)[5] == [
        ("Ada", "relabel", "kolors", "Ada's own reason"),
        ("Grace", "none", None, "looked twice"),
    ]
    assert "nothing more to review" in answer(cli, path, reviewer="Grace", options=("--second",))
    assert "nothing more to review" in answer(cli, path, reviewer="Ada", options=("--second",))


def test_how_far_the_queue_goes(cli, path):
    assert "0 decided of 5 seen" in answer(cli, path, *"sssss")
    assert "0 decided of 4 seen" in answer(cli, path, *"ssss", options=("--below", "0.7"))
    assert "0 decided of 2 seen" in answer(cli, path, *"ss", options=("--limit", "2"))
    assert cli("review", path, "--reviewer", "Ada", "--below", "7").exit_code == 2


def test_hostile_answers_and_verdicts(cli, tmp_path):
    path = tmp_path / "l.sqlite"
    hostile = "\x1b]0;owned\x07[bold]"
    verdict = made_verdict(1, "conflict", uri=hostile, label=hostile, evidence={hostile: {hostile: 1.0}})
    verdict["candidates"][0]["model"] = hostile
    cli("ledger", "add", path, stdin=json.dumps(verdict).encode())
    given = b"\xff\xfe\nl\n\x1b[31m\nreason\nl\nflux\nr\xff\x00eason\nq\n"
    result = cli("review", path, "--reviewer", "Ada", stdin=given)
    assert result.exit_code == 0
    assert "Not recorded: A label has" in result.stdout
    assert decisions(path) == {2: [("Ada", "relabel", "flux", "r\ufffd\x00eason")]}
    for text in (result.stdout, cli("ledger", "show", path, "2").stdout, cli("ledger", "list", path).stdout):
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "\x00" not in text
        assert r"\x1b]0;owned" in text


def test_a_name_that_is_none(cli, path):
    result = cli("review", path, "--reviewer", " ")
    assert result.exit_code == 1
    assert "A name of a person" in result.stderr
    assert cli("review", path).exit_code == 2


def test_no_ledger(cli, tmp_path):
    assert "There is no ledger" in cli("review", tmp_path / "none", "--reviewer", "Ada").stderr
