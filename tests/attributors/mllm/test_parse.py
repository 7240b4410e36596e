"""Only what is exactly an answer is read as one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.attributors.answers import NO_ANSWER
from morelli.attributors.mllm.parse import read_reply
from morelli.attributors.mllm.reply import Reply

FORM = {"answer": ("A", "B", "unknown")}


def read(text, **more):
    return read_reply(Reply(text=text, finish="stop", **more), FORM)


@pytest.mark.parametrize("text", ['{"answer": "B"}', ' \n{"answer":"B"}\n'])
def test_answers(text):
    reading = read(text)
    assert (reading.values, reading.reason) == ({"answer": "B"}, None)


@pytest.mark.parametrize(
    "text",
    [
        "", "B", '"B"', "{}", "[]", "null", "B is it", '{"answer": "B"', '{"answer": ["B"]}', '{"answer": null}',
        '{"answer": 1}', '{"answer": "B", "why": "so"}', '{"Answer": "B"}', '```json\n{"answer": "B"}\n```',
        'I think {"answer": "B"}', '{"answer": "A", "answer": "B"}', '{"answer": NaN}', "[" * 100_000, None,
    ],
)  # fmt: skip
def test_what_has_another_form(text):
    assert (read(text).values, read(text).reason) == ({}, "malformed")


@pytest.mark.parametrize("word", ["C", "b", "B ", "", "Unknown", "A or B", "Α"])  # the last is a Greek letter
def test_what_is_no_candidate(word):
    assert read(json.dumps({"answer": word})).reason == "wrong-label"


def test_what_the_endpoint_says_comes_first():
    answer = '{"answer": "B"}'
    assert read_reply(Reply(text=answer, finish="length"), FORM).reason == "truncated"
    assert read_reply(Reply(text=answer, finish="content_filter"), FORM).reason == "filtered"
    assert read_reply(Reply(text=answer, refusal="No.", finish="stop"), FORM).reason == "refused"
    for failure in ("failed", "rejected", "malformed", "filtered"):
        assert read_reply(Reply(text=answer, failure=failure), FORM).reason == failure


def test_several_keys():
    form = {"q1": ("yes", "no"), "q2": ("yes", "no")}
    reply = Reply(text='{"q2": "no", "q1": "yes"}', finish="stop")
    assert read_reply(reply, form).values == {"q1": "yes", "q2": "no"}
    assert read_reply(Reply(text='{"q1": "yes"}', finish="stop"), form).reason == "malformed"
    assert read_reply(Reply(text='{"q1": "yes", "q2": "perhaps"}', finish="stop"), form).reason == "wrong-label"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(["A", "B", "unknown"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["answer", "Answer", "why"]) | st.text(), inner),
)
FIELDS = {
    "finish": st.none() | st.sampled_from(["stop", "length", "content_filter", "tool_calls"]),
    "refusal": st.none() | st.text(),
    "failure": st.none() | st.sampled_from(sorted(NO_ANSWER)),
}


@given(st.none() | st.text() | JSON.map(json.dumps), st.fixed_dictionaries(FIELDS))
def test_never_a_label_that_is_not_in_the_list(text, fields):
    reading = read_reply(Reply(text=text, **fields), FORM)
    if reading.reason is None:
        assert set(reading.values) == {"answer"}
        assert reading.values["answer"] in FORM["answer"]
        assert json.loads(text) == dict(reading.values)
        assert fields["failure"] is None
        assert not fields["refusal"]
    else:
        assert reading.values == {}
        assert reading.reason in NO_ANSWER
