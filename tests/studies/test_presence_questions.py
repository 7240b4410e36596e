"""Which domains images show, asked of a server that sees colours."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from attributors.mllm._server import serving
from morelli.attributors.mllm.evaluators import one_evaluator
from morelli.catalog import join_columns
from morelli.cli._app import app
from morelli.encoders import FeatureCache
from morelli.errors import MorelliError
from morelli.studies import Frame
from morelli.studies.co_occurrence import co_occurrence
from morelli.studies.presence import write_presence
from morelli.studies.presence_questions import SHOWN, as_presence, ask_presence, forecast_presence
from studies._planted import write_catalog

pytest.importorskip("openai", reason="the mllm extra is not installed")

DOMAINS = ["blue things", "green things", "red things"]
LOOKS = {"red": (200, 30, 30), "yellow": (200, 200, 30), "black": (5, 5, 5), "blue": (30, 30, 200)}


def sees(seen) -> str:
    """Whether the channel that the question names is bright; `blue things` in a yellow image cannot be told."""
    channels = seen.pictures[-1].mean(axis=(0, 1))
    text = next(text for text in seen.texts if "Does the image" in text)
    place = next(i for i, name in enumerate(("red", "green", "blue")) if f'"{name} things"' in text)
    if place == 2 and channels[0] > 150 and channels[1] > 150:
        return "unsure"
    return "yes" if channels[place] > 100 else "no"


@pytest.fixture
def server():
    with serving() as state:
        state.answer = sees
        yield state


@pytest.fixture
def evaluator(server, tmp_path):
    def make(**settings):
        plain = {
            "model": "looker",
            "base_url": server.url,
            "answers": str(tmp_path / "answers.sqlite"),
            "image_side": 32,
        }
        return one_evaluator("looker", plain | settings)

    return make


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """Four colours, each by two models and for two domains; the last image cannot be read."""
    folder = tmp_path_factory.mktemp("presence")
    rng = np.random.default_rng(0)

    def picture(colour):
        noise = rng.integers(-4, 5, (64, 64, 3))
        return Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))

    rows = [
        (picture(colour), {"model": model, "prompt_id": f"{domain} {name}", "domain": domain})
        for name, colour in LOOKS.items()
        for domain in ("red things", "blue things")
        for model in ("a", "b")
    ]
    catalog = write_catalog(folder, rows)
    errors = [None] * len(catalog)
    errors[-1] = "it ends too soon"
    return catalog.with_column("error", errors)


EXPECTED = {"red": [0, 0, 1], "yellow": [0.5, 1, 1], "black": [0, 0, 0], "blue": [1, 0, 0]}


def test_what_is_seen(server, evaluator, catalog, tmp_path):
    matrix, tally = ask_presence(catalog, DOMAINS, evaluator(), cache=FeatureCache(tmp_path / "f.sqlite"))
    names = [str(prompt).rpartition(" ")[2] for prompt in catalog.text("prompt_id")]
    np.testing.assert_array_equal(matrix[:-1], [EXPECTED[name] for name in names[:-1]])
    assert np.isnan(matrix[-1]).all()
    assert (tally.asked, tally.unreadable, tally.reasons) == (45, 1, {})
    assert tally.answers == {"yes": 15, "no": 26, "unsure": 4}
    assert tally.words() == (
        "45 questions of an image and a domain: 15 yes, 26 no, 4 unsure; 1 images could not be read."
    )
    assert len(server.seen) == 45
    again, _ = ask_presence(catalog, DOMAINS, evaluator())
    assert len(server.seen) == 45
    np.testing.assert_array_equal(again, matrix)


def test_silence_is_no_presence(server, evaluator, catalog):
    server.script.extend(["refuse", "say yes", 'say {"answer": "maybe"}', "cut"])
    matrix, tally = ask_presence(catalog, DOMAINS, evaluator(concurrency=1))
    assert np.isnan(matrix[0]).all()
    assert np.isnan(matrix[1]).tolist() == [True, False, False]
    assert tally.reasons == {"refused": 1, "malformed": 1, "wrong-label": 1, "truncated": 1}


def test_all_at_once(server, evaluator, catalog):
    server.answer = lambda seen: "yes"
    matrix, tally = ask_presence(catalog, DOMAINS, evaluator(), together=True)
    assert len(server.seen) == 15
    assert (matrix[:-1] == 1.0).all()
    assert tally.asked == 45
    assert "q1: blue things\nq2: green things\nq3: red things" in server.seen[0].text


def test_the_table_goes_into_the_study(server, evaluator, catalog, tmp_path):
    server.script.append("refuse")
    matrix, _ = ask_presence(catalog, DOMAINS, evaluator(concurrency=1))
    found = as_presence(catalog, DOMAINS, matrix)
    write_presence(found, [SHOWN] * len(DOMAINS), tmp_path / "presence.csv", scores=True)
    with (tmp_path / "presence.csv").open(encoding="utf-8", newline="") as stream:
        table = {row["image_id"]: row for row in csv.DictReader(stream)}
    ids = [str(image) for image in catalog.column("image_id")]
    assert ids[0] not in table
    assert [table[image]["shows"] for image in ids[1:6]] == [
        "red things", "red things", "red things", "green things;red things", "green things;red things"
    ]  # fmt: skip
    assert [table[image]["shows"] for image in ids[8:12]] == [";"] * 4
    assert [float(table[ids[4]][f"score {name}"]) for name in DOMAINS] == [0.5, 1, 1]
    joined = join_columns(catalog, tmp_path / "presence.csv")
    seen, notes = co_occurrence(Frame(joined, ("fused",)), "domain", "shows", ["blue things", "red things"])
    assert notes[0].startswith("1 images have nothing in shows")
    # Of the reds' 8 images one has no answer; red and yellow show red, and blue blue.
    np.testing.assert_allclose(seen, [[1 / 7, 4 / 7], [2 / 7, 3 / 7]])
    assert any("green things" in note for note in notes)


def test_images_that_are_there_twice(catalog):
    twice = catalog.concat([catalog, catalog])
    found = as_presence(twice, ["x"], np.arange(len(twice), dtype=np.float64)[:, None])
    assert found.scores[:, 0].tolist() == list(range(len(catalog)))


@pytest.mark.parametrize(
    ("domains", "words"),
    [([], "none at all"), (["a", "a"], "different domains"), (["a;b"], "cannot be one"), ([" "], "cannot be one")],
)
def test_what_cannot_be_asked(evaluator, catalog, domains, words):
    with pytest.raises(MorelliError, match=words):
        ask_presence(catalog, domains, evaluator())


def test_forecast(evaluator, catalog):
    line = forecast_presence(catalog, DOMAINS, evaluator(price_in=1.0))
    assert line.startswith("looker: 45 questions at most; those that were answered before cost nothing. Estimate: ")
    assert line.endswith(" in money.")
    assert "15 questions" in forecast_presence(catalog, DOMAINS, evaluator(), together=True)


# -- the commands ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, server, catalog, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("MORELLI_CACHE", str(tmp_path / "cache"))
    settings = {"model": "looker", "base_url": server.url, "image_side": 32, "price_in": 1.0, "budget": 9.0}
    path = tmp_path / "endpoints.json"
    path.write_text(json.dumps({"looker": settings, "here": {"attributor": "mllm-local", "model": "/nowhere"}}))

    def command(*words):
        return CliRunner().invoke(app, ["ask", *words, "-e", str(path)])

    return command


def test_commands(run, server, catalog, tmp_path):
    images, table = str(catalog.base / "catalog.parquet"), str(tmp_path / "presence.csv")
    presence = ("presence", images, "-o", table, "--evaluator", "looker", "--domains", ",".join(DOMAINS))
    dry = run(*presence, "--dry-run")
    assert dry.exit_code == 0
    assert "looker: 48 questions at most" in dry.output
    assert server.seen == []
    done = run(*presence)
    assert done.exit_code == 0, done.output
    assert "48 questions of an image and a domain: 16 yes, 28 no, 4 unsure." in done.output
    assert len((tmp_path / "presence.csv").read_text().splitlines()) == 17
    shown = run("account")
    assert [word for word in shown.output.splitlines()[1].split() if word] == [
        "looker", "48", "48,000", "480", "0.0480", "0", "0.0000", "9"
    ]  # fmt: skip
    own = run("presence", images, "-o", table, "--evaluator", "looker", "--dry-run")
    assert "32 questions" in own.output  # the two domains of the column


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "presence.txt"], "ends in .csv"),
        (["-o", "presence.csv"], "Several evaluators are in"),
        (["-o", "presence.csv", "--evaluator", "other"], 'No evaluator "other" is in'),
        (["-o", "presence.csv", "--evaluator", "looker", "--column", "language"], 'The column "language" is empty'),
    ],
)
def test_commands_that_cannot_be(run, catalog, words, said):
    result = run("presence", str(catalog.base / "catalog.parquet"), *words)
    assert result.exit_code != 0
    assert said in result.output
