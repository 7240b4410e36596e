from __future__ import annotations

import json

from morelli.attributors import Verdict


def verdicts(path, words):
    named = {"label": "a", "probability": 0.9}
    lines = [
        Verdict(uri=f"{n}.png", image_id=None, decision=word, **(named if word == "attributed" else {})).to_json()
        for n, word in enumerate(words)
    ]
    path.write_text("".join(one + "\n" for one in lines), encoding="utf-8")
    return path


def test_a_stream_is_watched_and_gone_on_with(cli, tmp_path):
    quiet = verdicts(tmp_path / "may.jsonl", (["attributed"] * 9 + ["unknown"]) * 10)
    loud = verdicts(tmp_path / "june.jsonl", ["attributed"] * 20 + ["unknown"] * 20)
    state = tmp_path / "state.json"
    command = ("audit", "monitor", loud, "--state", state, "--fail-on", "alarm")
    first = cli(*command, "--baseline-from", quiet, "--every", "200")
    assert (
        first.exit_code == 3
        and "Alarm at verdict" in first.stdout
        and "The usual rate was counted in 100" in first.stdout
    )
    second = cli(*command)
    assert second.exit_code == 0 and "0 new alarms" in second.stdout
    with loud.open("a", encoding="utf-8") as stream:
        stream.write(loud.read_text(encoding="utf-8").splitlines()[-1] + "\n")
    third = cli(*command, "--json")
    assert json.loads(third.stdout)["seen"] == 41
    for option in (("--baseline", "0.3"), ("--decisions", "unknown"), ("--every", "9000")):
        wrong = cli(*command, *option)
        assert wrong.exit_code == 2 and "the chart was begun" in wrong.stderr


def test_verdicts_from_a_pipe(cli, tmp_path):
    content = verdicts(tmp_path / "x", ["unknown"] * 30).read_bytes()
    result = cli("audit", "monitor", "-", "--baseline", "0.1", "--json", stdin=content)
    assert json.loads(result.stdout)["hits"] == 30 and json.loads(result.stdout)["new_alarms"] > 1


def test_an_interrupted_pipe_is_gone_on_with(cli, tmp_path, monkeypatch):
    content = verdicts(tmp_path / "x", ["attributed"] * 5).read_bytes()

    def interrupted(self, stream, **_):
        self.look("unknown")
        raise KeyboardInterrupt

    command = ("audit", "monitor", "-", "--baseline", "0.1", "--state", tmp_path / "state.json", "--json")
    with monkeypatch.context() as patched:
        patched.setattr("morelli.audit.drift.Monitor.watch", interrupted)
        assert cli(*command, stdin=content).exit_code == 130
    assert json.loads(cli(*command, stdin=content).stdout)["seen"] == 6


def test_what_is_usual_has_to_be_said_once(cli, tmp_path):
    path = verdicts(tmp_path / "x", ["unknown"])
    assert "what rate is usual?" in cli("audit", "monitor", path).stderr
    both = cli("audit", "monitor", path, "--baseline", "0.1", "--baseline-from", path)
    assert both.exit_code == 2
    assert cli("audit", "monitor", tmp_path / "none", "--baseline", "0.1").exit_code == 1


def test_a_file_without_a_verdict_is_no_stream(cli, tmp_path):
    (tmp_path / "verdicts.csv").write_text("path,decision\na.png,unknown\n", encoding="utf-8")
    result = cli("audit", "monitor", tmp_path / "verdicts.csv", "--baseline", "0.1", "--state", tmp_path / "state")
    assert result.exit_code == 1 and "none of 2 lines is a verdict" in result.stderr
    assert not (tmp_path / "state").exists()


def test_few_verdicts_of_a_baseline_say_so_in_numbers_that_can_be(cli, tmp_path):
    usual = verdicts(tmp_path / "may", ["attributed"] * 14 + ["unknown"])
    result = cli("audit", "monitor", usual, "--baseline-from", usual, "--every", "5000")
    assert result.exit_code == 0 and "more than a trillion images" in result.stdout
