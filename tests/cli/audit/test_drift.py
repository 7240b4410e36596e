from __future__ import annotations

import json

import pytest

from morelli.attributors import Verdict

ENCODER = "forensic[colour,sharpness]"


@pytest.fixture(scope="module")
def drifted(references, tmp_path_factory):
    return references, tmp_path_factory.mktemp("drift here")


def test_two_models_of_one_catalog(cli, drifted):
    catalog, folder = drifted
    out = folder / "out é"
    command = ("audit", "drift", catalog, "--models", "acnet-gan,realsr-df2k", "--encoder", ENCODER, "-w", "1")
    result = cli(*command, "-o", out, "--history", folder / "looks.json", "--fail-on", "changed")
    assert result.exit_code == 3 and "Changed: realsr-df2k differs from acnet-gan" in result.stdout
    assert f"Written to {out}: audit.html, audit.json" in result.stdout
    document = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    values = document["sections"][0]["findings"]["values"]
    assert values["changed"] is True and values["design"] == "paired" and values["look"] == 1
    again = cli(*command, "--history", folder / "looks.json", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["sections"][0]["findings"]["values"]["p"] == values["p"]
    assert len(json.loads((folder / "looks.json").read_text())["looks"]) == 1


def test_two_sources(cli, references, held_out):
    result = cli("audit", "drift", references, held_out, "--model", "acnet-gan", "--encoder", ENCODER, "-w", "1")
    # 12 photographs and 4 others: no prompt coincides.
    assert result.exit_code == 0 and "different prompts" in result.stdout
    assert "No change found" in result.stdout or "Changed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--models", "a"], "two different names"),
        (["--models", "acnet-gan,nobody"], "model never is nobody"),
        (["--models", "acnet-gan,realsr-df2k", "--fail-on", "rain"], "none of changed"),
        (["--models", "acnet-gan,realsr-df2k", "--design", "round"], "none of auto"),
        ([], "name the images of now"),
    ],
)
def test_mistakes_are_told(cli, references, arguments, why):
    result = cli("audit", "drift", references, *arguments, "--encoder", ENCODER)
    assert result.exit_code in (1, 2) and why in " ".join(result.stderr.split())


def test_a_second_catalog_beside_models_is_a_mistake(cli, references):
    result = cli("audit", "drift", references, references, "--models", "acnet-gan,realsr-df2k")
    assert result.exit_code == 2 and "give no second one" in result.stderr


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
    for option in (("--baseline", "0.3"), ("--decisions", "unknown")):
        wrong = cli(*command, *option)
        assert wrong.exit_code == 2 and "the chart was begun" in wrong.stderr


def test_verdicts_from_a_pipe(cli, tmp_path):
    content = verdicts(tmp_path / "x", ["unknown"] * 30).read_bytes()
    result = cli("audit", "monitor", "-", "--baseline", "0.1", "--json", stdin=content)
    assert json.loads(result.stdout)["hits"] == 30 and json.loads(result.stdout)["new_alarms"] > 1


def test_what_is_usual_has_to_be_said_once(cli, tmp_path):
    path = verdicts(tmp_path / "x", ["unknown"])
    assert "what rate is usual?" in cli("audit", "monitor", path).stderr
    both = cli("audit", "monitor", path, "--baseline", "0.1", "--baseline-from", path)
    assert both.exit_code == 2
    assert cli("audit", "monitor", tmp_path / "none", "--baseline", "0.1").exit_code == 1
