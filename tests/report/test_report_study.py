from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from morelli.report import _findings
from morelli.report.study import render_study, study_headline, study_table, study_to_dict, write_study
from morelli.studies.findings import BarChart, HeatMap, LineChart, ScatterChart

from .pages import EVIL, check_self_contained
from .study_results import BARS, HEAT, LINES, SCATTER, TABLE, make_result, rename

FILES = sorted(
    ["study.html", "study.json"]
    + [f"{name}.{suffix}" for name in ("cells", "classes", "confusion", "predictions") for suffix in ("csv", "parquet")]
    + [f"figures/{name}.{suffix}" for name in ("scaling", "views", "domains", "map") for suffix in ("svg", "png")]
    + [f"tables/accuracy.{suffix}" for suffix in ("csv", "md", "tex")]
)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def page_text(result):
    return re.sub(r"[ \n]+", " ", "".join(check_self_contained(render_study(result), FILES).text))


def test_all_files(tmp_path):
    folder = tmp_path / "a new folder" / "é"
    paths = write_study(make_result(), folder)
    assert files(folder) == FILES
    assert sorted(path.relative_to(folder).as_posix() for path in paths) == FILES
    assert paths[0].name == "study.html"


def test_same_bytes(tmp_path):
    for folder in ("one", "two"):
        write_study(make_result(), tmp_path / folder)
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_json_holds_the_same_numbers(tmp_path):
    write_study(make_result(), tmp_path)
    text = (tmp_path / "study.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    found = json.loads(text)
    assert found["schema_version"] == 1
    assert [row[2] for row in found["findings"]["tables"][0]["rows"]] == [0.6234567890123, None]
    charts = found["findings"]["charts"]
    assert [chart["kind"] for chart in charts] == ["line", "bar", "heat", "scatter"]
    assert charts[0]["series"][0]["points"][2] == {"x": 20, "y": 0.61, "low": 0.57, "high": 0.65}
    assert charts[0]["series"][3]["paper"] is True
    assert charts[2]["values"] == [[0.9, 0.125], [None, 0.8]]
    assert found["findings"]["values"] == {"accuracy": {"fused": 0.61, "undefined": None}}
    assert found["provenance"]["command"] == "morelli study scaling gallery --seeds 3"
    assert found["provenance"]["environment"] == {"python": "3.11.9", "numpy": "2.1.0"}
    assert found["provenance"]["options"] == {"references": [5, 10], "log": None}
    files_listed = found.pop("files")
    assert set(files_listed) == {name for name in FILES if "/" in name}
    assert found == study_to_dict(make_result())


def test_figures_on_their_own_need_no_page(tmp_path):
    """Programs other than browsers know no variables; the page's figures follow its colours."""
    write_study(make_result(), tmp_path)
    for name in ("scaling", "views", "domains", "map"):
        svg = (tmp_path / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        assert "var(" not in svg
        assert "#22262b" in svg
    assert "var(--ink, #22262b)" in (tmp_path / "study.html").read_text(encoding="utf-8").split("<svg", 1)[1]


def test_long_tables(tmp_path):
    result = make_result()
    write_study(result, tmp_path)
    for name in ("cells", "confusion", "predictions"):
        assert pq.read_table(tmp_path / f"{name}.parquet").equals(getattr(result, name))
    with (tmp_path / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [json.loads(row["proba"]) for row in rows] == [[0.75, 0.25], [0.5, 0.5]]
    with (tmp_path / "classes.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["precision"] for row in csv.DictReader(stream)] == ["0.5", "0.25", "", "1"]


def test_long_tables_of_all_types(tmp_path):
    odd = pa.table(
        {
            "label": pa.array(["=1+1", "-3", 'a,"b"\n', None]).dictionary_encode(),
            "nothing": pa.nulls(4),
            "yes": [True, False, None, True],
            "loss": pa.array([0.1, float("nan"), None, 1e-9], pa.float32()),
        }
    )
    empty = pa.table({})
    write_study(make_result(cells=odd, classes=empty, confusion=empty, predictions=odd.slice(0, 0)), tmp_path)
    with (tmp_path / "cells.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["label"] for row in rows] == ["'=1+1", "'-3", 'a,"b"\n', ""]
    assert [row["loss"] for row in rows] == ["0.1", "", "", "1e-9"]
    assert pq.read_table(tmp_path / "cells.parquet")["label"].to_pylist()[0] == "=1+1"


def test_page():
    result = make_result()
    text = render_study(result)
    page = check_self_contained(text, FILES)
    assert text == render_study(result)
    assert len(page.all("svg")) == 4
    assert len(page.all("details")) == 3
    linked = {attrs["href"] for attrs in page.all("a")}
    assert {name for name in FILES if name != "study.html"} <= linked, "every file is reached from the page"
    said = page_text(result)
    for words in (
        "fused names 61 of 100 right.",
        "knn names 33.",
        "1\u202f234 images",
        "3 seeds from 7 on",
        "over whole prompts",
        "Follows A paper, figure 3.",
        "is the paper’s own figure",
        "12\u202f345",
        "morelli study scaling gallery --seeds 3",
        "c0ffee" * 10 + "beef",
        "2.1.0",
        "These images, these models.",
    ):
        assert words in said, words
    assert "missing" not in said
    assert "Prompts are not known" not in said


def test_page_says_what_is_wanting():
    result = make_result(
        missing=("knn at 40 references: a model has only 30.",), n_missing=12, findings_charts=(HEAT,), paper=""
    )
    said = page_text(replace(result, provenance=replace(result.provenance, prompt_known=False)))
    assert "12 trials are missing" in said  # for one reason
    assert "knn at 40 references: a model has only 30." in said
    assert "Prompts are not known" in said
    assert "over whole near-duplicate clusters" in said
    assert "paper’s own" not in said


def test_study_without_findings(tmp_path):
    nothing = {f"findings_{name}": () for name in ("sentences", "tables", "charts", "notes")}
    result = make_result(cells=pa.table({}), classes=pa.table({}), findings_values=None, **nothing)
    assert study_headline(result) == "Nothing could be measured: no trial of this study has a result."
    assert study_table(result) is None
    assert "Nothing could be measured" in page_text(result)
    write_study(result, tmp_path)
    assert [name for name in files(tmp_path) if "/" in name] == []


@pytest.mark.parametrize("label", [EVIL, "$x_{1$", "a|b\n\r\x00`", "x" * 200, "模型 é 🙂", "\ud800", "", " "])
def test_hostile_labels(tmp_path, label):
    result = rename(make_result(), label)
    write_study(result, tmp_path)
    text = (tmp_path / "study.html").read_text(encoding="utf-8")
    check_self_contained(text, FILES)
    assert EVIL not in text
    json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))
    Console(file=io.StringIO(), width=100).print(study_table(result))


def test_large_study_keeps_its_page_small():
    """Many cells, classes and rows: the page says how many are left out, and where they are."""
    n = 3000
    cells = pa.table({"attributor": [f"a{i}" for i in range(n)], "accuracy": [0.5] * n})
    classes = pa.table(
        {
            "attributor": [f"a{i}" for i in range(n) for _ in range(30)],
            "label": [f"model {k}" for _ in range(n) for k in range(30)],
            "recall": [0.5] * (n * 30),
        }
    )
    table = replace(TABLE, rows=TABLE.rows * 1000)
    result = make_result(
        cells=cells, classes=classes, findings_tables=(table,), missing=("one trial failed",) * 500, n_missing=500
    )
    text = render_study(result)
    assert len(text) < 600_000
    said = page_text(result)
    assert "The first 200 of 3\u202f000 cells; all are in cells.csv" in said
    assert "The first 13 cells of 3\u202f000, 390 of 90\u202f000 rows; all are in classes.csv" in said
    assert "The first 200 of 2\u202f000 rows; all are in the files." in said
    assert "The first 100 of 500" in said


def test_one_huge_cell():
    classes = pa.table({"attributor": ["a"] * 900, "label": [f"m{i}" for i in range(900)]})
    said = page_text(make_result(cells=pa.table({"attributor": ["a"]}), classes=classes))
    assert "The first cell of 1, 400 of 900 rows" in said


def test_figures_that_are_too_large_are_linked(monkeypatch):
    monkeypatch.setattr(_findings, "_FIGURES_UP_TO", 12_000)
    page = check_self_contained(render_study(make_result()), FILES)
    assert 0 < len(page.all("svg")) < 4
    assert "This figure is large, and not in the page." in "".join(page.text)
    assert "figures/scaling.svg" in {attrs["href"] for attrs in page.all("a")}


def test_what_an_earlier_study_left_is_removed(tmp_path):
    write_study(make_result(), tmp_path)
    own = [tmp_path / "figures" / "own.png", tmp_path / "tables" / "own.txt", tmp_path / "figures" / "domains.pdf"]
    for path in own:
        path.write_text("mine")
    write_study(make_result(findings_charts=(LINES,), findings_tables=()), tmp_path)
    left = [name for name in files(tmp_path) if "/" in name]
    assert left == [
        "figures/domains.pdf",
        "figures/own.png",
        "figures/scaling.png",
        "figures/scaling.svg",
        "tables/own.txt",
    ]


@pytest.mark.parametrize(
    "listing",
    [
        "not json",
        "[]",
        '{"files": 3}',
        "[" * 100_000,
        '{"files": ["../keep.svg", "figures/../../keep.svg", "keep.svg", "/keep.svg", 3, "figures/keep.pdf"]}',
        '{"files": ["figures/gone.svg"]}',
    ],
)
def test_a_strangers_listing_removes_nothing_else(tmp_path, listing):
    folder = tmp_path / "study"
    (folder / "figures").mkdir(parents=True)
    kept = [tmp_path / "keep.svg", folder / "keep.svg", folder / "figures" / "keep.pdf"]
    for path in kept:
        path.write_text("mine")
    (folder / "study.json").write_text(listing)
    write_study(make_result(), folder)
    assert all(path.read_text() == "mine" for path in kept)


def test_what_cannot_be_drawn_leaves_the_study_before_whole(tmp_path):
    write_study(make_result(), tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    broken = replace(TABLE, name="broken", rows=(("too", "short"),))
    with pytest.raises(ValueError, match="zip"):
        write_study(make_result(findings_tables=(broken,)), tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_names_become_file_names_each_once(tmp_path):
    charts = (replace(HEAT, name="../Views: jpeg"), replace(HEAT, name="views-jpeg"), replace(HEAT, name="…"))
    write_study(make_result(findings_charts=charts, findings_tables=()), tmp_path)
    found = [name for name in files(tmp_path) if name.endswith(".svg")]
    assert found == ["figures/unnamed.svg", "figures/views-jpeg-2.svg", "figures/views-jpeg.svg"]
    check_self_contained((tmp_path / "study.html").read_text(encoding="utf-8"), files(tmp_path))


def test_terminal():
    console = Console(width=140, file=io.StringIO())
    console.print(study_table(make_result()))
    line = next(line for line in console.file.getvalue().splitlines() if line.strip().startswith("fused"))
    assert line.split() == ["fused", "12", "345", "62", "−3.1", "1.23", "0.03", "yes"]
    assert study_headline(make_result()) == "fused names 61 of 100 right."


def test_every_kind_of_chart_is_here():
    assert {type(chart) for chart in (LINES, BARS, HEAT, SCATTER)} == {LineChart, BarChart, HeatMap, ScatterChart}
