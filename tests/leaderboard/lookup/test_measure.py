from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from morelli.attributors.prompts.texts import make_text_embedder, nearest_texts
from morelli.catalog import COLUMNS, Catalog
from morelli.errors import CatalogError, MorelliError
from morelli.leaderboard.costs import curve_of_board
from morelli.leaderboard.lookup import lookup_section, measure_lookup, paraphrases_of
from morelli.report.sections import write_sections
from morelli.trials.metrics import cluster_bootstrap_interval

from .._planted_boards import planted

ALWAYS = ("known", "paraphrased-light", "paraphrased-medium", "paraphrased-heavy", "image", "joint", "absent-text",
          "absent-image", "absent-joint")  # fmt: skip


@pytest.fixture(scope="module")
def board():
    return planted(prompts=18, models=4, images=5)


@pytest.fixture(scope="module")
def result(board):
    return measure_lookup(board, references=(1, 4), draws=3, n_boot=200)


def test_conditions_come_in_order_and_the_baseline_is_the_attack(board, result):
    assert result.conditions == ALWAYS
    curve = curve_of_board(board, references=(1, 4), draws=3)
    np.testing.assert_allclose(result.accuracy[0, :, 0], curve.accuracy)
    assert (result.loss[0] == 0).all()
    assert result.n.tolist() == [[3 * 18 * 4] * 2] * 9
    assert result.constant == 0.25
    np.testing.assert_allclose(result.chance[[0, 1, 4, 5, 6, 7]], 0.25)
    assert np.isnan(result.retrieval[[0, 6, 7, 8]]).all()


def test_prompts_far_apart_are_found_by_image_at_no_loss(result):
    """Planted prompts lie 20 standard deviations apart."""
    for name in ("image", "joint"):
        c = result.conditions.index(name)
        assert (result.retrieval[c, :, 0] == 1).all()
        assert (result.loss[c] == 0).all()
        assert 0.5 < result.retrieval[c, 0, 1] < 1  # no false certainty


def test_losses_are_paired_differences_of_accuracies(result):
    np.testing.assert_allclose(result.loss[..., 0], result.accuracy[[0], :, 0] - result.accuracy[..., 0], atol=1e-12)
    assert (result.loss[..., 1] <= result.loss[..., 0]).all()
    assert (result.loss[..., 0] <= result.loss[..., 2]).all()


def test_models_of_other_prompts_are_told_by_chance_where_models_share_nothing_between_prompts(result):
    c = result.conditions.index("absent-text")
    assert result.accuracy[c, 1, 1] < 0.3
    assert result.loss[c, 1, 1] > 0.1


def test_intervals_are_those_of_the_cluster_bootstrap():
    board = planted(prompts=8, models=3, images=4)
    result = measure_lookup(board, references=(3,), draws=1, n_boot=2000)
    from morelli.leaderboard._drawing import draw_references
    from morelli.leaderboard.attackers import NearestCentroid, ranks_of_truth

    draw = next(draw_references(board, 1, 0))
    prompt = board.prompt[draw.judged]
    scores = NearestCentroid()(board.take(draw.references(3)), board.X[draw.judged], prompt)
    hits = ranks_of_truth(scores, board.model[draw.judged]) == 0
    assert result.accuracy[0, 0, 1:] == pytest.approx(cluster_bootstrap_interval(hits, prompt, 2000, 0))


def test_given_paraphrases_are_used_as_they_are(board):
    wrong = {prompt: board.texts[(i + 1) % 18] for i, prompt in enumerate(board.prompts)}
    result = measure_lookup(board, references=(2,), draws=1, n_boot=50, paraphrases=wrong)
    c = result.conditions.index("paraphrased-given")
    assert result.retrieval[c, 0, 0] == 0
    right = dict(zip(board.prompts, board.texts, strict=True))
    result = measure_lookup(board, references=(2,), draws=1, n_boot=50, paraphrases=right)
    assert result.retrieval[c, 0, 0] == 1
    assert (result.loss[c] == 0).all()
    some = measure_lookup(board, references=(2,), draws=1, n_boot=50, paraphrases={"p00": board.texts[0]})
    assert some.n[c, 0] == 4  # only images of the prompt that has one
    with pytest.raises(MorelliError, match="not on the board: nowhere"):
        measure_lookup(board, paraphrases={"nowhere": "x"})


