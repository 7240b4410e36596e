from __future__ import annotations

import pytest

from morelli.errors import MorelliError
from morelli.leaderboard.costs import Curve, Prices, allocate_references, cost_section, curve_of_board, measure_costs
from morelli.report.sections import write_sections

from .._planted_boards import planted

PRICES = Prices({"a": 0.03, "b": 0.01, "free": 0.0}, note="a test")
CURVE = Curve((1, 10, 30), (0.6, 0.8, 0.9), (0.5, 0.7, 0.8), (0.7, 0.9, 0.95))


def test_sentences_say_number_cost_and_what_is_not_reached():
    section = cost_section(measure_costs(PRICES, curve=CURVE, wanted=(0.8, 0.95)))
    first, second = section.findings.sentences
    assert "80% needs 10 references" in first
    assert "$0.4000 for each image" in first
    assert "surely 30" in first
    assert "95% is not reached: 30 references of each of 3 models" in second
    assert "90.0% for $1.20" in second
    assert any("1 of 3 models are taken to cost nothing: free" in note for note in section.findings.notes)
    assert any("Prices: a test." in note for note in section.findings.notes)
    assert section.findings.values["needed"]["0.95"]["best"] is None
    assert section.findings.values["needed"]["0.95"]["at_least"] == {"references": 30, "cost": pytest.approx(1.2)}


def test_costs_alone_claim_no_accuracy():
    section = cost_section(measure_costs(PRICES, references=(2, 5), judged=2))
    assert "is not known without a measured curve" in section.findings.sentences[0]
    assert section.findings.charts == ()
    assert section.long["frontier"].to_pylist()[1]["cost"] == pytest.approx(0.1)
    assert section.long["frontier"]["accuracy"].null_count == 2


def test_frontier_has_a_point_for_each_number_with_its_interval():
    chart = cost_section(measure_costs(PRICES, curve=CURVE)).findings.charts[0]
    points = chart.series[0].points
    assert [p.x for p in points] == pytest.approx([0.04, 0.4, 1.2])
    assert [(p.y, p.low, p.high) for p in points] == [(0.6, 0.5, 0.7), (0.8, 0.7, 0.9), (0.9, 0.8, 0.95)]
    assert chart.log_x
    free = cost_section(measure_costs(Prices({"free": 0.0}), curve=CURVE)).findings.charts[0]
    assert not free.log_x


def test_currencies_and_defaults_are_named():
    section = cost_section(measure_costs(Prices({}, "EUR", 0.5), curve=CURVE, models=("x", "y")))
    assert "30.00 EUR" in section.findings.sentences[0]
    assert any("stands for 2 models that are not listed: x, y" in note for note in section.findings.notes)


def test_whole_sections_can_be_written(tmp_path):
    board = planted()
    prices = Prices({}, default=0.02)
    found = [allocate_references(board, prices, w, references=(1, 3), draws=2) for w in (0.5, 1.0)]
    curve = curve_of_board(board, references=(1, 3), draws=2)
    section = cost_section(
        measure_costs(prices, curve=curve, models=board.models, wanted=(0.5, 1.0), allocations=found)
    )
    for table in section.findings.tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
    write_sections([section], tmp_path, title="t", provenance={})
    assert (tmp_path / "cost-frontier.csv").is_file()
    assert (tmp_path / "figures" / "cost-frontier.svg").is_file()


def test_no_candidates_are_refused():
    with pytest.raises(MorelliError, match="no candidate"):
        measure_costs(Prices({}, default=1.0))
    with pytest.raises(MorelliError, match="1 or more"):
        measure_costs(PRICES, references=(0, 1))
