"""The charts of studies as SVG for pages and as PNG for papers."""

from __future__ import annotations

from morelli.report._study_bars import draw_bars
from morelli.report._study_drawing import Drawing, slug
from morelli.report._study_heatmap import draw_heatmap
from morelli.report._study_lines import draw_lines
from morelli.report._study_scatter import draw_scatter
from morelli.report._svg import styled, to_png, to_svg
from morelli.studies.findings import BarChart, Chart, HeatMap, LineChart

__all__ = ["chart_png", "chart_svg"]


@styled()
def chart_svg(chart: Chart) -> str:
    """Draw a chart as an ``<svg>`` element; its ids begin with the chart's name.

    Parameters
    ----------
    chart : LineChart, BarChart, HeatMap or ScatterChart
        Labels may be anything; they are cleaned and escaped.

    Returns
    -------
    str
        The same for the same chart, and without an XML declaration, so that a page can hold it.
    """
    drawing = _draw(chart)
    return to_svg(drawing.figure, f"chart-{slug(chart.name)}", chart.title, drawing.description, drawing.tips)


@styled()
def chart_png(chart: Chart) -> bytes:
    """Draw a chart as PNG on white, two pixels for each unit of the SVG; the same bytes for the same chart."""
    return to_png(_draw(chart).figure)


def _draw(chart: Chart) -> Drawing:
    if isinstance(chart, LineChart):
        return draw_lines(chart)
    if isinstance(chart, BarChart):
        return draw_bars(chart)
    if isinstance(chart, HeatMap):
        return draw_heatmap(chart)
    return draw_scatter(chart)
