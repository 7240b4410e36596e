from __future__ import annotations

import csv
import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.exposure import assess, attack_curve, curve_section, exposure_section, prompts_section
from morelli.report.sections import write_sections
from morelli.studies.section import Section

from ._planted import planted

WORDS = (
    "a photo of a dog",
    "a castle painted by monet",
    "calm",
    "an ogre in the forest",
    "two cats",
    "a photo of rain",
)


@pytest.fixture(scope="module")
def found():
    texts = tuple(f"{WORDS[i % 6]}{' and more' * (i % 5)}" for i in range(18))
    board = planted(
        4, 18, (6, 4, 5, 6), pair=np.linspace(0, 2, 18), texts=texts, lineages=("x", "x", "y", None), seed=5
    )
    return assess(board, tau=0.6, bound=0.55, choose=5, k=2, draws=6, splits=3, n_boot=200)


def table(section: Section, name: str):
    return next(table for table in section.findings.tables if table.name == name)


def column(section: Section, table_name: str, name: str) -> list[object]:
    one = table(section, table_name)
    at = [c.name for c in one.columns].index(name)
    return [row[at] for row in one.rows]


def test_the_first_sentence_is_the_conclusion_with_its_numbers(found):
    sentence = exposure_section(found).findings.sentences[0]
    assert sentence.startswith(f"A model is separable on a prompt in {round(100 * found.exposure.mean_D)} of 100 cases")
    assert "95% interval" in sentence and "18 prompts" in sentence and "378 images" in sentence
    advice = prompts_section(found).findings.sentences[0]
    assert f"{len(found.shown.chosen)} of 18 prompts can be shown" in advice and "on the other" in advice


def test_tables_hold_what_was_measured(found):
    section = exposure_section(found)
    order = found.ranking.order
    assert column(section, "prompts", "prompt") == [found.board.prompts[i] for i in order]
    assert column(section, "prompts", "d") == found.exposure.D[order].tolist()
    assert column(section, "prompts", "success") == found.success.prompt_rate[order].tolist()
    assert column(section, "models", "images") == [108, 72, 90, 108]
    assert column(section, "models", "lineage") == ["x", "x", "y", None]
    confusions = column(section, "confused", "confusion")
    assert confusions == sorted(confusions, reverse=True) and len(confusions) == 6
    assert set(column(section, "confused", "same_lineage")) == {"yes", "no", None}
    for one in (*section.findings.tables, *prompts_section(found).findings.tables):
        assert all(len(row) == len(one.columns) for row in one.rows), one.name
        assert all(not isinstance(value, float) or np.isfinite(value) for row in one.rows for value in row), one.name


def test_advice_adds_up(found):
    section = prompts_section(found)
    assert column(section, "exposure-of-prompts", "shown").count("yes") == len(found.shown.chosen) > 0
    assert column(section, "exposure-of-prompts", "submitted").count("yes") == 5
    expected = column(section, "exposure-of-prompts", "expected")
    assert expected == sorted(expected)
    in_sample, held_out = (column(section, "choices", name)[1] for name in ("in_sample", "held_out"))
    assert in_sample > held_out, "the winner's curse"


def test_kinship_is_told_only_where_it_is_known(found):
    words = " ".join(exposure_section(found).findings.sentences)
    assert "pairs of one lineage" in words
    unknown = assess(planted(3, 6, 5), n_boot=50, draws=2, splits=1)
    assert "does not name lineages" in " ".join(exposure_section(unknown).findings.sentences)


