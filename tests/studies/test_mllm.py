"""The study of multimodal models, from end to end, against a server that sees colours."""

from __future__ import annotations

import json

import numpy as np
import pytest

from _small import ENCODER
from attributors.mllm._server import KEY, serving
from morelli.encoders import FeatureCache
from morelli.errors import MorelliError
from morelli.report.study import write_study
from morelli.studies import frame_of, make_study, preview_study, run_study
from studies._planted import crop, photographs, tinted, write_catalog
from studies._sample import chart, rows

pytest.importorskip("openai", reason="the mllm extra is not installed")

CENTROID = f"centroid@{ENCODER}"
TINTS = {
    "red": (60, -30, -30),
    "green": (-30, 60, -30),
    "blue": (-30, -30, 60),
    "gelb ä": (60, 60, -60),
    "dark": (-60,) * 3,
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """5 models x 8 prompts; a model is a tint, and a prompt a photograph."""
    rng = np.random.default_rng(0)
    scenes = [crop(picture, rng) for picture in photographs(8)]
    return write_catalog(
        tmp_path_factory.mktemp("mllm-catalog"),
        [
            (tinted(scene, shift), {"model": name, "prompt_id": f"p{number}"})
            for name, shift in TINTS.items()
            for number, scene in enumerate(scenes)
        ],
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("mllm-cache") / "features.sqlite")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving() as state:
        state.answer = lambda seen: seen.by_colour() if seen.exemplars() else seen.words[0]
        yield state


@pytest.fixture
def endpoints(server, tmp_path):
    """A file of two evaluators: one that sees, and one that costs more; changes are of the first."""

    def write(**changes):
        plain = {"model": "seer", "base_url": server.url, "answers": str(tmp_path / "answers.sqlite"), "image_side": 32}
        plain["key_variable"] = "OPENAI_API_KEY"
        prices = {"price_in": 1.0, "price_out": 10.0}
        dear = {"model": "d", "price_in": 9.0}
        dear |= {name: changes[name] for name in ("concurrency", "attempts") if name in changes}
        path = tmp_path / "endpoints.json"
        path.write_text(json.dumps({"seer": plain | prices | changes, "dear": plain | dear}))
        return path

    return write


def framed(catalog, **options):
    return frame_of(catalog, type(make_study("mllm")), {"attributors": [CENTROID], "folds": 4, **options})


def run(path, catalog, cache, tmp_path, **settings):
    study = make_study("mllm", {"endpoints": str(path), "shots": "0,1,3", "images": 4, **settings})
    return run_study(study, framed(catalog), folder=tmp_path / "trials", cache=cache, jobs=1)


def test_what_is_found(endpoints, server, catalog, cache, tmp_path):
    result = run(endpoints(), catalog, cache, tmp_path)
    assert result.missing == ()
    assert len(server.seen) == 2 * 3 * 20
    found = {(row["evaluator"], row["shots"]): row for row in rows(result.findings, "accuracy")}
    assert list(found) == [
        *((who, shots) for who in ("seer", "dear") for shots in "013"), (CENTROID, "3"), (CENTROID, "all")
    ]  # fmt: skip
    assert all(row["n"] == 20 for row in found.values())
    assert found["seer", "0"]["accuracy"] < 0.6  # always the first letter, which is another model for each image
    assert found["seer", "3"]["accuracy"] > 0.8
    assert found["seer", "3"]["chance"] == pytest.approx(0.2)
    costs = {(row["evaluator"], row["shots"]): row for row in rows(result.findings, "costs")}
    assert costs["seer", "1"] == {
        "evaluator": "seer", "shots": "1", "requests": 20, "images": 20 * 6, "tokens_in": 20_000, "tokens_out": 200,
        "money": pytest.approx(0.022),
        "money_per_thousand_right": pytest.approx(22 / (20 * found["seer", "1"]["accuracy"])),
    }  # fmt: skip
    assert costs["dear", "1"]["money"] == pytest.approx(0.18)
    beside = [(row["evaluator"], row["shots"], row["references"]) for row in rows(result.findings, "beside")]
    assert ("seer", "3", "3") in beside
    assert ("seer", "1", "3") not in beside
    assert ("seer", "1", "all") in beside
    assert "seer names the right model for" in result.findings.sentences[0]
    assert "All 120 questions were answered with the name of a candidate." in result.findings.sentences
    assert "29 and 21 of 100 without exemplars" in result.findings.sentences[-1]
    lines = chart(result.findings, "accuracy")
    assert [series.name for series in lines.series if series.paper] == [
        "frontier model, first",
        "frontier model, second",
    ]
    assert [point.x for point in lines.series[0].points] == [0.0, 1.0, 3.0]
    matrix = chart(result.findings, "confusion-1")
    assert matrix.columns[-1] == "no answer"
    assert all(sum(row) == pytest.approx(1.0) for row in matrix.values)
    names = {name for seen in server.seen for name in seen.names.values()}
    assert names == set(TINTS)


def test_images_and_exemplars_are_of_different_prompts_and_the_same_for_all(endpoints, catalog, cache, tmp_path):
    from morelli.trials.plan import Bench

    study = make_study("mllm", {"endpoints": str(endpoints()), "shots": "1,3", "images": 6})
    bench = Bench(catalog)
    plans = [bench.plan(trial) for trial in study.trials(framed(catalog))]
    prompts = catalog.text("prompt_id")
    judged: dict = {}
    for one in plans:
        assert not set(prompts[one.train]) & set(prompts[one.test])
        judged.setdefault(one.trial.fold.number, set()).add(tuple(one.test))
    assert all(len(tests) == 1 for tests in judged.values())
    assert sum(len(next(iter(tests))) for tests in judged.values()) == 6 * 5
    few, more = ({tuple(p.train) for p in plans if p.trial.cell["shots"] == n} for n in (1, 3))
    assert all(any(set(a) < set(b) for b in more) for a in few)


def test_nothing_is_asked_twice(endpoints, server, catalog, cache, tmp_path):
    first = run(endpoints(), catalog, cache, tmp_path, shots="1")
    asked = len(server.seen)
    again = run(endpoints(timeout=9.0, rpm=1e6), catalog, cache, tmp_path, shots="1")  # finished trials
    assert len(server.seen) == asked
    assert again.findings == first.findings
    fresh = run(endpoints(), catalog, cache, tmp_path / "elsewhere", shots="1")  # kept answers
    assert len(server.seen) == asked
    assert fresh.findings == first.findings


def test_silence_is_counted(endpoints, server, catalog, cache, tmp_path):
    server.script.extend(["refuse", "say no", 'say {"answer": "Z"}', "good unknown", "cut", "filter"])
    result = run(endpoints(concurrency=1), catalog, cache, tmp_path, shots="1")
    seer = next(row for row in rows(result.findings, "outcomes") if row["evaluator"] == "seer")
    assert seer | {"shots": 0, "evaluator": 0} == {
        "evaluator": 0, "shots": 0, "asked": 20, "answered": 14, "unknown": 1, "refused": 1, "filtered": 1,
        "truncated": 1, "malformed": 1, "wrong_label": 1,
    }  # fmt: skip
    row = next(row for row in rows(result.findings, "accuracy") if row["evaluator"] == "seer")
    assert row["n"] == 20
    assert row["accuracy"] == pytest.approx(row["right_of_answered"] * 14 / 20)
    words = next(line for line in result.findings.sentences if "none was replaced by a guess" in line)
    assert words.startswith("34 of 40 questions")
    cell = next(cell for cell in result.cells.to_pylist() if cell["evaluator"] == "seer")
    assert cell["n_unanswered"] == 6
    matrix = chart(result.findings, "confusion-1")
    assert sum(row[-1] for row in matrix.values) == pytest.approx(6 / 4)


def test_a_budget_stops_one_evaluator_and_the_rest_is_told(endpoints, server, catalog, cache, tmp_path):
    result = run(endpoints(budget=0.018, concurrency=1), catalog, cache, tmp_path, shots="1")
    assert "seer is not finished: " in result.findings.sentences[0]
    assert "of 4 parts are. The budget of 0.018 for seer at http" in result.findings.sentences[0]
    assert "Set a higher budget" in result.findings.sentences[0]
    spent = [seen for seen in server.seen if seen.body["model"] == "seer"]
    assert 0 < len(spent) * 0.0011 <= 0.018
    found = {row["evaluator"]: row for row in rows(result.findings, "accuracy")}
    assert found["dear"]["n"] == 20
    assert found["seer"]["n"] < 20
    more = run(endpoints(budget=1.0), catalog, cache, tmp_path, shots="1")
    assert len([seen for seen in server.seen if seen.body["model"] == "seer"]) == 20
    assert not any("not finished" in line for line in more.findings.sentences)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("trouble", "requests"), [("status 401", 1), ("status 500", 10)])
