from __future__ import annotations

import numpy as np
import pytest

from morelli.audit.versions import Usage, Used, advice_section, advise
from morelli.report.sections import sections_json

from ._curves import planted
from .test_advising import known


def told(advice):
    section = advice_section(advice)
    sections_json([section], title="x", provenance={})  # every value can be written
    for table in section.findings.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    return section.findings


def test_the_first_sentence_is_the_conclusion():
    lost = np.array([0.005] * 3 + [0.7] * 3 + [0.3] * 14)
    advice = advise(known(20), curve=planted(1, prompts=40, lost=lost, b=0.5)[0])
    words = [one.advice for one in advice.classes]
    below = words.count("more") + words.count("far")
    findings = told(advice)
    assert findings.sentences[0] == (
        "The target is that 80 of 100 images of a candidate are named right. Of 20 candidates "
        f"{words.count('enough')} reach it and {below} do not; for {words.count('cannot say')} there are too few "
        "images to say."
    )
    text = " ".join(findings.sentences)
    assert "with 80, twice as many as there are" in text and "Doubling references takes away" in text
    assert "Below the target: model" in text and "(has 40, needs" in text
    assert [row[0] for row in findings.tables[0].rows] == [one.name for one in advice.classes]
    assert len(findings.charts[0].bars) == 20 and not findings.unanswered


def test_names_out_of_reach_are_listed_with_their_rivals():
    findings = told(advise(known(20), curve=planted(2, prompts=30, lost=0.9, b=0.1)[0]))
    sentence = next(one for one in findings.sentences if one.startswith("Even 240 references"))
    assert sentence.count("taken for") == 6 and ", and 14 more" in sentence
    assert {row[4] for row in findings.tables[0].rows} == {"out of reach"}
    assert "over 240" in {value for row in findings.tables[0].rows for value in row}


def test_nothing_is_promised_where_errors_do_not_fall():
    text = " ".join(told(advise(known(20), curve=planted(0, b=-0.4)[0])).sentences)
    assert "Whether more references help at all cannot be told" in text and "foreseen (" not in text


def test_without_references_there_are_no_empty_columns(desk):
    findings = told(advise(desk.late))
    names = [column.name for column in findings.tables[0].columns]
    assert not {"foreseen", "needed", "gained", "gained_low"} & set(names) and {"recall", "to_know"} <= set(names)
    assert not any("power of their number" in note for note in findings.notes)
    assert "--catalog" in findings.notes[0]


@pytest.mark.parametrize("prompts", [5, 12])
def test_how_many_images_it_takes_to_know(prompts):
    curve, _ = planted(4, lost=0.2, prompts=prompts)
    advice = advise(known(20), curve=curve)
    of = [one for one in advice.classes if one.advice == "cannot say"]
    assert of
    sentence = next(one for one in told(advice).sentences if one.startswith("Whether"))
    assert f"the {len(of)} others" in sentence or len(of) == 1
    assert "images" in sentence


def test_use_is_told(desk):
    name = desk.early.classes[1]
    usage = Usage({name: Used(8, 2, "a rival")}, 10, 2, 0, 0)
    findings = told(advise(desk.early, usage=usage))
    assert "In use, 2 of 10 verdicts are unknown." in findings.sentences
    assert findings.tables[1].rows == ((name, 8, 2, 0.25, "a rival"),)
    assert len(told(advise(desk.early)).tables) == 1
