"""The account and the kept answers: what is paid once is never paid again, and no budget is exceeded."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from attributors.mllm._server import KEY
from attributors.mllm.conftest import yes_or_no
from morelli.attributors.mllm.account import Account, Prices, Size
from morelli.attributors.mllm.answers_cache import AnswersCache, key_of
from morelli.attributors.mllm.asking import watching
from morelli.attributors.mllm.database import Database
from morelli.attributors.mllm.question import Picture, Question
from morelli.attributors.mllm.reply import Alternatives, Reply
from morelli.errors import BudgetError, EndpointError, MorelliError

pytest.importorskip("openai", reason="the mllm extra is not installed")

PRICED = {"price_in": 1000.0, "price_out": 10000.0}  # a question that takes 1000 and 10 tokens costs 1.1
COST = 1.1


@pytest.fixture(autouse=True)
def says_yes(server):
    server.answer = lambda seen: "yes"


def test_what_was_answered_is_not_asked_again(server, asker):
    first = asker().ask(6, yes_or_no)
    again = asker(budget=0.0, **PRICED).ask(6, yes_or_no)  # not even with no money at all
    assert again == first
    assert len(server.seen) == 6
    asker(temperature=0.5).ask(1, yes_or_no)  # another question
    assert len(server.seen) == 7


def test_refusals_are_answers_and_failures_are_not(server, asker):
    server.script.extend(["refuse", "say nonsense", "cut", "filter", "status 400 x", "broken"])
    asker(concurrency=1, attempts=1).ask(6, yes_or_no)
    assert len(server.seen) == 6
    replies = asker(concurrency=1, attempts=1).ask(6, yes_or_no)
    assert len(server.seen) == 7
    assert [reply.failure for reply in replies] == [*[None] * 4, "rejected", None]


def test_a_budget_stops_the_run_and_more_money_goes_on(server, asker):
    # The first question is expected at 1.5: 860 tokens or so read, and 64 written. One after the other, four fit.
    with pytest.raises(BudgetError) as stopped:
        asker(budget=5.0, concurrency=1, **PRICED).ask(10, yes_or_no)
    assert "The budget of 5 for painter-7b at http" in str(stopped.value)
    assert f"{len(server.seen)} of 10 questions of this part are answered and kept. Set a higher" in str(stopped.value)
    made = len(server.seen)
    assert 0 < made * COST <= 5.0
    statement = asker().statement()
    assert (statement.requests, statement.tokens_in, statement.tokens_out) == (made, 1000 * made, 10 * made)
    assert statement.money == pytest.approx(made * COST)
    assert statement.uncertain == 0
    replies = asker(budget=50.0, **PRICED).ask(10, yes_or_no)
    assert len(replies) == len(server.seen) == 10
    assert asker().statement().money == pytest.approx(10 * COST)


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_no_budget_is_exceeded_side_by_side(server, asker, concurrency):
    server.pause = 0.02
    with pytest.raises(BudgetError):
        asker(budget=12.0, concurrency=concurrency, **PRICED).ask(40, yes_or_no)
    assert len(server.seen) * COST <= 12.0


def test_images_that_take_more_than_expected_are_expected_from_then_on(server, asker):
    server.tokens_in = 5000
    with pytest.raises(BudgetError, match="may cost 5"):
        asker(budget=20.0, concurrency=1, image_tokens=10, **PRICED).ask(9, yes_or_no)
    assert len(server.seen) * 5.1 <= 20.0


def test_silence_about_tokens_is_the_expectation(server, asker):
    server.tokens_in = None
    (reply,) = asker().ask(1, yes_or_no)
    assert (reply.tokens_in, reply.tokens_out) == (None, None)
    statement = asker().statement()
    assert statement.tokens_in > 400
    assert statement.tokens_out == 64


def test_what_is_lost_counts_at_its_highest(server, asker):
    server.script.append("half")
    asker(**PRICED).ask(1, yes_or_no)
    statement = asker().statement()
    assert (statement.requests, statement.uncertain) == (1, 1)
    assert statement.money == pytest.approx(COST)
    assert statement.money_uncertain > 0.64  # all that might have been written


def test_what_is_refused_costs_nothing(server, asker):
    server.script.extend(["status 500", "later 0"])
    asker(**PRICED).ask(1, yes_or_no)
    statement = asker().statement()
    assert (statement.requests, statement.uncertain) == (1, 0)


def test_progress_is_told(asker):
    told = []
    with watching(lambda done, total: told.append((done, total))):
        asker().ask(3, yes_or_no)
    asker().ask(4, yes_or_no)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


ONE_OF_TWO = """
import sys
import numpy as np
from morelli.attributors.mllm import AskSettings, Endpoint, RemoteAsker
from morelli.attributors.mllm.question import Picture, Question
from morelli.errors import BudgetError
first = int(sys.argv[3])
def question(i):
    picture = np.full((16, 16, 3), first + i, dtype=np.uint8)
    return Question("Look.", ("Is it?", Picture(picture)), {"answer": ("yes", "no")})
prices = {"price_in": 1000.0, "price_out": 10000.0}
endpoint = Endpoint("painter-7b", base_url=sys.argv[1], answers=sys.argv[2], budget=15.0, **prices)
try:
    RemoteAsker(endpoint, AskSettings()).ask(20, question)
