from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import pytest

from morelli.report import figures
from morelli.trials import summarise


def draw_all(p, m):
    return {
        "confusion": figures.confusion_figure(m),
        "reliability": figures.reliability_figure(m),
        "risk": figures.risk_coverage_figure(p, m),
        "sets": figures.set_size_figure(p),
        "families": figures.family_figure(m),
        "openset": figures.open_set_figure(p, m),
    }


@pytest.fixture(scope="module")
def trial(make_predictions):
    p = make_predictions(200, 8, 3, skill=0.5)
    return p, summarise(p, 0.12)


def test_figures_are_sound_deterministic_and_named(trial):
    first, second = draw_all(*trial), draw_all(*trial)
    assert first == second
    ids: list[str] = []
    for name, svg in first.items():
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        found = [element.get("id") for element in root.iter() if element.get("id")]
        assert all(i.startswith(f"{name}-") for i in found)
        ids += found
        assert "var(--accent, #1f5f99)" in svg
        assert "metadata" not in svg and "<image" not in svg
    assert len(ids) == len(set(ids))


def test_the_users_own_matplotlib_settings_neither_leak_in_nor_out(trial):
    expected = draw_all(*trial)
    mine = {"font.size": 30.0, "axes.facecolor": "red", "svg.fonttype": "path", "lines.linewidth": 9.0}
    with matplotlib.rc_context(mine):
        assert draw_all(*trial) == expected
        assert matplotlib.rcParams["font.size"] == 30.0
        assert matplotlib.rcParams["svg.fonttype"] == "path"


def test_confusion_shows_counts_up_to_twelve_candidates(make_predictions):
    for k, numbers in ((12, True), (13, False)):
        m = summarise(make_predictions(200, k, 4))
        root = ElementTree.fromstring(figures.confusion_figure(m))
        words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
        assert (str(m.confusion[0][0]) in words) == numbers or not numbers
        tips = [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")][1:]
        assert len(tips) == sum(count > 0 for row in m.confusion for count in row)


def test_confusion_puts_relatives_together(make_predictions):
    names = ["z1", "a1", "z2", "lone", "a2", "z3"]
    p = make_predictions(60, 6, names=names, lineages=["Z", "A", "Z", None, "A", "Z"])
    root = ElementTree.fromstring(figures.confusion_figure(summarise(p)))
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text") if e.text in names]
    assert words == ["z1", "z2", "z3", "a1", "a2", "lone"] * 2


def test_importing_the_report_does_not_import_matplotlib():
    code = "import sys, morelli.report; print([m for m in ('matplotlib', 'jinja2', 'PIL', 'rich') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
