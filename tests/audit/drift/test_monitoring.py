from __future__ import annotations

import io
import json

import pytest

from morelli.attributors import Verdict
from morelli.audit.drift import Baseline, Monitor, baseline_of
from morelli.errors import MorelliError, NotEnoughDataError


def line(decision, number=0):
    named = {"label": "a", "probability": 0.9} if decision in ("attributed", "ambiguous") else {}
    return (Verdict(uri=f"é {number}.png", image_id=None, decision=decision, **named).to_json() + "\n").encode()


def stream(words):
    return io.BytesIO(b"".join(line(word, number) for number, word in enumerate(words)))


def test_a_rise_sets_the_alarm_off_and_a_usual_rate_does_not():
    monitor = Monitor.start(0.1, worse=0.4, every=500)
    assert monitor.watch(stream((["attributed"] * 9 + ["unknown"]) * 6)) == []
    alarms = monitor.watch(stream(["unknown", "ambiguous", "attributed"] * 8))
    assert alarms and alarms[0].uri.startswith("é ") and alarms[0].rate > 0.3
    assert monitor.seen == 84 and monitor.hits == 6 + 16


def test_alarms_are_told_when_they_go_off():
    told = []

    class Endless(io.BytesIO):
        def readline(self, limit=-1):
            assert len(told) < 2, "told too late"
            return line("unknown", self.tell()) if self.seek(1, 1) < 100 else b""

    monitor = Monitor.start(0.1, worse=0.4, every=100)
    with pytest.raises(AssertionError, match="told too late"):
        monitor.watch(Endless(), on_alarm=told.append)
    assert len(told) == 2 and monitor.seen < 100


def test_what_is_no_answer_does_not_count():
    monitor = Monitor.start(0.1)
    lines = b"".join([line("unreadable"), b"no json\n", b"\n", b'{"kind": "pooled"}\n', line("conflict")])
    monitor.watch(io.BytesIO(lines))
    assert (monitor.seen, monitor.hits, monitor.unreadable, monitor.problems) == (1, 0, 1, 1)


def test_only_what_was_asked_for_counts():
    monitor = Monitor.start(0.1, decisions=["unknown"])
    monitor.watch(stream(["unknown", "ambiguous", "attributed"]))
    assert (monitor.seen, monitor.hits) == (3, 1)


@pytest.mark.parametrize("words", [[], ["maybe"], ["unknown", "ambiguous", "conflict", "attributed"]])
def test_decisions_that_cannot_be_counted(words):
    with pytest.raises(MorelliError, match="What counts"):
        Monitor.start(0.1, decisions=words)


def test_a_file_is_gone_on_with_line_by_line(tmp_path):
    words = ["attributed"] * 20 + ["unknown"] * 12 + ["attributed"] * 5
    whole = Monitor.start(0.1, worse=0.4, every=100)
    whole.watch(stream(words))
    content = stream(words).getvalue()
    lines = content.splitlines(keepends=True)
    for cut in (1, 7, 25, len(lines)):
        part = Monitor.start(0.1, worse=0.4, every=100)
        # The line that is being written when we look is left for the next time.
        part.watch(io.BytesIO(b"".join(lines[:cut]) + (lines[cut][:9] if cut < len(lines) else b"")), resumes=True)
        part.save(tmp_path / "state.json")
        again = Monitor.load(tmp_path / "state.json")
        assert again.lines == cut
        again.watch(io.BytesIO(content), resumes=True)
        assert again.to_dict() | {"lines": 0, "digest": ""} == whole.to_dict()
        assert again.watch(io.BytesIO(content), resumes=True) == [] and again.seen == len(words)


@pytest.mark.parametrize("content", [b"", line("unknown") * 30])
def test_another_file_is_refused(content):
    monitor = Monitor.start(0.1)
    monitor.watch(stream(["attributed"] * 10), resumes=True)
    with pytest.raises(MorelliError, match="not those that were looked at"):
        monitor.watch(io.BytesIO(content), resumes=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(kind="x"),
        lambda d: d.update(schema_version=2),
        lambda d: d["chart"].update(limit=3),
        lambda d: d["chart"].update(until_false=1e9),
        lambda d: d.update(seen=-1),
        lambda d: d.update(seen="many"),
        lambda d: d.update(hits=9),
        lambda d: d.update(decisions=["x"]),
        lambda d: d.update(alarms=[{"a": 1}]),
        lambda d: d.update(since=[1]),
        lambda d: d.update(more=1),
        lambda d: d.pop("total"),
    ],
)
def test_damaged_states_are_refused(change, tmp_path):
    path = tmp_path / "state.json"
    Monitor.start(0.1).save(path)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(MorelliError, match="no monitor"):
        Monitor.load(path)


@pytest.mark.parametrize("text", ["", "[]", "7", "[" * 100_000])
def test_files_that_are_no_state(text, tmp_path):
    (tmp_path / "x").write_text(text)
    with pytest.raises(MorelliError, match="no monitor"):
        Monitor.load(tmp_path / "x")


def test_a_usual_rate_is_counted_with_its_interval():
    found = baseline_of(stream(["unknown"] * 5 + ["attributed"] * 44 + ["ambiguous", "unreadable"]))
    assert (found.hits, found.n, found.rate) == (6, 50, 0.12)
    assert 0.04 < found.low < 0.06 and 0.24 < found.high < 0.25  # Clopper & Pearson for 6 of 50: 0.0453 and 0.2431
    monitor = Monitor.start(found)
    assert monitor.until_false(found.high) < monitor.chart.until_false < monitor.until_false(found.low)


@pytest.mark.parametrize("words", [[], ["attributed"] * 9, ["unknown"] * 9])
def test_a_rate_of_none_or_all_is_no_baseline(words):
    with pytest.raises(NotEnoughDataError, match="no usual rate"):
        baseline_of(stream(words))


def test_a_counted_baseline_survives(tmp_path):
    Monitor.start(Baseline(3, 30, 0.1, 0.02, 0.27)).save(tmp_path / "s")
    assert Monitor.load(tmp_path / "s").baseline == Baseline(3, 30, 0.1, 0.02, 0.27)
