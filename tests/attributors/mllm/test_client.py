"""What an endpoint may do wrong, and what becomes of it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from attributors.mllm._server import KEY
from attributors.mllm.conftest import yes_or_no
from morelli.attributors.mllm import AskSettings, RemoteAsker
from morelli.attributors.mllm.account import Size
from morelli.attributors.mllm.asking import open_account
from morelli.attributors.mllm.client import Client
from morelli.errors import EndpointError

pytest.importorskip("openai", reason="the mllm extra is not installed")


@pytest.fixture(autouse=True)
def says_yes(server):
    server.answer = lambda seen: "yes"


def money(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT state, tokens_in, tokens_out FROM spending ORDER BY id").fetchall()


@pytest.mark.parametrize(
    "trouble",
    ["status 500", "status 503", "status 408", "status 409", "later 1", "later_date 2", "drop", "half", "broken",
     "empty", "page"],
)  # fmt: skip
def test_what_passes_is_tried_again(server, asker, trouble):
    server.script.extend([trouble, trouble])
    if trouble.startswith("later"):
        server.script.pop()  # one wait as long as it asks for is enough
    (reply,) = asker().ask(1, yes_or_no)
    assert reply.text == '{"answer": "yes"}'
    assert reply.failure is None
    assert server.counts == {trouble.partition(" ")[0]: 1 if trouble.startswith("later") else 2, "good": 1}
    assert {seen.authorization for seen in server.seen} == {f"Bearer {KEY}"}


@pytest.mark.parametrize(("trouble", "least"), [("later 0.4", 0.4), ("later_date 2", 0.9)])
def test_retry_after_is_kept_to(server, asker, trouble, least):
    """Whole seconds of a date may be all but one of the two in the future. The account keeps to the full."""
    server.script.append(trouble)
    asker().ask(1, yes_or_no)
    first, second = server.times
    assert second - first >= least


def test_all_wait_when_one_is_told_to(server, asker):
    server.script.append("later 0.4")
    asker(concurrency=1).ask(3, yes_or_no)
    assert server.times[1] - server.times[0] >= 0.4
    assert len(server.times) == 4


def test_slow_answers_are_lost_and_asked_again(server, asker, tmp_path):
    server.script.append("slow 1.0")
    (reply,) = asker(timeout=0.3).ask(1, yes_or_no)
    assert reply.failure is None
    assert [state for state, _, _ in money(tmp_path / "answers.sqlite")] == ["lost", "settled"]


@pytest.mark.parametrize(
    ("trouble", "failure", "words"),
    [
        ("status 500", "failed", "status 500"),
        ("drop", "failed", "the connection failed"),
        ("broken", "failed", "no JSON"),
        ("empty", "failed", "no chat completion"),
        ("page", "failed", "no chat completion"),
    ],
)
def test_what_does_not_pass_is_no_answer(server, asker, trouble, failure, words):
    server.always = trouble
    (reply,) = asker(attempts=3).ask(1, yes_or_no)
    assert (reply.failure, reply.text) == (failure, None)
    assert words in reply.detail
    assert KEY not in reply.detail
    assert len(server.seen) == 3


def test_timeouts_to_the_end(server, asker):
    server.always = "slow 0.6"
    (reply,) = asker(attempts=2, timeout=0.2).ask(1, yes_or_no)
    assert (reply.failure, reply.detail) == ("failed", "there was no answer in time")


@pytest.mark.parametrize(
    ("status", "words"), [(401, "does not accept the key"), (403, "does not allow"), (404, "no such")]
)
def test_what_will_never_pass_stops_all(server, asker, status, words):
    server.always = f"status {status} some_code"
    with pytest.raises(EndpointError) as stopped:
        asker(concurrency=2).ask(50, yes_or_no)
    assert words in str(stopped.value)
    assert f"({status})" in str(stopped.value)
    assert "painter-7b" in str(stopped.value)
    assert "0 of 50 questions of this part are answered" in str(stopped.value)
    assert KEY not in str(stopped.value)
    assert "[key]" in str(stopped.value)
    assert len(server.seen) <= 2  # those that were under way


def test_no_quota_is_nothing_to_wait_for(server, asker):
    server.always = "status 429 insufficient_quota"
    with pytest.raises(EndpointError, match="no quota left"):
        asker(concurrency=1).ask(3, yes_or_no)
    assert len(server.seen) == 1


def test_bad_requests_are_not_repeated_and_end_the_run_when_all_are(server, asker):
    server.script.extend(["good", "status 400 bad_image", "good"])
    replies = asker(concurrency=1).ask(3, yes_or_no)
    assert [reply.failure for reply in replies] == [None, "rejected", None]
    assert len(server.seen) == 3
    server.always = "status 422 unsupported_parameter"
    with pytest.raises(
        EndpointError, match=r"5 questions in a row unanswered; the last time: status 422.*1 of 9 quest"
    ):
        asker(concurrency=1).ask(9, lambda i: yes_or_no(i + (i > 0) * 5))
    assert len(server.seen) == 3 + 5


def test_rejections_between_answers_do_not_stop_and_are_final(server, asker):
    server.script.extend(["good", *["status 400 bad_image"] * 9, "good"])
    replies = asker(concurrency=1).ask(11, yes_or_no)
    assert [reply.failure for reply in replies] == [None, *["rejected"] * 9, None]
    assert asker(concurrency=1).ask(11, yes_or_no) == replies
    assert len(server.seen) == 11


def test_no_run_stops_at_the_same_rejections_again(server, asker):
    asker().ask(1, yes_or_no)
    server.script.extend(["status 400 bad_image"] * 5)
    with pytest.raises(EndpointError, match="5 questions in a row unanswered"):
        asker(concurrency=1).ask(9, lambda i: yes_or_no(i + 1))
    replies = asker(concurrency=1).ask(9, lambda i: yes_or_no(i + 1))
    assert [reply.failure for reply in replies] == [*["rejected"] * 5, *[None] * 4]
    assert len(server.seen) == 1 + 5 + 4


def test_what_a_service_rejects_that_never_answered_is_asked_again(server, asker):
    """Its settings may be at fault, which the next run can mend without any trace of this one."""
    server.always = "status 400 no_images_here"
    assert [reply.failure for reply in asker().ask(3, yes_or_no)] == ["failed"] * 3
    with pytest.raises(EndpointError):
        asker().ask(9, yes_or_no)
    server.always = "good"
    assert [reply.failure for reply in asker().ask(9, yes_or_no)] == [None] * 9


def test_filters_of_the_service_are_no_bad_request(server, asker):
    server.always = "status 400 content_filter"
    replies = asker().ask(9, yes_or_no)
    assert [reply.failure for reply in replies] == ["filtered"] * 9
    assert len(server.seen) == 9


def test_a_server_that_is_not_there(asker):
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1:9/v1 could not be reached: the connection failed"):
        asker(base_url="http://127.0.0.1:9/v1", attempts=2).ask(20, yes_or_no)


def test_a_dead_address_is_tried_three_times_and_a_service_that_answered_before_is_waited_for(endpoint, monkeypatch):
    tried = []
    attempt = Client._attempt
    monkeypatch.setattr(Client, "_attempt", lambda self, *given: tried.append(1) or attempt(self, *given))
    settings = {"base_url": "http://127.0.0.1:9/v1", "attempts": 5, "concurrency": 1}
    dead = RemoteAsker(endpoint(**settings), AskSettings())
    with pytest.raises(EndpointError, match="could not be reached"):
        dead.ask(4, yes_or_no)
    assert len(tried) == 3
    account = open_account(dead.endpoint)
    account.settle(account.admit(Size(1, 0, 0, 1))[0], 1, 1)  # it answered once, and may be about to start again
    (reply,) = dead.ask(1, yes_or_no)
    assert len(tried) == 3 + 5
    assert (reply.failure, account.statement().uncertain) == ("failed", 0)


def test_questions_are_under_way_side_by_side_and_no_more_than_allowed(server, asker):
    server.pause = 0.05
    asker(concurrency=3).ask(12, yes_or_no)
    assert server.most_at_once == 3


def test_requests_are_paced(server, asker):
    asker(rpm=600, concurrency=4).ask(5, yes_or_no)
    assert server.times[-1] - server.times[0] >= 0.35


def test_the_request_is_what_the_settings_say(server, asker):
    asker().ask(1, yes_or_no)
    (seen,) = server.seen
    assert seen.body | {"messages": 0, "response_format": 0} == {
        "model": "painter-7b", "messages": 0, "response_format": 0, "max_tokens": 64, "temperature": 0.0,
        "logprobs": True, "top_logprobs": 5,
    }  # fmt: skip
    assert seen.body["response_format"]["json_schema"]["strict"] is True
    assert seen.body["response_format"]["json_schema"]["schema"] == {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": ["yes", "no"]}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    plain = {"temperature": None, "logprobs": 0, "limit_name": "max_completion_tokens", "answer_tokens": 9}
    asker(**plain, reasoning_effort="low", detail="low").ask(1, yes_or_no)
    body = server.seen[-1].body
    assert body | {"messages": 0, "response_format": 0} == {
        "model": "painter-7b", "messages": 0, "response_format": 0, "max_completion_tokens": 9,
        "reasoning_effort": "low",
    }  # fmt: skip
    assert body["messages"][1]["content"][1]["image_url"]["detail"] == "low"


def test_a_key_that_is_not_meant_for_an_address_is_not_sent_there(server, asker, monkeypatch):
    """$OPENAI_API_KEY is set: it is OpenAI's, and nobody has said that another shall have it."""
    asker(key_variable="").ask(1, yes_or_no)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    asker(base_url="", key_variable="").ask(2, lambda i: yes_or_no(i + 1))
    assert {seen.authorization for seen in server.seen} == {"Bearer none"}
    monkeypatch.setenv("THEIR_KEY", "another")
    asker(key_variable="THEIR_KEY").ask(1, lambda i: yes_or_no(3))
    assert server.seen[-1].authorization == "Bearer another"
    assert KEY not in str([vars(seen) for seen in server.seen])
    server.always = "status 401"
    with pytest.raises(EndpointError, match="key_variable, for no key was sent"):
        asker(key_variable="").ask(1, lambda i: yes_or_no(4))


