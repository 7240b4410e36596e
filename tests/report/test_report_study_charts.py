from __future__ import annotations

import io
import re
import time
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from morelli.report._study_charts import chart_png, chart_svg
from morelli.report._study_drawing import slug, spread
from morelli.report._study_lines import ticks_apart
from morelli.studies.findings import Bar, BarChart, HeatMap, Level, LineChart, Point, ScatterChart, Series

from .pages import EVIL
from .study_results import BARS, HEAT, LINES, SCATTER

CHARTS = (LINES, BARS, HEAT, SCATTER)
NAN = float("nan")


def words(svg: str) -> list[str]:
    return [e.text for e in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text") if e.text]


def tips(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")][1:]


def check(chart) -> str:
    """Draw a chart in both ways; return the SVG."""
    svg = chart_svg(chart)
    root = ElementTree.fromstring(svg)
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert all(name.startswith(f"chart-{slug(chart.name)}-") for name in ids)
    image = Image.open(io.BytesIO(chart_png(chart)))
    image.load()
    assert image.size == pytest.approx((2 * float(root.get("width")), 2 * float(root.get("height"))), abs=1.5)
    assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    return svg


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_drawn_alike_twice(chart):
    assert check(chart) == chart_svg(chart)
    png = chart_png(chart)
    assert png == chart_png(chart)
    assert Image.open(io.BytesIO(png)).text == {}, "nothing but pixels: no date, no program"


def test_lines_say_whose_they_are():
    svg = check(LINES)
    assert "ConvNeXt (paper)" in words(svg)
    assert "fused" in words(svg)
    assert "fused: a law" in words(svg)
    assert "chance 5.0" in words(svg)
    assert "right model, of 100" in words(svg)
    assert {"5", "10", "20"} <= set(words(svg)), "ticks stand at the data"
    assert "stroke-dasharray" in svg
    assert "fused, 5: 41, interval 35–47" in tips(svg)
    assert "ConvNeXt (paper), 20: 70" in tips(svg)
    assert len(tips(svg)) == 8, "a fitted curve has no marks"


def test_bars_say_whose_they_are():
    svg = check(BARS)
    assert "untouched (paper)" in words(svg)
    assert words(svg).count("untouched") == 1
    assert {"pixels", "lossy", "structure", "container 7.0", "–"} <= set(words(svg))
    assert "url(#chart-views-" in svg, "a paper's bar is hatched"
    assert "untouched: 81, interval 77–85" in tips(svg)


def test_matrix():
    svg = check(HEAT)
    assert {"90", "12", "80", "–", "trained ↓", "judged →"} <= set(words(svg)) | {"12"}
    assert "a, b: 12" in tips(svg)
    assert len(tips(svg)) == 3
    signed = check(replace(HEAT, signed=True, values=((0.1, -0.2), (None, 0.0))))
    assert {"+10.0", "−20.0", "+0.0", "–", "+20.0 points"} <= set(words(signed))
    assert "var(--error, #c24e16)" in signed


def test_large_matrix_has_words_on_hovering_only():
    k = 40
    values = tuple(tuple(0.6 if i == j else 0.01 * ((i * j) % 3) for j in range(k)) for i in range(k))
    names = tuple(f"some-studio/some-very-long-model-name-{i}-of-forty" for i in range(k))
    svg = check(HeatMap("m", "M", "true", "answered", names, names, values))
    assert "60" not in words(svg)
    assert f"{names[3]}, {names[3]}: 60" in tips(svg)
    assert all(len(word) <= 40 for word in words(svg))
    assert len(svg) < 600_000


def test_huge_matrix_is_a_few_shapes():
    k = 120
    rng = np.random.default_rng(0)
    values = tuple(tuple(float(v) for v in row) for row in rng.random((k, k)).round(1))
    names = tuple(f"m{i}" for i in range(k))
    svg = check(HeatMap("m", "M", "", "", names, names, values))
    assert tips(svg) == []
    assert svg.count("<path") < 300


def test_points_have_names():
    svg = check(SCATTER)
    assert {"a", "b"} <= set(words(svg))
    assert tips(svg) == ["a: 0.1, -2", "b: 1.5, 3.25"]
    many = replace(SCATTER, points=tuple((f"model {i}", i * 0.7 % 3, i * 0.3 % 2) for i in range(200)))
    svg = check(many)
    assert "model 3" not in words(svg)
    assert len(tips(svg)) == 200
    crowd = check(replace(SCATTER, points=tuple((f"the same place {i}", 1.0, 1.0) for i in range(40))))
    named = sum(word.startswith("the same place") for word in words(crowd))
    assert any(word == f"{40 - named} names have no room beside the point" for word in words(crowd))


@pytest.mark.parametrize(
    "chart",
    [
        replace(LINES, series=()),
        replace(LINES, series=(Series("a", ()),)),
        replace(LINES, series=(Series("a", (Point(1.0, NAN), Point(NAN, 0.5))),)),
        replace(BARS, bars=()),
        replace(BARS, bars=(Bar("a", None),)),
        replace(HEAT, rows=(), values=()),
        replace(HEAT, columns=(), values=((), ())),
        replace(SCATTER, points=()),
    ],
)
def test_nothing_to_draw_is_said(chart):
    assert any(word.startswith("Nothing to draw: ") for word in words(check(chart)))


@pytest.mark.parametrize(
    "chart",
    [
        LineChart("one", "O", "x", "y", (Series("a", (Point(3.0, 0.0),)),)),
        LineChart("one", "O", "x", "y", (Series("a", (Point(3.0, 1.0),)),), log_x=True),
        LineChart("zero", "O", "noise", "y", (Series("a", (Point(0.0, 0.5), Point(30.0, 0.1))),), log_x=True),
        LineChart("zeros", "O", "noise", "y", (Series("a", (Point(0.0, 0.5),)),), log_x=True),
        LineChart("down", "O", "x", "y", (Series("a", (Point(-1.0, -0.5), Point(1.0, -0.1, -0.2, 0.0))),)),
        LineChart("nats", "O", "x", "log loss", (Series("a", (Point(1.0, 2.5), Point(2.0, 1.5))),), (Level("all", 3),)),
        LineChart("law", "O", "x", "y", (Series("a law alone", (Point(1.0, 0.2), Point(2.0, 0.3)), fitted=True),)),
        LineChart("paper", "O", "x", "y", (Series("theirs (paper)", (Point(1.0, 0.2),), paper=True),)),
        LineChart("part", "O", "x", "y", (Series("a", (Point(1.0, 0.2, 0.1), Point(2.0, 0.2, NAN, NAN))),)),
        BarChart("one", "O", "x", (Bar("a", 0.0),)),
        BarChart("down", "O", "x", (Bar("a", -0.3, -0.4, -0.1), Bar("b", 0.02)), (Level("none", 0.0),)),
        BarChart("levels", "O", "x", (Bar("a", 0.1),), tuple(Level(f"level {i}", 0.05) for i in range(9))),
        HeatMap("one", "O", "", "", ("a",), ("b",), ((None,),)),
        HeatMap("still", "O", "", "", ("a",), ("b",), ((0.0,),), signed=True),
        HeatMap("tall", "O", "r", "c", tuple(f"r{i}" for i in range(300)), ("c",), ((0.5,),) * 300),
        HeatMap("wide", "O", "r", "c", ("r",), tuple(f"c{i}" for i in range(300)), ((0.5,) * 300,)),
        ScatterChart("one", "O", "x", "y", (("a", 0.0, 0.0),)),
    ],
    ids=lambda chart: f"{type(chart).__name__}-{chart.name}",
)  # fmt: skip
def test_odd_shapes(chart):
    check(chart)


def test_losses_are_not_out_of_100():
    chart = LineChart(
        "n", "N", "x", "log loss", (Series("a", (Point(1.0, 2.5), Point(2.0, 1.5))),), (Level("guess", 3.7),)
    )
    svg = chart_svg(chart)
    assert "log loss" in words(svg)
    assert "guess 3.7" in words(svg)
    assert "250" not in words(svg)


def test_many_lines_and_points():
    points = tuple(Point(float(x), 0.5 + 0.001 * x, 0.4, 0.9) for x in range(200))
    lines = LineChart("n", "N", "x", "y", tuple(Series(f"line {i}", points[i:]) for i in range(25)))
    svg = check(lines)
    assert {f"line {i}" for i in range(25)} <= set(words(svg))
    assert tips(svg) == []


def test_hundreds_of_bars():
    started = time.perf_counter()
    svg = check(BarChart("n", "N", "x", tuple(Bar(f"bar {i}", i / 400) for i in range(400))))
    assert len(tips(svg)) == 400
    assert time.perf_counter() - started < 60
    long = chart_svg(BarChart("n", "N", "x", tuple(Bar(f"bar {i}", 0.5) for i in range(1003))))
    assert "and 3 more, see the table" in words(long)


@pytest.mark.parametrize("label", [EVIL, "$x_{1$ & %", "a\nb\x00", "x" * 200, "模型 é 🙂", "\ud800", "", "\\frac"])
def test_labels_of_strangers(label):
    for chart in (
        LineChart("n", label, label, label, (Series(label, (Point(1.0, 0.5),), paper=True),), (Level(label, 0.1),)),
        BarChart("n", label, label, (Bar(label, 0.5, group=label), Bar(label, 0.5, paper=True)), (Level(label, 0.1),)),
        HeatMap("n", label, label, label, (label,), (label,), ((0.5,),)),
        ScatterChart("n", label, label, label, ((label, 0.0, 1.0), (label, 1.0, 0.0))),
    ):
        svg = check(chart)
        assert "<script" not in svg
        if 0 < len(label) < 20 and label.isprintable():
            assert any(label in word for word in words(svg)), "shown as it is, not as mathematics"


def test_names_of_figures_do_not_run():
    svg = chart_svg(replace(SCATTER, name='"><script>x'))
    assert 'id="chart-script-x-title"' in svg


@given(st.lists(st.floats(0, 360), max_size=12), st.floats(1, 20))
def test_spread_law(places, distance):
    found = spread(places, distance, 0.0, 360.0)
    order = sorted(range(len(places)), key=lambda i: places[i])
    stood = [found[i] for i in order]
    assert all(b - a >= distance - 1e-6 for a, b in pairwise(stood)), "apart, and in order"
    assert not stood or (stood[0] >= -1e-6 and stood[-1] <= 360.0 + 1e-6)
    if all(places[b] - places[a] >= distance for a, b in pairwise(order)):
        assert found == pytest.approx(places), "nothing moves that need not"


@given(st.lists(st.tuples(st.floats(0, 700), st.floats(5, 60)), min_size=1, max_size=40))
def test_ticks_law(ticks):
    ticks = sorted(ticks)
    places, widths = [p for p, _ in ticks], [w for _, w in ticks]
    kept = ticks_apart(places, widths, 10.0)
    assert kept == sorted(set(kept))
    assert len(places) - 1 in kept
    assert all(places[b] - places[a] >= (widths[a] + widths[b]) / 2 + 10.0 for a, b in pairwise(kept))


def test_colours_follow_the_page():
    """Every colour that the page redefines for the dark is a variable; so is that of hatches."""
    for chart in CHARTS:
        bare = re.sub(r"var\(--[a-z-]+, #[0-9a-f]{6}\)", "", chart_svg(chart))
        assert not re.search("#22262b|#666c75|#dcd9d1|#1f5f99", bare), chart.name
