from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from morelli.catalog import build_catalog
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.attack import run as running

from ._planted import ENCODER, MODELS, board_of
from .conftest import CENTROID, FUSED, KNN, NAMES

PROMPTS, EACH, DRAWS = 6, 4, 2


def table(result, name):
    """Return a table of the attack's findings as dicts."""
    found = next(one for one in result.sections[0].findings.tables if one.name == name)
    return [dict(zip([column.name for column in found.columns], row, strict=True)) for row in found.rows]


def by_k(result, attributor="prompt-centroid"):
    return {row["k"]: row for row in result.study.cells.to_pylist() if row["attributor"].startswith(attributor)}


# -- what is planted is found ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["prompt-fused", "prompt-centroid", "prompt-knn", "prompt-mlp:text"])
@pytest.mark.parametrize("k", [1, 2])
def test_who_is_told_the_prompt_finds_the_tint(done, name, k):
    cell = done.cells()[name, k]
    assert cell["accuracy"] >= 0.9
    assert cell["low"] > 0.4
    assert cell["n"] == PROMPTS * len(MODELS) * (EACH - k) * DRAWS
    assert cell["missing"] == cell["n_unreadable"] == 0


def test_who_learns_from_other_prompts_alone(done):
    assert done.cells()["knn", 0]["accuracy"] >= 0.9
    # What this one reads, the spectrum of the grey image, hardly holds a tint.
    assert done.cells()["dzanic", 0]["accuracy"] < 0.6
    for name in ("knn", "dzanic"):  # judged is what the smallest number of references leaves
        assert done.cells()[name, 0]["n"] == PROMPTS * len(MODELS) * (EACH - 1) * DRAWS


def test_the_table_of_attributors(done):
    rows = table(done.result, "attributors")
    assert len(rows) == 2 * 4 + 2
    assert {row["k"] for row in rows if row["attributor"] in ("knn", "dzanic")} == {None}
    for row in rows:
        assert row["candidates"] == len(MODELS)
        assert row["chance"] == pytest.approx(1 / len(MODELS))
        assert 0 <= row["accuracy"] <= row["top2"] <= row["top3"] <= 1
        assert row["low"] <= row["accuracy"] <= row["high"]


def test_sentences_and_provenance(done):
    result = done.result
    attack, curve = result.sections
    assert (attack.name, curve.name) == ("attack", "attack-curve")
    assert attack.findings.sentences[0].startswith("With 1 reference of each model for the prompt, prompt-fused names")
    assert "n 144; 4.0 candidates on average, chance 25" in attack.findings.sentences[0]
    assert attack.findings.sentences[1].startswith("With 2 references of each model for the prompt")
    assert list(attack.long) == ["accuracy", "recognition", "cells", "classes", "confusion"]
    # What other commands read: whom the first attacker takes for whom, and how often it is right.
    recognised = attack.long["recognition"]
    assert recognised.column_names == ["truth", "answer", "n"]
    assert set(recognised["truth"].to_pylist()) == {row["class"] for row in attack.long["classes"].to_pylist()}
    assert 0 not in attack.long["accuracy"]["references"].to_pylist()
    assert set(attack.long["accuracy"]["attributor"].to_pylist()) == {name.partition("@")[0] for name in NAMES[:4]}
    assert set(attack.long["accuracy"]["encoder"].to_pylist()) == {ENCODER}
    assert attack.long["cells"].num_rows == 10
    assert "3 candidates" in curve.findings.sentences[2] and "9 candidates" not in curve.findings.sentences[2]
    written = json.loads(json.dumps(result.provenance, allow_nan=False))
    assert written["encoder"] == ENCODER and written["images"] == PROMPTS * EACH * len(MODELS)
    assert written["settings"]["attributors"] == list(NAMES) and written["settings"]["references"] == [1, 2]
    assert written["settings"]["pools"] == [2, 3, 4, 9] and written["missing"] == []
    assert attack.findings.values["accuracy"][f"{CENTROID} all 2"] == done.cells()["prompt-centroid", 2]["accuracy"]


def test_rows_of_the_confusion_add_up_to_what_was_judged(done):
    counts = {}
    for row in done.result.study.confusion.to_pylist():
        at = row["attributor"], row["k"], row["truth"]
        counts[at] = counts.get(at, 0) + row["n"]
    assert len(counts) == 10 * len(MODELS)
    assert all(n == PROMPTS * (EACH - max(k, 1)) * DRAWS for (_, k, _), n in counts.items())


