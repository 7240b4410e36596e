from __future__ import annotations

import pytest

from morelli.leaderboard.target import measure_targets, target_section
from morelli.report.sections import write_sections

from .._planted_boards import planted


@pytest.fixture(scope="module")
def result():
    return measure_targets(planted(), references=(1, 5), draws=2, n_boot=50)


def test_the_first_sentence_has_the_accuracy_with_n_chance_and_interval(result):
    first = target_section(result).findings.sentences[0]
    value = result.nearest.accuracy.value[1, -1]
    low, high = result.nearest.accuracy.interval[1, -1]
    assert f"{value:.1%} ({low:.1%} to {high:.1%})" in first
    assert f"{result.nearest.n[1, -1]:,} decisions" in first
    assert "always saying no: 75.0%" in first


def test_tables_have_as_many_values_as_columns_and_the_papers_figures(result):
    section = target_section(result)
    for table in section.findings.tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}
    text = str(section.findings.tables)
    assert all(figure in text for figure in ("0.9916", "0.926", "0.928", "0.841", "0.916"))


def test_long_tables_hold_every_figure(result):
    long = target_section(result).long
    assert long["nearest"].num_rows == 2 * 5
    assert long["one-class"].num_rows == 4 * 2 * 7 * 5
    assert long["areas"].num_rows == 4 * 2 * 5
    row = long["nearest"].to_pylist()[-1]
    assert row["target"] == "(mean)"
    assert row["accuracy"] == result.nearest.accuracy.value[1, -1]


def test_it_can_be_written_and_gives_the_same_bytes(result, tmp_path):
    for name in ("a", "b"):
        write_sections([target_section(result)], tmp_path / name, title="t", provenance={})
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert any(path.suffix == ".svg" for path in files)
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in files)


def test_one_reference_only_still_makes_a_section(tmp_path):
    section = target_section(measure_targets(planted(), references=(1,), draws=1, n_boot=20))
    assert section.findings.sentences[0].startswith("With 1 reference for each prompt of every model")
    write_sections([section], tmp_path, title="t", provenance={})