def test_boards_without_texts_say_so(board):
    silent = replace(board, texts=())
    result = measure_lookup(silent, references=(2,), draws=1, n_boot=50)
    assert result.conditions == ("known", "image", "joint", "absent-image", "absent-joint")
    assert any("nothing is looked up by text" in note for note in result.notes)
    partly = replace(board, texts=(None, "", *board.texts[2:]))
    result = measure_lookup(partly, references=(2,), draws=1, n_boot=50)
    assert result.n[result.conditions.index("absent-text"), 0] == 16 * 4
    assert result.n[0, 0] == 18 * 4
    assert any("2 of 18 prompts have no text" in note for note in result.notes)
    with pytest.raises(MorelliError, match="no text embedder"):
        measure_lookup(silent, embedder="nobody")


def test_prompts_with_one_text_count_as_found_for_each_other(board):
    texts = ("The same  words", "the SAME words", *board.texts[2:])
    same = {prompt: text or "" for prompt, text in zip(board.prompts, texts, strict=True)}
    result = measure_lookup(replace(board, texts=texts), references=(2,), draws=1, n_boot=50, paraphrases=same)
    assert result.retrieval[result.conditions.index("paraphrased-given"), 0, 0] == 1


def test_the_same_seed_gives_the_same_figures(board, result):
    again = measure_lookup(board, references=(1, 4), draws=3, n_boot=200)
    np.testing.assert_array_equal(again.accuracy, result.accuracy)
    np.testing.assert_array_equal(again.retrieval, result.retrieval)


def test_paraphrases_come_from_a_column():
    board = planted(prompts=2, models=2, images=2)
    values = ["first", None, "  ", "again", None, None, "second", None]
    nothing = {name: pa.nulls(8, COLUMNS.field(name).type) for name in COLUMNS.names}
    catalog = Catalog(pa.table(nothing | {"uri": [f"{i}.png" for i in range(8)]}), Path("/nowhere"))
    catalog = catalog.with_column("reworded", values)
    assert paraphrases_of(catalog, board, "reworded") == {"p00": "first", "p01": "second"}
    with pytest.raises(CatalogError):
        paraphrases_of(catalog, board)


def test_section_says_what_is_lost_and_can_be_written(result, tmp_path):
    section = lookup_section(result)
    first = section.findings.sentences[0]
    assert f"{result.accuracy[0, 1, 0]:.1%}" in first
    assert "chance 25.0%" in first
    table = section.findings.tables[0]
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert len(table.rows) == 9 * 2 == section.long["conditions"].num_rows
    c = result.conditions.index("absent-text")
    row = table.rows[2 * c + 1]
    assert row[6] == pytest.approx(-result.loss[c, 1, 0])
    assert row[7] <= row[6] <= row[8]
    write_sections([section], tmp_path, title="t", provenance={})


def test_section_without_texts_has_no_empty_sentence(board, tmp_path):
    section = lookup_section(measure_lookup(replace(board, texts=()), references=(1,), draws=1, n_boot=20))
    assert all(section.findings.sentences)
    assert len(section.findings.sentences) == 3
    write_sections([section], tmp_path, title="t", provenance={})


def test_texts_are_compared_by_a_network(tmp_path):
    pytest.importorskip("torch", reason="needs the deep extra").set_num_threads(1)
    pytest.importorskip("transformers", reason="needs the deep extra")
    from networks import tiny

    texts = ("a photo of animals", "an image of vehicles", "people with food", "the clothing in buildings")
    board = replace(planted(prompts=4, models=3, images=4), texts=texts)
    given = dict(
        zip(board.prompts, ("photo animals", "image vehicles", "food people", "clothing buildings"), strict=True)
    )
    name = f"network:{tiny.clip(tmp_path / 'clip')}"
    result = measure_lookup(board, references=(2,), draws=1, n_boot=50, embedder=name, paraphrases=given)
    assert result.embedder == name
    # A network with random weights has no notion of meaning; what it finds is what its own vectors say.
    embedder = make_text_embedder(name)
    found = nearest_texts(embedder.transform(list(given.values())), embedder.transform(texts))
    c = result.conditions.index("paraphrased-given")
    assert result.retrieval[c, 0, 0] == pytest.approx((found == np.arange(4)).mean())