def test_they_are_written(found, tmp_path):
    sections = [exposure_section(found), prompts_section(found)]
    write_sections(sections, tmp_path / "a", title="Exposure", provenance={"seed": 0})
    page = (tmp_path / "a" / "leaderboard.html").read_text(encoding="utf-8")
    assert "Exposure of models and prompts" in page and "Advice on prompts" in page
    cells = pq.read_table(tmp_path / "a" / "exposure-cells.parquet")
    assert cells.num_rows == 18 * 4
    assert set(cells["model"].to_pylist()) == set(found.board.models)
    np.testing.assert_allclose(cells["frac"].to_numpy(), found.exposure.frac.ravel())
    with (tmp_path / "a" / "prompts-frontier.csv").open(encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 1 + 18
    assert (tmp_path / "a" / "figures" / "exposure-frac.svg").is_file()
    values = json.loads((tmp_path / "a" / "leaderboard.json").read_text(encoding="utf-8"))["sections"][0]["findings"]
    assert values["values"]["mean_D"] == pytest.approx(found.exposure.mean_D)


@pytest.mark.parametrize(
    ("board", "said"),
    [
        (planted(2, 1, 3, pair=2.0), "images of two prompts or more have to be judged"),
        (planted(2, 2, (1, 2)), "2 pairs of prompt and model have a single image.*no two of them were judged"),
        (planted(3, 4, 2), "too few images to check"),
        (planted(2, 9, 6, pair=40.0), "No prompt can be shown"),
        (planted(3, 3, 3).take(np.arange(27) != 99), "What makes a prompt exposing cannot be asked"),
    ],
    ids=["one prompt", "single images", "no halves", "all recognised", "no texts"],
)
def test_boards_at_the_edge_are_told_in_words(board, said):
    found = assess(board, n_boot=50, draws=3, splits=2)
    sections = [exposure_section(found), prompts_section(found)]
    words = " ".join(text for section in sections for text in (*section.findings.notes, *section.findings.sentences))
    assert re.search(said, words.replace("\n", " ")), words
    assert "nan" not in words
    for section in sections:
        json.dumps(section.findings.values, allow_nan=False)
        for one in section.findings.tables:
            assert all(not isinstance(value, float) or np.isfinite(value) for row in one.rows for value in row)


def test_identical_images_are_told_in_words(tmp_path):
    board = planted(3, 10, 4, texts=tuple(f"{WORDS[i % 6]}{' very' * i}" for i in range(10)))
    same = type(board)(np.ones_like(board.X), board.model, board.prompt, board.models, board.prompts, board.texts)
    found = assess(same, n_boot=50, draws=3, splits=2)
    sections = [exposure_section(found), prompts_section(found)]
    words = " ".join(sentence for section in sections for sentence in section.findings.sentences)
    assert "all identical" in words and "cannot be told" in words and "Exposure is the same" in words
    write_sections(sections, tmp_path, title="Same", provenance={})


def test_notes_of_the_board_are_passed_on():
    board = planted(2, 3, 4, notes=("3 images are lost: left out.",))
    found = assess(board, n_boot=20, draws=2, splits=1)
    assert "3 images are lost: left out." in exposure_section(found).findings.notes


def test_names_in_any_script(tmp_path):
    board = planted(2, 3, 4, named={"models": ("모델", "модель <b>"), "prompts": ("日本", "a&b", "é")})
    found = assess(board, n_boot=20, draws=2, splits=1)
    write_sections([exposure_section(found), prompts_section(found)], tmp_path, title="Names", provenance={})
    page = (tmp_path / "leaderboard.html").read_text(encoding="utf-8")
    assert "모델" in page and "модель &lt;b&gt;" in page and "модель <b>" not in page


def test_progress_and_arguments():
    steps = []
    assess(planted(2, 3, 4), n_boot=20, draws=2, splits=1, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(i, 5) for i in range(1, 6)]
    for wrong in ({"bound": 1.5}, {"choose": 0}):
        with pytest.raises(MorelliError, match="bound"):
            assess(planted(2, 3, 4), **wrong)
    with pytest.raises(NotEnoughDataError):
        assess(planted(2, 3, 1))


def test_curves_are_told_beside_the_paper(tmp_path):
    curve = attack_curve(planted(7, 6, 5), (1, 3, 30), draws=2, pools=(2, 5), n_boot=100)
    section = curve_section(curve)
    point = curve.at(30)
    first = section.findings.sentences[0]
    assert "30 references asked for, 4.0 there are" in first and f"for {round(100 * point.accuracy)} of 100" in first
    assert column(section, "references", "accuracy") == [p.accuracy for p in curve.points if p.pool is None]
    assert column(section, "references", "paper") == [0.62, None, None, None, None, None, 0.9086, 0.9614, 0.975]
    assert column(section, "candidates", "paper") == [None, None, None, None, None, 0.9664]
    assert any("100 of 100 pairs" in note and "4.0 in the mean" in note for note in section.findings.notes)
    write_sections([section], tmp_path, title="Curve", provenance={})
    assert pq.read_table(tmp_path / "attack-curve-points.parquet").num_rows == len(curve.points) == 27


def test_a_curve_of_one_point_and_one_prompt(tmp_path):
    section = curve_section(attack_curve(planted(2, 1, 3), (1,), draws=1))
    assert "no interval" in section.findings.sentences[0]
    assert [one.name for one in section.findings.tables] == ["references"]
    write_sections([section], tmp_path, title="Curve", provenance={})