def test_who_does_not_answer_is_not_asked_by_every_trial(
    endpoints, server, catalog, cache, tmp_path, jobs, trouble, requests
):
    """Four folds; five questions in a row, two attempts each, are the most that is worth while."""
    server.always = trouble
    study = make_study("mllm", {"endpoints": str(endpoints(concurrency=1, attempts=2)), "shots": "1", "images": 4})
    result = run_study(study, framed(catalog), folder=tmp_path / "trials", cache=cache, jobs=jobs)
    asked = [seen.body["model"] for seen in server.seen]
    assert (asked.count("seer"), asked.count("d")) == (requests, requests)  # one says nothing of the other
    assert sum("failed: Not asked, because an earlier part was stopped." in line for line in result.missing) == 2
    assert {row["evaluator"] for row in rows(result.findings, "accuracy")} == {CENTROID}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": "http://127.0.0.1:9/v1"}, "http://127.0.0.1:9/v1 could not be reached: the connection failed"),
        ({"give_up": 99}, "answered none of the 5 questions of this part, so that nothing was measured; the last time"),
    ],
)
def test_where_every_question_failed_nothing_was_measured(endpoints, server, catalog, cache, tmp_path, changes, words):
    """Fewer questions in a part than fail before asking ends, and another evaluator who answers."""
    server.answer = lambda seen: seen.words[0]
    path = endpoints(concurrency=1, attempts=1, **changes)
    if "give_up" in changes:
        server.script.extend(["status 500"] * 5)
    own = json.loads(path.read_text())
    own["dear"]["base_url"] = server.url
    path.write_text(json.dumps(own))
    result = run(path, catalog, cache, tmp_path, shots="1,3")
    findings = result.findings
    assert findings.sentences[0].startswith("Nothing was measured of seer, which answered no part: ")
    assert words in findings.sentences[0]
    assert sum("seer" in sentence for sentence in findings.sentences) == 1
    for table in findings.tables:
        assert "seer" not in {row["evaluator"] for row in rows(findings, table.name)}
    assert all("seer" not in str(chart) for chart in findings.charts)
    assert [cell["n"] for cell in result.cells.to_pylist() if cell["evaluator"] == "seer"] == [0, 0]
    assert not findings.unanswered  # the other one was