except BudgetError as error:
    print(error)
"""


def test_two_processes_share_a_budget(server, tmp_path):
    server.pause = 0.02
    command = [sys.executable, "-c", ONE_OF_TWO, server.url, str(tmp_path / "both.sqlite")]
    both = [subprocess.Popen([*command, str(start)], stdout=subprocess.PIPE, text=True) for start in (0, 100)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert all("The budget of 15" in text for text in said)
    assert 5 <= len(server.seen) <= 15 / COST


def test_a_killed_process_leaves_what_was_answered(server, asker, tmp_path):
    script = ONE_OF_TWO.replace("budget=15.0, ", "concurrency=1, ")
    path = tmp_path / "answers.sqlite"
    server.script.extend(["good", "good", "slow 20"])
    process = subprocess.Popen([sys.executable, "-c", script, server.url, str(path), "0"])
    while len(server.seen) < 3:
        time.sleep(0.01)
    process.kill()
    process.wait()
    grey = [Picture(np.full((16, 16, 3), i, dtype=np.uint8)) for i in range(20)]
    replies = asker(**PRICED).ask(20, lambda i: Question("Look.", ("Is it?", grey[i]), {"answer": ("yes", "no")}))
    assert len(replies) == 20
    assert len(server.seen) == 3 + 18  # two were kept
    statement = asker().statement()
    assert (statement.requests, statement.uncertain) == (20, 1)  # what was under way may have cost something


# -- the parts by themselves -------------------------------------------------------------------------------------------


def test_accounts_by_hand(tmp_path):
    account = Account(Database(tmp_path / "a.sqlite"), "a", Prices(1e6, 2e6, 5.0), budget=100.0)
    size = Size(text_bytes=0, images=1, image_tokens=6, tokens_out=10)
    assert size.tokens_in == 70
    with pytest.raises(BudgetError, match="may cost 95"):
        Account(Database(tmp_path / "a.sqlite"), "a", account.prices, budget=94.0).admit(size)
    entry, wait = account.admit(size)
    assert wait == 0.0
    with pytest.raises(BudgetError, match="95 is spent or under way"):
        account.admit(size)
    account.settle(entry, 20, 1)
    assert account.statement().money == pytest.approx(20 + 2 + 5)
    with pytest.raises(BudgetError, match="27 is spent"):
        account.admit(size)
    other = Account(Database(tmp_path / "a.sqlite"), "b", account.prices, budget=100.0)
    other.cancel(other.admit(size)[0])
    other.admit(size)  # another account, and what was taken back costs nothing


def test_pace_and_pause(tmp_path):
    account = Account(Database(tmp_path / "a.sqlite"), "a", rpm=60)
    size = Size(3, 0, 0, 1)
    waits = [account.admit(size)[1] for _ in range(3)]
    assert waits == pytest.approx([0.0, 1.0, 2.0], abs=0.2)
    account.pause(30.0)
    assert account.admit(size)[1] == pytest.approx(30.0, abs=0.2)
    account.pause(5.0)  # sooner than what is known already
    assert account.admit(size)[1] == pytest.approx(31.0, abs=0.2)


def test_answers_come_back_as_they_were(tmp_path):
    reply = Reply('{"answer": "Ä"}', None, "stop", (Alternatives("Ä", (("Ä", -0.1), ("B", -2.0))),), 3, 4, 1)
    kept = AnswersCache(Database(tmp_path / "a.sqlite"), "who")
    assert kept.get("k") is None
    kept.put("k", reply)
    assert kept.get("k") == reply
    with Database(tmp_path / "a.sqlite").transaction() as connection:
        connection.execute("UPDATE answers SET reply = '[]'")
    assert kept.get("k") is None  # damaged: asked for again
    kept.put("k", reply)
    assert kept.get("k") == reply


def test_keys_tell_questions_apart():
    one = {"model": "a", "messages": [{"content": "x"}]}
    assert key_of("who", one) == key_of("who", dict(reversed(one.items())))
    assert len({key_of("who", one), key_of("other", one), key_of("who", {**one, "model": "b"})}) == 3


def test_files_that_are_none_of_ours(tmp_path):
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(MorelliError, match="is damaged"):
        AnswersCache(Database(tmp_path / "text"), "a").get("k")
    with sqlite3.connect(tmp_path / "other") as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(MorelliError, match="another program"):
        AnswersCache(Database(tmp_path / "other"), "a").get("k")
    AnswersCache(Database(tmp_path / "new"), "a").get("k")
    with sqlite3.connect(tmp_path / "new") as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(MorelliError, match="has layout 9"):
        AnswersCache(Database(tmp_path / "new"), "a").get("k")
    with pytest.raises(MorelliError, match="cannot be made"):
        AnswersCache(Database(tmp_path / "text" / "below"), "a").get("k")


def test_the_key_is_nowhere(server, asker, tmp_path, capfd):
    server.script.extend(["good", "status 400 x", "status 500", "later 0", "refuse"])
    asker(concurrency=1).ask(4, yes_or_no)
    server.always = "status 401"
    with pytest.raises(EndpointError):
        asker().ask(9, yes_or_no)
    assert any(KEY in seen.authorization for seen in server.seen)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []
    assert KEY not in json.dumps(capfd.readouterr())