def test_the_lead_over_the_centroid_is_that_of_the_same_images(done):
    right = {}
    for row in done.result.study.predictions.to_pylist():
        name = row["attributor"].partition("@")[0]
        right.setdefault((name, row["k"]), []).append((row["image_id"], row["right"]))
    rows = table(done.result, "against-centroid")
    assert [row["k"] for row in rows] == [1, 2]
    for row in rows:
        own, centroid = right["prompt-fused", row["k"]], right["prompt-centroid", row["k"]]
        assert [image for image, _ in own] == [image for image, _ in centroid]
        gain = np.mean([hit for _, hit in own]) - np.mean([hit for _, hit in centroid])
        assert row["gain"] == pytest.approx(gain) == pytest.approx(row["own"] - row["centroid"])
        assert row["low"] <= row["gain"] <= row["high"]


# -- again, and elsewhere ----------------------------------------------------------------------------------------------


def test_a_second_call_does_no_trial_again(done, full, attack, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("fitted again")

    monkeypatch.setattr("morelli.trials.runner.fit_registered", refuse)
    calls = []
    again = attack(
        full, attributors=NAMES, pools=(2, 3, 4, 9), folder=done.folder, progress=lambda *call: calls.append(call)
    )
    trials = 10 * 3 * DRAWS
    assert calls == [(trials, trials)]
    assert again.study.cells.equals(done.result.study.cells)
    assert again.sections[0].findings == done.result.sections[0].findings


def test_more_references_do_only_what_is_new(done, full, attack):
    calls = []
    attack(full, references=(1, 2, 3), folder=done.folder, progress=lambda *call: calls.append(call))
    assert calls[0] == (2 * 3 * DRAWS, 3 * 3 * DRAWS) and calls[-1] == (18, 18)


def test_processes_do_not_change_the_result(done, full, attack, tmp_path):
    names = [CENTROID, FUSED, KNN]
    two = attack(full, attributors=names, folder=tmp_path, jobs=2)
    cells = done.cells()
    assert len(two.study.cells) == 5
    for row in two.study.cells.to_pylist():
        one = cells[row["attributor"].partition("@")[0], row["k"]]
        assert {n: v for n, v in row.items() if n != "fit_seconds"} == {
            n: v for n, v in one.items() if n != "fit_seconds"
        }
    assert two.sections[1].findings.sentences[:2] == done.result.sections[1].findings.sentences[:2]


def test_without_a_folder_and_a_cache(done, full, attack):
    row = by_k(attack(full, references=(2,), folder=None, cache=None))[2]
    assert row["log_loss"] == done.cells()["prompt-centroid", 2]["log_loss"]


def test_another_seed_draws_otherwise(done, full, attack):
    other = by_k(attack(full, seed=1))
    assert [row["n"] for row in other.values()] == [144, 96]
    assert other[1]["log_loss"] != done.cells()["prompt-centroid", 1]["log_loss"]


# -- parts of features -------------------------------------------------------------------------------------------------

TWO = "forensic[colour,sharpness]"


@pytest.mark.parametrize("parts", [True, False])
def test_parts_are_rows_of_their_own(full, attack, parts):
    result = attack(full, attributors=[f"prompt-centroid@{TWO}"], encoder=TWO, references=(1,), parts=parts)
    rows = table(result, "attributors")
    accuracy = {row["reads"]: row["accuracy"] for row in rows}
    assert list(accuracy) == (["all", "colour", "sharpness"] if parts else ["all"])
    if parts:
        assert accuracy["colour"] > 0.9 > 0.7 > accuracy["sharpness"]


# -- too much, too little ----------------------------------------------------------------------------------------------


def test_more_references_than_there_are(full, attack):
    result = attack(full, references=(1, 4))
    cells = by_k(result)
    assert cells[1]["n"] == 144
    assert (cells[4]["n"], cells[4]["accuracy"], cells[4]["missing"]) == (0, None, 6)
    curve = result.sections[0].long["accuracy"]
    assert 4 not in curve["references"].to_pylist() and None not in curve["accuracy"].to_pylist()
    [missing] = result.study.missing
    assert missing.startswith(f"attributor {CENTROID}, reads all, k 4 missing: No prompt has two different images")
    assert list(result.provenance["missing"]) == [missing]
    assert [row["k"] for row in table(result, "attributors")] == [1]


@pytest.mark.parametrize(("each", "references"), [(4, (4,)), (1, (1, 2))])
def test_no_trial_can_be_done(tmp_path, attack, each, references):
    with pytest.raises(NotEnoughDataError, match=r"No trial of this study has a result.* No prompt has two different"):
        attack(board_of(tmp_path, each=each), references=references)


def test_too_few_prompts_for_the_folds(tmp_path, attack):
    with pytest.raises(NotEnoughDataError, match="Add images of other prompts"):
        attack(board_of(tmp_path, prompts=2))


def test_one_model(tmp_path, attack):
    with pytest.raises(NotEnoughDataError, match="two models or more"):
        attack(board_of(tmp_path, models=("warm",)))


def test_a_prompt_of_one_model_is_not_judged(tmp_path, attack):
    catalog = board_of(tmp_path, fewer={(0, name): 0 for name in MODELS[1:]})
    result = attack(catalog, attributors=[CENTROID, KNN])
    assert [row["n"] for row in result.study.cells.to_pylist()] == [120, 80, 120]
    alone = {image for image, p in zip(catalog.column("image_id"), catalog.text("prompt_id"), strict=True) if p == "p0"}
    assert len(alone) == EACH and not alone & set(result.study.predictions["image_id"].to_pylist())


def test_unbalanced_numbers(tmp_path, attack):
    """Of one model there are two images for a prompt: with two references it is no candidate, unless it stays."""
    catalog = board_of(tmp_path, fewer={(p, "warm"): 2 for p in range(PROMPTS)})
    plain, short = attack(catalog, attributors=[CENTROID, KNN]), attack(catalog, short=True)
    assert [row["n"] for row in by_k(plain).values()] == [6 * (3 * 3 + 1) * 2, 6 * 3 * 2 * 2]
    assert [row["n"] for row in by_k(short).values()] == [6 * (3 * 3 + 1) * 2, 6 * (3 * 2 + 1) * 2]
    candidates, chance = (
        {(row["attributor"], row["k"]): row[name] for row in table(plain, "attributors")}
        for name in ("candidates", "chance")
    )
    assert candidates == {("prompt-centroid", 1): 4, ("prompt-centroid", 2): 3, ("knn", None): 4}
    assert chance["prompt-centroid", 2] == pytest.approx(1 / 3)
    assert [row["candidates"] for row in table(short, "attributors")] == [4, 4]


def test_prompts_with_too_few_candidates_are_left_out(tmp_path, attack):
    catalog = board_of(tmp_path, fewer={(p, name): 0 for p in (0, 1) for name in MODELS[2:]})
    two, three = attack(catalog, references=(1,)), attack(catalog, references=(1,), candidates=3)
    assert by_k(two)[1]["n"] == (4 * 4 + 2 * 2) * 3 * 2
    assert by_k(three)[1]["n"] == 4 * 4 * 3 * 2
    [row] = table(two, "attributors")
    assert row["chance"] == pytest.approx((16 / 4 + 4 / 2) / 20)
    assert row["candidates"] == pytest.approx((16 * 4 + 4 * 2) / 20)


def test_one_file_many_times_is_one_image(tmp_path, attack):
    def same(rows):
        for number, (_, labels) in enumerate(rows):
            if labels["prompt_id"] == "p0":
                rows[number] = (rows[0][0], labels)

    result = attack(board_of(tmp_path, same))
    assert [row["n"] for row in by_k(result).values()] == [120, 80]  # of p0 each model has one image, and none to judge


def test_one_picture_of_all_models_cannot_be_told(tmp_path, attack):
    """Different files of equal pixels: ties, and no more than chance."""
    board_of(tmp_path)
    for number in range(2 * len(MODELS) * EACH):  # all of the first two prompts
        said = PngInfo()
        said.add_text("number", str(number))
        colour = (90, 90, number // (len(MODELS) * EACH))
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{number:04d}.png", pnginfo=said)
    catalog = build_catalog(tmp_path / "catalog.csv")
    plain = set(catalog.column("image_id")[: 2 * len(MODELS) * EACH])
    assert len(plain) == 2 * len(MODELS) * EACH
    result = attack(catalog, references=(1,), folds=2)
    outcomes = [row for row in result.study.predictions.to_pylist() if row["image_id"] in plain]
    assert len(outcomes) == 2 * len(MODELS) * (EACH - 1) * DRAWS
    assert np.mean([row["right"] for row in outcomes]) == pytest.approx(1 / len(MODELS))
    assert {round(row["probability"], 6) for row in outcomes} == {1 / len(MODELS)}


def test_files_that_cannot_be_read(tmp_path, attack):
    board_of(tmp_path)
    (tmp_path / "0003.png").write_bytes(b"no image")
    (tmp_path / "0050.png").write_bytes(b"")
    result = attack(build_catalog(tmp_path / "catalog.csv"), attributors=[CENTROID, KNN])
    cells = result.study.cells.to_pylist()
    assert [row["n"] for row in cells] == [(22 * 3 + 2 * 2) * 2, (22 * 2 + 2) * 2, 140]
    assert {row["n_unreadable"] for row in cells} == {2 * DRAWS}
    assert min(row["accuracy"] for row in cells) > 0.9


def test_a_file_that_went_after_it_was_listed(tmp_path, attack):
    catalog = board_of(tmp_path)
    (tmp_path / "0003.png").unlink()
    result = attack(catalog, cache=None)
    assert [row["missing"] for row in by_k(result).values()] == [0, 0]
    assert [row["n"] + row["n_unreadable"] for row in by_k(result).values()] == [144, 96]
    assert result.study.missing == ()


@pytest.mark.parametrize("name", [CENTROID, FUSED])
def test_images_without_a_prompt_are_left_out(tmp_path, attack, name):
    """As candidates, as references, and as lessons: all they have in common is that nothing is known of them."""

    def forget(rows):
        for number in range(8):
            rows[number] = (rows[number][0], {**rows[number][1], "prompt_id": "", "prompt": ""})

    catalog = board_of(tmp_path, forget)
    result = attack(catalog, attributors=[name])
    assert result.study.missing == ()
    cells = by_k(result, name)
    assert [row["n"] for row in cells.values()] == [(5 * 4 + 2) * 3 * 2, (5 * 4 + 2) * 2 * 2]
    assert min(row["accuracy"] for row in cells.values()) > 0.9
    kept = catalog.filter(np.array([p is not None for p in catalog.text("prompt_id")]))
    # Folds and draws hang on the rows of the catalog; what was learned from is the same in number.
    assert cells[1]["references"] == by_k(attack(kept, attributors=[name]), name)[1]["references"]


def test_no_image_has_a_prompt(tmp_path, attack):
    def forget(rows):
        rows[:] = [(image, {"model": labels["model"]}) for image, labels in rows]

    with pytest.raises(NotEnoughDataError, match="0 in this catalog has images with a prompt"):
        attack(board_of(tmp_path, forget))


def test_texts_serve_where_there_are_no_ids(tmp_path, done, attack):
    def forget(rows):
        rows[:] = [(image, {n: v for n, v in labels.items() if n != "prompt_id"}) for image, labels in rows]

    rows = by_k(attack(board_of(tmp_path, forget)))
    assert [row["n"] for row in rows.values()] == [144, 96]
    assert rows[2]["accuracy"] > 0.9


# -- settings that make no sense ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"references": ()}, "References are different numbers from 1"),
        ({"references": (0, 1)}, "References are different numbers from 1"),
        ({"references": (2, 2)}, "References are different numbers from 1"),
        ({"draws": 0}, "drawn once or more, not 0 times"),
        ({"candidates": 1}, "among two classes or more"),
        ({"pools": (5, 1)}, "two candidates or more, not 1"),
        ({"folds": 1}, "two folds or more, not 1"),
        ({"seed": -1}, "whole numbers from 0, not -1"),
        ({"attributors": []}, "Name one or more different attributors, not: none"),
        ({"attributors": [CENTROID, f" {CENTROID}"]}, "Name one or more different attributors"),
        ({"attributors": ["nobody"]}, "No attributor is called 'nobody'"),
        ({"attributors": ["prompt-centroid@nobody"]}, "No encoder is called 'nobody'"),
        ({"encoder": "nobody"}, "No encoder is called 'nobody'"),
        ({"label": "nothing"}, "no column 'nothing'"),
        ({"jobs": 0}, "at least one"),
    ],
)
def test_it_is_refused_before_images_are_measured(full, attack, monkeypatch, wrong, message):
    if "jobs" not in wrong:
        monkeypatch.setattr(running, "attack_board", lambda *_, **__: pytest.fail("images were measured"))
    with pytest.raises(MorelliError, match=message):
        attack(full, **wrong)


def test_an_attributor_without_an_encoder_reads_the_one_of_the_attack(attack, full):
    named = attack(full, attributors=[CENTROID])
    bare = attack(full, attributors=["prompt-centroid"])
    said = [
        [(row["attributor"], row["k"], row["accuracy"]) for row in one.study.cells.to_pylist()] for one in (bare, named)
    ]
    assert said[0] == said[1] and {name for name, *_ in said[0]} == {CENTROID}
