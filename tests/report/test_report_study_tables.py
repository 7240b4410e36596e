from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from morelli.report._study_tables import FORMULA, shown, table_csv, table_latex, table_markdown, table_rich
from morelli.report._text import clean
from morelli.studies.findings import Column, Table

from .study_results import TABLE

ANYTHING = st.text(st.characters(), max_size=40)


def one_cell(text: str) -> Table:
    return Table("t", "T", (Column("a", "a"), Column("b", "b")), ((text, text),))


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (0.6234, "share", "62"),
        (0.024, "share", "2.4"),
        (-0.024, "share", "−2.4"),
        (0.031, "difference", "+3.1"),
        (-0.031, "difference", "−3.1"),
        (12345, "count", "12345"),
        (12345.0, "count", "12345"),
        (1.236, "number", "1.24"),
        (0.5, "p", "0.50"),
        (0.031, "p", "0.03"),
        (0.0042, "p", "0.004"),
        (0.00099, "p", "<0.001"),
        (0.0, "p", "<0.001"),
        (None, "share", "–"),
        (float("nan"), "share", "–"),
        (float("inf"), "number", "–"),
        ("all", "count", "all"),
        (True, "text", "yes"),
        (False, "text", "no"),
        (3, "text", "3"),
        (0.123456, "text", "0.1235"),
        (np.float64(0.5), "share", "50"),
        (np.int64(1200), "count", "1200"),
    ],
)
def test_shown(value, kind, expected):
    assert shown(value, kind) == expected


def test_thin_spaces():
    assert shown(1234567, "count", thin=True) == "1\u202f234\u202f567"


def test_csv_is_raw():
    rows = list(csv.reader(io.StringIO(table_csv(TABLE))))
    assert rows[0] == [column.name for column in TABLE.columns]
    assert rows[1] == ["fused", "12345", "0.6234567890123", "-0.0312", "1.23456", "0.03123", "true"]
    assert rows[2] == ["knn", "7", "", "0.1", "", "0.0002", "false"]
    numpy = Table("t", "T", (Column("a", "a"),), ((np.float64(0.1),), (np.int64(3),), (float("nan"),)))
    assert table_csv(numpy) == "a\n0.1\n3\n\n"


@given(ANYTHING)
def test_csv_can_be_read_and_runs_nothing(text):
    rows = list(csv.reader(io.StringIO(table_csv(one_cell(text)), newline="")))
    assert len(rows) == 2
    assert rows[1][0] == rows[1][1]
    assert not rows[1][0].startswith(FORMULA)
    assert rows[1][0].removeprefix("'") == clean(text).removeprefix("'") if text else rows[1][0] == ""


def test_markdown():
    lines = table_markdown(TABLE).splitlines()
    assert lines[0] == "**Accuracy of each attributor**"
    assert lines[3] == "| --- | ---: | ---: | ---: | ---: | ---: | --- |"
    assert lines[4] == "| fused | 12345 | 62 | −3.1 | 1.23 | 0.03 | yes |"
    assert lines[-1] == "Of 100 images."


@given(ANYTHING)
def test_markdown_keeps_its_cells(text):
    lines = table_markdown(one_cell(text)).split("\n")
    assert len(lines) == 6
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[4])) == 3, "a pipe of the text would be a cell of its own"
    assert not re.search(r"(?<!\\)(?:\\\\)*[<`*_\[]", lines[4])


def test_latex():
    text = table_latex(TABLE)
    assert r"\begin{tabular}{lrrrrrl}" in text
    assert r"fused & 12345 & 62 & $-$3.1 & 1.23 & 0.03 & yes \\" in text
    assert r"knn & 7 & -- & +10.0 & -- & \textless{}0.001 & no \\" in text
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [
        ("&%$#_{}", r"\&\%\$\#\_\{\}"),
        ("~^\\", r"\textasciitilde{}\textasciicircum{}\textbackslash{}"),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("[2cm]*", "{[}2cm{]}{*}"),
        ("a--b---c", "a-{}-b-{}-{}-c"),
        ("a\nb\r\n c", "a b c"),
    ],
)
def test_latex_escapes(raw, escaped):
    assert f"{escaped} & {escaped} " + r"\\" in table_latex(one_cell(raw))


@given(ANYTHING)
def test_latex_runs_nothing(text):
    line = table_latex(one_cell(text)).split("\n")[9]
    allowed = r"\\[{}&%$#_,]|\\(?:text\w+|ldots)\{\}|\$(?:-|\\\w+)\$|\{[\[\]*]\}|-\{\}|[^\\{}&%$#_^]"
    cell = rf"(?:{allowed})*"
    assert re.fullmatch(rf"{cell} & {cell} \\\\", line), line


def test_terminal_reads_no_markup():
    console = Console(width=100, file=io.StringIO())
    console.print(table_rich(one_cell("[red]x[/red] \x1b[31m")))
    assert "[red]x[/red]" in console.file.getvalue()
    assert "\x1b" not in console.file.getvalue()