def test_no_key_where_none_is_needed(server, asker, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    asker().ask(1, yes_or_no)
    assert server.seen[0].authorization == "Bearer none"
    with pytest.raises(EndpointError, match=r"api\.openai\.com/v1 needs a key.*variable OPENAI_API_KEY"):
        asker(base_url="", key_variable="").ask(1, yes_or_no)


INTERRUPTED = """
import sys
from attributors.mllm.conftest import yes_or_no
from morelli.attributors.mllm import AskSettings, Endpoint, RemoteAsker
try:
    RemoteAsker(Endpoint("painter-7b", base_url=sys.argv[1], answers=sys.argv[2]), AskSettings()).ask(50, yes_or_no)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_ctrl_c_waits_for_nothing_that_is_under_way(server, tmp_path):
    """The program ends while the service is still thinking; what was under way stays in the account."""
    server.always = "slow 100"
    command = [sys.executable, "-c", INTERRUPTED, server.url, str(tmp_path / "answers.sqlite")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        # A shell may have told its background jobs to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while len(server.seen) < 4 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "interrupted\n"
    finally:
        process.kill()
        process.communicate()
    assert [state for state, _, _ in money(tmp_path / "answers.sqlite")] == ["open"] * 4


def test_faults_are_not_hidden(asker):
    def question(i):
        raise ZeroDivisionError("a fault of ours")

    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        asker().ask(3, question)