def test_a_command_that_reached_nobody_fails(catalog, cache, tmp_path):
    from typer.testing import CliRunner

    from morelli.cli._app import app

    catalog.write(tmp_path / "images.parquet")
    command = ["study", "mllm", tmp_path / "images.parquet", "-o", tmp_path / "out", "-a", CENTROID, "-j", "1"]
    settings = {"model": "lost", "base_url": "http://127.0.0.1:9/v1", "shots": "0,1", "images": 2}
    command += [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MORELLI_CACHE", str(tmp_path / "cache"))
        result = CliRunner().invoke(app, [*map(str, command), "--cache", str(cache.path), "--folds", "2"])
    assert result.exit_code == 1
    assert result.stdout.count("could not be reached") == 1
    assert "lost names" not in result.stdout
    assert "differs" not in result.stdout
    page = (tmp_path / "out" / "study.html").read_text(encoding="utf-8")
    assert "<b>4 trials are missing.</b>" in page  # for two reasons


def test_failures_are_asked_again_by_the_next_run(endpoints, server, catalog, cache, tmp_path):
    server.script.extend(["status 500"] * 2)
    path = endpoints(concurrency=1, attempts=1)
    first = run(path, catalog, cache, tmp_path, shots="1")
    assert rows(first.findings, "outcomes")[0]["failed"] == 2
    second = run(path, catalog, cache, tmp_path, shots="1")
    assert len(server.seen) == 40 + 2
    assert rows(second.findings, "outcomes")[0]["answered"] == 20


def test_the_key_is_written_nowhere(endpoints, server, catalog, cache, tmp_path):
    server.script.extend(["status 400 x", "status 500", "refuse"])
    result = run(endpoints(concurrency=1, attempts=1), catalog, cache, tmp_path, shots="1")
    server.always = "status 401"
    stopped = run(endpoints(), catalog, cache, tmp_path, shots="3")
    assert any("does not accept the key" in line for line in stopped.missing)
    for number, one in enumerate((result, stopped)):
        write_study(one, tmp_path / f"study-{number}")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_a_dry_run_asks_nothing(endpoints, server, catalog, cache, tmp_path):
    study = make_study("mllm", {"endpoints": str(endpoints(budget=2.0)), "shots": "0,1", "images": 4})
    preview = preview_study(study, framed(catalog), folder=tmp_path / "trials", cache=cache, jobs=1)
    assert server.seen == []
    seer, dear = preview.forecast
    assert seer.startswith(
        "seer: 40 questions at most; those that were answered before cost nothing. Estimate: 140 images,"
    )
    assert "2,560 written at most" in seer
    assert "in money (budget 2.00)." in seer
    assert "(budget" not in dear
    tokens = int(seer.partition("images, ")[2].partition(" tokens")[0].replace(",", ""))
    assert 140 * 400 < tokens < 140 * 400 + 40 * 600


def test_one_model_by_settings(server, catalog, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MORELLI_CACHE", str(tmp_path / "cache"))
    settings = {"model": "solo", "base_url": server.url, "shots": "1", "images": 2, "names": "hidden", "candidates": 3}
    settings["key_variable"] = "SOLO_KEY"
    monkeypatch.setenv("SOLO_KEY", "solo's own")
    result = run_study(make_study("mllm", settings), framed(catalog), cache=cache, jobs=1)
    (row,) = [row for row in rows(result.findings, "accuracy") if row["evaluator"] == "solo"]
    assert (row["n"], row["chance"]) == (6, pytest.approx(1 / 3))
    assert (tmp_path / "cache" / "answers.sqlite").is_file()
    assert {seen.authorization for seen in server.seen} == {"Bearer solo's own"}
    assert not any(name in seen.text for seen in server.seen for name in TINTS)
    assert not any(series.paper for series in chart(result.findings, "accuracy").series)


def test_questions_are_asked_from_one_process(endpoints, server, catalog, cache, tmp_path):
    """With several processes for the attributors beside."""
    study = make_study("mllm", {"endpoints": str(endpoints(concurrency=2)), "shots": "3", "images": 4})
    server.pause = 0.01
    result = run_study(study, framed(catalog), folder=tmp_path / "trials", cache=cache, jobs=2)
    assert result.missing == ()
    assert server.most_at_once == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "Say who shall be asked"),
        ({"model": "m", "endpoints": "e"}, "Say who shall be asked"),
        ({"endpoints": "nowhere.toml"}, "nowhere.toml cannot be read"),
        ({"model": "m", "candidates": 1}, "Between 2 and 5 candidates"),
        ({"model": "m", "images": 0}, "At least one image"),
        ({"model": "m", "shots": "-1"}, "whole numbers from 0"),
        ({"model": "m", "shots": ""}, "whole numbers from 0"),
        ({"model": "m", "names": "hidden"}, "nothing to go by"),
        ({"model": "m", "names": "no"}, "shown, hidden"),
        ({"model": "m", "budget": 1}, "A budget needs prices"),
        ({"model": CENTROID}, "named as another, or as an attributor"),
    ],
)
def test_what_is_refused(catalog, settings, words):
    with pytest.raises(MorelliError, match=words):
        make_study("mllm", settings).trials(framed(catalog))


@pytest.fixture
def with_own(tmp_path):
    """A file with an evaluator whose folder is not there."""
    path = tmp_path / "with-own.toml"
    path.write_text('[far]\nmodel = "f"\n[own]\nattributor = "mllm-local"\nmodel = "/nowhere/a-model"\n')
    return path


def test_an_evaluator_whose_model_is_not_here_is_named_and_can_be_left_out(with_own, catalog):
    with pytest.raises(MorelliError, match=r'The evaluator "own" cannot be asked: .*take its table out.*evaluator='):
        make_study("mllm", {"endpoints": str(with_own)}).trials(framed(catalog))
    study = make_study("mllm", {"endpoints": str(with_own), "evaluator": "far"})
    assert {trial.cell["evaluator"] for trial in study.trials(framed(catalog))} == {"far", CENTROID}
    with pytest.raises(MorelliError, match=r'No evaluator "near" is in .*; there are: far, own'):
        make_study("mllm", {"endpoints": str(with_own), "evaluator": "near"}).evaluators()
    with pytest.raises(MorelliError, match="chooses from a file of endpoints"):
        make_study("mllm", {"model": "m", "evaluator": "far"}).evaluators()


def test_the_account_names_what_runs_here(with_own, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from morelli.cli._app import app

    monkeypatch.setenv("MORELLI_CACHE", str(tmp_path / "cache"))
    said = CliRunner().invoke(app, ["ask", "account", "-e", str(with_own)]).stdout
    assert "far" in said
    assert "own runs in the process of whoever asks it, has no account and costs nothing." in said


def test_asking_attributors_do_not_stand_beside(catalog):
    with pytest.raises(MorelliError, match="mllm asks, and is no attributor to stand beside"):
        make_study("mllm", {"model": "m"}).trials(framed(catalog, attributors=["mllm"]))


def test_too_many_candidates(catalog):
    many = catalog.with_column("model", [f"m{i}" for i in range(40)])
    many = many.concat([many, many.with_column("model", [f"n{i}" for i in range(40)])])
    with pytest.raises(MorelliError, match="80 candidates are too many to be asked about at once, 52 are the most"):
        make_study("mllm", {"model": "m"}).trials(framed(many))
